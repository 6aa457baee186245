//! The newest samples of one target as they were taken: an hour of them, in memory.

use super::{Grid, Tally};
use crate::store::{HOUR_MS, MINUTE_MS, merge_into, nice_step};
use headroom_model::{MetricId, Sample, Timestamp, metric::Kind};
use std::collections::VecDeque;

/// How long a sample stays. A little over the hour that it serves, so that a chart of the last hour has no ragged start.
const SPAN_MS: i64 = HOUR_MS + MINUTE_MS;
/// Samples held at most: an hour of one every three seconds. With more a second, the ring spans less than an hour.
const MOST: usize = 1220;
/// The finest step that is served.
const FINEST_MS: i64 = 5_000;
/// Samples whose distances tell the cadence.
const CADENCE_SAMPLES: usize = 31;

#[derive(Debug, Default)]
pub struct Ring {
    samples: VecDeque<Taken>,
}

#[derive(Debug)]
struct Taken {
    at: Timestamp,
    /// Sorted by metric.
    figures: Box<[(MetricId, f64)]>,
}

impl Taken {
    fn get(&self, metric: MetricId) -> Option<f64> {
        let index = self.figures.binary_search_by_key(&metric, |(metric, _)| *metric).ok()?;
        Some(self.figures[index].1)
    }
}

impl Ring {
    pub fn push(&mut self, sample: &Sample) {
        let figures = super::measured(sample).collect();
        self.samples.push_back(Taken { at: sample.at, figures });
        let oldest = sample.at.plus_millis(-SPAN_MS);
        while self.samples.len() > MOST || self.samples.front().is_some_and(|taken| taken.at < oldest) {
            self.samples.pop_front();
        }
    }

