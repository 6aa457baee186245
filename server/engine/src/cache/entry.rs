//! One entry in memory.

use super::{Cacheable, settings::ClassSettings, stats::Stats, versions::Dependency};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Bookkeeping that an entry takes besides its key, value and dependencies.
const OVERHEAD: usize = 240;
/// What one dependency takes.
const PER_DEPENDENCY: usize = 16;

/// A cache's own time, in milliseconds. Expiry is measured by it, never by a wall clock, so a clock that
/// jumps changes nothing.
#[derive(Debug)]
pub(super) struct Time {
    start: Instant,
    /// What is added to the time since `start`; tests move it.
    ahead: AtomicU64,
}

/// Where a cache's time begins, so that what was loaded before the cache was made has a time too.
const BEGIN: u64 = 1 << 40;

impl Time {
    pub fn new() -> Self {
        Time { start: Instant::now(), ahead: AtomicU64::new(BEGIN) }
    }

    pub fn now(&self) -> u64 {
        millis(self.start.elapsed()) + self.ahead.load(Relaxed)
    }

    #[cfg(test)]
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Relaxed);
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    // So far off that sums of a few do not overflow.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(u64::MAX / 8)
}

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// May be answered.
    Fresh,
    /// Past its time: may stand in while loading is slow or fails.
    Stale,
    /// A table changed under it: may stand in only when loading fails.
    Outdated,
    /// Invalidated, or past the end of its fail-safe time: never again.
    Gone,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Entry<V> {
    /// None is the knowledge that there is no such thing.
    pub value: Option<V>,
    /// Names this version of the value, here and in Redis.
    pub id: u64,
    /// When it was loaded.
    pub born: u64,
    /// Fresh until then; a sliding hit moves it.
    expires: AtomicU64,
    /// Nothing after this.
    pub dead: u64,
    /// How long it is fresh.
    pub ttl: u64,
    /// How long loading took, in microseconds.
    pub load_micros: u32,
    pub weight: u32,
    pub dependencies: Box<[Dependency]>,
    /// The resynchronisation it was last known to be right at: see [`super::remote::backplane`].
    checked: AtomicU64,
    /// Hits, for the lists of hottest and coldest keys.
    pub hits: AtomicU32,
    /// After a failed refresh: no other attempt before.
    retry_at: AtomicU64,
    refreshing: AtomicBool,
    /// Its class's counters: an entry is counted when it leaves, wherever that is noticed.
    pub stats: Arc<Stats>,
}

/// What is known of an entry when it is made.
pub(super) struct Made<V> {
    pub value: Option<V>,
    pub id: u64,
    pub born: u64,
    pub expires: u64,
    pub dead: u64,
    pub ttl: u64,
    pub load_micros: u32,
    pub dependencies: Box<[Dependency]>,
    pub checked: u64,
    pub stats: Arc<Stats>,
}

impl<V: Cacheable> Entry<V> {
    pub fn new(made: Made<V>, key: &str) -> Self {
        let weight =
            made.value.as_ref().map_or(0, V::weight) + key.len() + OVERHEAD + made.dependencies.len() * PER_DEPENDENCY;
        Entry {
            value: made.value,
            id: made.id,
            born: made.born,
            expires: AtomicU64::new(made.expires),
            dead: made.dead,
            ttl: made.ttl,
            load_micros: made.load_micros,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            dependencies: made.dependencies,
            checked: AtomicU64::new(made.checked),
            hits: AtomicU32::new(0),
            retry_at: AtomicU64::new(0),
            refreshing: AtomicBool::new(false),
            stats: made.stats,
        }
    }
}

impl<V> Entry<V> {
    pub fn expires(&self) -> u64 {
        self.expires.load(Relaxed)
    }

    /// `stretch` is added to the time it is fresh: while Redis is lost, instances cannot share their loads.
    pub fn standing(&self, now: u64, stretch: u64) -> Standing {
        let mut outdated = false;
        for dependency in &self.dependencies {
            if !dependency.holds() {
                if !dependency.counter.soft {
                    return Standing::Gone;
                }
                outdated = true;
            }
        }
        if now >= self.dead {
            Standing::Gone
        } else if outdated {
            Standing::Outdated
        } else if now < self.expires().saturating_add(stretch) {
            Standing::Fresh
        } else {
            Standing::Stale
        }
    }

    /// Whether a fresh entry should be loaded again before its time: XFetch, or the eager share of its TTL. `stretch` is
    /// how much longer it is fresh than it says.
    pub fn due_early(&self, now: u64, stretch: u64, settings: &ClassSettings) -> bool {
        self.is_due_early(now, stretch, settings) && self.may_retry(now)
    }

    fn is_due_early(&self, now: u64, stretch: u64, settings: &ClassSettings) -> bool {
        let left = self.expires().saturating_add(stretch).saturating_sub(now) as f64;
        if let Some(share) = settings.eager_after
            && left <= self.ttl as f64 * (1.0 - share)
        {
            return true;
        }
        let delta = f64::from(self.load_micros) / 1000.0;
        // −ln(U) is above 20 once in 500 million: too far off to ask for a random number.
        if settings.beta <= 0.0 || left > 20.0 * settings.beta * delta {
            return false;
        }
        let u: f64 = 1.0 - rand::random::<f64>(); // (0, 1]
        -u.ln() * delta * settings.beta >= left
    }

    /// Makes the entry fresh again from now on, on this instance: in Redis its life was long enough from the start, and
    /// other instances have their own hits.
    pub fn slide(&self, now: u64, until: Duration) {
        let expires = now.saturating_add(self.ttl).min(self.born.saturating_add(millis(until)));
        // An eighth of its time is fine enough, and spares writing to a shared cache line at every hit.
        if expires >= self.expires().saturating_add(self.ttl / 8) {
            self.expires.fetch_max(expires, Relaxed);
        }
    }

    /// A failed load: `retry_after` long nobody tries again.
    pub fn failed(&self, now: u64, retry_after: Duration) {
        self.retry_at.store(now + millis(retry_after), Relaxed);
    }

    pub fn may_retry(&self, now: u64) -> bool {
        now >= self.retry_at.load(Relaxed)
    }

    /// True for the one who may refresh it.
    pub fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Relaxed)
    }

    pub fn end_refresh(&self) {
        self.refreshing.store(false, Relaxed);
    }

    pub fn checked(&self) -> u64 {
        self.checked.load(Relaxed)
    }

    /// Right as of this resynchronisation.
    pub fn confirm(&self, generation: u64) {
        self.checked.fetch_max(generation, Relaxed);
    }
}
