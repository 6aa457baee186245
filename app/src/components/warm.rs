//! Warm cache: a menu of strategies with what each would load. Without JavaScript a choice leads to the confirm page.

use super::icon::{Glyph, Icon};
use crate::{
    error::AppError,
    functions::{preview_warmup, start_warmup},
    layout::use_frame,
    url,
};
use headroom_model::{
    format,
    operation::Operation,
    warmup::{WarmupPreview, WarmupStrategy},
};
use leptos::{ev, html, prelude::*};
use std::collections::BTreeMap;

/// "Missed in the last 30 min, about 2 min".
fn note(strategy: WarmupStrategy, preview: Option<&WarmupPreview>) -> String {
    match preview {
        Some(preview) if preview.to_load == 0 => format!("{}, all fresh already", strategy.note()),
        Some(WarmupPreview { estimated_ms: Some(millis), .. }) => {
            format!("{}, about {}", strategy.note(), format::duration_ms(*millis))
        }
        _ => strategy.note().to_owned(),
    }
}

/// The menu, for operators.
#[component]
pub fn WarmMenu(
    target: StoredValue<String>,
    /// Told how a start ended.
    started: Callback<Result<Operation, AppError>>,
    /// Class of the button beside `btn`.
    #[prop(default = "")]
    size: &'static str,
) -> impl IntoView {
    let frame = use_frame();
    let previews = RwSignal::new(BTreeMap::<&'static str, Result<WarmupPreview, AppError>>::new());
    let busy = RwSignal::new(false);
    let node = NodeRef::<html::Details>::new();
    // Counted when it opens, and anew each time: what is fresh changes by the second.
    let load = move || {
        if !node.get_untracked().is_some_and(|details| details.open()) {
            return;
        }
        previews.set(BTreeMap::new());
        for strategy in WarmupStrategy::ALL {
            let target = target.try_get_value();
            leptos::task::spawn_local(async move {
                let answer = preview_warmup(target, strategy).await;
                previews.try_update(|known| known.insert(strategy.as_str(), answer));
            });
        }
    };
    // Opened before the page was hydrated: nobody heard that.
    Effect::new(move |_| {
        if frame.alive.get() && node.get().is_some() {
            load();
        }
    });
    let start = move |strategy: WarmupStrategy| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let target = target.try_get_value();
        leptos::task::spawn_local(async move {
            let answer = start_warmup(target, strategy, None).await;
            busy.try_set(false);
            // The page may have been left meanwhile.
            started.try_run(answer);
        });
    };
    let choice = move |strategy: WarmupStrategy| {
        let href = move || {
            let target = target.read_value();
            let changes = [("target", Some(target.as_str())), ("strategy", Some(strategy.as_str()))];
            frame.query.with(|query| url::href("/confirm/warm", &url::carried(query), &changes))
        };
        let pressed = move |event: ev::MouseEvent| {
            event.prevent_default();
            start(strategy);
        };
        let counted = move || {
            previews.with(|known| match known.get(strategy.as_str()) {
                Some(Ok(preview)) => format::counted(preview.to_load, "key"),
                Some(Err(_)) => "not counted".to_owned(),
                None if frame.alive.get() => "counting…".to_owned(),
                None => String::new(),
            })
        };
        let about = move || {
            previews.with(|known| match known.get(strategy.as_str()) {
                Some(Err(error)) => error.message.clone(),
                known => note(strategy, known.and_then(|answer| answer.as_ref().ok())),
            })
        };
        view! {
            <a href=href on:click=pressed>
                <span>{strategy.label()}</span>
                <span class="dim">{counted}</span>
                <small>{about}</small>
            </a>
        }
    };
    view! {
        <details class="pop" node_ref=node on:toggle=move |_| load()>
            <summary class=format!("btn {size}") aria-busy=move || busy.get().then_some("true")>
                <Glyph icon=Icon::Flame small=size == "s"/>
                {move || if busy.get() { "Starting…" } else { "Warm cache" }}
                <Glyph icon=Icon::ChevronDown small=true/>
            </summary>
            <div class="panel flush menu" style="inline-size:19rem">
                {WarmupStrategy::ALL.into_iter().map(choice).collect_view()}
            </div>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_says_what_it_costs_where_that_is_known() {
        let strategy = WarmupStrategy::RecentData;
        let mut preview = WarmupPreview {
            strategy,
            keys: 45_000,
            to_load: 45_000,
            estimated_ms: Some(360_000.0),
            datasets: vec![],
            effect: String::new(),
        };
        assert_eq!(note(strategy, Some(&preview)), "Missed in the last 30 min, about 6 min");
        preview.estimated_ms = None;
        assert_eq!(note(strategy, Some(&preview)), "Missed in the last 30 min");
        preview.to_load = 0;
        assert_eq!(note(strategy, Some(&preview)), "Missed in the last 30 min, all fresh already");
        assert_eq!(note(strategy, None), "Missed in the last 30 min");
    }
}
