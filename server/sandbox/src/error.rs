//! What can go wrong, each with its remedy.

use deadpool_redis::redis::RedisError;
use std::{io, path::PathBuf, time::Duration};

/// Why a private server could not be started, stopped or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL on this machine.
    #[error(
        "PostgreSQL was not found. Run `make setup`, install it with your system's package manager, \
         or point HEADROOM_POSTGRES_BIN at the folder that holds `postgres` and `initdb`."
    )]
    PostgresMissing,
    /// No Redis on this machine.
    #[error(
        "redis-server was not found. Install Redis with your system's package manager \
         (`apt install redis-server`, `brew install redis`), or point HEADROOM_REDIS_BIN at redis-server."
    )]
    RedisMissing,
    /// An existing cluster needs another major version than the ones found.
    #[error(
        "{folder} holds data of PostgreSQL {wanted}, which was not found (found: {found}). \
         Install PostgreSQL {wanted} or choose another folder."
    )]
    VersionMissing {
        /// Where the data lies.
        folder: PathBuf,
        /// The version that wrote it.
        wanted: u16,
        /// What is there, in words.
        found: String,
    },
    /// The folder holds something that is not ours.
    #[error("{folder} cannot be used: {reason}. Choose another folder or empty this one.")]
    ForeignFolder {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another process of ours uses the folder.
    #[error("{folder} is in use by another running instance. Stop that one or choose another folder.")]
    FolderInUse {
        /// Which folder.
        folder: PathBuf,
    },
    /// The unprivileged account cannot reach the folder.
    #[error(
        "{folder} lies below {barrier}, which the unprivileged user that runs the server may not enter. \
         Choose a folder elsewhere, or allow it with `chmod o+x {barrier}`."
    )]
    FolderUnreachable {
        /// Which folder.
        folder: PathBuf,
        /// The parent that stands in the way.
        barrier: PathBuf,
    },
    /// We are root and have nobody to become.
    #[error("servers are never run as root, and this machine has neither a user `postgres` nor `nobody`. Create one.")]
    NoAccount,
    /// The port that was asked for is taken.
    #[error("port {port} on 127.0.0.1 is already in use. Stop what uses it or choose another port.")]
    PortTaken {
        /// Which port.
        port: u16,
    },
    /// A helper program failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// Which program.
        program: &'static str,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// The server ended while starting.
    #[error("{server} ended while it started ({status}). Last lines of its log:\n{log}")]
    Died {
        /// Which server.
        server: &'static str,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {waited:?}. Last lines of its log:\n{log}")]
    Silent {
        /// Which server.
        server: &'static str,
        /// How long we waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// What an earlier run left could not be stopped.
    #[error("{server} left behind by an earlier run (process {pid}) could not be stopped. End it by hand.")]
    Leftover {
        /// Which server.
        server: &'static str,
        /// One of its processes.
        pid: i32,
    },
    /// The shared test Redis has no database left.
    #[error("the shared Redis has no free database left; tests that need many take a server of their own")]
    RedisDatabases,
    /// The file system or the process table refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Servers that belong together did not find each other.
    #[error("{servers} did not come together within {waited:?}: {missing}")]
    Apart {
        /// Which servers.
        servers: &'static str,
        /// How long we waited.
        waited: Duration,
        /// What was still missing, in words.
        missing: String,
    },
    /// Redis answered with an error, or not at all.
    #[error("Redis refused: {0}")]
    Redis(#[from] RedisError),
    /// PostgreSQL answered with an error.
    #[error("PostgreSQL refused: {0}")]
    Sql(#[from] sqlx::Error),
}

/// Adds the deed and its object to an input/output error.
pub(crate) trait Context<T> {
    fn on(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn on(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.into(), source })
    }
}
