//! Connection lanes into a target's PostgreSQL: interactive, monitor, batch.
//!
//! Each lane has its own limit, so that a collector never waits behind a batch and a page never behind a collector.
//! Every lease knows who took it (call site) and since when.

use std::time::Duration;

/// Which traffic a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Pages, API calls, buttons: someone waits.
    Interactive,
    /// Collectors.
    Monitor,
    /// Long work that may wait.
    Batch,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 3] = [Lane::Interactive, Lane::Monitor, Lane::Batch];
}

/// Limits of a target's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolProfile {
    /// Largest size of the interactive lane.
    pub interactive_max: u32,
    /// Largest size of the monitor lane.
    pub monitor_max: u32,
    /// Largest size of the batch lane.
    pub batch_max: u32,
    /// How long a caller waits for a connection, queue and connect together.
    pub acquire_timeout: Duration,
    /// An unused connection is closed after this.
    pub idle_timeout: Duration,
    /// A connection is replaced after this, give or take a tenth.
    pub max_lifetime: Duration,
    /// A connection lent out for longer counts as a suspected leak.
    pub leak_after: Duration,
}

use crate::target::TargetConfig;
use headroom_model::Timestamp;
use sqlx::PgConnection;
use std::{
    ops::{Deref, DerefMut},
    panic::Location,
};

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

/// The lanes of one target.
#[derive(Debug)]
pub struct Pools {}

/// A lent connection; dropping it gives it back.
#[derive(Debug)]
pub struct Lease {}

/// Who holds a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Its lane.
    pub lane: Lane,
    /// The line of code that took it.
    pub call_site: &'static Location<'static>,
    /// Since when.
    pub since: Timestamp,
}

/// A lane's figures. Counters rise from the process's start or the last reset.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSnapshot {
    /// Which lane.
    pub lane: Lane,
    /// Lent out.
    pub in_use: u32,
    /// Open and waiting for work.
    pub idle: u32,
    /// Limit.
    pub max: u32,
    /// Callers in the queue.
    pub waiting: u32,
    /// Checkouts since the last reset.
    pub acquired: u64,
    /// Checkouts that gave up since the last reset.
    pub timeouts: u64,
    /// Connections lent out for longer than the profile's `leak_after`.
    pub leaks: u32,
}

impl Pools {
    /// Lanes for a target; nothing connects before it is asked to.
    pub fn new(_config: &TargetConfig) -> Result<Self, PoolError> {
        unimplemented!()
    }

    /// Lends a connection of a lane. Safe to cancel.
    #[track_caller]
    pub fn acquire(&self, _lane: Lane) -> impl Future<Output = Result<Lease, PoolError>> + Send + '_ {
        async { unimplemented!() }
    }

    /// Figures of every lane.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LaneSnapshot> {
        unimplemented!()
    }

    /// p95 of the checkout waits since the previous call, in milliseconds; none without checkouts.
    pub fn take_wait_p95(&self) -> Option<f64> {
        unimplemented!()
    }

    /// Who holds what, oldest first.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        unimplemented!()
    }

    /// Counters start from zero.
    pub fn reset_statistics(&self) {
        unimplemented!()
    }

    /// Closes every connection and refuses new callers.
    pub async fn close(&self) {
        unimplemented!()
    }
}

impl Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        unimplemented!()
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        unimplemented!()
    }
}
