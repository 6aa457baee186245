//! The assessment of one sample, without memory.

use super::{
    checks::{CHECKS, Rule},
    ledger::{self, Finding},
    settings::HealthSettings,
};
use headroom_model::{Component, Sample, Timestamp, health::Health};

/// Scores a sample without memory: every deduction is "since now".
#[must_use]
pub fn assess(sample: &Sample, settings: &HealthSettings, now: Timestamp) -> Health {
    ledger::score(sample, &findings(sample, settings, now), settings, now)
}

/// The checks that fail in a sample.
fn findings(sample: &Sample, settings: &HealthSettings, now: Timestamp) -> Vec<Finding> {
    CHECKS
        .iter()
        .filter_map(|check| {
            let limits = settings.limits(check)?;
            let value = sample.get(check.metric)?;
            let severity = check.severity(value, limits);
            (severity > 0.0).then_some(Finding { check, limits, value, severity, since: now, met_since: None })
        })
        .collect()
}

/// Whether a sample tells anything about a component. That a server answers is not enough to call it healthy.
pub(super) fn is_measured(component: Component, sample: &Sample, settings: &HealthSettings) -> bool {
    CHECKS
        .iter()
        .filter(|check| check.component == component && check.rule != Rule::Outage)
        .filter(|check| settings.limits(check).is_some())
        .any(|check| sample.get(check.metric).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{Band, MetricId, TargetId, sample::Figures};
    use proptest::prelude::*;

    fn sample(figures: &[(MetricId, f64)]) -> Sample {
        Sample {
            target: TargetId("orders".into()),
            at: Timestamp(1_795_098_728_250),
            figures: figures.iter().copied().collect(),
        }
    }

    fn score(sample: &Sample) -> Health {
        assess(sample, &HealthSettings::default(), sample.at)
    }

    const FINE: &[(MetricId, f64)] = &[
        (MetricId::DatabaseUp, 1.0),
        (MetricId::QueryLatencyP95, 20.0),
        (MetricId::LocksWaiting, 0.0),
        (MetricId::RedisUp, 1.0),
        (MetricId::RedisHitRatio, 95.0),
        (MetricId::PoolUsed, 10.0),
    ];

    #[test]
    fn a_quiet_target_is_excellent() {
        let health = score(&sample(FINE));
        assert_eq!((health.score, health.band()), (Some(100), Some(Band::Excellent)));
        assert!(health.deductions.is_empty());
        assert_eq!(health.components.len(), 4);
        assert!(health.components.iter().all(|c| c.score == Some(100) && c.unknown.is_none()));
    }

    #[test]
    fn nothing_measured_is_unknown() {
        let health = score(&sample(&[]));
        assert_eq!(health.score, None);
        assert!(
            health.components.iter().all(|c| c.score.is_none() && c.unknown.as_deref() == Some("Not measured yet"))
        );
        // That a server answers says nothing about its health.
        let health = score(&sample(&[(MetricId::DatabaseUp, 1.0), (MetricId::RedisUp, 1.0)]));
        assert_eq!(health.score, None);
    }

    #[test]
    fn a_component_costs_at_most_its_share() {
        let mut sample = sample(FINE);
        for check in CHECKS.iter().filter(|c| c.component == Component::Locks) {
            sample.set(check.metric, 1e9);
        }
        let health = score(&sample);
        assert_eq!(health.score, Some(85));
        assert_eq!(health.components[3].score, Some(0));
    }

    #[test]
    fn missing_redis_moves_its_weight_to_the_others() {
        let health = score(&sample(&[(MetricId::LocksWaiting, 10.0), (MetricId::QueryLatencyP95, 20.0)]));
        assert_eq!(health.components[1].unknown.as_deref(), Some("Neither Redis nor a dataset is configured"));
        // 60 points of locks at a share of 15 in 55.
        assert_eq!(health.score, Some(100 - 16));
    }

    #[test]
    fn the_cache_is_scored_once_datasets_are_read() {
        let unread = [(MetricId::CacheMemory, 0.0), (MetricId::CacheMemoryMax, 1e6), (MetricId::CacheKeys, 0.0)];
        let cache = |figures: &[(MetricId, f64)]| score(&sample(figures)).components[1].clone();
        let health = cache(&unread);
        assert_eq!((health.score, health.unknown.as_deref()), (None, Some("Too few lookups to tell")));
        let read = [(MetricId::CacheHitRate, 96.0), (MetricId::CacheStaleShare, 0.0), (MetricId::CacheLoadErrors, 0.0)];
        assert_eq!(cache(&[&unread[..], &read].concat()).score, Some(100));
        // Halfway to critical, at a cost of 60.
        assert_eq!(cache(&[(MetricId::CacheHitRate, 35.0)]).score, Some(100 - 42));
        let alone = score(&sample(&[(MetricId::CacheHitRate, 96.0), (MetricId::CacheRedisUp, 0.0)]));
        assert_eq!(alone.components[1].score, Some(60));
        assert_eq!(alone.deductions[0].evidence.href, "/cache?target=orders");
    }

    #[test]
    fn a_stopped_postgres_is_critical_in_one_deduction() {
        let health = score(&sample(&[
            (MetricId::DatabaseUp, 0.0),
            (MetricId::RedisUp, 1.0),
            (MetricId::RedisHitRatio, 95.0),
            (MetricId::PoolUsed, 0.0),
        ]));
        assert_eq!((health.score, health.band()), (Some(49), Some(Band::Critical)));
        assert_eq!(health.deductions.len(), 1);
        assert_eq!(health.deductions[0].cause, "PostgreSQL does not answer since 14:32");
        assert_eq!(health.components[0].score, Some(0));
        assert_eq!(health.components[3].unknown.as_deref(), Some("PostgreSQL does not answer"));
    }

    fn figures() -> impl Strategy<Value = Figures> {
        proptest::collection::btree_map(0..CHECKS.len(), 0.0..1.0f64, 0..CHECKS.len())
            .prop_map(|chosen| chosen.into_iter().map(|(i, x)| (CHECKS[i].metric, value_at(i, x))).collect())
    }

    /// A value from far better than the first limit (0) to far worse than the second (1).
    fn value_at(i: usize, x: f64) -> f64 {
        let check = &CHECKS[i];
        match check.rule {
            Rule::Above => check.limits.critical * 2.0 * x,
            Rule::Below => 100.0 * (1.0 - x),
            Rule::Outage => f64::from(x < 0.8),
        }
    }

    proptest! {
        #[test]
        fn the_ledger_adds_up(figures in figures()) {
            let sample = Sample { figures, ..sample(&[]) };
            let health = score(&sample);
            let lost: u32 = health.deductions.iter().map(|d| u32::from(d.points)).sum();
            prop_assert!(health.deductions.iter().all(|d| d.points >= 1));
            match health.score {
                Some(score) => prop_assert_eq!(u32::from(score) + lost, 100),
                None => prop_assert_eq!(lost, 0),
            }
            for component in &health.components {
                prop_assert_eq!(component.score.is_none(), component.unknown.is_some());
                prop_assert!(component.score.is_none_or(|s| s <= 100));
            }
            if sample.get(MetricId::DatabaseUp) == Some(0.0) {
                prop_assert_eq!(health.band(), Some(Band::Critical));
            }
        }

        #[test]
        fn a_worse_value_never_scores_higher(figures in figures(), i in 0..CHECKS.len(), a in 0.0..1.0f64, b in 0.0..1.0f64) {
            let mut better = Sample { figures, ..sample(&[]) };
            let mut worse = better.clone();
            better.set(CHECKS[i].metric, value_at(i, a.min(b)));
            worse.set(CHECKS[i].metric, value_at(i, a.max(b)));
            let (better, worse) = (score(&better), score(&worse));
            prop_assert!(worse.score <= better.score || better.score.is_none());
            for (b, w) in better.components.iter().zip(&worse.components) {
                prop_assert!(w.score <= b.score || b.score.is_none());
            }
        }

        #[test]
        fn not_measuring_what_is_fine_never_improves(figures in figures(), i in 0..CHECKS.len()) {
            let mut known = Sample { figures, ..sample(&[]) };
            known.set(CHECKS[i].metric, value_at(i, 0.0));
            let mut unknown = known.clone();
            unknown.figures.remove(&CHECKS[i].metric);
            prop_assert!(score(&unknown).score <= score(&known).score);
        }
    }
}
