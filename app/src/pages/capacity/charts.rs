//! One chart a resource: the past, the forecast, the limit, and what the forecast rests on.

use super::words;
use crate::{
    chart::paint_forecast,
    components::{remedy::RemedyView, status::Mark},
};
use headroom_model::{
    capacity::{CapacityView, ResourceReport},
    format,
};
use leptos::prelude::*;

/// Charts a row.
const COLUMNS: usize = 3;

/// The sheet.
#[component]
pub fn Charts(shown: RwSignal<CapacityView>) -> impl IntoView {
    let rows = move || {
        shown.with(|shown| {
            let days = shown.dashboard.horizon_days;
            let row = |row: &[ResourceReport]| {
                view! { <div class="row-cells cols-3 forecasts">{row.iter().map(|report| cell(report, days)).collect_view()}</div> }
            };
            shown.dashboard.resources.chunks(COLUMNS).map(row).collect_view()
        })
    };
    view! {
        <section class="sheet" aria-label="Forecasts">
            <p class="cell flow keys">
                <span>
                    <span class="key" style="--c:var(--s1)"></span>
                    "daily peak or level"
                </span>
                <span>
                    <span class="key dash" style="border-color:var(--s1)"></span>
                    "median forecast"
                </span>
                <span>
                    <span class="key box" style="--c:color-mix(in oklab,var(--s1) 34%,var(--panel))"></span>
                    "80 % band"
                </span>
                <span>
                    <span class="key box" style="--c:color-mix(in oklab,var(--s1) 14%,var(--panel))"></span>
                    "95 % band"
                </span>
                <span>
                    <span class="key" style="--c:var(--critical)"></span>
                    "limit"
                </span>
            </p>
            {rows}
        </section>
    }
    .into_any()
}

fn cell(report: &ResourceReport, days: u32) -> impl IntoView + use<> {
    let name = report.resource.name();
    let evidence = words::evidence(report).into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
    let remedy = report.remedy.clone().map(|remedy| {
        view! {
            <div class="flow forecast-remedy" id=format!("r-{}", report.resource)>
                <RemedyView remedy/>
                <small>{report.impact.clone()}</small>
            </div>
        }
    });
    view! {
        <div class="cell forecast" id=format!("c-{}", report.resource)>
            <div class="cell-head">
                <h2>{name}</h2>
                <span class="push nowrap sub">{report.used()}</span>
            </div>
            <p>
                <Mark status=report.urgency text=words::reaches_in_full(report, days)/>
            </p>
            <Picture report=report.clone() days/>
            <ul class="forecast-notes">{evidence}</ul>
            {remedy}
        </div>
    }
}

/// The chart of a report with its figures as a table; an empty frame where nothing was measured.
#[component]
pub fn Picture(report: ResourceReport, days: u32) -> impl IntoView {
    let painted = paint_forecast(&report, days);
    if painted.is_empty() {
        return view! {
            <div class="chart-none">
                <p>"Nothing measured"</p>
            </div>
        }
        .into_any();
    }
    let label = words::sentence(&report, days);
    view! {
        <div class="chart forecast-chart" role="img" aria-label=label inner_html=painted></div>
        {figures(&report)}
    }
    .into_any()
}

/// The figures of a chart: what is, and what will be at its middle and its end.
fn figures(report: &ResourceReport) -> impl IntoView + use<> {
    let write = |value: Option<f64>| format::value_or_missing(value, report.unit);
    let mut rows = vec![("now".to_owned(), write(report.current), String::new())];
    if let Some(forecast) = report.forecast() {
        let last = forecast.median.len().saturating_sub(1);
        for step in [last / 2, last] {
            let at = |column: &[f64]| write(column.get(step).copied());
            let day = forecast.start.plus_millis(forecast.step_ms * step as i64);
            rows.push((
                format::date(day),
                at(&forecast.median),
                format!("{} to {}", at(&forecast.low80), at(&forecast.high80)),
            ));
        }
    }
    let row = |(when, median, band): (String, String, String)| {
        view! {
            <tr>
                <th scope="row">{when}</th>
                <td>{median}</td>
                <td>{band}</td>
            </tr>
        }
    };
    view! {
        <div class="vh">
        <table class="legend">
            <caption>{report.resource.name()}</caption>
            <thead>
                <tr>
                    <td></td>
                    <th scope="col">"median"</th>
                    <th scope="col">"80 of 100 outcomes"</th>
                </tr>
            </thead>
            <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
        </table>
        </div>
    }
}
