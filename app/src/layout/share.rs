//! Share: links to what the page shows now, with the range fixed or moving.

use super::use_frame;
use crate::{
    components::{
        copy::CopyButton,
        icon::{Glyph, Icon},
    },
    url,
};
use headroom_model::format;
use leptos::prelude::*;

/// The id `s` opens.
pub const ID: &str = "share";

/// The popover.
#[component]
pub fn Share() -> impl IntoView {
    let frame = use_frame();
    let path = leptos_router::hooks::use_location().pathname;
    let fixed = RwSignal::new(true);
    // A link should not move while someone selects it: minutes are fine enough for a range of minutes or more.
    let shown = Memo::new(move |_| {
        let minute = frame.now.get().floor_to(60_000);
        frame.query.with(|query| url::shown_in_minute(query, minute))
    });
    let target = frame.target();
    let link = Signal::derive(move || {
        let shown = shown.get();
        let (from, to) = if fixed.get() {
            (shown.range.from.0.to_string(), shown.range.to.0.to_string())
        } else {
            (shown.from, shown.to)
        };
        let changes =
            [("target", Some(target.get())), ("from", Some(from)), ("to", Some(to)), ("refresh", None::<String>)];
        let changes = changes.each_ref().map(|(key, value)| (*key, value.as_deref()));
        let here = frame.link(&path.read(), &changes);
        // The server does not know by which name it was reached; the browser does.
        #[cfg(feature = "hydrate")]
        if frame.alive.get() {
            return format!("{}{here}", window().location().origin().unwrap_or_default());
        }
        here
    });
    let ends = move || {
        shown.with(|shown| {
            let range = shown.range;
            format!(
                "Always {} {} to {} {}",
                format::date(range.from),
                format::clock(range.from),
                format::date(range.to),
                format::clock(range.to)
            )
        })
    };
    let moving = Memo::new(move |_| shown.with(|shown| shown.range.live));
    let relative = move || {
        shown.with(|shown| format!("Link, {}", url::range_name(&shown.from, &shown.to, shown.range).to_lowercase()))
    };
    view! {
        <details class="pop hide-s" id=ID>
            <summary class="btn">
                <Glyph icon=Icon::Share/>
                "Share"
            </summary>
            <div class="panel" style="inline-size:min(25rem,calc(100vw - 1.5rem));display:grid;gap:var(--p5)">
                <div>
                    <p><b>"Share this view"</b></p>
                    <p class="sub" style="font-size:var(--t-small)">
                        "Opens the same target, range and filters for anyone who can sign in here."
                    </p>
                </div>
                <div class="radio-list" role="radiogroup" aria-label="Kind of link">
                    <label>
                        <input
                            type="radio"
                            name="share"
                            prop:checked=move || fixed.get()
                            checked=true
                            on:change=move |_| fixed.set(true)
                        />
                        <span>"Link, absolute range"</span>
                        <span></span>
                        <small>{ends}</small>
                    </label>
                    <Show when=move || moving.get()>
                        <label>
                            <input
                                type="radio"
                                name="share"
                                prop:checked=move || !fixed.get()
                                on:change=move |_| fixed.set(false)
                            />
                            <span>{relative}</span>
                            <span></span>
                            <small>"Moves with the clock"</small>
                        </label>
                    </Show>
                </div>
                <div class="field">
                    <label for="share-link">"Link"</label>
                    <div style="display:flex;gap:var(--p4)">
                        <input id="share-link" class="in mono" readonly value=link prop:value=link/>
                        <CopyButton text=link size="primary"/>
                    </div>
                </div>
            </div>
        </details>
    }
    .into_any()
}
