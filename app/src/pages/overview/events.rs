//! The newest events of the range.

use super::store::use_store;
use crate::{components::event::EventRow, layout::use_frame};
use headroom_model::event::Event;
use leptos::prelude::*;

/// Events listed.
const LISTED: usize = 8;

/// The sheet.
#[component]
pub fn Events() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let events = Memo::new(move |_| {
        store
            .past
            .timeline
            .with(|past| past.as_ref().map(|past| past.events.iter().take(LISTED).cloned().collect::<Vec<_>>()))
    });
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let row = move |event: Event| view! { <EventRow event now=minute/> };
    view! {
        <section class="sheet" aria-labelledby="h-ev">
            <div class="cell">
                <div class="cell-head" style="margin-block-end:var(--p3)">
                    <h2 id="h-ev">"Recent events"</h2>
                </div>
                <ol class="events">
                    {move || events.get().unwrap_or_default().into_iter().map(row).collect_view()}
                </ol>
                {move || {
                    let text = match events.with(|events| events.as_ref().map(Vec::len)) {
                        Some(0) => "No events in this range. Releases can be marked: POST /api/v1/events.",
                        Some(_) => return None,
                        None => "Events could not be read; see above.",
                    };
                    Some(view! { <p class="sub">{text}</p> })
                }}
            </div>
        </section>
    }
    .into_any()
}
