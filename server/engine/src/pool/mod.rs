//! Connection lanes into a target's PostgreSQL: interactive, monitor, batch, data, warmup.
//!
//! Each lane has its own limit, so that a collector never waits behind a batch and a page never behind a collector.
//! Every lease knows who took it (call site) and since when.
//!
//! The lanes hold sqlx connections but not sqlx's pool: that one has no count of its waiters and no histogram of their
//! wait, has one timeout for queue and connect together, retries a refused connection until that timeout (which hides
//! the cause), and hands on a session whose `begin()` was cancelled half way with its transaction open (sqlx#4393).
//! Here a connection that comes back is asked whether it is inside a transaction before it is lent again.

mod error;
mod lane;
mod lease;
mod session;

pub use error::PoolError;
pub use lease::Lease;
pub use session::read_url;

use crate::{clock::Clock, target::TargetConfig};
use hdrhistogram::Histogram;
use headroom_model::Timestamp;
use lane::LanePool;
use sqlx::postgres::PgConnectOptions;
use std::{
    fmt,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Which traffic a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Pages, API calls, buttons: someone waits.
    Interactive,
    /// Collectors.
    Monitor,
    /// Long work that may wait.
    Batch,
    /// Datasets that applications read. Its sessions are read-only.
    Data,
    /// Datasets that are read before anyone asks. Its sessions are read-only.
    Warmup,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 5] = [Lane::Interactive, Lane::Monitor, Lane::Batch, Lane::Data, Lane::Warmup];

    /// The name shown; connections carry it as `application_name` (`headroom/monitor`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lane::Interactive => "interactive",
            Lane::Monitor => "monitor",
            Lane::Batch => "batch",
            Lane::Data => "data",
            Lane::Warmup => "warmup",
        }
    }
}

/// What the console's own connections call themselves: `headroom/monitor` and so on.
pub(crate) const APPLICATION: &str = "headroom";

/// Limits of a target's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolProfile {
    /// Largest size of the interactive lane. Default 10.
    pub interactive_max: u32,
    /// Largest size of the monitor lane. Default 2.
    pub monitor_max: u32,
    /// Largest size of the batch lane. Default 4.
    pub batch_max: u32,
    /// Largest size of the data lane. Default 8.
    pub data_max: u32,
    /// Largest size of the warmup lane, and so how many keys are warmed at the same time. Default 2.
    pub warmup_max: u32,
    /// How long a caller waits for a connection, queue and connect together. Default 5 s.
    pub acquire_timeout: Duration,
    /// An unused connection is closed after this. Default 10 min.
    pub idle_timeout: Duration,
    /// A connection is replaced after this, give or take a tenth. Default 30 min.
    pub max_lifetime: Duration,
    /// A connection lent out for longer counts as a suspected leak. Default 60 s.
    pub leak_after: Duration,
}

impl PoolProfile {
    /// The limit of one lane.
    #[must_use]
    pub fn max(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Interactive => self.interactive_max,
            Lane::Monitor => self.monitor_max,
            Lane::Batch => self.batch_max,
            Lane::Data => self.data_max,
            Lane::Warmup => self.warmup_max,
        }
    }
}

impl Default for PoolProfile {
    fn default() -> Self {
        PoolProfile {
            interactive_max: 10,
            monitor_max: 2,
            batch_max: 4,
            data_max: 8,
            warmup_max: 2,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10 * 60),
            max_lifetime: Duration::from_secs(30 * 60),
            leak_after: Duration::from_secs(60),
        }
    }
}

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

/// The lanes of one target. Each runs one small task that closes idle connections; it ends with the lane.
pub struct Pools {
    lanes: [Arc<LanePool>; 5],
    waits: Arc<Waits>,
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("lanes", &self.snapshot()).finish_non_exhaustive()
    }
}

impl Pools {
    /// Lanes for another application in this process: connections carry `application/lane` as `application_name`. Nothing
    /// connects before it is asked to.
    ///
    /// # Errors
    /// The connection string cannot be read. The error does not repeat it: it holds a password.
    pub fn named(config: &TargetConfig, application: &str) -> Result<Self, PoolError> {
        Ok(Self::with_options(&read_url(&config.database_url)?, config.pool, application))
    }

    pub(crate) fn with_options(options: &PgConnectOptions, profile: PoolProfile, application: &str) -> Self {
        let waits = Arc::new(Waits::default());
        let lanes = Lane::ALL.map(|lane| {
            let options = options.clone().application_name(&format!("{application}/{}", lane.name()));
            LanePool::new(lane, options, &profile, Arc::clone(&waits))
        });
        Pools { lanes, waits }
    }

    fn lane(&self, lane: Lane) -> &Arc<LanePool> {
        &self.lanes[lane as usize]
    }

    /// Lends a connection of a lane, first come, first served. Safe to cancel: the place in the queue, or the
    /// connection about to be opened, is given up.
    ///
    /// # Errors
    /// [`PoolError::Timeout`] when queue and connect took longer than the profile allows, [`PoolError::Connect`] as soon
    /// as the server refuses, [`PoolError::Closed`] after [`Pools::close`].
    #[track_caller]
    pub fn acquire(&self, lane: Lane) -> impl Future<Output = Result<Lease, PoolError>> + Send + '_ {
        let call_site = Location::caller();
        async move { self.lane(lane).acquire(call_site).await }
    }

    /// Figures of every lane.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LaneSnapshot> {
        self.lanes.iter().map(|lane| lane.snapshot()).collect()
    }

    /// p95 of the checkout waits since the previous call, in milliseconds; none without checkouts. One reader: the
    /// collector.
    pub fn take_wait_p95(&self) -> Option<f64> {
        self.waits.take_p95_ms()
    }

    /// Who holds what, oldest first.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        let now = Clock::system().now();
        let mut holders: Vec<Holder> = self.lanes.iter().flat_map(|lane| lane.holders(now)).collect();
        holders.sort_by_key(|holder| holder.since);
        holders
    }

    /// Counters start from zero.
    pub fn reset_statistics(&self) {
        for lane in &self.lanes {
            lane.reset_statistics();
        }
        self.waits.clear();
    }

    /// Closes every connection and refuses new callers. Connections still lent out are closed when they come back;
    /// waits for that at most 5 s.
    pub async fn close(&self) {
        futures::future::join_all(self.lanes.iter().map(|lane| lane.close())).await;
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        for lane in &self.lanes {
            drop(lane.refuse());
        }
    }
}

/// How long callers waited, in microseconds up to a minute, three digits.
struct Waits(Mutex<Histogram<u64>>);

impl Default for Waits {
    fn default() -> Self {
        Waits(Mutex::new(Histogram::new_with_bounds(1, 60_000_000, 3).expect("1 ≤ low, 2·low ≤ high, digits ≤ 5")))
    }
}

impl Waits {
    fn record(&self, waited: Duration) {
        lock(&self.0).saturating_record(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    fn take_p95_ms(&self) -> Option<f64> {
        let mut histogram = lock(&self.0);
        #[expect(clippy::cast_precision_loss, reason = "at most 6e7")]
        let p95 = (!histogram.is_empty()).then(|| histogram.value_at_quantile(0.95) as f64 / 1000.0);
        histogram.reset();
        p95
    }

    fn clear(&self) {
        lock(&self.0).reset();
    }
}

/// Locks, also after a panic elsewhere: what these mutexes guard is whole after every single statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
