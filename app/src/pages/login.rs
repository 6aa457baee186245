//! Sign in: a plain form, complete without JavaScript.

use crate::components::status::MarkOnly;
use headroom_model::Band;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

/// The page.
#[derive(Debug)]
pub struct LoginPage;

#[lazy_route]
impl LazyRoute for LoginPage {
    fn data() -> Self {
        LoginPage
    }

    fn view(_this: Self) -> AnyView {
        view! { <Login/> }.into_any()
    }
}

#[component]
fn Login() -> impl IntoView {
    let query = use_query_map();
    let next = move || query.with(|query| query.get("next").unwrap_or_else(|| "/".to_owned()));
    let error = move || {
        query.with(|query| match query.get_str("error")? {
            "throttled" => Some("Too many attempts. Wait a minute, then try again."),
            _ => Some("Name or password is wrong."),
        })
    };
    view! {
        <Title text="Sign in"/>
        <main id="main" class="alone">
            <section class="sheet" aria-labelledby="sign-in">
                <form class="cell" method="post" action="/login" style="display:grid;gap:var(--p6)">
                    <h1 id="sign-in">"Sign in to Headroom"</h1>
                    <input type="hidden" name="next" value=next/>
                    <div class="field">
                        <label for="name">"Name"</label>
                        <input
                            class="in"
                            id="name"
                            name="name"
                            autocomplete="username"
                            autocapitalize="none"
                            spellcheck="false"
                            required
                            autofocus
                        />
                    </div>
                    <div class="field">
                        <label for="password">"Password"</label>
                        <input
                            class="in"
                            id="password"
                            name="password"
                            type="password"
                            autocomplete="current-password"
                            required
                            aria-describedby=move || error().map(|_| "refused")
                            aria-invalid=move || error().map(|_| "true")
                        />
                        {move || {
                            error()
                                .map(|text| {
                                    view! {
                                        <span class="err" id="refused" role="alert">
                                            <MarkOnly status=Some(Band::Critical)/>
                                            {text}
                                        </span>
                                    }
                                })
                        }}
                    </div>
                    <div class="flow">
                        <button class="btn primary">"Sign in"</button>
                    </div>
                    <p class="note">"Users are added on the console's machine: " <code>"headroom user add"</code></p>
                </form>
            </section>
        </main>
    }
    .into_any()
}
