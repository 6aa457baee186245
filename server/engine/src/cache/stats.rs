//! What a class counts.
//!
//! Counters rise from the start of the process or the last reset. A hit costs one relaxed increment; everything finer
//! (latencies, hottest keys) is recorded where something slow happens anyway, or sampled.

use super::{Cache, Cacheable, sketch::TopKeys};
use hdrhistogram::Histogram;
use headroom_model::cache::{ClassCounters, LoadTimes};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    /// Rises with every reset, so that a reading knows that one lies between it and the one before.
    epoch: AtomicU64,
    memory_spans: Spans,
    redis_spans: Spans,
    load_spans: Spans,
}

/// Longest load that is told apart, in microseconds.
const LOAD_MAX: u64 = 600_000_000;
/// The same in nanoseconds: answers from memory take some hundred.
const SPAN_MAX: u64 = LOAD_MAX * 1000;

/// How long something took since it was last read, in nanoseconds. There is no histogram before the first record, so a
/// quiet class takes no room.
#[derive(Debug, Default)]
struct Spans(Mutex<Option<Histogram<u32>>>);

impl Spans {
    fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.get_or_insert_with(histogram).saturating_record(nanos.clamp(1, SPAN_MAX));
    }

    fn take(&self) -> Option<Histogram<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn histogram() -> Histogram<u32> {
    Histogram::new_with_max(SPAN_MAX, 2).expect("the bounds are right: 2 digits up to 600 s")
}

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
            epoch: AtomicU64::new(0),
            memory_spans: Spans::default(),
            redis_spans: Spans::default(),
            load_spans: Spans::default(),
        }
    }

    /// When an answer from memory begins, where this one is to be timed: one in as many as accesses to keys are counted,
    /// which is every one on a quiet cache and about 2,000 a second on a busy one.
    pub fn begin(&self) -> Option<Instant> {
        let nth = self.counters.hits_memory.load(Relaxed);
        (nth & u64::from(self.keys.sampled_every() - 1) == 0).then(Instant::now)
    }

    /// An answer from memory ends that [`Stats::begin`] may have begun to time.
    pub fn answered(&self, begun: Option<Instant>) {
        if let Some(begun) = begun {
            self.memory_spans.record(begun.elapsed());
        }
    }

    /// Redis answered a read.
    pub fn redis_read(&self, took: Duration) {
        self.redis_spans.record(took);
    }

    fn histogram(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn loaded(&self, took: Duration) -> u32 {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(LOAD_MAX);
        add(&self.counters.loads, 1);
        add(&self.counters.load_micros, micros);
        self.histogram().saturating_record(micros);
        self.load_spans.record(took);
        u32::try_from(micros).unwrap_or(u32::MAX)
    }

    /// Mean time of a load, in microseconds, once there was one.
    pub fn mean_load_micros(&self) -> Option<f64> {
        let loads = self.counters.loads.load(Relaxed);
        (loads > 0).then(|| self.counters.load_micros.load(Relaxed) as f64 / loads as f64)
    }

    /// A new epoch: everything counts from zero.
    pub fn reset(&self) {
        add(&self.epoch, 1);
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

macro_rules! tally {
    ($($name:ident),+) => {
        /// What a class has counted, by the names of its counters.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Tally { epoch: u64, $(pub $name: u64),+ }

        impl Tally {
            fn read(stats: &Stats) -> Self {
                Tally { epoch: stats.epoch.load(Relaxed), $($name: stats.counters.$name.load(Relaxed)),+ }
            }

            /// What was counted since an earlier reading; none where a reset lies between the two.
            pub fn since(&self, before: &Tally) -> Option<Tally> {
                if self.epoch != before.epoch {
                    return None;
                }
                Some(Tally { epoch: self.epoch, $($name: self.$name.checked_sub(before.$name)?),+ })
            }

            /// Both together.
            pub fn plus(&self, other: &Tally) -> Tally {
                Tally { epoch: self.epoch, $($name: self.$name + other.$name),+ }
            }
        }
    };
}

tally! {
    hits_memory, hits_redis, hits_stale, misses, loads, load_errors, load_micros, joined, oversized, poison, evicted,
    expired, invalidated
}

impl Tally {
    /// Answers from a tier.
    pub fn hits(&self) -> u64 {
        self.hits_memory + self.hits_redis + self.hits_stale
    }

    /// Answers and failures.
    pub fn lookups(&self) -> u64 {
        self.hits() + self.misses
    }
}

/// One class at one moment.
#[derive(Clone, Debug)]
pub(crate) struct ClassReading {
    pub name: Arc<str>,
    /// Whether Redis is its second tier, or its only one.
    pub uses_redis: bool,
    /// Entries in memory.
    pub entries: u64,
    pub tally: Tally,
}

/// Percentiles of an interval, in milliseconds. Exact to two digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles {
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

/// How long answers took in an interval; none where there was none to time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latencies {
    /// Answers from memory that were timed.
    pub memory: Option<Percentiles>,
    /// Reads that Redis answered.
    pub redis: Option<Percentiles>,
    /// Loads that ended well.
    pub loads: Option<Percentiles>,
}

impl<V: Cacheable> Cache<V> {
    /// What every class has counted so far, in the order the classes were made.
    pub(crate) fn readings(&self) -> Vec<ClassReading> {
        let classes = self.classes();
        let has_redis = self.redis().is_some();
        let reading = |class: &super::Class<V>| ClassReading {
            name: class.state.name.clone(),
            uses_redis: has_redis && class.state.settings.mode.redis(),
            entries: class.state.stats.memory_entries.load(Relaxed),
            tally: Tally::read(&class.state.stats),
        };
        classes.iter().map(reading).collect()
    }

    /// How long answers of all classes took since the previous call. One reader: the collector.
    pub(crate) fn take_latencies(&self) -> Latencies {
        let classes = self.classes();
        let of = |spans: fn(&Stats) -> &Spans| {
            let taken = classes.iter().filter_map(|class| spans(&class.state.stats).take());
            percentiles(taken)
        };
        Latencies {
            memory: of(|stats| &stats.memory_spans),
            redis: of(|stats| &stats.redis_spans),
            loads: of(|stats| &stats.load_spans),
        }
    }
}

fn percentiles(spans: impl Iterator<Item = Histogram<u32>>) -> Option<Percentiles> {
    let all = spans.reduce(|mut all, one| {
        // All have the same bounds, so nothing is refused.
        let _ = all.add(one);
        all
    })?;
    let at = |quantile: f64| all.value_at_quantile(quantile) as f64 / 1e6;
    Some(Percentiles { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_timed_exactly_and_read_once() {
        let stats = Stats::new(8);
        (1..=100).for_each(|ms| stats.redis_read(Duration::from_millis(ms)));
        let other = Stats::new(8);
        (101..=200).for_each(|ms| other.redis_read(Duration::from_millis(ms)));
        let taken = [&stats, &other].into_iter().filter_map(|stats| stats.redis_spans.take());
        let Percentiles { p50_ms, p95_ms, p99_ms } = percentiles(taken).unwrap();
        for (is, should) in [(p50_ms, 100.0), (p95_ms, 190.0), (p99_ms, 198.0)] {
            assert!((is - should).abs() <= should * 0.01, "{is} {should}");
        }
        assert!(stats.redis_spans.take().is_none());
        // Beyond what is told apart nothing is lost, and nothing overflows.
        stats.redis_read(Duration::ZERO);
        stats.redis_read(Duration::MAX);
        let taken = percentiles(stats.redis_spans.take().into_iter()).unwrap();
        assert!(taken.p50_ms < 0.001 && taken.p99_ms > 599_000.0, "{taken:?}");
    }

    #[test]
    fn a_busy_cache_times_one_answer_in_many() {
        let stats = Stats::new(8);
        assert!(stats.begin().is_some());
        for _ in 0..20_000 {
            stats.keys.touch("k", true);
        }
        stats.keys.adapt(1.0);
        let timed = (0..1_600).filter(|_| {
            let begun = stats.begin();
            stats.answered(begun);
            add(&stats.counters.hits_memory, 1);
            begun.is_some()
        });
        assert_eq!(timed.count(), 100);
        assert_eq!(stats.memory_spans.take().unwrap().len(), 100);
    }

    #[test]
    fn a_reset_leaves_no_interval() {
        let stats = Stats::new(8);
        add(&stats.counters.misses, 5);
        let first = Tally::read(&stats);
        add(&stats.counters.misses, 2);
        add(&stats.counters.hits_memory, 3);
        let second = Tally::read(&stats);
        let between = second.since(&first).unwrap();
        assert_eq!((between.misses, between.hits(), between.lookups()), (2, 3, 5));
        stats.reset();
        // Counters that have risen past the earlier reading again do not hide it.
        add(&stats.counters.misses, 100);
        add(&stats.counters.hits_memory, 100);
        let third = Tally::read(&stats);
        assert_eq!(third.since(&second), None);
        assert_eq!(third.since(&third), Some(Tally { epoch: third.epoch, ..Tally::default() }));
    }
}
