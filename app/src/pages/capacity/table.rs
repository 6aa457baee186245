//! What runs out first: resources by the day they reach their limit.

use super::words;
use crate::components::status::Mark;
use headroom_model::{
    capacity::{CapacityView, ResourceReport},
    forecast::Verdict,
};
use leptos::prelude::*;

/// The sheet.
#[component]
pub fn WhatRunsOut(shown: RwSignal<CapacityView>) -> impl IntoView {
    let rows = move || {
        shown.with(|shown| {
            let days = shown.dashboard.horizon_days;
            (1..).zip(&shown.dashboard.resources).map(|(rank, report)| row(rank, report, days)).collect_view()
        })
    };
    view! {
        <section class="sheet" aria-labelledby="h-rank">
            <div class="cell-head pad-head">
                <h2 id="h-rank">"What runs out first"</h2>
                <small>"median; the range holds 80 of 100 outcomes"</small>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Resources, the first to run out on top">
                <table class="tbl blocks" role="table" style="min-inline-size:56rem" aria-labelledby="h-rank">
                    <thead role="rowgroup">
                        <tr role="row">
                            <th scope="col" role="columnheader" class="num">"Rank"</th>
                            <th scope="col" role="columnheader">"Resource"</th>
                            <th scope="col" role="columnheader" class="used-h">"Used, peak hour"</th>
                            <th scope="col" role="columnheader">"Reaches limit"</th>
                            <th scope="col" role="columnheader" class="num">"Range, days"</th>
                            <th scope="col" role="columnheader">"Driven by"</th>
                            <th scope="col" role="columnheader" class="num">"Remedy"</th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn row(rank: u32, report: &ResourceReport, days: u32) -> impl IntoView + use<> {
    let used = report.used_percent().map(|percent| {
        view! {
            <span class="meter" style="--st:var(--ink-3)" aria-hidden="true">
                <i style=format!("inline-size:{:.1}%", percent.clamp(0.0, 100.0))></i>
            </span>
        }
    });
    // Without a limit there is no meter, and its place stays.
    let used = used.map_or_else(|| view! { <span></span> }.into_any(), IntoAny::into_any);
    let driver = match &report.verdict {
        Verdict::Silent { reason } => reason.clone(),
        Verdict::Forecast(_) => report.driver.clone().unwrap_or_default(),
    };
    let remedy = report.remedy.as_ref().map(|_| {
        let name = report.resource.name();
        view! {
            <a class="btn s" href=format!("#r-{}", report.resource) rel="external" aria-label=format!("Remedy for {name}")>
                "Remedy"
            </a>
        }
    });
    let known = report.urgency.is_some();
    view! {
        <tr role="row">
            <td role="cell" class="num dim">{known.then_some(rank)}</td>
            <th scope="row" role="rowheader">{report.resource.name()}</th>
            <td role="cell" class="wide-c">
                <div class="barcell" style="grid-template-columns:minmax(2rem,1fr) 8.5rem">
                    {used} <span class="num">{report.used()}</span>
                </div>
            </td>
            <td role="cell" class="nowrap">
                <Mark status=report.urgency text=words::reaches(report, days)/>
            </td>
            <td role="cell" class="num sub drop-c nowrap">{report.reaches(days).range()}</td>
            <td role="cell" class="sub drop-c">{driver}</td>
            <td role="cell" class="num end-c">{remedy}</td>
        </tr>
    }
}
