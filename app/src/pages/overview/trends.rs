//! The small multiples: six measures over the range, each with its target or limit, events through all of them.

use super::{store::use_store, words::marks_note};
use crate::{
    chart::Floor,
    components::{
        origin::OriginNote,
        small_chart::{Small, SmallChart},
    },
    layout::use_frame,
    url,
};
use headroom_model::{MetricId, format, overview::Timeline};
use leptos::prelude::*;

const CHARTS: [Small; 6] = [
    Small::new(MetricId::QueryLatencyP95, "s1"),
    Small::new(MetricId::Queries, "s1"),
    Small { instead: Some(MetricId::BufferHitRatio), floor: Floor::Share, ..Small::new(MetricId::RedisHitRatio, "s3") },
    Small { limit: Some(MetricId::ConnectionsMax), ..Small::new(MetricId::Connections, "s1") },
    Small::new(MetricId::LocksWaiting, "s4"),
    Small { instead: Some(MetricId::Transactions), floor: Floor::Full, ..Small::new(MetricId::HostCpu, "s1") },
];

/// The sheet.
#[component]
pub fn Trends() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let title = Memo::new(move |_| {
        let shown = frame.query.with(|query| url::shown_in_minute(query, minute.get()));
        let name = url::range_name(&shown.from, &shown.to, shown.range);
        if shown.range.live { name } else { format::range(shown.range.from, shown.range.to, minute.get()) }
    });
    let note = Memo::new(move |_| {
        let marks = || {
            let note = |past: &Timeline| marks_note(&past.events, minute.get());
            store.past.timeline.with(|past| past.as_ref().map(note).unwrap_or_default())
        };
        store.present.as_of().unwrap_or_else(marks)
    });
    let origins = Memo::new(move |_| {
        store.past.timeline.with(|past| past.as_ref().map(|past| past.origins.clone()).unwrap_or_default())
    });
    let is_stale = move || store.present.is_stale();
    let row = |charts: &'static [Small], first: bool| {
        let (live, past) = (store.present.live, store.past);
        view! {
            <div class="row-cells cols-3" style=first.then_some("border:0")>
                {charts.iter().map(|chart| view! { <SmallChart chart=*chart live past/> }).collect_view()}
            </div>
        }
    };
    let (upper, lower) = CHARTS.split_at(3);
    view! {
        <section class="sheet" class:is-stale=is_stale aria-labelledby="h-tr">
            <div class="cell-head pad-head" style="margin-block-end:0">
                <h2 id="h-tr">{title}</h2>
                <small>{note}</small>
            </div>
            {row(upper, true)}
            {row(lower, false)}
            <OriginNote origins now=frame.now/>
        </section>
    }
    .into_any()
}
