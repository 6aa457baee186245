//! The component tiles: score, its line, and the three figures one asks first.

use super::store::{Store, use_store};
use crate::components::{
    estimate::Estimate,
    figure::{missed, of_limit},
    spark::Spark,
    status::{Mark, MarkOnly},
};
use headroom_model::{
    Band, Component, MetricId,
    format::{self, MISSING},
    live::LiveUpdate,
    series::Series,
};
use leptos::prelude::*;

/// One line of a tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What.
    pub name: &'static str,
    /// The metric it comes from.
    pub metric: MetricId,
    /// How much; none when not measured.
    pub text: Option<String>,
    /// Past its target: the band of the deduction that says so.
    pub missed: Option<Band>,
}

fn single(live: &LiveUpdate, name: &'static str, metric: MetricId) -> Figure {
    let text = live.figures.get(&metric).map(|value| format::value(*value, metric.metric().unit).to_string());
    Figure { name, metric, text, missed: missed(live, &[metric]) }
}

/// "168 of 200", "5.9 of 8 GiB"; without a limit the value alone.
fn with_limit(live: &LiveUpdate, name: &'static str, value: MetricId, limit: MetricId, share: MetricId) -> Figure {
    let text = live.figures.get(&value).map(|used| {
        let (number, rest) = of_limit(*used, live.figures.get(&limit).copied(), value.metric().unit);
        format!("{number} {rest}").trim_end().to_owned()
    });
    Figure { name, metric: value, text, missed: missed(live, &[value, share]) }
}

/// Events counted over the whole range.
fn total(series: Option<&Series>) -> Option<f64> {
    let counted: Vec<f64> = series?.avg.iter().flatten().copied().collect();
    (!counted.is_empty()).then(|| counted.iter().sum())
}

/// The figures of a component. `deadlocks` were counted over `span_ms`.
#[must_use]
pub fn figures(component: Component, live: &LiveUpdate, deadlocks: Option<f64>, span_ms: i64) -> Vec<Figure> {
    use MetricId as M;
    let measured = |metric| live.figures.contains_key(&metric);
    match component {
        Component::Database => vec![
            single(live, "Query latency p95", M::QueryLatencyP95),
            Figure {
                text: live.figures.get(&M::Queries).map(|rate| format!("{} q/s", format::number(*rate))),
                ..single(live, "Throughput", M::Queries)
            },
            // The CPU is known only where the target runs on this machine.
            if measured(M::HostCpu) {
                single(live, "CPU", M::HostCpu)
            } else {
                with_limit(live, "Connections", M::Connections, M::ConnectionsMax, M::ConnectionsUsed)
            },
        ],
        Component::Cache => vec![
            // The console's own cache first: the other is of all users of that Redis.
            if measured(M::CacheHitRate) {
                single(live, "Hit rate", M::CacheHitRate)
            } else {
                single(live, "Redis hit rate", M::RedisHitRatio)
            },
            with_limit(live, "Redis memory", M::RedisMemory, M::RedisMemoryMax, M::RedisMemoryUsed),
            Figure {
                missed: missed(live, &[M::RedisEvictions, M::RedisEvictionShare]),
                ..single(live, "Redis evictions", M::RedisEvictions)
            },
        ],
        Component::Application => vec![
            with_limit(live, "Pool in use", M::PoolInUse, M::PoolMax, M::PoolUsed),
            single(live, "Checkout wait p95", M::PoolWaitP95),
            single(live, "Errors", M::RequestErrors),
        ],
        Component::Locks => vec![
            single(live, "Waiting over 1 s", M::LocksWaiting),
            single(live, "Longest wait", M::LocksLongestWait),
            Figure {
                name: "Deadlocks",
                metric: M::Deadlocks,
                text: deadlocks
                    .map(|count| format!("{} in {}", format::number(count), format::duration_ms(span_ms as f64))),
                missed: missed(live, &[M::Deadlocks]),
            },
        ],
        Component::Queue => Vec::new(),
    }
}

/// The tiles.
#[component]
pub fn Tiles() -> impl IntoView {
    let tiles = [
        (Component::Database, MetricId::HealthDatabase),
        (Component::Cache, MetricId::HealthCache),
        (Component::Application, MetricId::HealthApplication),
        (Component::Locks, MetricId::HealthLocks),
    ];
    view! {
        <div class="row-cells cols-4 keep-2">
            {tiles.into_iter().map(|(component, scores)| view! { <Tile component scores/> }).collect_view()}
        </div>
    }
    .into_any()
}

