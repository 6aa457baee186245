//! Memory of the score: since when a check fails, and when its deduction ends.

use super::{
    checks::{CHECKS, Check, FIRST, Rule},
    ledger::{self, Finding},
    settings::{HealthSettings, Limits},
};
use headroom_model::{MetricId, Sample, Timestamp, health::Health};
use std::collections::BTreeMap;

/// Scores one target's samples in order.
///
/// A deduction ends when its target has been met for the hold time; until then it costs what just passing the limit
/// costs. A figure that is no longer measured keeps its deduction for the hold time, so that not knowing never improves
/// a score; after that it is unknown. An outage ends at once, and ends what was found on the server before it.
#[derive(Debug)]
pub struct HealthTracker {
    settings: HealthSettings,
    open: BTreeMap<&'static str, Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Timestamp,
    met_since: Option<Timestamp>,
    unknown_since: Option<Timestamp>,
    value: f64,
    severity: f64,
}

impl HealthTracker {
    /// A tracker without memory.
    #[must_use]
    pub fn new(settings: HealthSettings) -> Self {
        HealthTracker { settings, open: BTreeMap::new() }
    }

    /// Scores the next sample.
    pub fn update(&mut self, sample: &Sample, now: Timestamp) -> Health {
        let mut findings = Vec::new();
        for check in CHECKS {
            let before = self.open.remove(check.id);
            let Some(limits) = self.settings.limits(check) else { continue };
            if let Some(open) = self.follow(check, limits, before, sample, now) {
                self.open.insert(check.id, open);
                let Open { since, met_since, value, severity, .. } = open;
                findings.push(Finding { check, limits, value, severity, since, met_since });
            }
        }
        ledger::score(sample, &findings, &self.settings, now)
    }

    fn follow(
        &self,
        check: &Check,
        limits: Limits,
        before: Option<Open>,
        sample: &Sample,
        now: Timestamp,
    ) -> Option<Open> {
        let hold_ms = u128::from(self.settings.hold_secs) * 1000;
        let held = |from: Timestamp| now.since(from).as_millis() < hold_ms;
        let Some(value) = sample.get(check.metric) else {
            let before = before.filter(|_| check.rule != Rule::Outage && !is_server_down(check, sample))?;
            let unknown_since = before.unknown_since.unwrap_or(now);
            return held(unknown_since).then_some(Open { unknown_since: Some(unknown_since), ..before });
        };
        let severity = check.severity(value, limits);
        if severity > 0.0 {
            let since = before.map_or(now, |open| open.since);
            return Some(Open { since, met_since: None, unknown_since: None, value, severity });
        }
        let before = before.filter(|_| check.rule != Rule::Outage)?;
        let met_since = before.met_since.unwrap_or(now);
        held(met_since).then_some(Open {
            met_since: Some(met_since),
            unknown_since: None,
            value,
            severity: FIRST,
            ..before
        })
    }
}

/// Whether the server that a figure comes from is known not to answer.
fn is_server_down(check: &Check, sample: &Sample) -> bool {
    let up = match check.metric.as_str().split_once('.') {
        Some(("database" | "locks", _)) => MetricId::DatabaseUp,
        Some(("redis", _)) => MetricId::RedisUp,
        _ => return false,
    };
    sample.get(up).is_some_and(|value| value < 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::TargetId;

    const START: Timestamp = Timestamp(1_795_098_728_250);

    fn sample(figures: &[(MetricId, f64)]) -> Sample {
        Sample { target: TargetId("orders".into()), at: START, figures: figures.iter().copied().collect() }
    }

    fn tracker() -> HealthTracker {
        let mut settings = HealthSettings::default();
        settings.hold_secs = 60;
        HealthTracker::new(settings)
    }

    #[test]
    fn a_deduction_ends_when_its_target_was_met_for_the_hold_time() {
        let mut tracker = tracker();
        let at = |secs: i64| START.plus_millis(secs * 1000);
        let bad = sample(&[(MetricId::QueryLatencyP95, 1500.0)]);
        let good = sample(&[(MetricId::QueryLatencyP95, 100.0)]);

        let first = tracker.update(&bad, at(0));
        let failing = tracker.update(&bad, at(30));
        assert_eq!(failing.deductions[0].since, at(0));
        assert_eq!(failing.score, first.score);

        let held = tracker.update(&good, at(40));
        assert_eq!(held.deductions[0].met_since, Some(at(40)));
        assert_eq!(held.deductions[0].since, at(0));
        assert!(held.score > failing.score);

        // A relapse starts the hold time again, not the deduction.
        let relapse = tracker.update(&bad, at(70));
        assert_eq!((relapse.deductions[0].since, relapse.deductions[0].met_since), (at(0), None));
        assert!(!tracker.update(&good, at(80)).deductions.is_empty());
        assert!(!tracker.update(&good, at(139)).deductions.is_empty());
        assert_eq!(tracker.update(&good, at(140)).score, Some(100));
    }

    #[test]
    fn not_knowing_never_improves() {
        let mut tracker = tracker();
        let bad = sample(&[(MetricId::LocksWaiting, 5.0), (MetricId::QueryLatencyP95, 10.0)]);
        let blind = sample(&[(MetricId::QueryLatencyP95, 10.0)]);
        let known = tracker.update(&bad, START);
        assert_eq!(tracker.update(&blind, START.plus_millis(5_000)).score, known.score);
        // After the hold time the component is unknown, not healthy.
        let later = tracker.update(&blind, START.plus_millis(65_000));
        let locks = later.components.iter().find(|c| c.component == headroom_model::Component::Locks).unwrap();
        assert_eq!(locks.score, None);
    }

    #[test]
    fn an_outage_ends_at_once_and_ends_what_was_before() {
        let mut tracker = tracker();
        tracker.update(&sample(&[(MetricId::DatabaseUp, 1.0), (MetricId::LocksWaiting, 5.0)]), START);
        let down = tracker.update(&sample(&[(MetricId::DatabaseUp, 0.0), (MetricId::PoolUsed, 0.0)]), START);
        assert_eq!(down.deductions.iter().map(|d| d.check.as_str()).collect::<Vec<_>>(), ["postgres-down"]);
        let up = sample(&[(MetricId::DatabaseUp, 1.0), (MetricId::LocksWaiting, 0.0)]);
        assert_eq!(tracker.update(&up, START.plus_millis(2_000)).score, Some(100));
    }
}
