//! Issues of the cache that datasets are read through: figures past their limit with the dataset behind them, and datasets
//! that the cache helps little. The page of the cache shows which keys, and has the actions.

use super::{MAX_OF_A_SORT, counted};
use crate::{
    collect::{DatasetFigures, Observation},
    links::{Place, link},
};
use headroom_model::{
    MetricId, format,
    health::{Deduction, Health},
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
};

/// A dataset asked for less often in an interval says nothing.
const LEAST_LOOKUPS: u64 = 20;
/// A dataset below this hit rate is hardly helped by the cache.
const LOW_HIT_RATE: f64 = 50.0;

/// One issue a deduction, then suggestions about single datasets, worst first.
pub(super) fn draw(observation: &Observation, health: &Health) -> Vec<Issue> {
    let failing: Vec<&Deduction> = health.deductions.iter().filter(|deduction| deduction.met_since.is_none()).collect();
    let is_failing = |check: &str| failing.iter().any(|deduction| deduction.check == check);
    let mut issues: Vec<Issue> = failing
        .iter()
        // That Redis does not answer at all is said once.
        .filter(|deduction| !(deduction.check == "cache-second-tier" && is_failing("redis-down")))
        .filter_map(|deduction| active(deduction, observation))
        .collect();
    if !is_failing("cache-hit-rate") {
        issues.extend(rarely_hit(observation));
    }
    issues.extend(too_large(observation));
    issues
}

fn open(observation: &Observation) -> Option<Remedy> {
    Some(Remedy::Open(link(Place::Cache, &observation.sample.target)))
}

fn active(deduction: &Deduction, observation: &Observation) -> Option<Issue> {
    let detail = match deduction.check.as_str() {
        "cache-hit-rate" => {
            let figure = |metric| written(observation, metric);
            let tiers = format!(
                "Memory {}, Redis {}, missed {}",
                figure(MetricId::CacheMemoryShare),
                figure(MetricId::CacheRedisShare),
                figure(MetricId::CacheMissShare)
            );
            with_worst(&tiers, worst(observation, |dataset| dataset.lookups - dataset.hits), "misses")
        }
        "cache-evictions" => {
            let room = format!(
                "Memory {} of {} ([cache] memory_max)",
                written(observation, MetricId::CacheMemory),
                written(observation, MetricId::CacheMemoryMax)
            );
            with_worst(&room, worst(observation, |dataset| dataset.evicted), "evictions")
        }
        "cache-load-errors" => with_worst(
            "Older pages stand in where there are any",
            worst(observation, |dataset| dataset.load_errors),
            "failed loads",
        ),
        "cache-stale" => with_worst(
            "Loading is slow or fails, and older pages stand in",
            worst(observation, |dataset| dataset.stale),
            "stale answers",
        ),
        "cache-second-tier" => "Memory goes on alone, and each instance loads for itself".to_owned(),
        "cache-invalidations" => {
            "Redis is told when it is back; until then what it holds of them is not used".to_owned()
        }
        "cache-poison" => with_worst(
            "Another program writes into the key space, or values were damaged; they were removed and loaded again",
            worst(observation, |dataset| dataset.poison),
            "values",
        ),
        _ => return None,
    };
    Some(Issue {
        id: deduction.check.clone(),
        kind: IssueKind::Active,
        band: Some(deduction.band),
        title: deduction.cause.clone(),
        detail,
        remedy: open(observation),
        gain: Some(format!("+{} points", deduction.points)),
    })
}

fn written(observation: &Observation, metric: MetricId) -> String {
    format::value_or_missing(observation.sample.get(metric), metric.metric().unit).to_string()
}

/// The dataset with most of something in the interval.
fn worst(observation: &Observation, of: fn(&DatasetFigures) -> u64) -> Option<(&str, u64)> {
    let worst = observation.datasets.iter().max_by_key(|dataset| of(dataset))?;
    Some((worst.name.as_str(), of(worst))).filter(|(_, count)| *count > 0)
}

fn with_worst(what: &str, worst: Option<(&str, u64)>, of: &str) -> String {
    match worst {
        Some((name, count)) => format!("{what}; most {of} in {name}, {} in the last interval", format::count(count)),
        None => what.to_owned(),
    }
}

/// Datasets that miss more often than they hit, the dearest misses first.
fn rarely_hit(observation: &Observation) -> Vec<Issue> {
    let rate = |dataset: &DatasetFigures| 100.0 * dataset.hits as f64 / dataset.lookups as f64;
    let cost = |dataset: &DatasetFigures| (dataset.lookups - dataset.hits) as f64 * dataset.load_ms.unwrap_or(0.0);
    let mut rarely: Vec<&DatasetFigures> = observation
        .datasets
        .iter()
        .filter(|dataset| dataset.lookups >= LEAST_LOOKUPS && rate(dataset) < LOW_HIT_RATE)
        .collect();
    rarely.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    let issue = |dataset: &DatasetFigures| {
        let loads = dataset.load_ms.map(|ms| format!("; a load takes {}", format::value(ms, Unit::Milliseconds)));
        Issue {
            id: format!("cache-rarely-hit:{}", dataset.name),
            kind: IssueKind::Suggested,
            band: None,
            title: format!(
                "{} is answered from the cache {} of the time",
                dataset.name,
                format::value(rate(dataset), Unit::Percent)
            ),
            detail: format!(
                "{} of {} in the last interval were misses{}. A longer ttl, or warming its keys, makes it hit more often.",
                format::count(dataset.lookups - dataset.hits),
                counted(usize::try_from(dataset.lookups).unwrap_or(usize::MAX), "lookup"),
                loads.unwrap_or_default()
            ),
            remedy: open(observation),
            gain: None,
        }
    };
    rarely.into_iter().take(MAX_OF_A_SORT).map(issue).collect()
}

