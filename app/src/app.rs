//! The root component: the router and its pages.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

/// The application.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=|page: String| if page.is_empty() { "Headroom".to_owned() } else { format!("{page} · Headroom") }/>
        <Router>
            <Routes fallback=|| "No page has this address.">
                <Route path=path!("/") view=|| view! { <main id="main"></main> } ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}
