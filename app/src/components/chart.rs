//! A chart: painted SVG with its sentence and its figures as a table; ECharts takes the lines over once it is in view.

use crate::{
    chart::{self, Plot},
    layout::{go, use_frame},
};
use headroom_model::{Timestamp, format, series::Summary};
use leptos::{html, prelude::*};
use leptos_router::hooks::use_location;

/// A column of the legend.
type Column = (&'static str, fn(&Summary) -> f64);

/// What the legend says of a line.
const COLUMNS: [Column; 4] = [("min", |s| s.min), ("avg", |s| s.avg), ("max", |s| s.max), ("last", |s| s.last)];

/// Draws a plot. A stretch that is dragged over becomes the range of the page.
#[component]
pub fn Chart(#[prop(into)] plot: Signal<Plot>) -> impl IntoView {
    let painted = Memo::new(move |_| plot.with(chart::paint));
    let label = Memo::new(move |_| plot.with(chart::sentence));
    let figures = Memo::new(move |_| {
        plot.with(|plot| {
            let unit = plot.unit();
            let cells = |line: &chart::Line| {
                let summary = line.series.summary();
                COLUMNS.map(|(_, of)| format::value_or_missing(summary.as_ref().map(of), unit))
            };
            plot.lines().map(|line| (line.name, cells(line))).collect::<Vec<_>>()
        })
    });
    let node = NodeRef::<html::Div>::new();
    let zoom = zoom();
    #[cfg(feature = "hydrate")]
    chart::binding::bind(node, plot, zoom);
    #[cfg(not(feature = "hydrate"))]
    let _ = zoom;
    let name = plot.with_untracked(|plot| plot.name);
    let row = |(name, cells): (&'static str, [String; 4])| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                {cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <div class="chart-frame">
            <div class="chart" role="img" aria-label=label inner_html=painted></div>
            <div class="chart-live" node_ref=node aria-hidden="true"></div>
        </div>
        <table class="legend vh">
            <caption>{name}</caption>
            <thead>
                <tr>
                    <td></td>
                    {COLUMNS.into_iter().map(|(head, _)| view! { <th scope="col">{head}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>{move || figures.get().into_iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// Makes the dragged stretch the range of the page.
fn zoom() -> Callback<(Timestamp, Timestamp)> {
    let frame = use_frame();
    let path = use_location().pathname;
    let navigate = go();
    Callback::new(move |(from, to): (Timestamp, Timestamp)| {
        let (from, to) = (from.0.to_string(), to.0.to_string());
        let href = untrack(|| frame.link(&path.read(), &[("from", Some(&from)), ("to", Some(&to))]));
        navigate(&href, false);
    })
}

/// The colour of each line with its name and newest value.
#[component]
pub fn Keys(
    #[prop(into)] plot: Signal<Plot>,
    /// Modifier classes.
    #[prop(default = "")]
    class: &'static str,
) -> impl IntoView {
    let keys = Memo::new(move |_| {
        plot.with(|plot| {
            let unit = plot.unit();
            let key = |line: &chart::Line| {
                let kind = if plot.stacked { "key box" } else { line.weight.key() };
                let newest = format::value_or_missing(line.series.summary().map(|summary| summary.last), unit);
                (kind, line.color, line.name, newest)
            };
            plot.lines().map(key).collect::<Vec<_>>()
        })
    });
    view! {
        <p class=format!("keys {class}")>
            {move || {
                keys.get()
                    .into_iter()
                    .map(|(kind, color, name, newest)| {
                        view! {
                            <span>
                                <span class=kind style=format!("--c:var(--{color})")></span>
                                {name}
                                " "
                                <b>{newest}</b>
                            </span>
                        }
                    })
                    .collect_view()
            }}
        </p>
    }
    .into_any()
}
