//! Connection lanes into a target's PostgreSQL: interactive, monitor, batch, data, warmup; and data on a replica.
//!
//! Each lane has its own limit, so that a collector never waits behind a batch and a page never behind a collector.
//! Every lease knows who took it (call site), what for, and since when; one held for too long is told as a leak. Idle
//! sessions are checked, old ones replaced, some kept ready; limits can change while connections are lent.
//!
//! The lanes hold sqlx connections but not sqlx's pool: that one has no count of its waiters and no histogram of their
//! wait, has one timeout for queue and connect together, retries a refused connection until that timeout (which hides
//! the cause), and hands on a session whose `begin()` was cancelled half way with its transaction open (sqlx#4393).
//! Here a connection that comes back is asked whether it is inside a transaction before it is lent again.

mod error;
mod holders;
mod inspect;
mod lane;
mod lease;
mod meters;
mod place;
mod profile;
mod replica;
mod session;
mod statements;
mod upkeep;

pub use error::PoolError;
pub use lease::Lease;
pub use profile::PoolProfile;
pub use session::read_url;
pub use statements::Statements;

use crate::{
    clock::Clock,
    latencies::{MINUTE_MICROS, micros_to},
    target::{self, TargetConfig},
};
use hdrhistogram::Histogram;
use headroom_model::{
    Timestamp,
    pool::{BackendReport, HolderReport, LaneReport, ReplicaReport},
};
use holders::Holding;
use lane::LanePool;
use replica::Replica;
use std::{
    fmt,
    panic::Location,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
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
    /// Datasets read on a replica, where one is configured. Its sessions are read-only.
    Replica,
}

impl Lane {
    /// Every lane into the primary.
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
            Lane::Replica => "replica",
        }
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Lane::ALL.into_iter().chain([Lane::Replica]).find(|lane| lane.name() == text);
        known.ok_or_else(|| {
            format!("lane \"{text}\" is not known; allowed: interactive, monitor, batch, data, warmup, replica")
        })
    }
}

/// What the console's own connections call themselves: `headroom/monitor` and so on.
pub(crate) const APPLICATION: &str = "headroom";

/// The largest size of a lane.
pub const LANE_MAX: u32 = 200;

/// Who holds a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Whose lanes: the first part of `application_name`.
    pub application: Arc<str>,
    /// Its lane.
    pub lane: Lane,
    /// The line of code that took it.
    pub call_site: &'static Location<'static>,
    /// What for, as its taker says; else the unit of work in which it was taken.
    pub purpose: Option<Arc<str>>,
    /// Since when.
    pub since: Timestamp,
    /// Its backend, where the server told it.
    pub pid: Option<i32>,
    /// It is held for work that takes long and has an end of its own, see [`Lease::long_work`].
    pub is_long: bool,
    /// It is held for longer than [`Pools::leak_after`] and not for long work.
    pub is_leak: bool,
    /// What the server says, after [`Pools::inspect`].
    pub backend: Option<BackendReport>,
}

impl Holder {
    fn new(lane: &LanePool, holding: &Holding, now: Timestamp) -> Self {
        Holder {
            application: Arc::clone(&lane.application),
            lane: lane.lane,
            call_site: holding.call_site,
            purpose: holding.purpose.clone().or_else(|| holding.span.map(Into::into)),
            since: now.plus_millis(-i64::try_from(holding.since.elapsed().as_millis()).unwrap_or(0)),
            pid: holding.pid,
            is_long: holding.is_long,
            is_leak: holding.is_leak(lane.profile.leak_after),
            backend: None,
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn report(self, now: Timestamp) -> HolderReport {
        HolderReport {
            application: self.application.to_string(),
            lane: self.lane.name().to_owned(),
            call_site: format!("{}:{}", self.call_site.file(), self.call_site.line()),
            purpose: self.purpose.map(|purpose| purpose.to_string()),
            since: self.since,
            held_ms: u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX),
            pid: self.pid,
            is_long: self.is_long,
            is_leak: self.is_leak,
            backend: self.backend,
        }
    }
}

/// A replica of a target. The connection string carries secrets: never log it, `Debug` leaves it out.
#[derive(Clone)]
pub struct ReplicaConfig {
    /// Connection string of the same database on the replica.
    pub url: String,
    /// How far it may be behind to be read from. Default 5 s.
    pub max_lag: Duration,
}

impl fmt::Debug for ReplicaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaConfig").field("max_lag", &self.max_lag).finish_non_exhaustive()
    }
}

