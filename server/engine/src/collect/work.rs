//! What a statement did, as sums that can be added and subtracted.

/// A counter beside calls, time and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Plans made; only where planning is tracked.
    Plans,
    /// Planning time in milliseconds; only where planning is tracked.
    PlanMs,
    /// Shared blocks found in the buffers.
    SharedHit,
    /// Shared blocks read.
    SharedRead,
    /// Shared blocks made dirty.
    SharedDirtied,
    /// Shared blocks written.
    SharedWritten,
    /// Blocks of temporary tables found, read and written.
    Local,
    /// Blocks of temporary files read.
    TempRead,
    /// Blocks of temporary files written.
    TempWritten,
    /// Time spent reading and writing blocks of any kind, in milliseconds; only where it is tracked.
    IoMs,
    /// Records of the write-ahead log.
    WalRecords,
    /// Bytes of the write-ahead log.
    WalBytes,
    /// Time of just-in-time compilation, in milliseconds.
    JitMs,
}

/// How many counters there are.
pub const COUNTERS: usize = Counter::JitMs as usize + 1;

/// Every counter at one moment, or what was added to it: what is not counted stays unknown, whatever is added to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counters([f64; COUNTERS]);

impl Counters {
    /// Nothing happened yet.
    pub const ZERO: Counters = Counters([0.0; COUNTERS]);

    /// From values in the order of [`Counter`]; what is missing is unknown.
    pub fn new(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let mut counters = [f64::NAN; COUNTERS];
        for (counter, value) in counters.iter_mut().zip(values) {
            *counter = value.unwrap_or(f64::NAN);
        }
        Counters(counters)
    }

    /// The value of a counter; none where it is not known.
    #[must_use]
    pub fn get(&self, counter: Counter) -> Option<f64> {
        Some(self.0[counter as usize]).filter(|value| !value.is_nan())
    }

    /// All values in the order of [`Counter`].
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        self.0.iter().map(|value| Some(*value).filter(|value| !value.is_nan()))
    }

    /// Adds what happened elsewhere or later.
    pub fn add(&mut self, other: &Counters) {
        for (sum, value) in self.0.iter_mut().zip(other.0) {
            *sum += value;
        }
    }

    /// What was added since `earlier`; never negative.
    pub(super) fn since(&self, earlier: &Counters) -> Counters {
        let mut delta = self.0;
        for (value, before) in delta.iter_mut().zip(earlier.0) {
            // Not `max`: it would make zero of what is not known.
            let added = *value - before;
            *value = if added < 0.0 { 0.0 } else { added };
        }
        Counters(delta)
    }
}

/// What one statement did over an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Calls that ended.
    pub calls: f64,
    /// Their execution time in all, in milliseconds.
    pub time_ms: f64,
    /// Sum of the squares of their times.
    pub squares: f64,
    /// Their rows.
    pub rows: f64,
    /// Calls from inside functions.
    pub nested: f64,
    /// Everything else.
    pub counters: Counters,
}

impl Work {
    /// Nothing happened yet.
    pub const ZERO: Work =
        Work { calls: 0.0, time_ms: 0.0, squares: 0.0, rows: 0.0, nested: 0.0, counters: Counters::ZERO };

    /// Adds what happened elsewhere or later.
    pub fn add(&mut self, other: &Work) {
        self.calls += other.calls;
        self.time_ms += other.time_ms;
        self.squares += other.squares;
        self.rows += other.rows;
        self.nested += other.nested;
        self.counters.add(&other.counters);
    }

    /// Mean time of a call in milliseconds; none without a call.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.calls > 0.0).then(|| self.time_ms / self.calls)
    }

    /// Population standard deviation in milliseconds; none below two calls. Rounding may take the variance just below zero.
    #[must_use]
    pub fn deviation_ms(&self) -> Option<f64> {
        let mean = self.mean_ms()?;
        (self.calls >= 2.0).then(|| (self.squares / self.calls - mean * mean).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_stays_unknown() {
        let known = Counters::new([Some(5.0), None, Some(7.0)]);
        let mut sum = Counters::ZERO;
        sum.add(&known);
        assert_eq!((sum.get(Counter::Plans), sum.get(Counter::PlanMs)), (Some(5.0), None));
        assert_eq!((sum.get(Counter::SharedHit), sum.get(Counter::JitMs)), (Some(7.0), None));
        let later = Counters::new([Some(4.0), Some(1.0), Some(9.0)]);
        let delta = later.since(&known);
        assert_eq!(delta.get(Counter::Plans), Some(0.0), "never negative");
        assert_eq!((delta.get(Counter::PlanMs), delta.get(Counter::SharedHit)), (None, Some(2.0)));
    }
}
