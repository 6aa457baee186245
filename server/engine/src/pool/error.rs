//! Why no connection was lent.

use std::time::Duration;

/// Why no connection was lent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The connection string cannot be read.
    #[error("the connection string cannot be read: {0}")]
    Url(String),
    /// Queue and connect together took too long.
    #[error("no {lane} connection within {waited:?}: {in_use} of {max} lent out")]
    Timeout {
        /// Which lane.
        lane: &'static str,
        /// How long the caller waited.
        waited: Duration,
        /// Connections lent out then.
        in_use: u32,
        /// The lane's limit.
        max: u32,
    },
    /// The server refused or did not answer.
    #[error("{0}")]
    Connect(#[source] sqlx::Error),
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed,
}
