//! Trends: any figures over any range, in charts with one cursor.

pub mod board;
mod brush;
mod head;
mod lane;
mod menu;
mod moment;
mod picker;
pub mod plots;
pub mod presets;
mod row;
mod table;
mod words;

use board::TrendsBoard;
use moment::{Drill, MomentSheet};

use crate::{
    components::{
        first::first,
        notices::{NotRead, Outages, Pruned, RangeRefused},
        preview::LinkPreview,
    },
    data::{
        past::{Past, or_default},
        present::Present,
        reads::Reads,
    },
    error::AppError,
    functions::{self, overview, trends},
    layout::use_frame,
    url,
};
use headroom_model::{
    Timestamp,
    moment::Moment,
    overview::Overview,
    share::{notable, title},
    trends::{TrendsData, TrendsView},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route, params::ParamsMap};

/// The page.
#[derive(Debug)]
pub struct TrendsPage;

#[lazy_route]
impl LazyRoute for TrendsPage {
    fn data() -> Self {
        TrendsPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Trends"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// What decides which data is read, apart from the range.
fn asked(query: &ParamsMap) -> (String, headroom_model::trends::Compare, bool) {
    let view = TrendsView::read(|key| query.get(key));
    (TrendsView::asked(|key| query.get(key)), view.compare, view.usual)
}

/// Reads what a query asks for.
async fn read(
    target: Option<String>,
    range: (String, String),
    (charts, compare, usual): (String, headroom_model::trends::Compare, bool),
) -> Result<TrendsData, AppError> {
    or_default(range, |from, to| trends(target.clone(), from, to, charts.clone(), compare, usual)).await
}

/// The minute that a query looks into.
fn opened(query: &ParamsMap) -> Option<Timestamp> {
    TrendsView::read(|key| query.get(key)).at
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let query = use_frame().query;
    // Read once, for the first paint; from then on the page follows the URL and the feed without being rebuilt.
    let present = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| overview(Some(target.clone()))
    });
    let minute = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| {
            let (target, at) = (target.clone(), query.with_untracked(opened));
            async move {
                match at {
                    Some(at) => Some(functions::moment(Some(target), at).await),
                    None => None,
                }
            }
        }
    });
    let past = Resource::new_blocking(
        || (),
        move |()| {
            let (range, asked) = query.with_untracked(|query| (url::written_range(query), asked(query)));
            read(Some(target.clone()), range, asked)
        },
    );
    let retry = Callback::new(move |()| {
        present.refetch();
        past.refetch();
        minute.refetch();
    });
    first(
        Some("Trends"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move {
            let (present, past, minute) = (present.await, past.await, minute.await);
            present.map(|present| (present, past, minute))
        },
        |(present, past, minute)| view! { <Loaded present past minute/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let query = use_frame().query;
    let length = move || {
        query.with(|query| {
            let shown = url::shown_range(query, use_frame().now.get_untracked());
            url::range_name(&shown.from, &shown.to, shown.range).to_lowercase()
        })
    };
    view! {
        <div class="page-head">
            <h1>"Trends"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Charts">
            <p class="cell note">{move || format!("Loading {}…", length())}</p>
            <div class="cell" style="block-size:24rem"></div>
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(
    present: Overview,
    past: Result<TrendsData, AppError>,
    minute: Option<Result<Moment, AppError>>,
) -> impl IntoView {
    let frame = use_frame();
    let target = StoredValue::new(present.live.target.id.0.clone());
    let present = Present::new(present.live);
    let present_reads = Reads::new(None);
    let past = Past::over(move |range| read(target.try_get_value(), range, frame.query.with_untracked(asked)), past);
    let at = Memo::new(move |_| frame.query.with(opened));
    let drill = Drill::new(target, at.into(), minute);
    let read_all = move || {
        let Some(target) = target.try_get_value() else { return };
        present_reads.ask(overview(Some(target)), move |answer| present.known.set(answer.live));
        past.read();
        drill.read();
    };
    let retry = Callback::new(move |()| read_all());
    // Runs in the browser only: effects do not run on the server.
    let wanted = Memo::new(move |_| frame.query.with(|query| (url::written_range(query), asked(query))));
    Effect::watch(move || wanted.get(), move |_, _, _| past.read(), false);
    let refreshes = Memo::new(move |_| frame.feed.refreshes.get());
    Effect::watch(move || refreshes.get(), move |_, _, _| read_all(), false);
    past.follow(present);
    drill.follow();
    let embedded = Memo::new(move |_| frame.query.with(url::embedded));
    let stale = Signal::derive(move || present.is_stale());
    // What chats show of a link to this view: made once, by the server.
    let preview = past.timeline.with_untracked(|data| data.as_ref().map(|data| (title(data), notable(data))));
    // As it is now: what a chat shows of the link is made once.
    let path = untrack(|| frame.link("/trends", &[]));
    view! {
        {preview.map(|(title, description)| view! { <LinkPreview title description path/> })}
        <TrendsBoard data=past.timeline stale>
            <Show when=move || !embedded.get()>
                <head::Head/>
            </Show>
            <Outages present/>
            <RangeRefused/>
            <Pruned range=past.range() starts=past.starts()/>
            <NotRead error=past.reads.error what="History could not be read." retry/>
            <head::Missing/>
        </TrendsBoard>
        <MomentSheet drill/>
    }
    .into_any()
}
