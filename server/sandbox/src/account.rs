//! The unprivileged user that runs the servers when we are root.

use crate::{Error, Result, error::Context};
use nix::unistd::{Uid, User};
use std::{
    fs,
    os::unix::fs::{MetadataExt, lchown},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Whom the servers run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    /// False where the servers run as we do.
    other: bool,
}

impl Account {
    /// Ourselves, or for root the user `postgres`, or `nobody`.
    pub(crate) fn for_servers() -> Result<Self> {
        let me = Uid::effective();
        if !me.is_root() {
            return Ok(Self { uid: me.as_raw(), gid: nix::unistd::Gid::effective().as_raw(), other: false });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), other: true })
            .ok_or(Error::NoAccount)
    }

    /// Makes a command run as this account. Supplementary groups are dropped too (std does so for root).
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.other {
            command.gid(self.gid).uid(self.uid);
        }
    }

    /// Gives a folder and all in it to this account; symbolic links are not followed.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if !self.other {
            return Ok(());
        }
        let metadata = fs::symlink_metadata(path).on("read", path)?;
        if metadata.uid() != self.uid {
            lchown(path, Some(self.uid), Some(self.gid)).on("change the owner of", path)?;
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path).on("list", path)? {
                self.own(&entry.on("list", path)?.path())?;
            }
        }
        Ok(())
    }

    /// The first parent that this account may not enter, if any.
    pub(crate) fn barrier(&self, path: &Path) -> Option<PathBuf> {
        if !self.other {
            return None;
        }
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        parents.into_iter().rev().find(|parent| !self.may_enter(parent)).map(Path::to_path_buf)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        fs::metadata(folder).is_ok_and(|m| {
            let bit = match (m.uid() == self.uid, m.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            m.mode() & bit != 0
        })
    }
}
