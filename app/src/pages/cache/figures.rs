//! The key figures.

use super::store::use_store;
use crate::components::{
    figure::{missed, of_limit},
    status::MarkOnly,
};
use headroom_model::{
    Band, MetricId,
    cache::{CacheReport, TagReport},
    format::{self, MISSING},
    live::LiveUpdate,
    metric::Unit,
    overview::{MetricLimits, Timeline},
};
use leptos::prelude::*;

/// One figure: its parts, each a number with its unit, and the line below.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    name: &'static str,
    parts: Vec<(String, String)>,
    note: String,
    missed: Option<Band>,
}

fn number(value: f64) -> String {
    format::number(value)
}

/// A rate, in thousands where it is large.
fn rate(value: f64) -> (String, String) {
    if value >= 10_000.0 { (number(value / 1000.0), "k/s".to_owned()) } else { (number(value), "/s".to_owned()) }
}

fn unknown() -> Vec<(String, String)> {
    vec![(MISSING.to_owned(), String::new())]
}

fn figures(live: &LiveUpdate, report: &CacheReport, tags: Option<usize>, limits: &[MetricLimits]) -> Vec<Figure> {
    use MetricId as M;
    let value = |metric: M| live.figures.get(&metric).copied();
    let target = limits.iter().find(|limits| limits.metric == M::CacheHitRate).map(|limits| limits.degraded);
    let hit_rate = value(M::CacheHitRate);
    let counted = report.counters.hit_rate().map(|rate| format!("{} % since they were reset", number(rate)));
    let hit_note = match (hit_rate, target) {
        (Some(rate), Some(target)) if rate < target => {
            format!("target {} %, {} points short", number(target), number(target - rate))
        }
        (Some(_), Some(target)) => format!("target {} %", number(target)),
        (Some(_), None) => counted.unwrap_or_default(),
        // Too few lookups in the last seconds for a share: what was counted so far says more.
        (None, _) => counted.unwrap_or_else(|| "nothing was read yet".to_owned()),
    };
    let tiers = match (value(M::CacheMemoryShare), value(M::CacheRedisShare)) {
        (Some(memory), Some(redis)) => vec![(number(memory), "/".into()), (number(redis), "%".into())],
        (Some(memory), None) => vec![(number(memory), "%".into())],
        _ => unknown(),
    };
    let memory = value(M::CacheMemory).unwrap_or(report.memory_bytes as f64);
    let limit = value(M::CacheMemoryMax).unwrap_or(report.memory_max as f64);
    let keys: u64 = report.classes.iter().map(|class| class.memory_keys).sum();
    let datasets = format::counted(report.classes.len() as u64, "dataset");
    let of = [Some(datasets), tags.map(TagReport::counted)];
    vec![
        Figure {
            name: "Hit rate",
            parts: hit_rate.map_or_else(unknown, |rate| vec![(number(rate), "%".into())]),
            note: hit_note,
            missed: missed(live, &[M::CacheHitRate]),
        },
        Figure {
            name: if report.redis.is_some() { "L1 / L2" } else { "L1" },
            parts: tiers,
            note: match value(M::CacheStaleShare).filter(|stale| *stale > 0.0) {
                Some(stale) => format!("share of lookups; {} % stale", number(stale)),
                None => "share of all lookups".to_owned(),
            },
            missed: missed(live, &[M::CacheStaleShare]),
        },
        Figure {
            name: "Lookups",
            parts: value(M::CacheLookups).map_or_else(unknown, |value| vec![rate(value)]),
            note: value(M::CacheMisses).map_or_else(String::new, |misses| {
                let (number, unit) = rate(misses);
                format!("{number} {unit} missed")
            }),
            missed: None,
        },
        Figure {
            name: "Memory",
            parts: vec![of_limit(memory, Some(limit), Unit::Bytes)],
            note: if limit > 0.0 {
                format!("{} % of the limit", number(memory * 100.0 / limit))
            } else {
                String::new()
            },
            missed: missed(live, &[M::CacheMemory, M::CacheMemoryUsed]),
        },
        Figure {
            name: "Evictions",
            parts: value(M::CacheEvictions).map_or_else(unknown, |value| vec![rate(value)]),
            note: match value(M::CacheEvictionShare) {
                Some(share) => format!("{} % of what left", number(share)),
                None => "pages that left for lack of room".to_owned(),
            },
            missed: missed(live, &[M::CacheEvictions, M::CacheEvictionShare]),
        },
        Figure {
            name: "Keys",
            parts: vec![(format::count(keys), String::new())],
            note: of.into_iter().flatten().collect::<Vec<_>>().join(", "),
            missed: None,
        },
    ]
}

/// The row of figures.
#[component]
pub fn Figures() -> impl IntoView {
    let store = use_store();
    let figures = Memo::new(move |_| {
        let tags = store.tags.with(|tags| tags.as_ref().map(Vec::len));
        let limits = store
            .past
            .timeline
            .with(|past: &Option<Timeline>| past.as_ref().map(|past| past.limits.clone()).unwrap_or_default());
        store.report.with(|report| store.present.live.with(|live| figures(live, report, tags, &limits)))
    });
    let cell = |figure: Figure| {
        let parts = figure.parts.into_iter().map(|(number, unit)| {
            view! {
                {number}
                <span class="u">{unit}</span>
                " "
            }
        });
        view! {
            <div class="cell fig">
                <dt>
                    {figure.name} " "
                    {figure.missed.map(|band| view! { <MarkOnly status=Some(band)/> })}
                </dt>
                <dd>{parts.collect_view()}</dd>
                <dd>{figure.note}</dd>
            </div>
        }
    };
    view! { <dl class="row-cells figs">{move || figures.get().into_iter().map(cell).collect_view()}</dl> }.into_any()
}