    /// The oldest and the newest sample.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.samples.front()?.at, self.samples.back()?.at))
    }

    /// The usual distance of two samples in milliseconds: the median of the newest.
    pub fn cadence_ms(&self) -> i64 {
        let newest = self.samples.iter().rev().take(CADENCE_SAMPLES);
        let mut distances: Vec<i64> =
            newest.clone().zip(newest.skip(1)).map(|(b, a)| (b.at.0 - a.at.0).max(0)).collect();
        distances.sort_unstable();
        distances.get(distances.len() / 2).copied().unwrap_or(FINEST_MS)
    }

    /// The finest step in which every slot can hold a sample.
    pub fn finest_ms(&self) -> i64 {
        nice_step(self.cadence_ms()).max(FINEST_MS)
    }

    /// The samples of a metric on a grid.
    ///
    /// Samples do not come exactly on time, so now and then a slot of their own width holds two and the next one none.
    /// The figures of a sample tell about the time since the one before it; where that one came at its usual distance,
    /// a slot between the two is therefore not a gap. Events of that time were counted in the later slot.
    pub fn tallies(&self, metric: MetricId, grid: &Grid) -> Vec<Option<Tally>> {
        let mut slots = vec![None; grid.slots];
        let usual_ms = self.cadence_ms() * 3 / 2;
        let index = |at: Timestamp| at.0.saturating_sub(grid.from.0).div_euclid(grid.step_ms);
        let mut before: Option<Timestamp> = None;
        for taken in &self.samples {
            let Some(value) = taken.get(metric) else { continue };
            if let Some(slot) = grid.slot_of(taken.at) {
                merge_into(&mut slots[slot], &Tally::of(value));
            }
            if let Some(before) = before
                && (1..usual_ms).contains(&(taken.at.0 - before.0))
            {
                let bridge = Tally::of(if metric.metric().kind == Kind::Delta { 0.0 } else { value });
                for between in index(before) + 1..index(taken.at) {
                    let slot = usize::try_from(between).ok().and_then(|slot| slots.get_mut(slot));
                    if let Some(slot @ None) = slot {
                        *slot = Some(bridge);
                    }
                }
            }
            before = Some(taken.at);
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{TargetId, range::Resolved, sample::Figures};
    use proptest::prelude::*;

    const START: i64 = 1_795_089_600_000;

    fn ring(samples: impl IntoIterator<Item = (i64, f64)>) -> Ring {
        let mut ring = Ring::default();
        for (offset, value) in samples {
            let figures = Figures::from([(MetricId::Connections, value), (MetricId::Deadlocks, value)]);
            ring.push(&Sample { target: TargetId("orders".into()), at: Timestamp(START + offset), figures });
        }
        ring
    }

    fn grid(length: i64, step_ms: i64) -> Grid {
        let range = Resolved { from: Timestamp(START), to: Timestamp(START + length), live: false };
        Grid::covering(range, 1500, step_ms)
    }

    fn means(ring: &Ring, metric: MetricId, grid: &Grid) -> Vec<Option<f64>> {
        ring.tallies(metric, grid).into_iter().map(|slot| slot.map(|tally| tally.sum)).collect()
    }

    #[test]
    fn a_sample_that_came_late_leaves_no_gap() {
        let ring = ring([(4_999, 1.0), (10_001, 2.0), (14_990, 3.0), (20_010, 4.0), (25_020, 5.0)]);
        assert_eq!(ring.finest_ms(), 5_000);
        let grid = grid(30_000, 5_000);
        assert_eq!(
            means(&ring, MetricId::Connections, &grid),
            [Some(1.0), Some(2.0), Some(5.0), Some(4.0), Some(4.0), Some(5.0)]
        );
        // Counted once, in the slot of its sample.
        let events = means(&ring, MetricId::Deadlocks, &grid);
        assert_eq!(events, [Some(1.0), Some(0.0), Some(5.0), Some(0.0), Some(4.0), Some(5.0)]);
    }

    #[test]
    fn a_missing_sample_is_a_gap() {
        let ring = ring([(0, 1.0), (5_000, 2.0), (15_000, 4.0), (20_000, 5.0)]);
        let means = means(&ring, MetricId::Connections, &grid(25_000, 5_000));
        assert_eq!(means, [Some(1.0), Some(2.0), None, Some(4.0), Some(5.0)]);
    }

    #[test]
    fn holds_an_hour_and_no_more() {
        let ring = ring((0..2000).map(|i| (i * 5_000, 1.0)));
        let (oldest, newest) = ring.span().unwrap();
        assert_eq!(newest.0 - oldest.0, SPAN_MS);
        let fast = self::ring((0..5000).map(|i| (i * 500, 1.0)));
        assert_eq!(fast.samples.len(), MOST);
        assert_eq!(fast.finest_ms(), 5_000);
    }

    proptest! {
        #[test]
        fn a_gap_never_becomes_a_value(
            present in prop::collection::vec(any::<bool>(), 2..200),
            jitter in prop::collection::vec(-400_i64..400, 200),
        ) {
            let samples: Vec<_> = present.iter().zip(&jitter).enumerate()
                .filter(|(_, (present, _))| **present)
                .map(|(i, (_, jitter))| (i as i64 * 5_000 + 2_500 + jitter, i as f64))
                .collect();
            let ring = ring(samples.clone());
            prop_assume!(ring.cadence_ms() < 6_000);
            let slots = means(&ring, MetricId::Connections, &grid(present.len() as i64 * 5_000, 5_000));
            for (i, present) in present.iter().enumerate() {
                prop_assert_eq!(slots[i], present.then_some(i as f64));
            }
        }

        #[test]
        fn every_event_is_counted_once(distances in prop::collection::vec(1_000_i64..20_000, 1..150)) {
            let mut at = 0;
            let samples: Vec<_> = distances.iter().map(|distance| { at += distance; (at, 1.0) }).collect();
            let ring = ring(samples.clone());
            let grid = grid(at + 1, 5_000);
            let counted: f64 = ring.tallies(MetricId::Deadlocks, &grid).into_iter().flatten().map(|tally| tally.sum).sum();
            prop_assert_eq!(counted, samples.len() as f64);
        }
    }
}
