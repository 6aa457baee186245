//! Overview: health and why, the components, what needs someone, actions and events, the last hours.

mod actions;
mod events;
mod health;
mod issues;
mod outage;
mod reset;
mod store;
mod tiles;
mod trends;
mod words;

use crate::{
    components::failure::Failure, components::skeleton::PageSkeleton, error::AppError, functions::overview,
    layout::use_frame, url,
};
use headroom_model::overview::{Overview, Timeline};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};
use store::{Store, read_timeline};

/// The page.
pub struct OverviewPage {
    present: Resource<Result<Overview, AppError>>,
    past: Resource<Result<Timeline, AppError>>,
}

#[lazy_route]
impl LazyRoute for OverviewPage {
    fn data() -> Self {
        let query = use_query_map();
        // Read once, for the first paint; from then on the store follows the URL and the feed without rebuilding the page.
        let first = query.get_untracked();
        let target = url::target(&first);
        let range = url::written_range(&first);
        let present = Resource::new_blocking(|| (), {
            let target = target.clone();
            move |()| overview(target.clone())
        });
        let past = Resource::new_blocking(|| (), move |()| read_timeline(target.clone(), range.clone()));
        OverviewPage { present, past }
    }

    fn view(this: Self) -> AnyView {
        let OverviewPage { present, past } = this;
        let target = use_frame().target();
        let retry = Callback::new(move |()| {
            present.refetch();
            past.refetch();
        });
        view! {
            <Title text="Overview"/>
            <h1 class="vh">{move || format!("Overview of {}", target.get())}</h1>
            <Transition fallback=|| view! { <PageSkeleton/> }>
                {move || Suspend::new(async move {
                    let (present, past) = (present.await, past.await);
                    match present {
                        Ok(present) => view! { <Loaded present past/> }.into_any(),
                        Err(error) => view! { <Failure error retry/> }.into_any(),
                    }
                })}
            </Transition>
        }
        .into_any()
    }
}

/// The page once its first data is there.
#[component]
fn Loaded(present: Overview, past: Result<Timeline, AppError>) -> impl IntoView {
    let store = Store::provide(present, past);
    view! {
        <outage::Outages/>
        <outage::PageNotices/>
        <section class="sheet" aria-labelledby="h-health">
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
