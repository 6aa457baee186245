//! A sample: every figure of one target at one moment.

use crate::{MetricId, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Figures by metric. A metric that is absent was not measured; it is never zero by default.
pub type Figures = BTreeMap<MetricId, f64>;

/// One target at one moment. Published once, read by the live feed, the health score, the history, the exposition and
/// the alert rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Whose figures.
    pub target: TargetId,
    /// When they were taken.
    pub at: Timestamp,
    /// What was measured.
    pub figures: Figures,
}

impl Sample {
    /// The value of a metric, if it was measured.
    #[must_use]
    pub fn get(&self, metric: MetricId) -> Option<f64> {
        self.figures.get(&metric).copied()
    }

    /// Stores a measured value; what is not finite counts as not measured.
    pub fn set(&mut self, metric: MetricId, value: f64) {
        if value.is_finite() {
            self.figures.insert(metric, value);
        }
    }
}
