//! Reset statistics: choose, preview, confirm in place, run, and say how it ended. Without JavaScript the choice leads to
//! the confirm page.

use super::store::use_store;
use crate::{
    components::{
        icon::{Glyph, Icon},
        status::Mark,
    },
    error::AppError,
    functions::{preview_reset, reset_statistics},
    layout::use_frame,
    url,
};
use headroom_model::{
    Band, Role,
    action::{ActionOutcome, ResetPreview, ResetScope},
    format,
};
use leptos::{ev, prelude::*};
use std::time::Duration;

/// How long an outcome stays before the row rests again.
const DONE_STAYS: Duration = Duration::from_secs(10);

/// Where the row stands.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Idle,
    Asking(ResetScope),
    Confirm(ResetPreview),
    Running(ResetPreview),
    Done(ResetScope, ActionOutcome),
    Failed(ResetScope, AppError),
}

/// The control that the row offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Menu,
    Busy(&'static str),
    Question,
    Retry(ResetScope),
}

impl Step {
    fn control(&self) -> Control {
        match self {
            Step::Idle | Step::Done(..) => Control::Menu,
            Step::Asking(_) => Control::Busy("Counting…"),
            Step::Confirm(_) => Control::Question,
            Step::Running(_) => Control::Busy("Resetting…"),
            Step::Failed(scope, _) => Control::Retry(*scope),
        }
    }
}

/// The id of the row.
const ID: &str = "reset";

fn menu_note(scope: ResetScope) -> &'static str {
    match scope {
        ResetScope::Statements => "Calls and times of every statement of this database",
        ResetScope::Pool => "Waits, timeouts and checkouts of the console's own connections",
        ResetScope::Requests => "The console's own latencies by route",
        ResetScope::Cache => "Hits, misses and loads of every dataset, and its hottest keys",
    }
}

/// The row.
#[component]
pub fn ResetRow() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    // The row lives as long as its target is shown, so preview and reset are about the same one.
    let target = store.target;
    let step = RwSignal::new(Step::Idle);
    let reason = RwSignal::new(String::new());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let last = Memo::new(move |_| store.live.with(|live| live.target.statements_reset_at));

    let ask = move |scope: ResetScope| {
        reason.set(String::new());
        step.set(Step::Asking(scope));
        let target = target.try_get_value();
        leptos::task::spawn_local(async move {
            let next = match preview_reset(target, scope).await {
                Ok(preview) => Step::Confirm(preview),
                Err(error) => Step::Failed(scope, error),
            };
            step.try_set(next);
        });
    };
    let run = move |preview: ResetPreview| {
        let scope = preview.scope;
        step.set(Step::Running(preview));
        let (target, why) = (target.try_get_value(), Some(reason.get_untracked()));
        leptos::task::spawn_local(async move {
            match reset_statistics(target, scope, why).await {
                Ok(outcome) => {
                    let done = Step::Done(scope, outcome);
                    step.try_set(done.clone());
                    store.read();
                    set_timeout(
                        move || {
                            if step.try_with_untracked(|step| *step == done) == Some(true) {
                                step.set(Step::Idle);
                            }
                        },
                        DONE_STAYS,
                    );
                }
                Err(error) => {
                    step.try_set(Step::Failed(scope, error));
                }
            }
        });
    };
    let rest = move |_| step.set(Step::Idle);
    let control = Memo::new(move |_| step.with(Step::control));
    // Each step takes the control away that had the focus.
    #[cfg(feature = "hydrate")]
    Effect::watch(move || control.get(), |_, _, _| crate::browser::page::refocus(ID), false);

    let choose = move |scope: ResetScope| {
        let href = move || {
            frame.query.with(|query| {
                url::href(
                    "/confirm/reset",
                    &url::carried(query),
                    &[("target", Some(&target.read_value())), ("scope", Some(scope.as_str()))],
                )
            })
        };
        let pressed = move |event: ev::MouseEvent| {
            event.prevent_default();
            ask(scope);
        };
        view! {
            <a href=href on:click=pressed>
                <span>{scope.label()}</span>
                <small>{menu_note(scope)}</small>
            </a>
        }
    };
    let menu = move || {
        if !frame.may(Role::Operator) {
            return view! { <span class="note">"Needs the role operator"</span> }.into_any();
        }
        view! {
            <details class="pop">
                <summary class="btn s">
                    "Reset…" <Glyph icon=Icon::ChevronDown small=true/>
                </summary>
                <div class="panel flush menu" style="inline-size:19rem">
                    {ResetScope::ALL.into_iter().map(choose).collect_view()}
                </div>
            </details>
        }
        .into_any()
    };

    let text = move || {
        match step.get() {
        Step::Idle => {
            let last = match last.get() {
                Some(at) => format!("pg_stat_statements, last reset {}", format::moment(at, minute.get())),
                None => "pg_stat_statements, pool counters, request latencies".to_owned(),
            };
            view! { <p>{last}</p> }.into_any()
        }
        Step::Asking(scope) => view! { <p>{format!("Counting {}…", scope.label())}</p> }.into_any(),
        Step::Confirm(preview) => view! { <p>{preview.effect}</p> }.into_any(),
        Step::Running(preview) => {
            view! { <p>{format!("Resetting {}, {} entries", preview.scope.label(), format::count(preview.entries))}</p> }
                .into_any()
        }
        Step::Done(scope, outcome) => {
            let said = format!("{} reset at {}", scope.label(), format::clock_seconds(outcome.at));
            view! {
                <p>
                    <Mark status=Some(Band::Excellent) text=said/>
                    <br/>
                    {outcome.effect}
                    <br/>
                    <span class="note">{format!("Audit entry {}", outcome.audit_id)}</span>
                </p>
            }
            .into_any()
        }
        Step::Failed(scope, error) => {
            let said = format!("{} not reset", scope.label());
            view! {
                <p>
                    <Mark status=Some(Band::Critical) text=said/>
                    <br/>
                    {error.message}
                </p>
            }
            .into_any()
        }
    }
    };
    let buttons = move || match control.get() {
        Control::Menu => menu().into_any(),
        Control::Busy(text) => view! {
            <button type="button" class="btn s" aria-busy="true" disabled>
                <span class="spin"></span>
                {text}
            </button>
        }
        .into_any(),
        Control::Question => ().into_any(),
        Control::Retry(scope) => view! {
            <button type="button" class="btn s" on:click=move |_| ask(scope)>
                "Try again"
            </button>
            <button type="button" class="btn s" on:click=rest>
                "Close"
            </button>
        }
        .into_any(),
    };
    let question = move || {
        let Step::Confirm(preview) = step.get() else { return None };
        Some(view! {
            <form
                class="ask"
                on:submit=move |event: ev::SubmitEvent| {
                    event.prevent_default();
                    run(preview.clone());
                }
            >
                <div class="field">
                    <label for="reset-reason">"Reason, recorded in the audit"</label>
                    <input
                        class="in"
                        id="reset-reason"
                        maxlength="500"
                        autocomplete="off"
                        prop:value=reason
                        on:input=move |event| reason.set(event_target_value(&event))
                    />
                </div>
                <div class="acts">
                    <button class="btn s danger solid">"Reset now"</button>
                    <button type="button" class="btn s" on:click=rest>
                        "Keep"
                    </button>
                </div>
            </form>
        })
    };
    view! {
        <div class="cmd" id=ID style="padding-block-end:0">
            <div role="status">
                <h3>"Reset statistics"</h3>
                {text}
            </div>
            <div class="acts">{buttons}</div>
            {question}
        </div>
    }
    .into_any()
}
