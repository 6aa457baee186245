//! The regular grid that series lie on.

use super::rows::Slot;
use headroom_model::{MetricId, Timestamp, metric::Kind, range::Resolved, series::Series};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps people can read off an axis. Each from a minute on divides the day, so slots start at round times.
const STEPS: [i64; 19] = [
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    28 * DAY,
];

/// `len` slots of `step_ms` from `from` on, which is a multiple of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub from: Timestamp,
    pub step_ms: i64,
    pub len: usize,
}

impl Grid {
    /// The finest readable grid over a range with steps of at least `finest_ms` and at most `max_points` slots. It covers
    /// the range; its first slot may start before it.
    pub fn over(range: Resolved, finest_ms: i64, max_points: usize) -> Self {
        let limit = max_points.max(1);
        let covering = |step: i64| {
            let from = range.from.floor_to(step);
            let len = (range.to.0.saturating_sub(from.0)).max(1).div_euclid(step)
                + i64::from((range.to.0 - from.0).rem_euclid(step) > 0);
            Grid { from, step_ms: step, len: usize::try_from(len).unwrap_or(usize::MAX) }
        };
        let mut steps = STEPS.into_iter().filter(|step| *step >= finest_ms).map(covering);
        // Ranges are bounded (`range::MAX_RANGE_MS`), so the widest step fits any sensible limit; a tiny limit doubles on.
        steps.find(|grid| grid.len <= limit).unwrap_or_else(|| {
            let mut step = STEPS[STEPS.len() - 1];
            while covering(step).len > limit && step < i64::MAX / 4 {
                step *= 2;
            }
            covering(step)
        })
    }

    /// End of the last slot.
    pub fn end(&self) -> Timestamp {
        self.from.plus_millis(self.step_ms.saturating_mul(i64::try_from(self.len).unwrap_or(i64::MAX)))
    }

    /// The slot that a moment lies in.
    pub fn slot(&self, at: Timestamp) -> Option<usize> {
        let slot = usize::try_from((at.0 - self.from.0).div_euclid(self.step_ms)).ok()?;
        (slot < self.len).then_some(slot)
    }

    /// A series with every slot that has no measurement empty.
    pub fn series(&self, metric: MetricId, slots: &[Slot]) -> Series {
        let empty = || vec![None; self.len];
        let mut series =
            Series { metric, from: self.from, step_ms: self.step_ms, avg: empty(), min: empty(), max: empty() };
        for slot in slots {
            let Some(at) = usize::try_from(slot.slot).ok().filter(|at| *at < self.len && slot.count > 0) else {
                continue;
            };
            series.avg[at] = Some(match metric.metric().kind {
                Kind::Gauge => slot.sum / slot.count as f64,
                Kind::Delta => slot.sum,
            });
            series.min[at] = Some(slot.min);
            series.max[at] = Some(slot.max);
        }
        series
    }
}

/// Adds a measurement, or several already merged, to a slot.
pub(crate) fn add(slots: &mut Vec<Slot>, measured: Slot) {
    match slots.iter_mut().rev().find(|slot| slot.slot == measured.slot) {
        Some(slot) => {
            slot.sum += measured.sum;
            slot.min = slot.min.min(measured.min);
            slot.max = slot.max.max(measured.max);
            slot.count += measured.count;
        }
        None => slots.push(measured),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(from: i64, to: i64) -> Resolved {
        Resolved { from: Timestamp(from), to: Timestamp(to), live: false }
    }

    #[test]
    fn takes_the_finest_step_that_fits() {
        let day = Grid::over(range(0, DAY), MINUTE, 1500);
        assert_eq!((day.step_ms, day.len), (MINUTE, 1440));
        let week = Grid::over(range(0, 7 * DAY), MINUTE, 1500);
        assert_eq!((week.step_ms, week.len), (10 * MINUTE, 1008));
        let hour = Grid::over(range(0, HOUR), 5 * SECOND, 1500);
        assert_eq!((hour.step_ms, hour.len), (5 * SECOND, 720));
    }

    proptest! {
        #[test]
        fn never_more_points_than_asked(from in 0_i64..4_000_000_000_000, length in 1_i64..65_836_800_000, limit in 2_usize..2000) {
            let grid = Grid::over(range(from, from + length), 5 * SECOND, limit);
            prop_assert!(grid.len <= limit && grid.len >= 1);
            prop_assert!(grid.from.0 <= from && grid.end().0 >= from + length);
            prop_assert_eq!(grid.from.0.rem_euclid(grid.step_ms), 0);
        }

        #[test]
        fn a_gap_never_becomes_a_value(present in prop::collection::btree_set(0_i64..50, 0..50)) {
            let grid = Grid { from: Timestamp(0), step_ms: MINUTE, len: 50 };
            let slots: Vec<Slot> =
                present.iter().map(|slot| Slot { slot: *slot, sum: 6.0, min: 1.0, max: 3.0, count: 3 }).collect();
            let series = grid.series(MetricId::Connections, &slots);
            for i in 0..50_usize {
                let measured = present.contains(&(i as i64));
                prop_assert_eq!(series.avg[i], measured.then_some(2.0));
                prop_assert_eq!(series.min[i].is_some(), measured);
                prop_assert_eq!(series.max[i].is_some(), measured);
            }
        }
    }
}
