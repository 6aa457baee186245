//! The grid a series lies on, and what was measured in one of its slots.

use headroom_model::{Timestamp, range::Resolved};

/// A minute in milliseconds: the finest step that is stored.
pub const MINUTE_MS: i64 = 60_000;
/// An hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;

/// The steps people read easily. Each divides the day, or is a week.
const STEPS: [i64; 17] = [
    5_000,
    10_000,
    15_000,
    30_000,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    WEEK_MS,
];

/// Slots begin at multiples of the step counted from here, Monday 5 January 1970 UTC: days begin at midnight, weeks on
/// Monday.
const ORIGIN_MS: i64 = 4 * DAY_MS;

/// A regular grid of slots. The same moment lies in the same slot whatever range asked for it, so a chart that moves
/// along does not shiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Start of the first slot.
    pub from: Timestamp,
    /// Slot width in milliseconds.
    pub step_ms: i64,
    /// How many slots.
    pub slots: usize,
}

impl Grid {
    /// The grid with the finest step, not below `finest_ms`, that covers a range with at most `max_points` slots (two at
    /// least: a range may lie across a boundary of any step).
    #[must_use]
    pub fn covering(range: Resolved, max_points: usize, finest_ms: i64) -> Self {
        let max_points = max_points.max(2);
        let fits = |step_ms: &i64| *step_ms >= finest_ms && slots(range, *step_ms) <= max_points;
        let step_ms = STEPS.into_iter().find(fits).unwrap_or_else(|| {
            // Longer than any range that `range::resolve` lets through: as many weeks as it takes.
            let length = range.to.0.saturating_sub(range.from.0);
            let most = i64::try_from(max_points - 1).unwrap_or(i64::MAX);
            let weeks = length / most / WEEK_MS + 1;
            weeks.saturating_mul(WEEK_MS).max(finest_ms)
        });
        Grid { from: floor(range.from, step_ms), step_ms, slots: slots(range, step_ms) }
    }

    /// End of the last slot, exclusive.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start_of(self.slots)
    }

    /// Start of a slot.
    #[must_use]
    pub fn start_of(&self, slot: usize) -> Timestamp {
        self.from.plus_millis(self.step_ms.saturating_mul(i64::try_from(slot).unwrap_or(i64::MAX)))
    }

    /// The slot that holds a moment; none outside the grid.
    #[must_use]
    pub fn slot_of(&self, at: Timestamp) -> Option<usize> {
        let slot = at.0.checked_sub(self.from.0)?.div_euclid(self.step_ms.max(1));
        usize::try_from(slot).ok().filter(|slot| *slot < self.slots)
    }
}

/// The smallest step people read easily that is not clearly finer than `step_ms`: 5.2 s counts as 5 s.
#[must_use]
pub(crate) fn nice_step(step_ms: i64) -> i64 {
    STEPS.into_iter().find(|step| *step >= step_ms.saturating_mul(4) / 5).unwrap_or(WEEK_MS)
}

fn floor(at: Timestamp, step_ms: i64) -> Timestamp {
    Timestamp(at.0.saturating_sub(ORIGIN_MS)).floor_to(step_ms).plus_millis(ORIGIN_MS)
}

fn slots(range: Resolved, step_ms: i64) -> usize {
    let covered = range.to.0.saturating_sub(floor(range.from, step_ms).0).max(0);
    usize::try_from(covered.div_euclid(step_ms) + i64::from(covered.rem_euclid(step_ms) > 0)).unwrap_or(usize::MAX)
}

/// The measurements of one slot, combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many.
    pub count: u32,
}

impl Tally {
    /// One measurement.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Tally { sum: value, min: value, max: value, count: 1 }
    }

    /// Takes the measurements of another slot in.
    pub fn merge(&mut self, other: &Tally) {
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// Takes a tally into a slot that may be empty.
pub(crate) fn merge_into(slot: &mut Option<Tally>, tally: &Tally) {
    match slot {
        Some(there) => there.merge(tally),
        None => *slot = Some(*tally),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::range::MAX_RANGE_MS;
    use proptest::prelude::*;

    fn range(from: i64, length: i64) -> Resolved {
        Resolved { from: Timestamp(from), to: Timestamp(from + length), live: false }
    }

    fn step(length: i64) -> i64 {
        Grid::covering(range(1_795_098_728_250, length), 1500, 5_000).step_ms
    }

    #[test]
    fn takes_the_finest_step_that_fits() {
        assert_eq!(step(HOUR_MS), 5_000);
        assert_eq!(step(6 * HOUR_MS), 15_000);
        assert_eq!(step(DAY_MS), MINUTE_MS);
        assert_eq!(step(7 * DAY_MS), 10 * MINUTE_MS);
        assert_eq!(step(30 * DAY_MS), 30 * MINUTE_MS);
        assert_eq!(step(90 * DAY_MS), 2 * HOUR_MS);
        assert_eq!(step(MAX_RANGE_MS), DAY_MS);
        assert_eq!(Grid::covering(range(0, HOUR_MS), 1500, MINUTE_MS).step_ms, MINUTE_MS);
    }

    #[test]
    fn weeks_begin_on_monday() {
        // Thu 19 Nov 2026; its week began on Mon 16 Nov.
        let grid = Grid::covering(range(1_795_098_728_250, 700 * DAY_MS), 110, 5_000);
        assert_eq!((grid.step_ms, grid.from.to_rfc3339().as_str()), (WEEK_MS, "2026-11-16T00:00:00Z"));
    }

    #[test]
    fn a_cadence_is_rounded_kindly() {
        assert_eq!(nice_step(5_003), 5_000);
        assert_eq!(nice_step(1_000), 5_000);
        assert_eq!(nice_step(9_000), 10_000);
        assert_eq!(nice_step(20_000), 30_000);
    }

    proptest! {
        #[test]
        fn covers_its_range_within_bounds(
            from in -4_000_000_000_000_i64..4_000_000_000_000,
            length in 1_i64..(4 * MAX_RANGE_MS),
            max_points in 0_usize..2000,
        ) {
            let range = range(from, length);
            let grid = Grid::covering(range, max_points, 5_000);
            prop_assert!(grid.slots >= 1 && grid.slots <= max_points.max(2));
            prop_assert!(grid.from <= range.from && range.from < grid.start_of(1));
            prop_assert!(grid.end() >= range.to && grid.start_of(grid.slots - 1) < range.to);
            prop_assert_eq!((grid.from.0 - ORIGIN_MS).rem_euclid(grid.step_ms), 0);
            prop_assert_eq!(grid.slot_of(range.from), Some(0));
            prop_assert_eq!(grid.slot_of(grid.end()), None);
        }

        #[test]
        fn merging_keeps_every_measurement(values in prop::collection::vec(-1000_i32..1000, 1..50), cut in 0_usize..50) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut parts = [None, None];
            for (i, value) in values.iter().enumerate() {
                merge_into(&mut parts[usize::from(i >= cut)], &Tally::of(*value));
            }
            let mut all = None;
            parts.iter().flatten().for_each(|part| merge_into(&mut all, part));
            let all = all.unwrap();
            prop_assert_eq!(all.sum, values.iter().sum::<f64>());
            prop_assert_eq!(all.min, values.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(all.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            prop_assert_eq!(all.count as usize, values.len());
        }
    }
}
