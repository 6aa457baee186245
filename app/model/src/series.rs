//! A series: one metric over a range, on a regular grid.

use crate::{MetricId, Timestamp};
use serde::{Deserialize, Serialize};

/// The most points a series ever has; a query takes the finest step that stays below.
pub const MAX_POINTS: usize = 1500;

/// One metric on the grid `from + i * step_ms`. A slot without a measurement is null in all three columns: gaps are
/// gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// The metric.
    pub metric: MetricId,
    /// Start of the first slot.
    pub from: Timestamp,
    /// Slot width in milliseconds.
    pub step_ms: i64,
    /// Mean of each slot (sum for metrics that count events).
    pub avg: Vec<Option<f64>>,
    /// Smallest measurement of each slot.
    pub min: Vec<Option<f64>>,
    /// Largest measurement of each slot.
    pub max: Vec<Option<f64>>,
}

/// What a legend says of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Smallest measurement.
    pub min: f64,
    /// Mean of the slots that have one.
    pub avg: f64,
    /// Largest measurement.
    pub max: f64,
    /// Mean of the newest slot that has one.
    pub last: f64,
}

impl Series {
    /// Moment of slot `i`.
    #[must_use]
    pub fn at(&self, i: usize) -> Timestamp {
        self.from.plus_millis(self.step_ms.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX)))
    }

    /// Legend figures; none when nothing was measured.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let values: Vec<f64> = self.avg.iter().flatten().copied().collect();
        let last = *values.last()?;
        let avg = values.iter().sum::<f64>() / values.len() as f64;
        let min = self.min.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let max = self.max.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Summary { min, avg, max, last })
    }
}