#[component]
fn Tile(component: Component, scores: MetricId) -> impl IntoView {
    let store: Store = use_store();
    let health = Memo::new(move |_| {
        store
            .present
            .live
            .with(|live| live.health.components.iter().find(|health| health.component == component).cloned())
    });
    let score = Memo::new(move |_| health.with(|health| health.as_ref().and_then(|health| health.score)));
    let band = Memo::new(move |_| score.get().map(Band::of));
    let line = Memo::new(move |_| store.past.series(scores));
    let figures = Memo::new(move |_| {
        let deadlocks = store.past.series(MetricId::Deadlocks);
        let span = store.past.timeline.with(|past| past.as_ref().map_or(0, |past| past.range.millis()));
        store.present.live.with(|live| figures(component, live, total(deadlocks.as_ref()), span))
    });
    let unknown = move || {
        health.with(|health| {
            let why = health.as_ref()?.unknown.clone()?;
            Some(view! { <p class="note">{why}</p> })
        })
    };
    let note = move || {
        store
            .present
            .as_of()
            .or_else(|| health.with(|health| health.as_ref().map(|health| format!("{} % of score", health.weight))))
    };
    view! {
        <div class="tile">
            <div class="top">
                <h3>{component.name()}</h3>
                <span class="note">{note}</span>
                <Mark status=band/>
            </div>
            <div class="mid">
                <b>{move || score.get().map_or_else(|| MISSING.to_owned(), |score| score.to_string())}</b>
                <Spark series=line bounds=(50.0, 100.0) color="ink-3"/>
            </div>
            {unknown}
            <dl class="kv">
                {move || {
                    figures
                        .get()
                        .into_iter()
                        .map(|figure| {
                            let class = match figure.missed {
                                Some(Band::Critical) => "bad",
                                Some(Band::Degraded) => "warn",
                                _ => "",
                            };
                            let value = match figure.text {
                                Some(text) => view! { {text} " " <Estimate metric=figure.metric/> }.into_any(),
                                None => view! { {MISSING} <span class="vh">"no data"</span> }.into_any(),
                            };
                            let mark = (!class.is_empty())
                                .then(|| view! { <MarkOnly status=figure.missed text="misses its target"/> });
                            view! {
                                <dt>{figure.name}</dt>
                                <dd class=class>{value} <span class="vh">{mark}</span></dd>
                            }
                        })
                        .collect_view()
                }}
            </dl>
        </div>
    }
    .into_any()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use headroom_model::{
        TargetId, Timestamp,
        health::{Deduction, Health, Link},
        sample::Figures,
        target::{Reach, TargetInfo},
    };

    /// A live view with these figures.
    pub fn live(figures: impl IntoIterator<Item = (MetricId, f64)>) -> LiveUpdate {
        LiveUpdate {
            at: Timestamp(0),
            target: TargetInfo {
                id: TargetId("orders".into()),
                postgres: Reach::Absent,
                postgres_version: None,
                replica: None,
                redis: Reach::Absent,
                redis_version: None,
                sampled_at: None,
                statements_reset_at: None,
                limitations: vec![],
            },
            health: Health { at: Timestamp(0), score: None, components: vec![], deductions: vec![], hold_secs: 300 },
            figures: figures.into_iter().collect::<Figures>(),
            issues: vec![],
        }
    }

    fn texts(figures: &[Figure]) -> Vec<&str> {
        figures.iter().map(|figure| figure.text.as_deref().unwrap_or("–")).collect()
    }

    #[test]
    fn limits_stand_beside_their_values() {
        let gib = 1024f64.powi(3);
        let live = live([
            (MetricId::RedisMemory, 5.9 * gib),
            (MetricId::RedisMemoryMax, 8.0 * gib),
            (MetricId::RedisEvictions, 42.0),
            (MetricId::Connections, 168.0),
            (MetricId::ConnectionsMax, 200.0),
            (MetricId::Queries, 3240.4),
            (MetricId::PoolInUse, 3.0),
        ]);
        assert_eq!(texts(&figures(Component::Cache, &live, None, 0)), ["–", "5.9 of 8 GiB", "42 /s"]);
        assert_eq!(texts(&figures(Component::Database, &live, None, 0)), ["–", "3,240 q/s", "168 of 200"]);
        assert_eq!(texts(&figures(Component::Application, &live, None, 0)), ["3", "–", "–"]);
    }

    #[test]
    fn deadlocks_are_counted_over_the_range() {
        let live = live([(MetricId::HostCpu, 71.0)]);
        assert_eq!(texts(&figures(Component::Locks, &live, Some(0.0), 21_600_000))[2], "0 in 6 h");
        assert_eq!(texts(&figures(Component::Locks, &live, None, 21_600_000))[2], "–");
        assert_eq!(texts(&figures(Component::Database, &live, None, 0))[2], "71 %");
    }

    #[test]
    fn a_missed_target_shows_where_its_figure_is() {
        let mut live = live([(MetricId::RedisMemory, 1.0)]);
        let mut deduction = Deduction {
            check: "cache-memory".into(),
            component: Component::Cache,
            points: 3,
            band: Band::Critical,
            cause: String::new(),
            metric: MetricId::RedisMemoryUsed,
            value: 96.0,
            threshold: 85.0,
            since: Timestamp(0),
            met_since: None,
            evidence: Link { label: String::new(), href: String::new() },
        };
        live.health.deductions.push(deduction.clone());
        assert_eq!(figures(Component::Cache, &live, None, 0)[1].missed, Some(Band::Critical));
        deduction.met_since = Some(Timestamp(1));
        live.health.deductions = vec![deduction];
        assert_eq!(figures(Component::Cache, &live, None, 0)[1].missed, None);
    }
}
