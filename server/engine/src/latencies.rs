//! Exact latencies by name (HDR histograms), bounded.

use hdrhistogram::{Counter, Histogram};
use std::{collections::HashMap, time::Duration};

/// Names kept apart.
const MAX_NAMES: usize = 500;

/// Latencies of one thing since the last reset: microseconds up to one minute.
pub(crate) struct Latency {
    pub errors: u64,
    histogram: Histogram<u32>,
}

/// The longest time that is told apart: one minute.
pub(crate) const MINUTE_MICROS: u64 = 60_000_000;

/// Microseconds from 1 to `most`, which is at least 2, to so many digits, at most 5. Two digits take 10 KiB.
pub(crate) fn micros_to<C: Counter>(most: u64, digits: u8) -> Histogram<C> {
    // All that the library asks for: 1 ≤ low, 2·low ≤ high, digits ≤ 5. Its callers give constants.
    Histogram::new_with_bounds(1, most, digits).expect("bounds as documented")
}

impl Latency {
    pub fn new(digits: u8) -> Self {
        Latency { errors: 0, histogram: micros_to(MINUTE_MICROS, digits) }
    }

    pub fn record(&mut self, failed: bool, elapsed: Duration) {
        self.errors += u64::from(failed);
        self.histogram.saturating_record(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        millis(self.histogram.value_at_quantile(quantile))
    }

    pub fn mean_ms(&self) -> f64 {
        self.histogram.mean() / 1000.0
    }

    pub fn max_ms(&self) -> f64 {
        millis(self.histogram.max())
    }

    /// How many took at least this long.
    pub fn count_from(&self, least: Duration) -> u64 {
        let least = u64::try_from(least.as_micros()).unwrap_or(u64::MAX);
        self.histogram.count_between(least, u64::MAX)
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 6e7")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// Latencies of many things, kept apart by name; what comes after the 500th counts as "other".
pub(crate) struct Latencies {
    other: &'static str,
    by_name: HashMap<String, Latency, foldhash::fast::RandomState>,
}

impl Latencies {
    /// `other` names everything past the names kept apart.
    pub fn new(other: &'static str) -> Self {
        Latencies { other, by_name: HashMap::default() }
    }

    pub fn record(&mut self, name: &str, failed: bool, elapsed: Duration) {
        if let Some(latency) = self.by_name.get_mut(name) {
            return latency.record(failed, elapsed);
        }
        let name = if self.by_name.len() < MAX_NAMES { name } else { self.other };
        self.by_name.entry(name.to_owned()).or_insert_with(|| Latency::new(2)).record(failed, elapsed);
    }

    /// Most counted first.
    pub fn list<T>(&self, describe: impl Fn(&str, &Latency) -> T) -> Vec<T> {
        let mut all: Vec<(&String, &Latency)> = self.by_name.iter().collect();
        all.sort_by(|(a, of_a), (b, of_b)| of_b.count().cmp(&of_a.count()).then_with(|| a.cmp(b)));
        all.into_iter().map(|(name, latency)| describe(name, latency)).collect()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn clear(&mut self) {
        self.by_name.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        let mut latencies = Latencies::new("other");
        for i in 0..MAX_NAMES + 50 {
            latencies.record(&format!("{i}"), false, Duration::from_millis(1));
        }
        let all = latencies.list(|name, latency| (name.to_owned(), latency.count()));
        assert_eq!((all.len(), &all[0]), (MAX_NAMES + 1, &("other".to_owned(), 50)));
    }

    #[test]
    fn slow_ones_are_counted_exactly() {
        let mut latency = Latency::new(2);
        for ms in 1..=100 {
            latency.record(false, Duration::from_millis(ms));
        }
        assert_eq!(latency.count_from(Duration::from_millis(91)), 10);
        assert!((latency.mean_ms() - 50.5).abs() < 0.5 && (latency.max_ms() - 100.0).abs() < 1.0);
    }
}
