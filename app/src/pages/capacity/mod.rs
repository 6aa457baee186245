//! Capacity: what runs out first, when, how sure that is, what to do by when, and what if.

mod charts;
mod plan;
mod table;
mod view;
mod what_if;
mod words;

use crate::{
    components::{first::first, notices::NotRead, origin::OriginNote, skeleton::Skeleton},
    data::reads::Reads,
    functions,
    layout::use_frame,
    url,
};
use headroom_model::{
    capacity::{self, CapacityView, WhatIfFields},
    origin::Origin,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};

/// The path of the page.
pub const PATH: &str = "/capacity";
/// Forecasts change about hourly; the page looks so often.
const LOOK_EVERY_MS: i64 = 300_000;

/// The page.
#[derive(Debug)]
pub struct CapacityPage;

#[lazy_route]
impl LazyRoute for CapacityPage {
    fn data() -> Self {
        CapacityPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Capacity"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// What the URL asks for.
fn asked() -> Memo<(u32, WhatIfFields)> {
    let query = use_frame().query;
    Memo::new(move |_| query.with(|query| (view::days(query), view::what_if(query))))
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let asked = asked();
    // Read once, for the first paint; from then on the page follows the URL and the clock without being built anew.
    let answer = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| {
            let (days, what_if) = asked.get_untracked();
            functions::capacity(Some(target.clone()), days, what_if)
        }
    });
    let retry = Callback::new(move |()| answer.refetch());
    first(
        Some("Capacity"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move { answer.await },
        move |first| view! { <Loaded target=target.clone() first/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let rows = capacity::Resource::ALL
        .iter()
        .map(|resource| {
            view! {
                <p class="cell">
                    {resource.name()} " " <Skeleton width="60%"/>
                </p>
            }
        })
        .collect_view();
    view! {
        <div class="page-head">
            <h1>"Capacity"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            {rows}
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(target: String, first: (CapacityView, Vec<Origin>)) -> impl IntoView {
    let (frame, asked) = (use_frame(), asked());
    let (shown, origins) = (RwSignal::new(first.0), RwSignal::new(first.1));
    let reads = Reads::new(None);
    let read = {
        let target = target.clone();
        Callback::new(move |(days, what_if)| {
            reads.ask(functions::capacity(Some(target.clone()), days, what_if), move |(view, stretches)| {
                shown.set(view);
                origins.set(stretches);
            });
        })
    };
    // A held page keeps what it shows.
    let look = Memo::new(move |before: Option<&i64>| {
        let now = frame.now.get().floor_to(LOOK_EVERY_MS).0;
        before.copied().filter(|_| frame.query.with(url::paused)).unwrap_or(now)
    });
    Effect::new(move |before: Option<()>| {
        look.track();
        let asked = asked.get();
        if before.is_some() {
            read.run(asked);
        }
    });
    let retry = Callback::new(move |()| read.run(asked.get_untracked()));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let head = Memo::new(move |_| shown.with(|shown| words::head(&shown.dashboard, minute.get())));
    let horizon = move |(days, name): (u32, &'static str)| {
        let written = days.to_string();
        let href = move || frame.link(PATH, &[(view::DAYS, Some(written.as_str()))]);
        let current = move || (asked.with(|asked| asked.0) == days).then_some("true");
        view! {
            <a href=href aria-current=current data-noscroll="">
                {name}
            </a>
        }
    };
    view! {
        <div class="page-head">
            <div>
                <h1>"Capacity"</h1>
                <p>{move || head.with(|head| head.0.clone())} <b>{move || head.with(|head| head.1.clone())}</b> {move || head.with(|head| head.2.clone())}</p>
                <OriginNote origins now=frame.now/>
            </div>
            <nav class="push seg" aria-label="Horizon">
                {view::HORIZONS.into_iter().map(horizon).collect_view()}
            </nav>
        </div>
        <NotRead error=reads.error what="Forecasts could not be read again." retry/>
        <table::WhatRunsOut shown/>
        <charts::Charts shown/>
        <div class="split">
            <plan::ScalingPlan shown target/>
            <what_if::WhatIf shown/>
        </div>
    }
    .into_any()
}
