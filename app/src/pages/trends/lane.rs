//! The lane of events above the charts: a symbol each, words where there is room.

use super::{
    board::use_board,
    plots::{is_alert, is_drawn},
    row::at_words,
};
use crate::{
    components::{
        icon::{Glyph, Icon},
        origin::OriginNote,
        status::MarkOnly,
    },
    layout::use_frame,
};
use headroom_model::{
    Band, Timestamp,
    event::{Event, EventKind},
    format,
    trends::EventGroup,
};
use leptos::prelude::*;

/// Events closer than this share of the range share a symbol.
const TOGETHER: f64 = 0.016;
/// Width of a letter as a share of the lane, at the width where words are shown.
const LETTER: f64 = 0.0092;
/// Width of a symbol.
const SYMBOL: f64 = 0.026;
/// Longest words beside a symbol, in characters.
const WORDS: usize = 30;

/// The symbol of an event.
#[must_use]
pub fn icon(event: &Event) -> Icon {
    match (EventGroup::of(event), event.event.kind) {
        (EventGroup::Deploys, _) => Icon::Package,
        (EventGroup::Warmups, _) => Icon::Flame,
        (EventGroup::Clears, _) => Icon::Eraser,
        (EventGroup::Alerts, _) => Icon::Bell,
        (_, EventKind::Restart) => Icon::Restart,
        (_, EventKind::StatisticsReset) => Icon::Eraser,
        (_, EventKind::Configuration) => Icon::Settings,
        (_, EventKind::Statement) => Icon::TextSearch,
        (_, EventKind::SchemaChange | EventKind::PlanChange) => Icon::Schema,
        (_, EventKind::Deadlock) => Icon::Lock,
        _ => Icon::Tasks,
    }
}

/// A symbol in the lane.
#[derive(Clone, Debug, PartialEq)]
struct Mark {
    /// Share of the range.
    at: f64,
    icon: Icon,
    alert: bool,
    /// Beside the symbol, where there is room.
    words: Option<String>,
    /// Whether the words stand before the symbol.
    before: bool,
    /// Everything, for the tooltip and for those who listen.
    told: String,
}

fn told(event: &Event, today: Timestamp) -> String {
    let title = event.event.title.as_str();
    let detail = event.event.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{} {title}{detail}", format::moment_seconds(event.event.at, today))
}

/// Places events, oldest first, in a lane: those too close to each other together, words where they meet nothing.
fn placed(events: &[&Event], place: impl Fn(Timestamp) -> f64, today: Timestamp) -> Vec<Mark> {
    let mut groups: Vec<(f64, Vec<&Event>)> = Vec::new();
    for event in events {
        let at = place(event.event.at);
        match groups.last_mut() {
            Some((first, group)) if at - *first < TOGETHER => group.push(event),
            _ => groups.push((at, vec![event])),
        }
    }
    let places: Vec<f64> = groups.iter().map(|(at, _)| *at).collect();
    // Where the next words may begin.
    let mut free = 0.0_f64;
    groups
        .into_iter()
        .enumerate()
        .map(|(i, (at, group))| {
            // The worst one gives the symbol.
            let shown = group.iter().copied().find(|event| is_alert(event)).unwrap_or(group[0]);
            let words = match group.len() {
                1 => format!("{} {}", format::clock(shown.event.at), shown.event.title),
                count => format!("{} {count} events", format::clock(shown.event.at)),
            };
            let words: String = if words.chars().count() > WORDS {
                words.chars().take(WORDS - 1).chain(['…']).collect()
            } else {
                words
            };
            let width = words.chars().count() as f64 * LETTER + SYMBOL;
            let next = places.get(i + 1).copied().unwrap_or(1.0);
            let after = at + width < next - SYMBOL / 2.0 || (i + 1 == places.len() && at + width < 1.0);
            let before = !after && at - width > free;
            free = if after { at + width } else { at + SYMBOL };
            Mark {
                at,
                icon: icon(shown),
                alert: group.iter().any(|event| is_alert(event)),
                words: (after || before).then_some(words),
                before,
                told: group.iter().map(|event| told(event, today)).collect::<Vec<_>>().join("\n"),
            }
        })
        .collect()
}

