//! The root component: the router and its pages.

use crate::{
    layout::Framed,
    pages::{
        CachePage, CapacityPage, ConfirmClear, ConfirmIndex, ConfirmOptimize, ConfirmReset, ConfirmSession,
        ConfirmShare, ConfirmWarm, ConnectionsPage, IndexesPage, LocksPage, LoginPage, Missing, OverviewPage,
        QueriesPage, SettingsPage, SharedPage, StatementPage, TablesPage, TrendsPage,
    },
};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    Lazy, SsrMode,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

const PRODUCT: &str = "Headroom";

fn titled(page: String) -> String {
    if page.ends_with(PRODUCT) { page } else { format!("{page} · {PRODUCT}") }
}

/// The title until a page's own code has come: what the server gave the document.
fn first_title() -> String {
    #[cfg(feature = "hydrate")]
    return document().title();
    #[cfg(not(feature = "hydrate"))]
    PRODUCT.to_owned()
}

/// The application. Pages are rendered completely before the first byte is sent, so that they need no script.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=titled text=first_title()/>
        <Router>
            <Routes fallback=|| view! { <Missing/> }>
                <Route path=path!("/login") view={Lazy::<LoginPage>::new()} ssr=SsrMode::Async/>
                <Route path=path!("/s/:id") view={Lazy::<SharedPage>::new()} ssr=SsrMode::Async/>
                <ParentRoute path=path!("") view=Framed ssr=SsrMode::Async>
                    <Route path=path!("/") view={Lazy::<OverviewPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/trends") view={Lazy::<TrendsPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/queries") view={Lazy::<QueriesPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/queries/:queryid") view={Lazy::<StatementPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/tables") view={Lazy::<TablesPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/connections") view={Lazy::<ConnectionsPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/locks") view={Lazy::<LocksPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/cache") view={Lazy::<CachePage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/capacity") view={Lazy::<CapacityPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/indexes") view={Lazy::<IndexesPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/settings") view={Lazy::<SettingsPage>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/clear") view={Lazy::<ConfirmClear>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/optimize") view={Lazy::<ConfirmOptimize>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/index") view={Lazy::<ConfirmIndex>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/reset") view={Lazy::<ConfirmReset>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/session") view={Lazy::<ConfirmSession>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/share") view={Lazy::<ConfirmShare>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/confirm/warm") view={Lazy::<ConfirmWarm>::new()} ssr=SsrMode::Async/>
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}
