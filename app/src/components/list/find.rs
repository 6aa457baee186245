//! The search of a list.

use crate::{
    components::icon::{Glyph, Icon},
    layout::{go, use_frame},
};
use leptos::{ev, prelude::*};
use leptos_router::hooks::use_location;
use std::time::Duration;

/// The search begins when typing has stopped for so long.
const PAUSE: Duration = Duration::from_millis(300);

/// A form that works without JavaScript; with it, the list follows the typing. `/` leads into it.
#[component]
pub fn Find(
    /// Its key in the URL.
    name: &'static str,
    /// What it looks for; also its placeholder.
    label: &'static str,
    /// Keys of the URL that a new search makes void.
    resets: [&'static str; 2],
) -> impl IntoView {
    let frame = use_frame();
    let path = use_location().pathname;
    let navigate = go();
    let find = Memo::new(move |_| frame.query.with(|query| query.get(name).unwrap_or_default()));
    let typed = StoredValue::new(0_u32);
    let search = move |text: String| {
        let [first, second] = resets;
        // As it was typed: a blank at its end may be the beginning of the next word.
        let text = (!text.trim().is_empty()).then_some(text.as_str());
        let changes = [(name, text), (first, None), (second, None)];
        navigate(&untrack(|| frame.link(&path.read_untracked(), &changes)), true);
    };
    let typing = move |event: ev::Event| {
        let text = event_target_value(&event);
        let Some(stroke) = typed.try_update_value(|count| {
            *count = count.wrapping_add(1);
            *count
        }) else {
            return;
        };
        let search = search.clone();
        set_timeout(
            move || {
                if typed.try_get_value() == Some(stroke) {
                    search(text);
                }
            },
            PAUSE,
        );
    };
    // What the URL says besides travels along.
    let kept = move || {
        frame.query.with(|query| {
            let kept = query.latest_values().filter(|(key, _)| key.as_ref() != name && !resets.contains(&key.as_ref()));
            kept.map(|(key, value)| view! { <input type="hidden" name=key.to_string() value=value.to_owned()/> })
                .collect_view()
        })
    };
    view! {
        <form
            class="in-icon"
            role="search"
            action=move || path.get()
            on:submit=|event: ev::SubmitEvent| event.prevent_default()
        >
            <Glyph icon=Icon::Search small=true/>
            <input
                class="in"
                type="search"
                name=name
                maxlength="200"
                placeholder=label
                aria-label=label
                value=find.get_untracked()
                prop:value=find
                on:input=typing
            />
            {kept}
        </form>
    }
    .into_any()
}
