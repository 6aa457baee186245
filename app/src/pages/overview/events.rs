//! The newest events of the range. Shapes tell kinds; good and bad news carry a status.

use super::store::use_store;
use crate::{
    components::{
        icon::{Glyph, Icon},
        status::{Shape, class},
    },
    layout::use_frame,
};
use headroom_model::{
    Band,
    event::{Event, EventKind},
    format,
};
use leptos::prelude::*;

/// Events listed.
const LISTED: usize = 8;

fn icon(kind: EventKind) -> Icon {
    match kind {
        EventKind::Deploy => Icon::Package,
        EventKind::Action | EventKind::Operation => Icon::Tasks,
        EventKind::Alert => Icon::Bell,
        EventKind::Outage | EventKind::Recovery => Icon::Database,
        EventKind::Restart => Icon::Restart,
        EventKind::StatisticsReset => Icon::Eraser,
        EventKind::Configuration => Icon::Settings,
        EventKind::SchemaChange => Icon::Schema,
    }
}

/// The status a kind has by itself.
fn status(event: &Event) -> Option<Band> {
    event.event.band.or(match event.event.kind {
        EventKind::Outage => Some(Band::Critical),
        EventKind::Recovery => Some(Band::Excellent),
        _ => None,
    })
}

/// The second line: the detail, and who did it.
fn second_line(event: &Event) -> String {
    let event = &event.event;
    [event.actor.clone(), event.detail.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

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
    let row = move |event: Event| {
        let mark = match status(&event) {
            Some(band) => view! {
                <span class=format!("st {}", class(Some(band)))>
                    <Shape status=Some(band) small=true/>
                    <span class="vh">{band.word()}</span>
                </span>
            }
            .into_any(),
            None => view! { <Glyph icon=icon(event.event.kind) small=true/> }.into_any(),
        };
        let at = event.event.at;
        let second = second_line(&event);
        view! {
            <li>
                <time datetime=at.to_rfc3339() title=format!("{} {} UTC", format::date(at), format::clock_seconds(at))>
                    {move || format::moment(at, minute.get())}
                </time>
                {mark}
                <span>{event.event.title} {(!second.is_empty()).then(|| view! { <small>{second}</small> })}</span>
            </li>
        }
    };
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
