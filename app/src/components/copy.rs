//! A button that copies text and says whether that worked.

use super::icon::{Glyph, Icon};
use crate::layout::use_frame;
use leptos::prelude::*;

/// Copies `text`. Needs JavaScript, so it appears once the page is hydrated; the text stays selectable without it.
#[component]
pub fn CopyButton(
    #[prop(into)] text: Signal<String>,
    /// Class of the button beside `btn`.
    #[prop(default = "s")]
    size: &'static str,
) -> impl IntoView {
    let copied = RwSignal::new(None::<bool>);
    let alive = use_frame().alive;
    #[cfg(feature = "hydrate")]
    let copy = move |_| {
        leptos::task::spawn_local(async move {
            let done = crate::browser::page::copy(&text.get_untracked()).await.is_truthy();
            copied.try_set(Some(done));
            set_timeout(
                move || {
                    copied.try_set(None);
                },
                std::time::Duration::from_secs(4),
            );
        });
    };
    #[cfg(not(feature = "hydrate"))]
    let copy = move |_| {
        let _ = text;
    };
    view! {
        <Show when=move || alive.get()>
            <button type="button" class=format!("btn {size}") on:click=copy>
                <Glyph icon=Icon::Copy small=true/>
                <span role="status">
                    {move || match copied.get() {
                        None => "Copy",
                        Some(true) => "Copied",
                        Some(false) => "Not copied: select it",
                    }}
                </span>
            </button>
        </Show>
    }
    .into_any()
}