/// The lanes of one target. Each runs one small task that keeps its connections in order; it ends with the lane.
pub struct Pools {
    lanes: [Arc<LanePool>; 5],
    replica: Option<Replica>,
    statements: Statements,
    leak_after: Duration,
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
    /// A connection string cannot be read. The error does not repeat it: it holds a password.
    pub fn named(config: &TargetConfig, application: &str) -> Result<Self, PoolError> {
        let options = read_url(&config.database_url)?;
        let application: Arc<str> = application.into();
        let waits = Arc::new(Waits::default());
        let doubts = Arc::new(Doubts::default());
        let of_replica = Arc::new(Doubts::default());
        let lane = |lane, options: &_| {
            let doubts = if lane == Lane::Replica { &of_replica } else { &doubts };
            LanePool::new(lane, options, &config.pool, &application, &waits, doubts)
        };
        let replica = match &config.replica {
            Some(ReplicaConfig { url, max_lag }) => {
                let options = read_url(url)?;
                Some(Replica::new(lane(Lane::Replica, &options), target::address(&options), *max_lag))
            }
            None => None,
        };
        Ok(Pools {
            lanes: Lane::ALL.map(|name| lane(name, &options)),
            replica,
            statements: Statements::default(),
            leak_after: config.pool.leak_after,
            waits,
        })
    }

    fn lane(&self, lane: Lane) -> &Arc<LanePool> {
        match (lane, &self.replica) {
            (Lane::Replica, Some(replica)) => &replica.lane,
            // Without a replica its reads are those of the data lane.
            (Lane::Replica, None) => &self.lanes[Lane::Data as usize],
            _ => &self.lanes[lane as usize],
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<LanePool>> {
        self.lanes.iter().chain(self.replica.iter().map(|replica| &replica.lane))
    }

    /// Opens the connections that are to be kept ready, in the background, and keeps them so. Call it inside a runtime.
    pub fn warm_up(&self) {
        for lane in self.all().filter(|lane| lane.min() > 0) {
            lane.start_upkeep();
        }
    }

    /// Latencies of the statements that carry a label.
    #[must_use]
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// From here on a connection counts as leaked.
    #[must_use]
    pub fn leak_after(&self) -> Duration {
        self.leak_after
    }

    /// The replica, where one is configured.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaReport> {
        self.replica.as_ref().map(Replica::report)
    }

    /// Changes the limit of a lane while connections are lent: more may be lent at once; or those beyond the new limit are
    /// closed when they come back. 1 to [`LANE_MAX`]; other values count as the nearest of these.
    pub fn resize(&self, lane: Lane, max: u32) {
        self.lane(lane).resize(max.clamp(1, LANE_MAX));
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
    pub fn snapshot(&self) -> Vec<LaneReport> {
        self.all().map(|lane| lane.snapshot()).collect()
    }

    /// Connections of a lane that are lent out.
    #[must_use]
    pub fn in_use(&self, lane: Lane) -> u32 {
        self.lane(lane).in_use()
    }

    /// Callers in the queue of a lane.
    #[must_use]
    pub fn waiting(&self, lane: Lane) -> u32 {
        self.lane(lane).waiting()
    }

    /// The limit of a lane now.
    #[must_use]
    pub fn size(&self, lane: Lane) -> u32 {
        self.lane(lane).places.max()
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
        let mut holders: Vec<Holder> = self.all().flat_map(|lane| lane.holders(now)).collect();
        holders.sort_by_key(|holder| holder.since);
        holders
    }

    /// Holders past [`Pools::leak_after`] that no call before this one told. One reader: the watch over leaks.
    pub(crate) fn take_leaks(&self, now: Timestamp) -> Vec<Holder> {
        self.all().flat_map(|lane| lane.take_leaks(now)).collect()
    }

    /// Counters start from zero.
    pub fn reset_statistics(&self) {
        for lane in self.all() {
            lane.reset_statistics();
        }
        self.statements.clear();
        self.waits.clear();
    }

    /// Closes every connection and refuses new callers. Connections still lent out are closed when they come back;
    /// waits for that at most 5 s.
    pub async fn close(&self) {
        futures::future::join_all(self.all().map(|lane| lane.close())).await;
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        for lane in self.all() {
            drop(lane.refuse());
        }
    }
}

/// Counts how often a session of a server broke, or could not be opened: perhaps the server went away. What was trusted before
/// that is asked whether it still answers before it is lent, in every lane to that server.
#[derive(Default)]
struct Doubts(AtomicU64);

impl Doubts {
    fn raise(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long callers waited, in microseconds up to a minute, three digits.
struct Waits(Mutex<Histogram<u64>>);

impl Default for Waits {
    fn default() -> Self {
        Waits(Mutex::new(micros_to(MINUTE_MICROS, 3)))
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
