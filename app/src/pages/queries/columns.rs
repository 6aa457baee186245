//! The columns of the list.

use super::words;
use crate::{
    chart,
    components::{
        list::{Column, ListKeys, ListSpec, Order, Shown},
        sql::SqlLine,
        status::Mark,
    },
};
use headroom_model::{
    MetricId, Timestamp,
    format::{self, MISSING},
    metric::Unit,
    series::Series,
    statements::{StatementRow, StatementStats},
};
use leptos::prelude::*;

/// A column of one figure.
macro_rules! figure {
    ($key:literal, $label:literal, $read:expr, $unit:expr, $shown:expr) => {
        Column {
            key: $key,
            label: $label,
            class: "num",
            cell: |row| {
                let read: fn(&StatementRow) -> Option<f64> = $read;
                format::value_or_missing(read(row), $unit).into_any()
            },
            order: Some(Order::Number($read)),
            largest_first: true,
            shown: $shown,
        }
    };
}

/// The list of statements.
pub static STATEMENTS: ListSpec<StatementRow> = ListSpec {
    name: "Statements",
    one: "statement",
    many: "statements",
    keys: ListKeys::PLAIN,
    find_label: "Table, column or text",
    columns: &[
        Column {
            key: "statement",
            label: "Statement",
            class: "statement",
            cell: |row| match &row.text {
                Some(text) => view! { <SqlLine text=text.clone()/> }.into_any(),
                None => {
                    view! { <span class="sub">{format!("{} (text not known yet)", row.query_id)}</span> }.into_any()
                }
            },
            order: Some(Order::Text(|row| row.text.clone().unwrap_or_default())),
            largest_first: false,
            shown: Shown::Always,
        },
        figure!("calls", "Calls /s", |row| row.stats.calls_per_second, Unit::PerSecond, Shown::Usually),
        Column {
            key: "time",
            label: "Share of time",
            class: "rate-h",
            cell: |row| {
                let percent = row.stats.time_share * 100.0;
                view! {
                    <div class="barcell" style="grid-template-columns:minmax(1.5rem,1fr) 5.75rem">
                        <span class="meter" style="--st:var(--ink-3)" aria-hidden="true">
                            <i style=format!("inline-size:{percent:.1}%")></i>
                        </span>
                        <span class="num">{format::value(percent, Unit::Percent).to_string()}</span>
                    </div>
                }
                .into_any()
            },
            order: Some(Order::Number(|row| Some(row.stats.total_ms))),
            largest_first: true,
            shown: Shown::Always,
        },
        figure!("mean", "Mean", |row| row.stats.mean_ms, Unit::Milliseconds, Shown::Usually),
        figure!("p95", "p95, estimate", |row| row.stats.p95_ms, Unit::Milliseconds, Shown::Usually),
        Column::number(
            "slower",
            "Against usual",
            |row| match &row.regression {
                Some(regression) => {
                    view! { <Mark status=words::band(regression) text=words::factor(regression)/> }.into_any()
                }
                None => view! { <span class="sub">{MISSING}</span> }.into_any(),
            },
            |row| row.regression.map(|regression| regression.factor()),
            Shown::Usually,
        ),
        figure!("rows", "Rows a call", |row| row.stats.rows_per_call(), Unit::Count, Shown::Usually),
        figure!("hit", "Buffer hit", |row| row.stats.hit_ratio(), Unit::Percent, Shown::Usually),
        Column {
            key: "trend",
            label: "Mean over the range",
            class: "trend",
            cell: |row| spark(&row.trend).into_any(),
            order: None,
            largest_first: true,
            shown: Shown::Usually,
        },
        figure!("all-calls", "Calls", |row| Some(row.stats.calls as f64), Unit::Count, Shown::OnDemand),
        figure!("total", "Time in all", |row| Some(row.stats.total_ms), Unit::Milliseconds, Shown::OnDemand),
        figure!("reads", "Blocks read", |row| row.stats.shared_read, Unit::Count, Shown::OnDemand),
        figure!("dirtied", "Blocks dirtied", |row| row.stats.shared_dirtied, Unit::Count, Shown::OnDemand),
        figure!("temp", "Temporary files", |row| row.stats.temp_bytes(), Unit::Bytes, Shown::OnDemand),
        figure!("wal", "WAL", |row| row.stats.wal_bytes, Unit::Bytes, Shown::OnDemand),
        figure!("io", "I/O share", |row| row.stats.io_share(), Unit::Percent, Shown::OnDemand),
        figure!("plan", "Planning a call", |row| planning(&row.stats), Unit::Milliseconds, Shown::OnDemand),
        Column::number(
            "first",
            "First seen",
            |row| words::day(row.first_at).into_any(),
            |row| row.first_at.map(|at| at.0 as f64),
            Shown::OnDemand,
        ),
        Column::text(
            "roles",
            "Roles",
            "",
            |row| row.roles.join(", ").into_any(),
            |row| row.roles.join(", "),
            Shown::OnDemand,
        ),
        Column::text(
            "tags",
            "Tags",
            "",
            |row| words::tags(&row.tags).into_any(),
            |row| words::tags(&row.tags),
            Shown::OnDemand,
        ),
    ],
    id: |row| row.query_id.clone(),
    text: None,
    sort: ("time", true),
    per_page: 50,
    least_width: "74rem",
};

/// Planning time of a call in milliseconds.
pub fn planning(stats: &StatementStats) -> Option<f64> {
    (stats.calls > 0).then(|| stats.plan_ms.map(|plan| plan / stats.calls as f64)).flatten()
}

/// The line of means over the range.
fn spark(trend: &[Option<f64>]) -> impl IntoView + use<> {
    let top = trend.iter().flatten().copied().fold(0.0, f64::max);
    let series = Series {
        metric: MetricId::QueryLatencyMean,
        from: Timestamp::default(),
        step_ms: 1,
        min: Vec::new(),
        max: Vec::new(),
        avg: trend.to_vec(),
    };
    let drawn = if top > 0.0 { chart::spark(&series, 0.0, top) } else { String::new() };
    view! {
        <svg
            class="spark row-s"
            style="--c:var(--ink-3)"
            viewBox="0 0 1000 100"
            preserveAspectRatio="none"
            aria-hidden="true"
            inner_html=drawn
        ></svg>
    }
}
