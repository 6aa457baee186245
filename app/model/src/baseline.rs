//! What a metric usually is at this hour of the week, and where it was not.

use crate::{MetricId, Timestamp, format};
use serde::{Deserialize, Serialize};

/// Weeks looked back at most.
pub const MAX_WEEKS: u8 = 8;
/// Weeks that must stand behind a band: fewer tell nothing about what is usual.
pub const LEAST_WEEKS: u8 = 3;
/// Anomalies told at most of one metric, the largest ones.
pub const MAX_ANOMALIES: usize = 50;

/// The usual band of one metric on the grid of its series: `from + i * step_ms`. A slot with fewer than [`LEAST_WEEKS`]
/// weeks behind it is null in all three columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// The metric.
    pub metric: MetricId,
    /// Start of the first slot.
    pub from: Timestamp,
    /// Slot width in milliseconds.
    pub step_ms: i64,
    /// Lower end of the band.
    pub low: Vec<Option<f64>>,
    /// The usual value.
    pub mid: Vec<Option<f64>>,
    /// Upper end of the band.
    pub high: Vec<Option<f64>>,
    /// Weeks behind the best-known slot.
    pub weeks: u8,
    /// Stretches outside the band, oldest first.
    pub anomalies: Vec<Anomaly>,
    /// Why there is no band.
    pub silent: Option<String>,
}

/// A stretch outside the band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Anomaly {
    /// Start of its first slot.
    pub from: Timestamp,
    /// End of its last slot, exclusive.
    pub to: Timestamp,
    /// Start of the slot that lies farthest outside.
    pub at: Timestamp,
    /// The value there.
    pub value: f64,
    /// The usual value there.
    pub expected: f64,
    /// The end of the band that it passed.
    pub bound: f64,
    /// `value / expected`; none where the usual value is zero or has another sign.
    pub factor: Option<f64>,
}

impl Anomaly {
    /// Whether it lies above the band.
    #[must_use]
    pub fn is_above(&self) -> bool {
        self.value > self.bound
    }

    /// In words: `3.2 times the usual 140 ms`, `12 connections below the usual 40`, with `metric` for its unit.
    #[must_use]
    pub fn words(&self, metric: MetricId) -> String {
        let usual = format::value(self.expected, metric.metric().unit);
        match self.factor {
            Some(factor) if factor >= 1.95 => format!("{} times the usual {usual}", format::number(factor)),
            Some(factor) if factor > 0.0 && factor <= 0.55 => {
                format!("{} % of the usual {usual}", format::number(factor * 100.0))
            }
            _ => {
                let value = format::value(self.value, metric.metric().unit);
                let side = if self.is_above() { "above" } else { "below" };
                format!("{value}, {side} the usual {usual}")
            }
        }
    }

    /// How far outside the band it lies, in widths from the usual value to the band's end.
    #[must_use]
    pub fn excess(&self) -> f64 {
        let half = (self.bound - self.expected).abs();
        if half > 0.0 { (self.value - self.expected).abs() / half } else { f64::INFINITY }
    }
}

impl Baseline {
    /// What a legend says of it, in one sentence: `14:20 UTC: 3.2 times the usual 140 ms for 5 min (8 weeks compared).`
    #[must_use]
    pub fn sentence(&self, now: Timestamp) -> String {
        if let Some(silent) = &self.silent {
            return silent.clone();
        }
        let weeks = format::counted(u64::from(self.weeks), "week");
        let farthest = self.anomalies.iter().max_by(|a, b| a.excess().total_cmp(&b.excess()));
        match farthest {
            None => format!("As usual for these hours of the week ({weeks})."),
            Some(one) => {
                let others = match self.anomalies.len() - 1 {
                    0 => String::new(),
                    1 => ", and once more".to_owned(),
                    more => format!(", and {more} times more"),
                };
                let span = format::duration_ms((one.to.0 - one.from.0) as f64);
                let at = format::moment(one.at, now);
                format!("{at} UTC: {} for {span}{others} ({weeks} compared).", one.words(self.metric))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_098_720_000);

    fn anomaly(value: f64, expected: f64, bound: f64) -> Anomaly {
        let factor = (expected > 0.0).then(|| value / expected);
        Anomaly { from: AT, to: AT.plus_millis(300_000), at: AT, value, expected, bound, factor }
    }

    #[test]
    fn says_how_far_from_usual() {
        let words = |anomaly: Anomaly, metric| anomaly.words(metric);
        assert_eq!(words(anomaly(448.0, 140.0, 200.0), MetricId::QueryLatencyMean), "3.2 times the usual 140 ms");
        assert_eq!(words(anomaly(10.0, 40.0, 30.0), MetricId::Connections), "25 % of the usual 40");
        assert_eq!(words(anomaly(50.0, 40.0, 44.0), MetricId::Connections), "50, above the usual 40");
        assert_eq!(words(anomaly(30.0, 40.0, 36.0), MetricId::Connections), "30, below the usual 40");
        assert_eq!(words(anomaly(3.0, 0.0, 1.0), MetricId::Deadlocks), "3, above the usual 0");
    }

    #[test]
    fn a_sentence_names_the_farthest_stretch() {
        let mut baseline = Baseline {
            metric: MetricId::Connections,
            from: AT,
            step_ms: 60_000,
            low: Vec::new(),
            mid: Vec::new(),
            high: Vec::new(),
            weeks: 8,
            anomalies: Vec::new(),
            silent: None,
        };
        assert_eq!(baseline.sentence(AT), "As usual for these hours of the week (8 weeks).");
        baseline.anomalies = vec![anomaly(50.0, 40.0, 44.0), anomaly(120.0, 40.0, 44.0)];
        assert_eq!(
            baseline.sentence(AT),
            "14:32 UTC: 3 times the usual 40 for 5 min, and once more (8 weeks compared)."
        );
        baseline.silent = Some("No week to compare with.".into());
        assert_eq!(baseline.sentence(AT), "No week to compare with.");
    }
}
