//! Overview: health and why, the components, what needs someone, actions and events, the last hours.

mod actions;
mod events;
mod health;
mod issues;
mod reset;
mod store;
mod tiles;
mod trends;
mod words;

use crate::{
    components::{
        first::first,
        notices::{NotRead, Outages, Pruned, RangeRefused},
        skeleton::PageSkeleton,
    },
    error::AppError,
    functions::overview,
    layout::use_frame,
    url,
};
use headroom_model::overview::{Overview, Timeline};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
use store::{Store, read_past};

/// The page.
#[derive(Debug)]
pub struct OverviewPage;

#[lazy_route]
impl LazyRoute for OverviewPage {
    fn data() -> Self {
        OverviewPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Overview"/>
            <h1 class="vh">{move || format!("Overview of {}", target.get())}</h1>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let query = use_frame().query;
    // Read once, for the first paint; from then on the store follows the URL and the feed without rebuilding the page.
    let present = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| overview(Some(target.clone()))
    });
    let past = Resource::new_blocking(
        || (),
        move |()| read_past(Some(target.clone()), query.with_untracked(url::written_range)),
    );
    let retry = Callback::new(move |()| {
        present.refetch();
        past.refetch();
    });
    first(
        None,
        || view! { <PageSkeleton/> }.into_any(),
        retry,
        move || async move {
            let (present, past) = (present.await, past.await);
            present.map(|present| (present, past))
        },
        |(present, past)| view! { <Loaded present past/> }.into_any(),
    )
}

/// The page once its first data is there.
#[component]
fn Loaded(present: Overview, past: Result<Timeline, AppError>) -> impl IntoView {
    let store = Store::provide(present, past);
    let retry = Callback::new(move |()| store.read());
    let is_stale = move || store.present.is_stale();
    view! {
        <Outages present=store.present/>
        <RangeRefused/>
        <Pruned range=store.past.range() starts=store.past.starts()/>
        <NotRead error=store.present_reads.error what="Figures could not be read again." retry/>
        <NotRead error=store.past.reads.error what="History could not be read." retry/>
        <section class="sheet" class:is-stale=is_stale aria-labelledby="h-health">
            <health::HealthRow/>
            <tiles::Tiles/>
        </section>
        <div class="split">
            <issues::Issues/>
            <div class="stack">
                <actions::Actions/>
                <events::Events/>
            </div>
        </div>
        <trends::Trends/>
        {store.keep_fresh()}
    }
    .into_any()
}
