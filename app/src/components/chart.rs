//! A chart: painted SVG with its sentence and its figures as a table; ECharts takes the lines over once it is in view.

use crate::chart::{self, Plot};
use headroom_model::{Timestamp, format};
use leptos::{html, prelude::*};

/// Draws a plot; `on_zoom` is told which stretch was dragged.
#[component]
pub fn Chart(#[prop(into)] plot: Signal<Plot>, on_zoom: Callback<(Timestamp, Timestamp)>) -> impl IntoView {
    let painted = Memo::new(move |_| plot.with(chart::paint));
    let label = Memo::new(move |_| plot.with(chart::sentence));
    let figures = Memo::new(move |_| {
        plot.with(|plot| {
            let unit = plot.series.metric.metric().unit;
            let summary = plot.series.summary();
            let cell = |value: Option<f64>| format::value_or_missing(value, unit);
            [
                cell(summary.map(|s| s.min)),
                cell(summary.map(|s| s.avg)),
                cell(summary.map(|s| s.max)),
                cell(summary.map(|s| s.last)),
            ]
        })
    });
    let node = NodeRef::<html::Div>::new();
    #[cfg(feature = "hydrate")]
    chart::binding::bind(node, plot, on_zoom);
    #[cfg(not(feature = "hydrate"))]
    let _ = on_zoom;
    let name = plot.with_untracked(|plot| plot.series.metric.metric().name);
    view! {
        <div class="chart-frame">
            <div class="chart" role="img" aria-label=label inner_html=painted></div>
            <div class="chart-live" node_ref=node aria-hidden="true"></div>
        </div>
        <table class="legend vh">
            <caption>{name}</caption>
            <thead>
                <tr>
                    {["min", "avg", "max", "last"].into_iter().map(|h| view! { <th scope="col">{h}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>
                <tr>
                    {(0..4).map(|i| view! { <td>{move || figures.with(|f| f[i].clone())}</td> }).collect_view()}
                </tr>
            </tbody>
        </table>
    }
    .into_any()
}
