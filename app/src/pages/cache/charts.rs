//! Lookups by tier, evictions and memory, and how fast each tier answers.

use super::store::use_store;
use crate::{
    chart::{Floor, Line, Plot, Scale, Weight},
    components::{
        chart::{Chart, Keys},
        small_chart::{Small, SmallChart, marks, plotted, series_of},
    },
};
use headroom_model::{MetricId, Timestamp, format, metric::Unit, overview::Timeline};
use leptos::prelude::*;

/// The parts of all lookups, lowest first, each in its colour.
const TIERS: [(MetricId, &str, &str); 4] = [
    (MetricId::CacheMemoryShare, "L1", "s3"),
    (MetricId::CacheRedisShare, "L2", "s7"),
    (MetricId::CacheStaleShare, "Stale", "s5"),
    (MetricId::CacheMissShare, "Miss", "s2"),
];

/// One chart of latencies: its heading, p50, p95 and p99, and the share of lookups that go that way.
const LATENCIES: [(&str, [MetricId; 3], MetricId); 3] = [
    (
        "L1, in this process",
        [MetricId::CacheMemoryLatencyP50, MetricId::CacheMemoryLatencyP95, MetricId::CacheMemoryLatencyP99],
        MetricId::CacheMemoryShare,
    ),
    (
        "L2, Redis",
        [MetricId::CacheRedisLatencyP50, MetricId::CacheRedisLatencyP95, MetricId::CacheRedisLatencyP99],
        MetricId::CacheRedisShare,
    ),
    (
        "Miss, PostgreSQL",
        [MetricId::CacheLoadLatencyP50, MetricId::CacheLoadLatencyP95, MetricId::CacheLoadLatencyP99],
        MetricId::CacheMissShare,
    ),
];

const EVICTIONS: Small = Small::new(MetricId::CacheEvictions, "s1");
const MEMORY: Small = Small { limit: Some(MetricId::CacheMemoryMax), ..Small::new(MetricId::CacheMemory, "s1") };

/// Shares of lookups on top of each other. A tier that never answered in the range (a target without Redis) is left out
/// rather than taken for a gap.
fn tiers(past: &Timeline, today: Timestamp) -> Plot {
    let line = |(metric, name, color): (MetricId, &'static str, &'static str)| Line {
        series: series_of(past, metric),
        name,
        color,
        weight: Weight::Normal,
    };
    let measured = |line: &Line| line.series.avg.iter().any(Option::is_some);
    let first = line(TIERS[0]);
    let rest = TIERS[1..].iter().copied().map(line).filter(measured).collect();
    let scale = Scale { min: 0.0, max: 100.0, step: 25.0 };
    Plot { stacked: true, rest, ..alone("Lookups by tier", first, scale, past, today) }
}

fn alone(name: &'static str, lead: Line, scale: Scale, past: &Timeline, today: Timestamp) -> Plot {
    Plot {
        name,
        lead,
        rest: vec![],
        stacked: false,
        from: past.range.from,
        to: past.range.to,
        scale,
        rule: None,
        marks: marks(past),
        today,
    }
}

/// Three percentiles of one tier.
fn latency(name: &'static str, metrics: [MetricId; 3], past: &Timeline, today: Timestamp) -> Plot {
    let line = |metric, name, color, weight| Line { series: series_of(past, metric), name, color, weight };
    let [p50, p95, p99] = metrics;
    let lead = line(p50, "p50", "o1", Weight::Normal);
    let rest = vec![line(p95, "p95", "o2", Weight::Bold), line(p99, "p99", "o3", Weight::Thin)];
    let high = rest.iter().filter_map(|line| line.series.summary()).map(|s| s.max).fold(0.0, f64::max);
    let scale = Scale::fit(0.0, high, Unit::Milliseconds, Floor::Zero);
    Plot { rest, ..alone(name, lead, scale, past, today) }
}

/// The sheet's content.
#[component]
pub fn Charts() -> impl IntoView {
    let store = use_store();
    let (live, past) = (store.present.live, store.past);
    let shares = plotted(past, tiers);
    let timed = move |(name, metrics, share): (&'static str, [MetricId; 3], MetricId)| {
        let plot = plotted(past, move |past, today| latency(name, metrics, past, today));
        let share = Memo::new(move |_| {
            live.with(|live| live.figures.get(&share).map(|share| format::value(*share, Unit::Percent).to_string()))
        });
        view! {
            <div class="cell sm mid">
                <div class="cell-head">
                    <h3>{name}</h3>
                    <span class="note" style="margin-inline-start:auto">
                        {move || share.get().map(|share| format!("{share} of lookups"))}
                    </span>
                </div>
                <Chart plot/>
                <Keys plot class="below"/>
            </div>
        }
    };
    view! {
        <div class="row-cells cols-hit">
            <div class="cell large">
                <div class="cell-head">
                    <h2>"Lookups by tier"</h2>
                    <Keys plot=shares class="push"/>
                </div>
                <Chart plot=shares/>
            </div>
            <div class="cell" style="display:grid;gap:var(--p5);align-content:space-between">
                <SmallChart chart=EVICTIONS live past title="Evictions" class="sm short"/>
                <SmallChart chart=MEMORY live past title="Memory" class="sm short"/>
            </div>
        </div>
        <div class="row-cells cols-3">{LATENCIES.into_iter().map(timed).collect_view()}</div>
    }
    .into_any()
}
