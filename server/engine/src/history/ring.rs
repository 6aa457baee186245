//! The last hour of samples, compact.

use crate::store::{Slot, grid, grid::Grid};
use headroom_model::{MetricId, Sample, Timestamp};
use std::collections::VecDeque;

/// What the ring covers.
pub(super) const SPAN_MS: i64 = 3_600_000;
/// Most samples kept, should they come faster than planned.
const MOST: usize = 3_600;

/// A sample's figures, sorted by metric.
type Figures = Box<[(MetricId, f64)]>;

#[derive(Debug, Default)]
pub(super) struct Ring(VecDeque<(Timestamp, Figures)>);

impl Ring {
    pub fn push(&mut self, sample: &Sample) {
        let figures = sample.figures.iter().map(|(metric, value)| (*metric, *value)).collect();
        self.0.push_back((sample.at, figures));
        while self.0.len() > MOST || self.0.front().is_some_and(|(at, _)| at.0 < sample.at.0 - SPAN_MS - 10_000) {
            self.0.pop_front();
        }
    }

    pub fn starts(&self) -> Option<Timestamp> {
        self.0.front().map(|(at, _)| *at)
    }

    pub fn slots(&self, metric: MetricId, grid: Grid) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (at, figures) in &self.0 {
            let value = figures.binary_search_by_key(&metric, |(id, _)| *id).ok().map(|i| figures[i].1);
            if let (Some(slot), Some(value)) = (grid.slot(*at), value) {
                let slot = i64::try_from(slot).unwrap_or(i64::MAX);
                grid::add(&mut slots, Slot { slot, sum: value, min: value, max: value, count: 1 });
            }
        }
        slots
    }
}
