//! The time range: relative ranges as links, absolute ends as a GET form. Both work without JavaScript.

use super::use_frame;
use crate::{
    components::icon::{Glyph, Icon},
    components::status::MarkOnly,
    layout::go,
    url,
};
use headroom_model::{Band, format, range::PRESETS};
use leptos::{ev, prelude::*};

/// The id `t` opens.
pub const ID: &str = "range";

/// The picker.
#[component]
pub fn RangePicker() -> impl IntoView {
    let frame = use_frame();
    let path = leptos_router::hooks::use_location().pathname;
    // Once a second is often enough to resolve, and only a changed text touches the page.
    let shown = Memo::new(move |_| frame.query.with(|query| url::shown_range(query, frame.now.get())));
    let name = Memo::new(move |_| shown.with(|shown| url::range_name(&shown.from, &shown.to, shown.range)));
    let resolved =
        Memo::new(move |_| shown.with(|shown| format::range(shown.range.from, shown.range.to, frame.now.get())));
    let refused = Memo::new(move |_| shown.with(|shown| shown.refused.clone()));
    let navigate = go();
    let presets = move || {
        PRESETS
            .iter()
            .map(|&(preset, label)| {
                let href = frame.link(&path.read(), &[("from", Some(preset)), ("to", None)]);
                let here = shown.with(|shown| shown.from == preset && shown.to == "now").then_some("true");
                view! {
                    <a href=href aria-current=here data-noscroll="">
                        <span>{label}</span>
                        <span class="dim mono">{preset.trim_start_matches("now-")}</span>
                    </a>
                }
            })
            .collect_view()
    };
    let apply = move |event: ev::SubmitEvent| {
        #[cfg(feature = "hydrate")]
        {
            event.prevent_default();
            let field = |id: &str| {
                use wasm_bindgen::JsCast;
                document()
                    .get_element_by_id(id)
                    .and_then(|field| field.dyn_into::<web_sys::HtmlInputElement>().ok())
                    .map(|field| field.value().trim().to_owned())
                    .filter(|text| !text.is_empty())
            };
            let (from, to) = (field("range-from"), field("range-to"));
            let href = untrack(|| frame.link(&path.read(), &[("from", from.as_deref()), ("to", to.as_deref())]));
            navigate(&href, false);
            crate::browser::page::closePopover();
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = (event, &navigate);
    };
    // What the form does not ask for travels along hidden.
    let kept = move || {
        frame.query.with(|query| {
            query
                .latest_values()
                .filter(|(key, _)| !matches!(key.as_ref(), "from" | "to"))
                .map(|(key, value)| view! { <input type="hidden" name=key.to_string() value=value.to_owned()/> })
                .collect_view()
        })
    };
    let value = move |key: &'static str| {
        let (from, to) = frame.query.with(url::written_range);
        if key == "from" { from } else { to }
    };
    view! {
        <details class="pop start" id=ID>
            <summary class="btn" title="Time range">
                <Glyph icon=Icon::Clock/>
                <span>{name}</span>
                <span class="dim wide">{resolved}</span>
                <Glyph icon=Icon::ChevronDown small=true/>
            </summary>
            <div class="panel" style="inline-size:min(34rem,calc(100vw - 2rem));padding:0">
                <div class="range">
                    <nav class="menu" aria-label="Relative ranges">
                        {presets}
                    </nav>
                    <form
                        method="get"
                        action=move || path.get()
                        on:submit=apply
                        style="padding:var(--p6);display:grid;gap:var(--p5);align-content:start"
                    >
                        {kept}
                        <div class="field">
                            <label for="range-from">"From"</label>
                            <input
                                class="in"
                                id="range-from"
                                name="from"
                                autocomplete="off"
                                value=move || value("from")
                                prop:value=move || value("from")
                                aria-invalid=move || refused.with(|r| r.as_ref().is_some_and(|r| r.field == "from")).then_some("true")
                            />
                        </div>
                        <div class="field">
                            <label for="range-to">"To"</label>
                            <input
                                class="in"
                                id="range-to"
                                name="to"
                                autocomplete="off"
                                value=move || value("to")
                                prop:value=move || value("to")
                                aria-invalid=move || refused.with(|r| r.as_ref().is_some_and(|r| r.field == "to")).then_some("true")
                            />
                            {move || match refused.get() {
                                Some(refused) => {
                                    view! {
                                        <span class="err">
                                            <MarkOnly status=Some(Band::Critical)/>
                                            {refused.reason}
                                        </span>
                                    }
                                        .into_any()
                                }
                                None => {
                                    view! {
                                        <span class="help">
                                            "Accepts “now”, “now-6h”, “yesterday 09:00”, ISO 8601. UTC."
                                        </span>
                                    }
                                        .into_any()
                                }
                            }}
                        </div>
                        <div class="flow">
                            <button class="btn primary">"Apply"</button>
                        </div>
                    </form>
                </div>
            </div>
        </details>
    }
    .into_any()
}
