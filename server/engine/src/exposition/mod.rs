//! Prometheus exposition (text format 0.0.4) of the newest samples.
//!
//! Every figure of the catalogue in base units: seconds, bytes, ratios. Figures of the console itself carry no target.
//! What was not measured in the newest sample is absent, so an outage is a gap there too.

pub(crate) mod names;
mod text;

use crate::{cache::Class, console::Console, requests::RouteFigures, spine::slot::Published};
use headroom_model::{
    Sample, TargetId,
    cache::{ClassCounters, ClassReport},
    metric::{CATALOGUE, Kind},
};
use names::{exposed, is_of_console};
use text::{Exposition, Type};

/// Every figure of every target, named after the catalogue.
#[must_use]
pub fn exposition(console: &Console) -> String {
    let published: Vec<Published> = console.published().collect();
    write(&published, &datasets(console), &console.requests.routes())
}

/// What the caches of all targets have counted, by dataset: as many as are configured, at most 1,000.
fn datasets(console: &Console) -> Vec<(TargetId, ClassReport)> {
    let of_target = |target: headroom_model::target::TargetInfo| {
        let classes = console.datasets.cache(&target.id).map_or_else(Vec::new, |cache| cache.classes());
        classes.iter().map(Class::report).map(|report| (target.id.clone(), report)).collect::<Vec<_>>()
    };
    console.targets().into_iter().flat_map(of_target).collect()
}

fn write(published: &[Published], datasets: &[(TargetId, ClassReport)], routes: &[RouteFigures]) -> String {
    let mut out = Exposition::default();
    let version = [(([("version", env!("CARGO_PKG_VERSION"))]), 1.0)];
    out.family("headroom_build_info", Type::Gauge, "Version of the console", version);

    let samples: Vec<(&Sample, &Published)> =
        published.iter().filter_map(|published| Some((&published.observation.as_ref()?.sample, published))).collect();
    let taken = samples.iter().map(|(sample, _)| ([("target", sample.target.as_str())], sample.at.0 as f64 / 1000.0));
    let help = "When the newest sample was taken, in seconds since the epoch";
    out.family("headroom_sample_timestamp_seconds", Type::Gauge, help, taken);

    for metric in CATALOGUE {
        let shown = exposed(metric);
        let value = |(sample, published): &(&Sample, &Published)| {
            let value = match metric.kind {
                Kind::Gauge => sample.get(metric.id),
                Kind::Delta => published.totals.get(&metric.id).copied(),
            };
            value.map(|value| value * shown.factor)
        };
        if is_of_console(metric) {
            let newest = samples.iter().max_by_key(|(sample, _)| sample.at).and_then(value);
            out.family(&shown.name, shown.kind, metric.help, newest.map(|value| (None, value)));
        } else {
            let values =
                samples.iter().filter_map(|sample| Some(([("target", sample.0.target.as_str())], value(sample)?)));
            out.family(&shown.name, shown.kind, metric.help, values);
        }
    }
    cache(&mut out, datasets);
    requests(&mut out, routes);
    out.finish()
}

fn labels((target, report): &(TargetId, ClassReport)) -> [(&str, &str); 2] {
    [("target", target.as_str()), ("dataset", &report.class)]
}

/// One counter of a dataset.
type Count = fn(&ClassCounters) -> u64;

/// Counters since the statistics were reset; for Prometheus a reset is a restart.
fn cache(out: &mut Exposition, datasets: &[(TargetId, ClassReport)]) {
    let tiers: [(&str, Count); 3] =
        [("memory", |c| c.hits_memory), ("redis", |c| c.hits_redis), ("stale", |c| c.hits_stale)];
    let hits = datasets.iter().flat_map(|dataset| {
        tiers.map(|(tier, count)| {
            let [target, name] = labels(dataset);
            ([target, name, ("tier", tier)], count(&dataset.1.counters) as f64)
        })
    });
    out.family("headroom_dataset_hits_total", Type::Counter, "Lookups of a dataset that a tier answered", hits);
    let counters: [(&str, &str, Count); 4] = [
        ("misses", "Lookups of a dataset that no tier answered", |c| c.misses),
        ("loads", "Loads of a dataset that ended well", |c| c.loads),
        ("load_errors", "Loads of a dataset that failed or took too long", |c| c.load_errors),
        ("evictions", "Pages of a dataset that left memory for lack of room", |c| c.evicted),
    ];
    for (name, help, count) in counters {
        let values = datasets.iter().map(|dataset| (labels(dataset), count(&dataset.1.counters) as f64));
        out.family(&format!("headroom_dataset_{name}_total"), Type::Counter, help, values);
    }
    let bytes = datasets.iter().map(|dataset| (labels(dataset), dataset.1.memory_bytes as f64));
    out.family("headroom_dataset_memory_bytes", Type::Gauge, "What a dataset takes in the console's memory", bytes);
    let keys = datasets.iter().map(|dataset| (labels(dataset), dataset.1.memory_keys as f64));
    out.family("headroom_dataset_keys", Type::Gauge, "Pages of a dataset in the console's memory", keys);
}