/// Datasets with pages that are loaded at every request, for they do not fit.
fn too_large(observation: &Observation) -> Vec<Issue> {
    let mut large: Vec<&DatasetFigures> = observation.datasets.iter().filter(|dataset| dataset.oversized > 0).collect();
    large.sort_by_key(|dataset| std::cmp::Reverse(dataset.oversized));
    let issue = |dataset: &DatasetFigures| Issue {
        id: format!("cache-too-large:{}", dataset.name),
        kind: IssueKind::Suggested,
        band: None,
        title: format!("{} has pages that are too large to be kept", dataset.name),
        detail: format!(
            "{} in the last interval were loaded and not kept. Ask for fewer rows a page, or select fewer columns.",
            counted(usize::try_from(dataset.oversized).unwrap_or(usize::MAX), "page")
        ),
        remedy: open(observation),
        gain: None,
    };
    large.into_iter().take(MAX_OF_A_SORT).map(issue).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        health::{HealthSettings, assess},
        issues::{self, tests::observation},
    };

    fn dataset(name: &str, lookups: u64, hits: u64) -> DatasetFigures {
        DatasetFigures {
            name: name.into(),
            lookups,
            hits,
            stale: 0,
            loads: lookups - hits,
            load_errors: 0,
            evicted: 0,
            oversized: 0,
            poison: 0,
            load_ms: (lookups > hits).then_some(212.0),
        }
    }

    fn draw(observation: &Observation) -> Vec<Issue> {
        let sample = &observation.sample;
        let settings = HealthSettings::default();
        let health = assess(sample, &settings, sample.at);
        issues::draw(observation, &health, &settings.session_limits(), issues::Beside::default())
    }

    #[test]
    fn a_low_hit_rate_names_the_dataset_that_misses_most() {
        let mut seen = observation(&[
            (MetricId::CacheHitRate, 40.0),
            (MetricId::CacheMemoryShare, 30.0),
            (MetricId::CacheRedisShare, 10.0),
            (MetricId::CacheMissShare, 60.0),
        ]);
        seen.datasets = vec![dataset("carts", 100, 90), dataset("prices", 1_300, 20)];
        let issues = draw(&seen);
        assert_eq!(issues.len(), 1, "{issues:#?}");
        assert_eq!((issues[0].id.as_str(), issues[0].kind), ("cache-hit-rate", IssueKind::Active));
        assert_eq!(issues[0].title, "Cache hit rate 40 %, target 50 %");
        assert_eq!(
            issues[0].detail,
            "Memory 30 %, Redis 10 %, missed 60 %; most misses in prices, 1,280 in the last interval"
        );
        let Some(Remedy::Open(link)) = &issues[0].remedy else { panic!("{:?}", issues[0].remedy) };
        assert_eq!(link.href, "/cache?target=orders");
    }

    #[test]
    fn one_dataset_of_many_is_a_suggestion() {
        let mut seen = observation(&[(MetricId::CacheHitRate, 92.0)]);
        seen.datasets = vec![dataset("carts", 900, 890), dataset("prices", 40, 10), dataset("rare", 19, 0)];
        seen.datasets[0].oversized = 2;
        let issues = draw(&seen);
        let ids: Vec<&str> = issues.iter().map(|issue| issue.id.as_str()).collect();
        assert_eq!(ids, ["cache-rarely-hit:prices", "cache-too-large:carts"]);
        assert_eq!(issues[0].title, "prices is answered from the cache 25 % of the time");
        assert!(issues[0].detail.starts_with("30 of 40 lookups") && issues[0].detail.contains("212 ms"));
        assert!(issues.iter().all(|issue| issue.kind == IssueKind::Suggested && issue.remedy.is_some()));
    }

    #[test]
    fn a_lost_redis_is_said_once() {
        let lost = [(MetricId::CacheRedisUp, 0.0), (MetricId::CacheInvalidationsWaiting, 3.0)];
        let ids = |figures: &[(MetricId, f64)]| -> Vec<String> {
            draw(&observation(figures)).into_iter().map(|issue| issue.id).collect()
        };
        assert_eq!(ids(&lost), ["cache-second-tier", "cache-invalidations"]);
        assert_eq!(ids(&[&lost[..], &[(MetricId::RedisUp, 0.0)]].concat()), ["redis-down", "cache-invalidations"]);
    }
}
