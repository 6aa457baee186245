//! The theme: a form that the server answers with a cookie; with JavaScript the page changes without a reload.

use super::use_frame;
use crate::components::icon::{Glyph, Icon};
use leptos::{ev, prelude::*};

const CHOICES: [(&str, &str); 3] = [("light", "Light"), ("dark", "Dark"), ("auto", "As the system")];

/// The switch.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let frame = use_frame();
    let path = leptos_router::hooks::use_location().pathname;
    let here = move || frame.link(&path.read(), &[]);
    let choose = move |event: ev::MouseEvent, theme: &'static str| {
        #[cfg(feature = "hydrate")]
        {
            event.prevent_default();
            leptos::task::spawn_local(async move {
                crate::browser::page::setTheme(theme).await;
            });
            crate::browser::page::closePopover();
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = (event, theme);
    };
    view! {
        <details class="pop" id="theme">
            <summary class="btn ghost icon" aria-label="Theme" title="Theme">
                <Glyph icon=Icon::Theme/>
            </summary>
            <form class="panel flush menu" method="post" action="/theme" style="min-inline-size:10rem">
                <input type="hidden" name="next" value=here/>
                {CHOICES
                    .into_iter()
                    .map(|(value, name)| {
                        view! {
                            <button name="theme" value=value on:click=move |event| choose(event, value)>
                                {name}
                            </button>
                        }
                    })
                    .collect_view()}
            </form>
        </details>
    }
    .into_any()
}