fn requests(out: &mut Exposition, routes: &[RouteFigures]) {
    let by_route = |count: fn(&RouteFigures) -> u64| {
        routes.iter().map(move |route| {
            let (method, path) = route.route.split_once(' ').unwrap_or(("", &route.route));
            ([("method", method), ("route", path)], count(route) as f64)
        })
    };
    let help = "HTTP requests answered by the console";
    out.family("headroom_http_requests_total", Type::Counter, help, by_route(|route| route.count));
    let help = "HTTP requests answered with status 500 and above";
    out.family("headroom_http_request_errors_total", Type::Counter, help, by_route(|route| route.errors));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Observation;
    use headroom_model::{
        MetricId, TargetId, Timestamp,
        health::Health,
        live::LiveUpdate,
        sample::Figures,
        target::{Reach, TargetInfo},
    };
    use std::{
        collections::BTreeSet,
        io::Write,
        process::{Command, Stdio},
        sync::Arc,
    };

    fn published(target: &str, figures: Figures) -> Published {
        let (at, id) = (Timestamp(1_795_098_728_250), TargetId(target.into()));
        let update = LiveUpdate {
            at,
            target: TargetInfo {
                id: id.clone(),
                postgres: Reach::Starting,
                postgres_version: None,
                replica: None,
                redis: Reach::Absent,
                redis_version: None,
                sampled_at: None,
                statements_reset_at: None,
                limitations: Vec::new(),
            },
            health: Health { at, score: None, components: Vec::new(), deductions: Vec::new(), hold_secs: 300 },
            figures: Figures::new(),
            issues: Vec::new(),
        };
        let observation = Observation::bare(Sample { target: id, at, figures: figures.clone() }, "Not read.");
        let totals = figures.into_iter().filter(|(metric, _)| metric.metric().kind == Kind::Delta).collect();
        Published { update: Arc::new(update), observation: Some(Arc::new(observation)), totals: Arc::new(totals) }
    }

    fn everything() -> String {
        let figures = |offset: f64| CATALOGUE.iter().map(|metric| (metric.id, offset + 1.5)).collect();
        let route = |route: &str| RouteFigures {
            route: route.into(),
            count: 12,
            errors: 1,
            p50_ms: 1.0,
            p95_ms: 2.0,
            p99_ms: 3.0,
        };
        let published = [published("orders", figures(0.0)), published("billing", figures(1.0))];
        let dataset = |target: &str, name: &str| {
            let counters = ClassCounters { hits_memory: 7, hits_stale: 1, misses: 2, ..ClassCounters::default() };
            let report = ClassReport {
                class: name.into(),
                mode: "tiered".into(),
                ttl_ms: 60_000.0,
                memory_keys: 3,
                memory_bytes: 4096,
                counters,
                sampled_every: 1,
            };
            (TargetId(target.into()), report)
        };
        let datasets = [dataset("orders", "prices"), dataset("orders", "stock"), dataset("billing", "invoices")];
        write(&published, &datasets, &[route("GET /api/v1/health"), route("GET /quo\"te\\")])
    }

    #[test]
    fn every_family_stands_once_with_help_and_type() {
        let text = everything();
        let mut families = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(families.insert(name.to_owned()), "{name} stands twice");
                assert!(!help.is_empty());
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, family);
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            } else {
                assert!(line.starts_with(&family), "{line} below {family}");
                let value = line.rsplit_once(' ').unwrap().1;
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.ends_with('\n'));
        assert!(text.contains("headroom_http_requests_total{method=\"GET\",route=\"/quo\\\"te\\\\\"} 12\n"));
        assert!(text.contains("headroom_locks_deadlocks_total{target=\"orders\"} 1.5\n"));
        let labels = "target=\"orders\",dataset=\"prices\"";
        assert!(text.contains(&format!("headroom_dataset_hits_total{{{labels},tier=\"memory\"}} 7\n")));
        assert!(text.contains(&format!("headroom_dataset_memory_bytes{{{labels}}} 4096\n")));
        // The console is one, however many targets it watches.
        assert_eq!(text.lines().filter(|line| line.starts_with("headroom_process_memory_bytes ")).count(), 1);
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let text = write(&[published("orders", Figures::from([(MetricId::DatabaseUp, 0.0)]))], &[], &[]);
        assert!(text.contains("headroom_database_up{target=\"orders\"} 0\n"));
        assert!(!text.contains("headroom_database_connections"));
        assert!(!text.contains("headroom_http_requests_total") && !text.contains("headroom_dataset"));
    }

    #[test]
    fn promtool_finds_nothing_where_it_is_installed() {
        let Ok(mut promtool) = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
        else {
            return;
        };
        promtool.stdin.take().unwrap().write_all(everything().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}
