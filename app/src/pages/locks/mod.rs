//! Locks: who waits for whom now, root first, and the way to end the root; what active sessions waited for, who kept others
//! waiting, and deadlocks, over the range.

mod past;
mod store;
mod tree;
mod waits;

use crate::{
    components::{
        ending::EndingElsewhere,
        first::first,
        notices::{NotRead, Outages, Pruned, RangeRefused},
        skeleton::Skeleton,
    },
    data::past::or_default,
    error::AppError,
    functions,
    layout::use_frame,
    url,
};
use headroom_model::{contention::ContentionView, overview::Timeline};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
use store::Store;

/// The page.
#[derive(Debug)]
pub struct LocksPage;

#[lazy_route]
impl LazyRoute for LocksPage {
    fn data() -> Self {
        LocksPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Locks"/>
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
        move |()| {
            let (target, range) = (target.clone(), query.with_untracked(url::written_range));
            or_default(range, move |from, to| functions::contention(Some(target.clone()), from, to))
        }
    });
    let past = Resource::new_blocking(
        || (),
        move |()| store::read_past(Some(target.clone()), query.with_untracked(url::written_range)),
    );
    let retry = Callback::new(move |()| {
        present.refetch();
        past.refetch();
    });
    let read = move || async move {
        let (present, past) = (present.await, past.await);
        present.map(|present| (present, past))
    };
    let loaded = |(first, past)| view! { <Loaded first past/> }.into_any();
    first(Some("Locks"), || view! { <Frames/> }.into_any(), retry, read, loaded)
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let cell = |name: &'static str| {
        view! {
            <p class="cell">
                {name} " " <Skeleton width="60%"/>
            </p>
        }
    };
    view! {
        <div class="page-head">
            <h1>"Locks"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            {["Blocking now", "Waits", "Contention in the range", "Deadlocks"].into_iter().map(cell).collect_view()}
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(first: ContentionView, past: Result<Timeline, AppError>) -> impl IntoView {
    let store = Store::provide(first, past);
    let retry = Callback::new(move |()| store.read());
    view! {
        <div class="page-head">
            <div>
                <h1>"Locks"</h1>
                <p>{move || store.summary()}</p>
            </div>
        </div>
        <Outages present=store.present/>
        <RangeRefused/>
        <Pruned range=store.past.range() starts=store.past.starts()/>
        <NotRead error=store.reads.error what="Lock waits could not be read again." retry/>
        <NotRead error=store.past.reads.error what="History could not be read." retry/>
        <EndingElsewhere shown=store.roots()/>
        <tree::Trees/>
        <waits::Waits/>
        <past::Stretches/>
        <past::DeadlockSheet/>
        {store.keep_fresh()}
    }
    .into_any()
}
