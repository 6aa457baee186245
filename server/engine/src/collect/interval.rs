//! Counters that only rise, turned into what happened between two readings.

use tokio::time::Instant;

/// Cumulative counters of one source at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<const N: usize> {
    /// When they were read.
    pub(super) taken: Instant,
    /// Changes when the counters start from zero: a reset time, a start time. None where the source has no such mark.
    pub(super) epoch: Option<i64>,
    /// The counters.
    pub(super) values: [f64; N],
}

/// What happened since the previous reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval<const N: usize> {
    /// Its length, always above zero.
    pub(super) seconds: f64,
    /// What was added; never negative.
    pub(super) delta: [f64; N],
}

impl<const N: usize> Interval<N> {
    /// Additions a second.
    pub(super) fn rates(&self) -> [f64; N] {
        self.delta.map(|delta| delta / self.seconds)
    }
}

/// How one reading follows another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step<const N: usize> {
    /// There was none before.
    First,
    /// The counters started from zero in between: what happened in this interval is not known.
    Reset,
    /// They rose.
    Moved(Interval<N>),
}

impl<const N: usize> Step<N> {
    /// The interval, where there is one.
    pub(super) fn moved(self) -> Option<Interval<N>> {
        match self {
            Step::Moved(interval) => Some(interval),
            Step::First | Step::Reset => None,
        }
    }
}

/// Remembers the previous reading of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters<const N: usize>(Option<Reading<N>>);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Counters(None)
    }
}

impl<const N: usize> Counters<N> {
    /// Takes the next reading and says what happened since the previous one.
    pub(super) fn advance(&mut self, next: Reading<N>) -> Step<N> {
        let Some(previous) = self.0.replace(next) else { return Step::First };
        let fell = previous.values.iter().zip(&next.values).any(|(before, now)| now < before);
        if fell || previous.epoch != next.epoch {
            return Step::Reset;
        }
        let seconds = next.taken.duration_since(previous.taken).as_secs_f64();
        if seconds <= 0.0 {
            return Step::First;
        }
        let mut delta = next.values;
        for (value, before) in delta.iter_mut().zip(previous.values) {
            *value -= before;
        }
        Step::Moved(Interval { seconds, delta })
    }

    /// The next reading counts as the first: the server was restarted.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Of fewer events each would move a share by more than five points.
pub(super) const LEAST_EVENTS: f64 = 20.0;

/// `part` as a percentage of `whole`; none where the whole is below `least` and the share would say nothing.
pub(super) fn share(part: f64, whole: f64, least: f64) -> Option<f64> {
    (whole >= least && whole > 0.0).then(|| 100.0 * part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn reading(base: Instant, at_s: u64, epoch: i64, value: f64) -> Reading<1> {
        Reading { taken: base + Duration::from_secs(at_s), epoch: Some(epoch), values: [value] }
    }

    #[test]
    fn a_reset_breaks_the_line_once() {
        let base = Instant::now();
        let mut counters = Counters::default();
        assert_eq!(counters.advance(reading(base, 0, 1, 100.0)), Step::First);
        let step = counters.advance(reading(base, 5, 1, 150.0));
        assert_eq!(step.moved().unwrap().rates(), [10.0]);
        assert_eq!(counters.advance(reading(base, 10, 1, 20.0)), Step::Reset);
        assert_eq!(counters.advance(reading(base, 15, 1, 30.0)).moved().unwrap().delta, [10.0]);
        // A reset that was overtaken already is seen by its mark.
        assert_eq!(counters.advance(reading(base, 20, 2, 40.0)), Step::Reset);
        counters.forget();
        assert_eq!(counters.advance(reading(base, 25, 2, 50.0)), Step::First);
    }

    #[test]
    fn a_share_of_too_little_is_unknown() {
        assert_eq!(share(5.0, 20.0, 10.0), Some(25.0));
        assert_eq!(share(5.0, 9.0, 10.0), None);
        assert_eq!(share(0.0, 0.0, 0.0), None);
    }

    proptest! {
        #[test]
        fn nothing_is_ever_negative(values in proptest::collection::vec((0_u32..1000, 0_i64..3), 2..30)) {
            let base = Instant::now();
            let mut counters = Counters::default();
            for (i, (value, epoch)) in values.into_iter().enumerate() {
                if let Step::Moved(interval) = counters.advance(reading(base, i as u64, epoch, f64::from(value))) {
                    prop_assert!(interval.delta[0] >= 0.0 && interval.seconds > 0.0);
                }
            }
        }
    }
}
