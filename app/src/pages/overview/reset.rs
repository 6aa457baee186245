//! Reset statistics: choose, preview, confirm in place, run, and say how it ended. Without JavaScript the choice leads to
//! the confirm page.

use super::store::use_store;
use crate::{
    components::{
        command::CommandRow,
        icon::{Glyph, Icon},
        steps::{DoneText, FailedText, ReasonField, Step, Steps},
    },
    functions::{preview_reset, reset_statistics},
    layout::use_frame,
    url,
};
use headroom_model::{
    Role,
    action::{ResetPreview, ResetScope},
    format,
};
use leptos::{ev, prelude::*};
use std::time::Duration;

/// How long an outcome stays before the row rests again.
const DONE_STAYS: Duration = Duration::from_secs(10);

/// The control that the row offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Menu,
    Busy(&'static str),
    Question,
    Retry(ResetScope),
}

fn control(step: &Step<ResetScope, ResetPreview>) -> Control {
    match step {
        Step::Idle | Step::Done(..) => Control::Menu,
        Step::Asking(_) => Control::Busy("Counting…"),
        Step::Confirm(..) => Control::Question,
        Step::Running(..) => Control::Busy("Resetting…"),
        Step::Failed(scope, _) => Control::Retry(*scope),
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
    let steps = Steps::<ResetScope, ResetPreview>::new();
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let last = Memo::new(move |_| store.present.live.with(|live| live.target.statements_reset_at));

    let ask = move |scope: ResetScope| {
        steps.reason.set(String::new());
        steps.ask(scope, preview_reset(target.try_get_value(), scope));
    };
    let run = move |scope: ResetScope| {
        let act = reset_statistics(target.try_get_value(), scope, Some(steps.reason.get_untracked()));
        steps.run(act, move |_| {
            store.read();
            let done = steps.step.try_get_untracked();
            set_timeout(
                move || {
                    if done.is_some() && steps.step.try_get_untracked() == done {
                        steps.rest();
                    }
                },
                DONE_STAYS,
            );
        });
    };
    let control = Memo::new(move |_| steps.step.with(control));
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

    let text = move || match steps.step.get() {
        Step::Idle => {
            let last = match last.get() {
                Some(at) => format!("pg_stat_statements, last reset {}", format::moment(at, minute.get())),
                None => "pg_stat_statements, pool counters, request latencies".to_owned(),
            };
            view! { <p>{last}</p> }.into_any()
        }
        Step::Asking(scope) => view! { <p>{format!("Counting {}…", scope.label())}</p> }.into_any(),
        Step::Confirm(_, preview) => view! { <p>{preview.effect}</p> }.into_any(),
        Step::Running(scope, preview) => {
            let said = format!("Resetting {}, {} entries", scope.label(), format::count(preview.entries));
            view! { <p>{said}</p> }.into_any()
        }
        Step::Done(scope, outcome) => view! { <DoneText said=format!("{} reset", scope.label()) outcome/> }.into_any(),
        Step::Failed(scope, error) => {
            view! { <FailedText said=format!("{} not reset", scope.label()) error/> }.into_any()
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
            <button type="button" class="btn s" on:click=move |_| steps.rest()>
                "Close"
            </button>
        }
        .into_any(),
    };
    let question = move || {
        let Step::Confirm(scope, _) = steps.step.get() else { return ().into_any() };
        view! {
            <form
                class="ask"
                on:submit=move |event: ev::SubmitEvent| {
                    event.prevent_default();
                    run(scope);
                }
            >
                <ReasonField id="reset-reason" reason=steps.reason/>
                <div class="acts">
                    <button class="btn s danger solid">"Reset now"</button>
                    <button type="button" class="btn s" on:click=move |_| steps.rest()>
                        "Keep"
                    </button>
                </div>
            </form>
        }
        .into_any()
    };
    view! { <CommandRow id=ID title="Reset statistics" text acts=buttons below=question/> }.into_any()
}
