//! The target picker: a list of links, so it works without JavaScript.

use super::use_frame;
use crate::{
    components::{
        icon::{Glyph, Icon},
        status::{Mark, MarkOnly},
    },
    functions,
};
use headroom_model::{
    Band,
    target::{Reach, TargetInfo},
};
use leptos::{ev, prelude::*};

/// The id `g t` opens.
pub const ID: &str = "target";

/// "PostgreSQL 15.18, primary".
fn server(info: &TargetInfo) -> String {
    let mut text = "PostgreSQL".to_owned();
    if let Some(version) = &info.postgres_version {
        text.push(' ');
        text.push_str(version);
    }
    match info.replica {
        Some(true) => text.push_str(", replica"),
        Some(false) => text.push_str(", primary"),
        None => {}
    }
    text
}

/// "+ Redis 7.0.15", where there is one.
fn cache(info: &TargetInfo) -> String {
    match (&info.redis, &info.redis_version) {
        (Reach::Absent, _) => String::new(),
        (_, Some(version)) => format!(" + Redis {version}"),
        (_, None) => " + Redis".to_owned(),
    }
}

/// The picker.
#[component]
pub fn TargetPicker() -> impl IntoView {
    let frame = use_frame();
    let shell = frame.shell;
    let chosen = frame.target();
    let current = Memo::new(move |_| {
        shell.with(|shell| {
            shell
                .targets
                .iter()
                .find(|target| target.info.id.as_str() == chosen.read().as_str())
                .map(|t| t.info.clone())
        })
    });
    // Scores of the other targets are as old as the page: read them again when someone looks.
    let opened = move |event: ev::Event| {
        #[cfg(feature = "hydrate")]
        {
            use wasm_bindgen::JsCast;
            let open = event
                .current_target()
                .and_then(|details| details.dyn_into::<web_sys::Element>().ok())
                .is_some_and(|details| details.has_attribute("open"));
            if open {
                leptos::task::spawn_local(async move {
                    if let Ok(fresh) = functions::shell().await {
                        shell.try_set(fresh);
                    }
                });
            }
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = (event, functions::shell);
    };
    let items = move || {
        shell.with(|shell| {
            shell
                .targets
                .iter()
                .map(|target| {
                    let id = target.info.id.0.clone();
                    let href = frame.link("/", &[("target", Some(&id))]);
                    let here = (id == *chosen.read()).then_some("true");
                    let mark = match target.score {
                        Some(score) => view! { <Mark status=Some(Band::of(score)) text=score.to_string()/> }.into_any(),
                        None => view! { <MarkOnly status=None/> }.into_any(),
                    };
                    view! {
                        <a href=href aria-current=here rel="external">
                            <span>{id}</span>
                            {mark}
                            <small>{server(&target.info)} {cache(&target.info)}</small>
                        </a>
                    }
                })
                .collect_view()
        })
    };
    view! {
        <details class="pop start" id=ID on:toggle=opened>
            <summary class="btn ghost" title="Target">
                <Glyph icon=Icon::Database/>
                <b>{move || chosen.get()}</b>
                <span class="sub wide">{move || current.with(|info| info.as_ref().map(server))}</span>
                <Glyph icon=Icon::ChevronDown small=true/>
            </summary>
            <div class="panel flush menu" style="inline-size:20rem">
                {items}
            </div>
        </details>
    }
    .into_any()
}
