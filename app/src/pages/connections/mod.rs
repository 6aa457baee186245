//! Connections: who is connected and what they do, ending sessions, the console's own pools and who holds their connections.

mod figures;
mod groups;
mod policy;
mod pools;
mod row;
mod sessions;
mod store;
mod view;

use crate::{
    components::{
        ending::EndingElsewhere,
        first::first,
        notices::{NotRead, Outages},
        skeleton::Skeleton,
    },
    functions,
    layout::use_frame,
};
use headroom_model::activity::ConnectionsView;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
use store::Store;

/// The path of the page.
pub const PATH: &str = "/connections";

/// The page.
#[derive(Debug)]
pub struct ConnectionsPage;

#[lazy_route]
impl LazyRoute for ConnectionsPage {
    fn data() -> Self {
        ConnectionsPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Connections"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    // Read once, for the first paint; from then on the store follows the feed without rebuilding the page.
    let read = Resource::new_blocking(|| (), move |()| functions::connections(Some(target.clone())));
    let retry = Callback::new(move |()| read.refetch());
    let loaded = |first| view! { <Loaded first/> }.into_any();
    first(Some("Connections"), || view! { <Frames/> }.into_any(), retry, move || async move { read.await }, loaded)
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let cell = |name: &'static str| {
        view! {
            <div class="cell fig">
                <dt>{name}</dt>
                <dd>
                    <Skeleton width="60%"/>
                </dd>
            </div>
        }
    };
    view! {
        <div class="page-head">
            <h1>"Connections"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            <dl class="row-cells figs">{figures::NAMES.into_iter().map(cell).collect_view()}</dl>
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(first: ConnectionsView) -> impl IntoView {
    let store = Store::provide(first);
    let retry = Callback::new(move |()| store.read());
    let is_stale = move || store.present.is_stale();
    let shown = Memo::new(move |_| {
        store.activity.with(|activity| activity.sessions.iter().map(|session| session.key).collect::<Vec<_>>())
    });
    view! {
        <div class="page-head">
            <div>
                <h1>"Connections"</h1>
                <p>{move || store.summary()}</p>
            </div>
        </div>
        <Outages present=store.present/>
        <NotRead error=store.reads.error what="Sessions could not be read again." retry/>
        <figures::Missing/>
        <section class="sheet" class:is-stale=is_stale aria-label="Key figures">
            <figures::Figures/>
        </section>
        <EndingElsewhere shown/>
        <sessions::Sessions/>
        <groups::Groups/>
        <pools::Pools/>
        <policy::Policy/>
        {store.keep_fresh()}
    }
    .into_any()
}
