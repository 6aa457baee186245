//! What can be done with one chart: its figures as a table, as CSV, as a picture; taking it away.

use super::{board::use_board, plots::Drawing};
use crate::{
    components::icon::{Glyph, Icon},
    layout::use_frame,
};
use headroom_model::MetricId;
use leptos::prelude::*;

/// The menu of the chart that begins with `metric`.
#[component]
pub fn ChartMenu(
    metric: MetricId,
    metrics: Memo<Vec<MetricId>>,
    name: Memo<&'static str>,
    drawing: Memo<Option<Drawing>>,
) -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let in_table = Memo::new(move |_| board.view.with(|view| view.table == Some(metric)));
    let table = move || board.href(|view| view.table = (view.table != Some(metric)).then_some(metric));
    let csv = move || {
        let charts = metrics.with(|metrics| metrics.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(":"));
        board.csv(&charts)
    };
    let removable = move || !board.fixed && board.charts().len() > 1;
    let remove = move || board.href_with_charts(|view| view.charts.retain(|chart| chart.first() != Some(&metric)));
    let picture = move |_| {
        #[cfg(feature = "hydrate")]
        if let Some(drawing) = drawing.get_untracked() {
            board.save_picture(&[drawing.plot]);
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = drawing;
    };
    view! {
        <details class="pop push">
            <summary
                class="btn ghost icon s"
                aria-label=move || format!("More for {}", name.get())
                title=move || format!("More for {}", name.get())
            >
                <Glyph icon=Icon::Ellipsis small=true/>
            </summary>
            <div class="panel flush menu">
                <a href=table data-noscroll="">
                    <span>{move || if in_table.get() { "Hide the table" } else { "Show as table" }}</span>
                </a>
                {(!board.fixed)
                    .then(|| {
                        view! {
                            <a href=csv rel="external" download="">
                                <span>"CSV of this chart"</span>
                            </a>
                        }
                    })}
                <Show when=move || frame.alive.get()>
                    <button type="button" on:click=picture>
                        <span>"PNG of this chart"</span>
                    </button>
                </Show>
                {move || {
                    removable()
                        .then(|| {
                            view! {
                                <a href=remove data-noscroll="">
                                    <span>"Remove this chart"</span>
                                </a>
                            }
                        })
                }}
            </div>
        </details>
    }
    .into_any()
}
