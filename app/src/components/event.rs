//! One event of the timeline. Shapes tell kinds; good and bad news carry a status.

use super::{
    icon::{Glyph, Icon},
    status::{Shape, class},
};
use headroom_model::{
    Band, Timestamp,
    event::{Event, EventKind},
    format,
};
use leptos::prelude::*;

fn icon(kind: EventKind) -> Icon {
    match kind {
        EventKind::Deploy => Icon::Package,
        EventKind::Action | EventKind::Operation => Icon::Tasks,
        EventKind::Alert => Icon::Bell,
        EventKind::Outage | EventKind::Recovery => Icon::Database,
        EventKind::Restart => Icon::Restart,
        EventKind::StatisticsReset => Icon::Eraser,
        EventKind::Configuration => Icon::Settings,
        EventKind::Statement => Icon::TextSearch,
        EventKind::SchemaChange | EventKind::PlanChange => Icon::Schema,
        EventKind::Deadlock => Icon::Lock,
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

/// A row of a list with the class `events`; `now` says which day needs no name.
#[component]
pub fn EventRow(event: Event, #[prop(into)] now: Signal<Timestamp>) -> impl IntoView {
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
                {move || format::moment(at, now.get())}
            </time>
            {mark}
            <span>{event.event.title} {(!second.is_empty()).then(|| view! { <small>{second}</small> })}</span>
        </li>
    }
    .into_any()
}
