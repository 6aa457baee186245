//! Sign in: a plain form, complete without JavaScript.

use crate::{
    components::{preview::LinkPreview, status::MarkOnly},
    url,
};
use headroom_model::{
    Band, Timestamp,
    range::Resolved,
    share::{span, titled},
    trends::TrendsView,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

/// The page whose links name what they show.
const TRENDS: &str = "/trends";

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

/// Title, sentence and path of the page that a sign-in leads to, from its address alone.
fn next_preview(next: &str) -> (String, &'static str, String) {
    const SIGN_IN: &str = "Sign in to Headroom to see it.";
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let title = if path == TRENDS {
        let query = url::parse(next.split_once('?').map_or("", |(_, query)| query));
        let view = TrendsView::read(|key| query.get(key));
        let names: Vec<&str> = view.charts.iter().filter_map(|chart| Some(chart.first()?.metric().name)).collect();
        // Names of targets are plain words; whatever else an address says for one is not repeated.
        let target = url::target(&query).filter(|name| {
            name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        let moment = |key| query.get(key).and_then(|text| text.parse().ok()).map(Timestamp);
        let range = match (moment("from"), moment("to")) {
            (Some(from), Some(to)) if from < to => Some(span(Resolved { from, to, live: false })),
            _ => None,
        };
        titled(&names, target.as_deref(), range.as_deref())
    } else if path.starts_with("/s/") {
        "A shared snapshot".to_owned()
    } else {
        "Headroom".to_owned()
    };
    (title, SIGN_IN, next.to_owned())
}

#[component]
fn Login() -> impl IntoView {
    let query = use_query_map();
    let next = move || query.with(|query| query.get("next").unwrap_or_else(|| "/".to_owned()));
    // Chats follow a link up to here: what they show is what its address itself says.
    let led = next_preview(&untrack(next));
    let error = move || {
        query.with(|query| match query.get_str("error")? {
            "throttled" => Some("Too many attempts. Wait a minute, then try again."),
            _ => Some("Name or password is wrong."),
        })
    };
    view! {
        <Title text="Sign in"/>
        <LinkPreview title=led.0 description=led.1.to_owned() path=led.2/>
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_named_after_its_own_words_alone() {
        let next = "/trends?target=orders&from=1795077120000&to=1795098720000&m=database.connections/database.queries";
        assert_eq!(next_preview(next).0, "Connections in use and Throughput of orders, 19 Nov 2026 08:32 – 14:32 UTC");
        assert_eq!(next_preview("/trends?target=You%20won!&from=now-6h").0, "Trends");
        assert_eq!(next_preview("/s/abc").0, "A shared snapshot");
        assert_eq!(next_preview("/").0, "Headroom");
    }
}
