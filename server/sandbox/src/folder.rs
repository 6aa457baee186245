//! The folder of one server: temporary or given, ours alone while we run.

use crate::{Error, Result, account::Account, error::Context};
use std::{
    env,
    fs::{self, File, Permissions, TryLockError},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const LOCK: &str = "sandbox.lock";

/// A folder that the servers' account owns and that is locked for as long as this value lives. The kernel frees the
/// lock when we end in whatever way, so a lock never goes stale.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    temporary: bool,
    _lock: File,
}

impl Folder {
    /// Opens the given folder, creating it if need be, or makes a temporary one.
    pub(crate) fn open(given: Option<&Path>, account: Account) -> Result<Self> {
        let (path, temporary) = match given {
            Some(path) => {
                fs::create_dir_all(path).on("create", path)?;
                (path.canonicalize().on("read", path)?, false)
            }
            None => (make_temporary(account)?, true),
        };
        if let Some(barrier) = account.barrier(&path) {
            return Err(Error::FolderUnreachable { folder: path, barrier });
        }
        let lock_path = path.join(LOCK);
        let lock =
            File::options().create(true).truncate(false).write(true).open(&lock_path).on("create", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::FolderInUse { folder: path }),
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { action: "lock", path: lock_path, source });
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).on("close off", &path)?;
        account.own(&path)?;
        Ok(Self { path, temporary, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Removes a temporary folder; a given one stays.
    pub(crate) fn clear(&self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "a temporary folder could not be removed");
        }
    }
}

/// A fresh folder below the system's temporary folder, or below /tmp where root's own is closed to others.
fn make_temporary(account: Account) -> Result<PathBuf> {
    let mut parent = env::temp_dir().canonicalize().on("read", env::temp_dir())?;
    if account.barrier(&parent.join("x")).is_some() {
        parent = PathBuf::from("/tmp");
    }
    // `keep`: the folder must live until the server is gone, and the guard removes it when we cannot.
    Ok(tempfile::Builder::new().prefix("headroom-").tempdir_in(&parent).on("create a folder in", &parent)?.keep())
}
