//! Create index: preview, confirm in place with a reason, start. Without JavaScript the button leads to the confirm page.

use super::use_page;
use crate::{
    components::steps::{FailedText, ReasonField},
    error::AppError,
    functions::{create_index, preview_index},
    layout::use_frame,
    url,
};
use headroom_model::{
    Role,
    advice::{ApplyPreview, IndexAdvice},
};
use leptos::{ev, prelude::*};

/// Where it stands.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Idle,
    Asking,
    Confirm(ApplyPreview),
    Starting,
    Failed(AppError),
}

/// The button and what follows.
#[component]
pub fn Create(advice: Memo<IndexAdvice>) -> impl IntoView {
    let (frame, page) = (use_frame(), use_page());
    let (step, reason) = (RwSignal::new(Step::Idle), RwSignal::new(String::new()));
    let id = move || advice.with(|advice| advice.id.clone());
    let is_building = Memo::new(move |_| page.shown.with(|view| view.advice.building.is_some()));
    let href = move || {
        let target = page.target.read_value();
        let id = id();
        let changes = [("target", Some(target.as_str())), ("id", Some(id.as_str()))];
        frame.query.with(|query| url::href("/confirm/index", &url::carried(query), &changes))
    };
    let ask = move |event: ev::MouseEvent| {
        event.prevent_default();
        step.set(Step::Asking);
        let (target, id) = (page.target.try_get_value(), untrack(id));
        leptos::task::spawn_local(async move {
            let answer = preview_index(target, id).await;
            step.try_set(answer.map_or_else(Step::Failed, Step::Confirm));
        });
    };
    let run = move |event: ev::SubmitEvent| {
        event.prevent_default();
        step.set(Step::Starting);
        let (target, id) = (page.target.try_get_value(), untrack(id));
        let why = Some(reason.get_untracked());
        leptos::task::spawn_local(async move {
            match create_index(target, id, why).await {
                Ok(operation) => {
                    page.shown.try_update(|view| view.advice.building = Some(operation));
                    step.try_set(Step::Idle);
                }
                Err(error) => {
                    step.try_set(Step::Failed(error));
                }
            }
        });
    };
    let rest = move |_| {
        reason.set(String::new());
        step.set(Step::Idle);
    };
    let body = move || match step.get() {
        Step::Idle if !frame.may(Role::Admin) => {
            view! { <span class="note">"Creating it needs the role admin; the statement can be copied."</span> }
                .into_any()
        }
        Step::Idle if is_building.get() => {
            view! { <span class="note">"An index is being created; one at a time."</span> }.into_any()
        }
        Step::Idle => view! {
            <a class="btn primary" href=href on:click=ask>
                "Create index…"
            </a>
        }
        .into_any(),
        Step::Asking | Step::Starting => view! {
            <button type="button" class="btn" aria-busy="true" disabled>
                <span class="spin"></span>
                {if step.with(|step| *step == Step::Starting) { "Starting…" } else { "Looking…" }}
            </button>
        }
        .into_any(),
        Step::Confirm(preview) => view! {
            <form class="ask" on:submit=run>
                <p>{preview.effect}</p>
                <div class="code">
                    <pre tabindex="0">{preview.sql}</pre>
                </div>
                <ReasonField id="index-reason" reason/>
                <div class="acts">
                    <button class="btn primary">"Create now"</button>
                    <button type="button" class="btn" on:click=rest>
                        "Not now"
                    </button>
                </div>
            </form>
        }
        .into_any(),
        Step::Failed(error) => view! {
            <FailedText said="Not created".to_owned() error/>
            <button type="button" class="btn" on:click=rest>
                "Close"
            </button>
        }
        .into_any(),
    };
    view! { <div class="flow create" role="status">{body}</div> }.into_any()
}
