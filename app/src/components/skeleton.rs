//! Frames of what is being read. They appear after a moment only (style sheet), so a fast answer never flickers.

use leptos::prelude::*;

/// A bar of text to come.
#[component]
pub fn Skeleton(width: &'static str) -> impl IntoView {
    view! { <span class="skel" style=format!("inline-size:{width}")></span> }
}

/// The frame of a page whose first data is on its way.
#[component]
pub fn PageSkeleton() -> impl IntoView {
    let rows = |count: usize| {
        (0..count)
            .map(|i| {
                let width = ["70%", "55%", "62%"][i % 3];
                view! {
                    <p>
                        <Skeleton width/>
                    </p>
                }
            })
            .collect_view()
    };
    view! {
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            <div class="health row-cells">
                <div class="cell score">
                    <h2>"Health"</h2>
                    <p class="note">"Scoring…"</p>
                </div>
                <div class="cell">{rows(6)}</div>
            </div>
            <div class="row-cells cols-4 keep-2">
                {["Database", "Cache", "Application", "Locks"]
                    .into_iter()
                    .map(|name| {
                        view! {
                            <div class="tile">
                                <div class="top">
                                    <h3>{name}</h3>
                                </div>
                                {rows(4)}
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
        </section>
    }
    .into_any()
}
