//! A statement's figures in the range.

use super::{columns::planning, words};
use headroom_model::{
    Timestamp,
    format::{self, MISSING},
    metric::Unit,
    statements::StatementDetail,
};
use leptos::prelude::*;

/// The figures as pairs of a name and a value.
fn pairs(detail: &StatementDetail, now: Timestamp) -> Vec<(&'static str, String)> {
    let (row, stats) = (&detail.statement, &detail.statement.stats);
    let value = |figure: Option<f64>, unit| format::value_or_missing(figure, unit);
    let a_call = |sum: Option<f64>| (stats.calls > 0).then(|| sum.map(|sum| sum / stats.calls as f64)).flatten();
    let seen = |at: Option<Timestamp>| at.map_or_else(|| MISSING.to_owned(), |at| format::moment(at, now));
    let mut pairs = vec![
        ("Calls", format!("{}, {}", format::count(stats.calls), value(stats.calls_per_second, Unit::PerSecond))),
        ("Share of all time", value(Some(stats.time_share * 100.0), Unit::Percent)),
        ("Mean", value(stats.mean_ms, Unit::Milliseconds)),
        ("Deviation", value(stats.deviation_ms, Unit::Milliseconds)),
        ("p95, estimate", value(stats.p95_ms, Unit::Milliseconds)),
        ("p99, estimate", value(stats.p99_ms, Unit::Milliseconds)),
        ("Rows a call", value(stats.rows_per_call(), Unit::Count)),
        ("Buffer hit", value(stats.hit_ratio(), Unit::Percent)),
        (
            "Blocks found, read",
            format!("{}, {}", value(stats.shared_hit, Unit::Count), value(stats.shared_read, Unit::Count)),
        ),
        (
            "Blocks dirtied, written",
            format!("{}, {}", value(stats.shared_dirtied, Unit::Count), value(stats.shared_written, Unit::Count)),
        ),
        ("Temporary files", value(stats.temp_bytes(), Unit::Bytes)),
        ("I/O share of time", value(stats.io_share(), Unit::Percent)),
        ("WAL a call", value(a_call(stats.wal_bytes), Unit::Bytes)),
        ("Planning a call", value(planning(stats), Unit::Milliseconds)),
        ("JIT in all", value(stats.jit_ms, Unit::Milliseconds)),
        ("First seen", seen(row.first_at)),
        ("Last seen, to the hour", seen(detail.last_at)),
    ];
    if stats.nested_calls > 0 {
        pairs.push(("Calls inside functions", format::count(stats.nested_calls)));
    }
    if !row.roles.is_empty() {
        pairs.push(("Run by", row.roles.join(", ")));
    }
    if !row.tags.is_empty() {
        pairs.push(("Tags", words::tags(&row.tags)));
    }
    pairs
}

/// The figures.
#[component]
pub fn Figures(detail: Signal<StatementDetail>, now: Timestamp) -> impl IntoView {
    let pair = |(name, value): (&'static str, String)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{value}</dd>
            </div>
        }
    };
    let note = move || detail.with(|detail| detail.no_estimate.clone());
    view! {
        <dl class="figure-list">{move || detail.with(|detail| pairs(detail, now).into_iter().map(pair).collect_view())}</dl>
        {move || note().map(|note| view! { <p class="note">{note}</p> })}
    }
    .into_any()
}
