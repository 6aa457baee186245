//! What a class counts.
//!
//! Counters rise from the start of the process or the last reset. A hit costs one relaxed increment; everything finer
//! (latencies, hottest keys) is recorded where something slow happens anyway, or sampled.

use super::sketch::TopKeys;
use hdrhistogram::Histogram;
use headroom_model::cache::{ClassCounters, LoadTimes};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters of one class.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $($(#[$doc])* pub $name: AtomicU64),+ }

        impl Counters {
            fn reset(&self) {
                $(self.$name.store(0, Relaxed);)+
            }
        }
    };
}

counters! {
    /// Answered from memory.
    hits_memory,
    /// Answered from Redis.
    hits_redis,
    /// Answered with a value past its time.
    hits_stale,
    /// Answered "there is no such thing" from a tier.
    hits_negative,
    /// Answered by a load.
    misses,
    /// Loads that ended well.
    loads,
    /// Loads that failed or took too long.
    load_errors,
    /// Microseconds of the loads that ended well.
    load_micros,
    /// Loads begun before an entry's time was over.
    refreshes,
    /// Callers that waited for another's load instead of loading themselves.
    joined,
    /// Callers that gave up waiting.
    timeouts,
    /// Values that were not kept because something was invalidated while they were loaded.
    discarded,
    /// Values too large to be kept.
    oversized,
    /// Envelopes in Redis that could not be read.
    poison,
    /// Entries that left memory for lack of room.
    evicted,
    /// Entries that left memory because their time was over.
    expired,
    /// Entries that left memory by invalidation.
    invalidated,
    /// Bytes given to compression.
    packed_from,
    /// Bytes that came out of it.
    packed_to,
}

/// One class's statistics.
#[derive(Debug)]
pub(super) struct Stats {
    pub counters: Counters,
    /// Bytes and entries in memory. Levels: a reset leaves them.
    pub memory_bytes: AtomicU64,
    pub memory_entries: AtomicU64,
    loads: Mutex<Histogram<u64>>,
    pub keys: TopKeys,
}

/// Longest load that is told apart, in microseconds.
const LOAD_MAX: u64 = 600_000_000;

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

impl Stats {
    pub fn new(tracked_keys: usize) -> Self {
        let loads = Histogram::new_with_max(LOAD_MAX, 2).expect("the bounds are right: 2 digits up to 600 s");
        Stats {
            counters: Counters::default(),
            memory_bytes: AtomicU64::new(0),
            memory_entries: AtomicU64::new(0),
            loads: Mutex::new(loads),
            keys: TopKeys::new(tracked_keys),
        }
    }

    fn histogram(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn loaded(&self, took: Duration) -> u32 {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(LOAD_MAX);
        add(&self.counters.loads, 1);
        add(&self.counters.load_micros, micros);
        self.histogram().saturating_record(micros);
        u32::try_from(micros).unwrap_or(u32::MAX)
    }

    /// Mean time of a load, in microseconds, once there was one.
    pub fn mean_load_micros(&self) -> Option<f64> {
        let loads = self.counters.loads.load(Relaxed);
        (loads > 0).then(|| self.counters.load_micros.load(Relaxed) as f64 / loads as f64)
    }

    /// A new epoch: everything counts from zero.
    pub fn reset(&self) {
        self.counters.reset();
        self.histogram().reset();
        self.keys.reset();
    }

    pub fn snapshot(&self) -> ClassCounters {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let c = &self.counters;
        let answered = read(&c.hits_memory) + read(&c.hits_redis) + read(&c.hits_stale);
        ClassCounters {
            hits_memory: read(&c.hits_memory),
            hits_redis: read(&c.hits_redis),
            hits_stale: read(&c.hits_stale),
            hits_negative: read(&c.hits_negative),
            misses: read(&c.misses),
            loads: read(&c.loads),
            load_errors: read(&c.load_errors),
            refreshes: read(&c.refreshes),
            joined: read(&c.joined),
            timeouts: read(&c.timeouts),
            discarded: read(&c.discarded),
            oversized: read(&c.oversized),
            poison: read(&c.poison),
            evicted: read(&c.evicted),
            expired: read(&c.expired),
            invalidated: read(&c.invalidated),
            packed_from: read(&c.packed_from),
            packed_to: read(&c.packed_to),
            load_times: self.load_times(),
            saved_ms: self.mean_load_micros().map(|mean| mean * answered as f64 / 1000.0),
        }
    }

    fn load_times(&self) -> Option<LoadTimes> {
        let histogram = self.histogram();
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        (!histogram.is_empty()).then(|| LoadTimes {
            mean_ms: histogram.mean() / 1000.0,
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
        })
    }
}
