//! A sparkline: the shape of a series, always SVG.

use crate::chart;
use headroom_model::series::Series;
use leptos::prelude::*;

/// The line of a series between `low` and `high`; empty space where there is none.
#[component]
pub fn Spark(
    #[prop(into)] series: Signal<Option<Series>>,
    #[prop(into)] bounds: Signal<(f64, f64)>,
    /// Colour token.
    color: &'static str,
    /// Modifier classes.
    #[prop(default = "")]
    class: &'static str,
) -> impl IntoView {
    let paths = Memo::new(move |_| {
        let (low, high) = bounds.get();
        series.with(|series| series.as_ref().map(|series| chart::spark(series, low, high)).unwrap_or_default())
    });
    view! {
        <svg
            class=format!("spark {class}")
            style=format!("--c:var(--{color})")
            viewBox="0 0 1000 100"
            preserveAspectRatio="none"
            aria-hidden="true"
            inner_html=paths
        ></svg>
    }
    .into_any()
}
