//! Optimise: preview, confirm in place, progress, checked effect. Without JavaScript the button leads to the confirm page.

use super::store::use_store;
use crate::{
    components::{
        operation::Progress,
        steps::{FailedText, ReasonField},
    },
    data::held::held,
    error::AppError,
    functions::{cancel_operation, optimize_table, preview_optimize},
    layout::use_frame,
    url,
};
use headroom_model::{Role, tables::OptimizePreview};
use leptos::{ev, prelude::*};

/// Where the button stands.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Idle,
    Asking,
    Confirm(OptimizePreview),
    Starting,
    Failed(AppError),
}

/// What a preview says, and what stands in its way.
#[component]
pub fn Preview(preview: OptimizePreview) -> impl IntoView {
    view! {
        <div class="code">
            <pre tabindex="0">{preview.statement}</pre>
        </div>
        <p>{preview.effect}</p>
        {preview.hindrance.map(|hindrance| view! { <p class="warn">{hindrance}</p> })}
        {preview
            .missing
            .map(|missing| {
                view! {
                    <p class="warn">{missing.what} " As a role that may, run:"</p>
                    <div class="code">
                        <pre tabindex="0">{missing.remedy}</pre>
                    </div>
                }
            })}
    }
    .into_any()
}

/// The button of one table, and how far its operation is.
#[component]
pub fn Optimize(
    /// `schema.table`.
    table: String,
) -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let step = RwSignal::new(Step::Idle);
    let reason = RwSignal::new(String::new());
    let table = StoredValue::new(table);
    let operation = Memo::new(move |_| store.open.with(|open| open.as_ref().and_then(|open| open.operation.clone())));
    let running =
        Memo::new(move |_| operation.with(|known| known.as_ref().is_some_and(|known| !known.state.is_final())));
    let href = move || {
        let (target, table) = (store.target.get_value(), table.get_value());
        frame.query.with(|query| {
            let changes = [("target", Some(target.as_str())), ("table", Some(table.as_str()))];
            url::href("/confirm/optimize", &url::carried(query), &changes)
        })
    };
    let ask = move |event: ev::MouseEvent| {
        event.prevent_default();
        step.set(Step::Asking);
        let (target, table) = (store.target.try_get_value(), table.get_value());
        leptos::task::spawn_local(async move {
            let answer = preview_optimize(target, table).await;
            if step.try_with_untracked(|step| *step == Step::Asking) == Some(true) {
                step.set(answer.map_or_else(Step::Failed, Step::Confirm));
            }
        });
    };
    let start = move |_| {
        step.set(Step::Starting);
        let (target, table) = (store.target.try_get_value(), table.get_value());
        let reason = Some(reason.get_untracked());
        leptos::task::spawn_local(async move {
            match optimize_table(target, table, reason).await {
                Ok(started) => {
                    step.try_set(Step::Idle);
                    store.open.try_update(|open| {
                        if let Some(open) = open {
                            open.operation = Some(started);
                        }
                    });
                }
                Err(error) => {
                    step.try_set(Step::Failed(error));
                }
            }
        });
    };
    let cancel = move |_| {
        let Some(id) = operation.with_untracked(|known| known.as_ref().map(|known| known.id.clone())) else { return };
        leptos::task::spawn_local(async move {
            if let Err(error) = cancel_operation(id).await {
                step.try_set(Step::Failed(error));
            }
        });
    };
    let has_operation = Memo::new(move |_| operation.with(Option::is_some));
    // Made anew when one comes and when it goes, not with each of its steps.
    let progress = move || {
        let first = has_operation.get().then(|| operation.get_untracked()).flatten();
        first.map(|first| {
            let shown = held(first, move || operation.get());
            view! {
                <p>{move || shown.with(|shown| format!("{}, for {}", shown.title, shown.actor))}</p>
                <Progress operation=shown/>
                <Show when=move || running.get() && frame.may(Role::Operator) && frame.alive.get()>
                    <button type="button" class="btn s" on:click=cancel>
                        "Cancel"
                    </button>
                </Show>
            }
        })
    };
    let control = move || match step.get() {
        _ if !frame.may(Role::Operator) => {
            view! { <p class="note">"Optimising needs the role operator."</p> }.into_any()
        }
        Step::Confirm(preview) => {
            let may = preview.missing.is_none();
            view! {
                <div role="group" aria-label="Confirm" class="stack">
                    <Preview preview/>
                    <Show when=move || may>
                        <ReasonField id="optimize-reason" reason/>
                    </Show>
                    <div class="flow">
                        <Show when=move || may>
                            <button type="button" class="btn primary" on:click=start>
                                "Optimise now"
                            </button>
                        </Show>
                        <button type="button" class="btn" on:click=move |_| step.set(Step::Idle)>
                            "Leave it"
                        </button>
                    </div>
                </div>
            }
            .into_any()
        }
        Step::Asking | Step::Starting => view! {
            <button type="button" class="btn" disabled aria-busy="true">
                "Optimise…"
            </button>
        }
        .into_any(),
        rest => {
            let failed = match rest {
                Step::Failed(error) => Some(view! { <FailedText said="Not optimised".to_owned() error/> }),
                _ => None,
            };
            view! {
                {failed}
                <Show when=move || !running.get()>
                    <a class="btn" href=href on:click=ask>
                        "Optimise…"
                    </a>
                </Show>
            }
            .into_any()
        }
    };
    view! {
        <div class="stack" id="optimize">
            <Show when=move || has_operation.get()>{progress()}</Show>
            {control}
        </div>
    }
    .into_any()
}
