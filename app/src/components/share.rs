//! What is chosen when a snapshot is shared: who opens it, and how long.

use crate::layout::use_frame;
use headroom_model::share::{Audience, Lifetime};
use leptos::prelude::*;

/// Who may open it: what the one who shares may offer.
#[component]
pub fn AudienceChoice(
    /// Id of the field.
    id: &'static str,
    /// What is chosen, where the page is alive.
    #[prop(optional)]
    chosen: Option<RwSignal<Audience>>,
) -> impl IntoView {
    let frame = use_frame();
    let default = Audience::default();
    let option = move |audience: Audience| {
        view! {
            <option value=audience.as_str() selected=audience == default>
                {audience.label()}
            </option>
        }
    };
    let offered = move || Audience::ALL.into_iter().filter(move |audience| frame.may(audience.maker())).map(option);
    let needs = move || {
        (!frame.may(Audience::Link.maker())).then(|| {
            view! { <span class="note">"Links that open without signing in are made by operators."</span> }
        })
    };
    view! {
        <div class="field" style="inline-size:100%">
            <label for=id>"Who may open it"</label>
            <select
                class="in"
                id=id
                name="audience"
                on:change=move |event| {
                    if let (Some(chosen), Ok(audience)) = (chosen, event_target_value(&event).parse()) {
                        chosen.set(audience);
                    }
                }
            >
                {move || offered().collect_view()}
            </select>
            {needs}
        </div>
    }
    .into_any()
}

/// How long it opens.
#[component]
pub fn LifetimeChoice(
    /// Id of the field.
    id: &'static str,
    /// What is chosen, where the page is alive.
    #[prop(optional)]
    chosen: Option<RwSignal<Lifetime>>,
) -> impl IntoView {
    let default = Lifetime::default();
    let option = move |lifetime: Lifetime| {
        view! {
            <option value=lifetime.as_str() selected=lifetime == default>
                {lifetime.label()}
            </option>
        }
    };
    view! {
        <div class="field" style="inline-size:100%">
            <label for=id>"Opens for"</label>
            <select
                class="in"
                id=id
                name="lifetime"
                on:change=move |event| {
                    if let (Some(chosen), Ok(lifetime)) = (chosen, event_target_value(&event).parse()) {
                        chosen.set(lifetime);
                    }
                }
            >
                {Lifetime::ALL.into_iter().map(option).collect_view()}
            </select>
        </div>
    }
    .into_any()
}
