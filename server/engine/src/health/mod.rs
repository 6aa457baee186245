//! The health score: a pure assessment of a sample, and the tracker that gives its findings a since and a hold time.

use headroom_model::{Sample, Timestamp, health::Health};

/// Weights, thresholds and hold time. Defaults are the documented ones.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSettings {
    /// Seconds a target must be met before its deduction ends. Default 300.
    pub hold_secs: u64,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings { hold_secs: 300 }
    }
}

/// Scores a sample without memory: every deduction is "since now".
#[must_use]
pub fn assess(_sample: &Sample, _settings: &HealthSettings, _now: Timestamp) -> Health {
    unimplemented!()
}
