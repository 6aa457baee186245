//! `data_dir` and `state_url`: where users, history and audit are kept.

use super::{ConfigError, section::Section, value};
use std::path::{Path, PathBuf};

/// The file inside the data directory.
const FILE: &str = "headroom.sqlite";

pub(super) fn read(root: &Section<'_>, flag: Option<PathBuf>) -> Result<(PathBuf, String), ConfigError> {
    let written = root.value("data_dir", &value::text())?.map(PathBuf::from);
    let data_dir = flag.or(written).unwrap_or_else(|| default_dir(|name| root.env(name)));
    let kind = value::form("sqlite:<path>, or postgres://… of a database that the console may write to", is_store);
    let state_url = match root.secret("state_url", &kind)? {
        Some(url) => url,
        None => sqlite_url(&data_dir),
    };
    Ok((data_dir, state_url))
}

fn is_store(url: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The state store inside a data directory.
#[must_use]
pub fn sqlite_url(data_dir: &Path) -> String {
    format!("sqlite:{}", data_dir.join(FILE).display())
}

/// Where the system keeps a service's or a person's data: systemd's StateDirectory, then XDG.
fn default_dir(env: impl Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name: &str| {
        // systemd lists several directories with colons; the first is ours.
        let first = env(name)?.split(':').next().map(PathBuf::from)?;
        first.is_absolute().then_some(first)
    };
    set("STATE_DIRECTORY")
        .or_else(|| set("XDG_DATA_HOME").map(|home| home.join("headroom")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/headroom")))
        .unwrap_or_else(|| PathBuf::from("headroom-data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_follows_the_system() {
        let dir = |pairs: &[(&str, &str)]| {
            default_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(dir(&[home]), Path::new("/home/ada/.local/share/headroom"));
        assert_eq!(dir(&[home, ("XDG_DATA_HOME", "/data")]), Path::new("/data/headroom"));
        assert_eq!(dir(&[home, ("STATE_DIRECTORY", "/var/lib/headroom:/var/lib/x")]), Path::new("/var/lib/headroom"));
        assert_eq!(dir(&[("HOME", "relative")]), Path::new("headroom-data"));
    }
}
