//! The page for addresses that have none.

use leptos::prelude::*;
use leptos_meta::Title;

/// Says that no page is here and where the others are.
#[component]
pub fn Missing() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="No page here"/>
        <main id="main" class="alone">
            <section class="sheet">
                <div class="empty">
                    <h1>"No page has this address"</h1>
                    <p>"The link may be from an older version, or it was cut off on its way."</p>
                    <div class="flow">
                        <a class="btn primary" href="/" rel="external">
                            "Open Overview"
                        </a>
                    </div>
                </div>
            </section>
        </main>
    }
    .into_any()
}
