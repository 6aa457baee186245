//! Status marks: shape, word and colour together, so that any two are enough.

use headroom_model::Band;
use leptos::prelude::*;

/// What a mark stands for: a band, or nothing measured.
pub type Status = Option<Band>;

/// The modifier class that binds the status colours.
#[must_use]
pub fn class(status: Status) -> &'static str {
    match status {
        Some(Band::Excellent) => "st-x",
        Some(Band::Good) => "st-g",
        Some(Band::Degraded) => "st-d",
        Some(Band::Critical) => "st-c",
        None => "st-n",
    }
}

/// The word beside the mark.
#[must_use]
pub fn word(status: Status) -> &'static str {
    status.map_or("No data", Band::word)
}

/// The colour token of a status.
#[must_use]
pub fn token(status: Status) -> &'static str {
    match status {
        Some(band) => band.as_str(),
        None => "nodata",
    }
}

/// Shapes on a 16 px grid: each differs in outline, not only in colour.
fn shape(status: Status) -> &'static str {
    match status {
        Some(Band::Excellent) => {
            r#"<circle cx="8" cy="8" r="7"/><path d="m4.9 8.3 2.1 2.1 4.1-4.5" fill="none" stroke="var(--panel)" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>"#
        }
        Some(Band::Good) => {
            r#"<circle cx="8" cy="8" r="6.1" fill="none" stroke="currentColor" stroke-width="1.7"/><circle cx="8" cy="8" r="2.7"/>"#
        }
        Some(Band::Degraded) => {
            r#"<path d="M8 1.2a1 1 0 0 1 .87.5l6.3 11a1 1 0 0 1-.87 1.5H1.7a1 1 0 0 1-.87-1.5l6.3-11A1 1 0 0 1 8 1.2Z"/><path d="M8 5.4v4M8 11.5v.5" stroke="var(--panel)" stroke-width="1.6" stroke-linecap="round"/>"#
        }
        Some(Band::Critical) => {
            r#"<path d="M8 .6 15.4 8 8 15.4.6 8Z"/><path d="m5.9 5.9 4.2 4.2m0-4.2-4.2 4.2" stroke="var(--panel)" stroke-width="1.6" stroke-linecap="round"/>"#
        }
        None => {
            r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.4 2.3"/>"#
        }
    }
}

/// The bare shape.
#[component]
pub fn Shape(#[prop(into)] status: Signal<Status>, #[prop(optional)] small: bool) -> impl IntoView {
    let class = if small { "i i-s" } else { "i" };
    view! { <svg class=class viewBox="0 0 16 16" aria-hidden="true" inner_html=move || shape(status.get())></svg> }
}

/// Shape and visible text; the text is the band's word unless given.
#[component]
pub fn Mark(#[prop(into)] status: Signal<Status>, #[prop(optional, into)] text: Option<String>) -> impl IntoView {
    view! {
        <span class=move || format!("st {}", class(status.get()))>
            <Shape status/>
            <span>{move || text.clone().unwrap_or_else(|| word(status.get()).to_owned())}</span>
        </span>
    }
    .into_any()
}

/// Shape alone on screen; the word is for assistive technology.
#[component]
pub fn MarkOnly(#[prop(into)] status: Signal<Status>, #[prop(optional, into)] text: Option<String>) -> impl IntoView {
    view! {
        <span class=move || format!("st {}", class(status.get()))>
            <Shape status/>
            <span class="vh">{move || text.clone().unwrap_or_else(|| word(status.get()).to_owned())}</span>
        </span>
    }
    .into_any()
}
