//! The console's own cache of a target: what its datasets were asked for, and which tier answered.

use super::{
    DatasetFigures,
    findings::Findings,
    interval::{LEAST_EVENTS, share},
};
use crate::{
    cache::{Cache, ClassReading, Latencies, Percentiles, Tally},
    dataset::Page,
};
use headroom_model::MetricId;
use tokio::time::Instant;

/// Reads the cache of one target and remembers the counters of the previous reading.
#[derive(Debug)]
pub(super) struct CacheReader {
    cache: Cache<Page>,
    before: Option<Before>,
    resynchronised: Option<u64>,
}

#[derive(Debug)]
struct Before {
    taken: Instant,
    /// By place: classes are never taken away.
    tallies: Vec<Tally>,
}

/// What happened since the previous reading.
struct Interval {
    seconds: f64,
    tallies: Vec<Tally>,
}

impl CacheReader {
    pub(super) fn new(cache: Cache<Page>) -> Self {
        CacheReader { cache, before: None, resynchronised: None }
    }

    /// Sets nothing where the target has no datasets.
    pub(super) fn read(&mut self, findings: &mut Findings) {
        let classes = self.cache.readings();
        let latencies = self.cache.take_latencies();
        if classes.is_empty() {
            return;
        }
        self.levels(&classes, findings);
        self.second_tier(&classes, findings);
        percentiles(&latencies, findings);
        if let Some(interval) = self.advance(&classes) {
            counted(&interval, &classes, findings);
        }
    }

    fn levels(&self, classes: &[ClassReading], findings: &mut Findings) {
        let (bytes, limit) = self.cache.memory();
        findings.set(MetricId::CacheMemory, bytes as f64);
        findings.set(MetricId::CacheMemoryMax, limit as f64);
        findings.set(MetricId::CacheMemoryUsed, share(bytes as f64, limit as f64, 1.0));
        findings.set(MetricId::CacheKeys, classes.iter().map(|class| class.entries).sum::<u64>() as f64);
    }

    /// Whether Redis does its part says something once a dataset was read through it.
    fn second_tier(&mut self, classes: &[ClassReading], findings: &mut Findings) {
        let Some(tier) = self.cache.redis() else { return };
        let before = self.resynchronised.replace(tier.resynchronised);
        if !classes.iter().any(|class| class.uses_redis && class.tally.lookups() > 0) {
            return;
        }
        findings.set(MetricId::CacheRedisUp, f64::from(u8::from(tier.answers)));
        findings.set(MetricId::CacheInvalidationsWaiting, tier.waiting as f64);
        let since = before.and_then(|before| tier.resynchronised.checked_sub(before));
        findings.set(MetricId::CacheResynchronisations, since.map(|count| count as f64));
    }

    /// Takes the next reading. None for the first one, and where the statistics of a class were reset in between.
    fn advance(&mut self, classes: &[ClassReading]) -> Option<Interval> {
        let next = Before { taken: Instant::now(), tallies: classes.iter().map(|class| class.tally).collect() };
        let (taken, before) = self.before.replace(next).map(|before| (before.taken, before.tallies))?;
        let seconds = taken.elapsed().as_secs_f64();
        // A class that was not there before has counted from zero.
        let since = |(i, class): (usize, &ClassReading)| match before.get(i) {
            Some(before) => class.tally.since(before),
            None => Some(class.tally),
        };
        let tallies = classes.iter().enumerate().map(since).collect::<Option<Vec<_>>>()?;
        (seconds > 0.0).then_some(Interval { seconds, tallies })
    }
}

fn percentiles(latencies: &Latencies, findings: &mut Findings) {
    use MetricId as M;
    for (tier, [p50, p95, p99]) in [
        (latencies.memory, [M::CacheMemoryLatencyP50, M::CacheMemoryLatencyP95, M::CacheMemoryLatencyP99]),
        (latencies.redis, [M::CacheRedisLatencyP50, M::CacheRedisLatencyP95, M::CacheRedisLatencyP99]),
        (latencies.loads, [M::CacheLoadLatencyP50, M::CacheLoadLatencyP95, M::CacheLoadLatencyP99]),
    ] {
        if let Some(Percentiles { p50_ms, p95_ms, p99_ms }) = tier {
            findings.set(p50, p50_ms);
            findings.set(p95, p95_ms);
            findings.set(p99, p99_ms);
        }
    }
}

/// Figures from what was counted in an interval.
fn counted(interval: &Interval, classes: &[ClassReading], findings: &mut Findings) {
    let all = interval.tallies.iter().fold(Tally::default(), |sum, tally| sum.plus(tally));
    let lookups = all.lookups() as f64;
    for (metric, part) in [
        (MetricId::CacheHitRate, all.hits()),
        (MetricId::CacheMemoryShare, all.hits_memory),
        (MetricId::CacheRedisShare, all.hits_redis),
        (MetricId::CacheStaleShare, all.hits_stale),
        (MetricId::CacheMissShare, all.misses),
    ] {
        findings.set(metric, share(part as f64, lookups, LEAST_EVENTS));
    }
    let left = (all.evicted + all.expired + all.invalidated) as f64;
    findings.set(MetricId::CacheEvictionShare, share(all.evicted as f64, left, LEAST_EVENTS));
    let attempts = (all.loads + all.load_errors) as f64;
    findings.set(MetricId::CacheLoadErrors, share(all.load_errors as f64, attempts, 1.0));
    for (metric, count) in [
        (MetricId::CacheLookups, all.lookups()),
        (MetricId::CacheMisses, all.misses),
        (MetricId::CacheLoads, all.loads),
        (MetricId::CacheEvictions, all.evicted),
        (MetricId::CacheSuppressed, all.joined),
    ] {
        findings.set(metric, count as f64 / interval.seconds);
    }
    if classes.iter().any(|class| class.uses_redis) {
        findings.set(MetricId::CachePoison, all.poison as f64);
    }
    findings.set(MetricId::CacheSavedTime, saved_ms(&interval.tallies, classes).map(|ms| ms / interval.seconds));
    findings.datasets =
        classes.iter().zip(&interval.tallies).map(|(class, tally)| DatasetFigures::new(&class.name, tally)).collect();
}

/// What the answers of an interval would have taken to load: by class, for a load of one says nothing of another. None
/// before the first load.
fn saved_ms(tallies: &[Tally], classes: &[ClassReading]) -> Option<f64> {
    let loaded = classes.iter().zip(tallies).filter(|(class, _)| class.tally.loads > 0);
    loaded
        .map(|(class, tally)| {
            let mean_ms = class.tally.load_micros as f64 / class.tally.loads as f64 / 1000.0;
            tally.hits() as f64 * mean_ms
        })
        .reduce(|a, b| a + b)
}
