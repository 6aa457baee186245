//! Keyboard help: the keys that do something.

use super::nav::PAGES;
use crate::components::icon::{Glyph, Icon};
use leptos::{ev, prelude::*};

/// The dialog's id.
pub const ID: &str = "keyboard";

/// What else the keys do; those of the pages come from the navigation.
const KEYS: &[(&[&str], &str)] = &[
    (&["g", "t"], "Choose the target"),
    (&["t"], "Time range"),
    (&["z"], "Zoom out: twice the range"),
    (&["drag"], "On a chart: zoom in"),
    (&["←", "→"], "Trends: move the cursor"),
    (&["Shift", "→"], "Trends: move it by ten points"),
    (&["Enter"], "Trends: look into the minute at the cursor"),
    (&["/"], "Search the list of the page"),
    (&["j", "k"], "Lists: next or previous row"),
    (&["Enter"], "Lists: open the row, or close it"),
    (&["r"], "Refresh now"),
    (&["p"], "Pause or resume live"),
    (&["s"], "Share"),
    (&["Esc"], "Close the topmost thing"),
    (&["?"], "This list"),
];

/// The dialog.
#[component]
pub fn KeyboardHelp() -> impl IntoView {
    let close = move |_| {
        #[cfg(feature = "hydrate")]
        crate::browser::page::closeDialog(ID);
    };
    let works = RwSignal::new(true);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| works.set(crate::browser::page::keysWork()));
    let line = |keys: &[&'static str], does: &'static str| {
        view! {
            <dt>{does}</dt>
            <dd class="flow" style="justify-content:end;gap:var(--p2)">
                {keys.iter().map(|&key| view! { <kbd>{key}</kbd> }).collect_view()}
            </dd>
        }
    };
    let switch = move |event: ev::Event| {
        works.set(event_target_checked(&event));
        #[cfg(feature = "hydrate")]
        crate::browser::page::setKeys(works.get_untracked());
    };
    view! {
        <dialog class="dialog" id=ID aria-labelledby="keyboard-title">
            <header>
                <h2 id="keyboard-title">"Keyboard"</h2>
                <button type="button" class="btn ghost icon" aria-label="Close" on:click=close>
                    <Glyph icon=Icon::Close/>
                </button>
            </header>
            <div class="body">
                <dl class="kv">
                    {PAGES.iter().map(|place| line(&["g", place.key], place.name)).collect_view()}
                    {KEYS.iter().map(|(keys, does)| line(keys, does)).collect_view()}
                </dl>
                <label class="check">
                    <input type="checkbox" checked=true prop:checked=works on:change=switch/>
                    "Single keys do this, in this browser"
                </label>
                <p class="note">"They are off while a field has the focus or a dialog is open."</p>
            </div>
        </dialog>
    }
    .into_any()
}