/// The lane, and where the cursor stands.
#[component]
pub fn Lane() -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let day = Memo::new(move |_| frame.now.get().floor_to(24 * 3_600_000));
    let without = Memo::new(move |_| board.view.with(|view| view.without.clone()));
    let marks = Memo::new(move |_| {
        board.data.with(|data| {
            let Some(data) = data else { return Vec::new() };
            let view = headroom_model::trends::TrendsView { without: without.get(), ..Default::default() };
            let mut events: Vec<&Event> = data.events.iter().filter(|event| is_drawn(event, &view, data)).collect();
            events.sort_by_key(|event| event.event.at);
            let span = data.range.millis().max(1) as f64;
            let from = data.range.from;
            placed(&events, |at| (at.0 - from.0) as f64 / span, day.get())
        })
    });
    let more = Memo::new(move |_| board.data.with(|data| data.as_ref().is_some_and(|data| data.more_events)));
    let origins =
        Memo::new(move |_| board.data.with(|data| data.as_ref().map(|data| data.origins.clone()).unwrap_or_default()));
    let step = Memo::new(move |_| board.data.with(|data| data.as_ref().and_then(|data| data.step_ms())));
    let mark = |mark: Mark| {
        let symbol = if mark.alert {
            view! { <span class="st st-c"><MarkOnly status=Some(Band::Critical)/></span> }.into_any()
        } else {
            view! { <Glyph icon=mark.icon small=true/> }.into_any()
        };
        let words = mark.words.map(|words| view! { <span class="evl" aria-hidden="true">{words}</span> });
        let told = mark.told.clone();
        let (first, last) = if mark.before { (words, None) } else { (None, words) };
        view! {
            <li
                class="m"
                class:alert=mark.alert
                class:before=mark.before
                style=format!("inset-inline-start:{:.2}%", mark.at * 100.0)
                title=told
            >
                {first}
                {symbol}
                <span class="vh">{mark.told}</span>
                {last}
            </li>
        }
    };
    let at = move || match board.cursor.get() {
        Some(at) => format!("Cursor at {}. ", at_words(at, step.get(), day.get())),
        None if frame.alive.get() => "Point at a chart, or press a key: ".to_owned(),
        None => String::new(),
    };
    view! {
        <div class="row-cells trend lane-row">
            <div class="cell">
                <ol class="lane" aria-label="Events">
                    {move || marks.get().into_iter().map(mark).collect_view()}
                </ol>
                <Show when=move || more.get()>
                    <p class="note">"Only the newest events of this range are marked."</p>
                </Show>
                <OriginNote origins now=frame.now/>
            </div>
            <div class="cell note">
                {at}
                <span style:visibility=move || if frame.alive.get() { "visible" } else { "hidden" }>
                    <kbd>"←"</kbd> " " <kbd>"→"</kbd>
                    {move || if board.cursor.get().is_some() { " move it" } else { "" }}
                </span>
            </div>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::event::NewEvent;

    fn event(second: i64, kind: EventKind, title: &str) -> Event {
        Event {
            id: second,
            event: NewEvent {
                at: Timestamp(second * 1000),
                target: None,
                kind,
                band: None,
                title: title.into(),
                detail: None,
                actor: None,
            },
        }
    }

    #[test]
    fn words_stand_where_they_meet_nothing() {
        let events = [
            event(100, EventKind::Deploy, "orders 4.18"),
            event(105, EventKind::Action, "Cache was cleared"),
            event(500, EventKind::Operation, "Warm the cache: all started"),
            event(520, EventKind::Outage, "PostgreSQL down"),
            event(990, EventKind::Deploy, "orders 4.19"),
        ];
        let refs: Vec<&Event> = events.iter().collect();
        let marks = placed(&refs, |at| at.0 as f64 / 1_000_000.0, Timestamp(0));
        assert_eq!(marks.len(), 4);
        assert_eq!(marks[0].words.as_deref(), Some("00:01 2 events"));
        assert!(marks[0].told.contains("Cache was cleared"));
        assert!(marks[1].words.is_none() || marks[1].before, "the outage stands right after it");
        assert!(marks[2].alert && marks[2].words.is_some() && !marks[2].before);
        assert!(marks[3].before, "no room after the last");
        assert_eq!(icon(&events[2]), Icon::Flame);
        assert_eq!(icon(&events[1]), Icon::Eraser);
    }
}
