//! From findings to a score: whole points that add up to 100 minus the score, always.

use super::{
    checks::{Check, Rule},
    settings::{HealthSettings, Limits, Weights},
};
use crate::links::link;
use headroom_model::{
    Band, Component, MetricId, Sample, TargetId, Timestamp,
    health::{ComponentHealth, Deduction, Health},
};

/// PostgreSQL's outage costs at least this much, so that the overall score is critical whatever else is fine.
const OUTAGE_POINTS: u16 = 51;

/// A failed check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub check: &'static Check,
    pub limits: Limits,
    pub value: f64,
    pub severity: f64,
    pub since: Timestamp,
    pub met_since: Option<Timestamp>,
}

impl Finding {
    /// Points of its component.
    fn penalty(&self) -> f64 {
        self.severity * self.check.cost
    }

    fn deduction(&self, points: u16, target: &TargetId, now: Timestamp) -> Deduction {
        let Finding { check, limits, value, severity, since, met_since } = *self;
        Deduction {
            check: check.id.to_owned(),
            component: check.component,
            points: u8::try_from(points).unwrap_or(100),
            band: if severity >= 1.0 { Band::Critical } else { Band::Degraded },
            cause: check.cause(value, limits, met_since.is_some(), since, now),
            metric: check.metric,
            value,
            threshold: limits.degraded,
            since,
            met_since,
            evidence: link(check.evidence, target),
        }
    }
}

/// Scores the findings of a sample.
pub(super) fn score(sample: &Sample, findings: &[Finding], settings: &HealthSettings, now: Timestamp) -> Health {
    let weights = settings.weights();
    let scored = |component| weights.of(component) > 0;
    let findings: Vec<&Finding> = findings.iter().filter(|finding| scored(finding.check.component)).collect();
    let components: Vec<ComponentHealth> = Weights::ORDER
        .into_iter()
        .filter(|component| scored(*component))
        .map(|component| component_health(component, sample, &findings, settings))
        .collect();
    let measured: u16 = components.iter().filter(|c| c.score.is_some()).map(|c| u16::from(c.weight)).sum();

    let mut entries: Vec<(&Finding, u16)> = Vec::new();
    for component in components.iter().filter(|c| c.score.is_some()) {
        let share = f64::from(component.weight) / f64::from(measured);
        let of_component: Vec<&Finding> =
            findings.iter().copied().filter(|finding| finding.check.component == component.component).collect();
        let exact: Vec<f64> = of_component.iter().map(|finding| finding.penalty() * share).collect();
        entries.extend(of_component.into_iter().zip(whole_points(&exact, share * 100.0)));
    }
    raise_outage(&mut entries);
    keep_within_100(&mut entries);
    entries.sort_by(|(a, a_points), (b, b_points)| {
        b_points.cmp(a_points).then(b.severity.total_cmp(&a.severity)).then(a.check.id.cmp(b.check.id))
    });

    let lost: u16 = entries.iter().map(|(_, points)| points).sum();
    Health {
        at: now,
        score: (measured > 0).then(|| u8::try_from(100 - lost.min(100)).unwrap_or(0)),
        components,
        deductions: entries.into_iter().map(|(f, points)| f.deduction(points, &sample.target, now)).collect(),
        hold_secs: settings.hold_secs,
    }
}

fn component_health(
    component: Component,
    sample: &Sample,
    findings: &[&Finding],
    settings: &HealthSettings,
) -> ComponentHealth {
    let weight = settings.weights().of(component);
    let mut penalties = findings.iter().filter(|f| f.check.component == component).map(|f| f.penalty()).peekable();
    let measured = penalties.peek().is_some() || super::assess::is_measured(component, sample, settings);
    let lost = penalties.sum::<f64>().min(100.0);
    let score = measured.then(|| (100.0 - lost).round() as u8);
    let unknown = (!measured).then(|| why_unknown(component, sample));
    ComponentHealth { component, weight, score, unknown }
}

fn why_unknown(component: Component, sample: &Sample) -> String {
    let down = |up: MetricId| sample.get(up).is_some_and(|value| value < 0.5);
    match component {
        _ if sample.figures.is_empty() => "Not measured yet",
        Component::Cache if sample.get(MetricId::RedisUp).is_none() => {
            let has_datasets = sample.get(MetricId::CacheMemoryMax).is_some();
            if has_datasets { "Too few lookups to tell" } else { "Neither Redis nor a dataset is configured" }
        }
        Component::Cache if down(MetricId::RedisUp) => "Redis does not answer",
        Component::Database | Component::Locks if down(MetricId::DatabaseUp) => "PostgreSQL does not answer",
        _ => "None of its figures could be read",
    }
    .to_owned()
}

/// Whole points for the findings of one component, at least 1 each, near their exact share, together at most `cap`
/// (unless there are more findings than that).
///
/// The sum rises with every exact share, so a worse value never costs less. Each point then goes to the finding that is
/// furthest below its exact share: the largest remainder, with a minimum of one.
fn whole_points(exact: &[f64], cap: f64) -> Vec<u16> {
    let sum: f64 = exact.iter().sum();
    let least: f64 = exact.iter().map(|points| points.floor().max(1.0)).sum();
    let total = sum.round().max(least).min(cap.ceil()).max(exact.len() as f64);
    let shrink = if sum > total { total / sum } else { 1.0 };
    let mut points = vec![1u16; exact.len()];
    for _ in exact.len()..total as usize {
        let furthest = (0..exact.len())
            .max_by(|&a, &b| {
                let below = |i: usize| exact[i] * shrink - f64::from(points[i]);
                below(a).total_cmp(&below(b)).then(b.cmp(&a))
            })
            .unwrap_or_default();
        if let Some(points) = points.get_mut(furthest) {
            *points += 1;
        }
    }
    points
}

fn raise_outage(entries: &mut [(&Finding, u16)]) {
    let is_outage = |check: &Check| check.rule == Rule::Outage && check.component == Component::Database;
    if let Some((_, points)) = entries.iter_mut().find(|(finding, _)| is_outage(finding.check)) {
        *points = (*points).max(OUTAGE_POINTS);
    }
}

/// Caps are rounded up and the outage is raised, so the sum may pass 100 when nearly everything fails: the largest
/// deductions give way. There are fewer checks than points, so each keeps its one.
fn keep_within_100(entries: &mut [(&Finding, u16)]) {
    let sum: u16 = entries.iter().map(|(_, points)| points).sum();
    for _ in 100..sum {
        if let Some((_, points)) = entries.iter_mut().max_by_key(|(_, points)| *points) {
            *points = points.saturating_sub(1).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn points_are_near_their_exact_share() {
        assert_eq!(whole_points(&[8.4, 5.3, 2.2], 40.0), [9, 5, 2]);
        assert_eq!(whole_points(&[0.2, 0.1], 40.0), [1, 1]);
        assert_eq!(whole_points(&[60.0, 30.0], 40.0), [27, 13]);
        assert!(whole_points(&[], 40.0).is_empty());
    }

    proptest! {
        #[test]
        fn every_deduction_has_a_point_and_the_cap_holds(
            exact in proptest::collection::vec(0.1..60.0f64, 0..15), cap in 15.0..100.0f64,
        ) {
            let points = whole_points(&exact, cap);
            prop_assert!(points.iter().all(|p| *p >= 1));
            prop_assert!(f64::from(points.iter().sum::<u16>()) <= cap.ceil());
        }
    }
}
