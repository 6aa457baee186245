//! Warmup: the one that runs, with its datasets; otherwise the last one, the next one, and earlier ones.

use super::store::use_store;
use crate::{
    components::{
        notices::NotRead,
        operation::Progress,
        skeleton::Skeleton,
        status::{Mark, MarkOnly},
    },
    error::AppError,
    functions::cancel_operation,
    layout::use_frame,
};
use headroom_model::{
    Band, Timestamp, format,
    operation::{Operation, OperationState},
    warmup::{WarmupRun, WarmupShare, WarmupStatus},
};
use leptos::prelude::*;

/// Earlier warmups that are listed.
const LISTED: usize = 5;

fn band(state: OperationState) -> Option<Band> {
    match state {
        OperationState::Succeeded => Some(Band::Excellent),
        OperationState::Failed => Some(Band::Critical),
        _ => None,
    }
}

/// "41 keys/s", once known.
fn pace(operation: &Operation) -> Option<String> {
    Some(format!("{} keys/s", format::number(operation.progress.rate?)))
}

/// What an earlier warmup came to, in a line.
fn ended(operation: &Operation) -> String {
    operation.effect.clone().or_else(|| operation.outcome.clone()).unwrap_or_default()
}

/// "14:29:41 by operator 1".
fn begun(operation: &Operation, now: Timestamp) -> String {
    let at = operation.started_at.unwrap_or(operation.created_at);
    format!("{} by {}", format::moment_seconds(at, now), operation.actor)
}

/// The sheet.
#[component]
pub fn Warmup() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let running = Memo::new(move |_| store.warmup.with(|status| status.as_ref()?.running.clone()));
    let is_running = Memo::new(move |_| running.with(Option::is_some));
    let is_read = Memo::new(move |_| store.warmup.with(Option::is_some));
    let note =
        move || running.with(|run| run.as_ref().map(|run| format!("started {}", begun(&run.operation, minute.get()))));
    let again = Callback::new(move |()| store.read_warmup());
    view! {
        <section class="sheet" aria-labelledby="h-wu">
            <div class="cell">
                <div class="cell-head">
                    <h2 id="h-wu">"Warmup"</h2>
                    <small>{note}</small>
                </div>
                <NotRead error=store.warmup_reads.error what="Warmups could not be read." retry=again/>
                <Show when=move || is_running.get()>
                    <Running running/>
                </Show>
                <Show when=move || is_read.get() && !is_running.get()>
                    <Resting minute/>
                </Show>
                <Show when=move || !is_read.get() && store.warmup_reads.error.with(Option::is_none)>
                    <p aria-busy="true">
                        <Skeleton width="60%"/>
                    </p>
                </Show>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Running(running: Memo<Option<WarmupRun>>) -> impl IntoView {
    let frame = use_frame();
    let refused = RwSignal::new(None::<AppError>);
    // The feed tells of progress more often than the status is read.
    let operation = Memo::new(move |before: Option<&Option<Operation>>| {
        let read = running.with(|run| run.as_ref().map(|run| run.operation.clone()));
        let told = frame.feed.operation.get().filter(|told| read.as_ref().is_some_and(|read| read.id == told.id));
        told.or(read).or_else(|| before.cloned().flatten())
    });
    let shares =
        Memo::new(move |_| running.with(|run| run.as_ref().map(|run| run.datasets.clone()).unwrap_or_default()));
    let yields = Memo::new(move |_| running.with(|run| run.as_ref().and_then(|run| run.yields_because.clone())));
    let may_cancel = move || {
        operation.with(|operation| operation.as_ref().is_some_and(|operation| frame.may(operation.cancel_role)))
            && frame.alive.get()
    };
    let cancel = move |_| {
        let Some(id) = operation.with_untracked(|operation| operation.as_ref().map(|operation| operation.id.clone()))
        else {
            return;
        };
        leptos::task::spawn_local(async move {
            refused.try_set(cancel_operation(id).await.err());
        });
    };
    let line = |share: WarmupShare| {
        let finished = share.done + share.failed >= share.keys;
        let begun = share.done + share.failed > 0;
        let mark = match (finished, begun) {
            (true, _) if share.failed > 0 => view! { <MarkOnly status=Some(Band::Degraded)/> }.into_any(),
            (true, _) => view! { <MarkOnly status=Some(Band::Excellent) text="Done"/> }.into_any(),
            (false, true) => view! { <span class="spin"></span> }.into_any(),
            (false, false) => view! { <MarkOnly status=None text="Waiting"/> }.into_any(),
        };
        let counted = match (finished, begun) {
            (false, true) => format!("{} of {}", format::count(share.done), format::count(share.keys)),
            _ if share.failed > 0 => format!("{}, {} failed", format::count(share.keys), format::count(share.failed)),
            _ => format::count(share.keys),
        };
        let percent = ((share.done + share.failed) * 100).checked_div(share.keys).unwrap_or(100).min(100);
        let last = if begun || finished {
            let class = if finished { "prog done" } else { "prog" };
            view! {
                <div class=class>
                    <div
                        class="track"
                        role="progressbar"
                        aria-valuemin="0"
                        aria-valuemax="100"
                        aria-valuenow=percent.to_string()
                        aria-label=format!("{}, {percent} %", share.dataset)
                    >
                        <i style=format!("inline-size:{percent}%")></i>
                    </div>
                </div>
            }
            .into_any()
        } else {
            view! { <span class="num">"waiting"</span> }.into_any()
        };
        view! {
            <li>
                {mark} <span class="clip">{share.dataset}</span> <span class="num">{counted}</span> {last}
            </li>
        }
    };
    view! {
        {move || operation.get().map(|first| view! {
            <Progress operation=Signal::derive(move || operation.get().unwrap_or_else(|| first.clone()))/>
        })}
        <ul class="tasks compact" style="margin-block-start:var(--p5)">
            {move || shares.get().into_iter().map(line).collect_view()}
        </ul>
        <div class="flow" style="margin-block-start:var(--p5)">
            <Show when=may_cancel>
                <button type="button" class="btn s" on:click=cancel>
                    "Cancel warmup"
                </button>
            </Show>
            <span class="note">
                {move || {
                    let pace = operation.with(|operation| operation.as_ref().and_then(pace));
                    [pace, yields.get()].into_iter().flatten().collect::<Vec<_>>().join("; ")
                }}
            </span>
            {move || refused.get().map(|error| view! { <Mark status=Some(Band::Critical) text=error.message/> })}
        </div>
    }
    .into_any()
}

#[component]
fn Resting(minute: Memo<Timestamp>) -> impl IntoView {
    let store = use_store();
    let status = Memo::new(move |_| store.warmup.get());
    let last = move |status: &WarmupStatus| {
        let Some(last) = status.history.first() else {
            return view! { <p class="sub">"None has run yet. Warm cache loads pages before anyone asks for them."</p> }.into_any();
        };
        let word = match last.state {
            OperationState::Succeeded => "Done",
            OperationState::Failed => "Failed",
            OperationState::Cancelled => "Cancelled",
            OperationState::Queued | OperationState::Running => "Running",
        };
        view! {
            <p>
                <Mark status=band(last.state) text=format!("{word}, {}", begun(last, minute.get()))/>
            </p>
            <p class="sub">{last.title.clone()}</p>
            <p class="sub">{ended(last)}</p>
        }
        .into_any()
    };
    let next = move |status: &WarmupStatus| match &status.schedule {
        Some(schedule) => format!("{}, {}", format::moment(schedule.next, minute.get()), schedule.strategy.label()),
        None => "not scheduled".to_owned(),
    };
    let earlier = move |status: &WarmupStatus| {
        let rows: Vec<_> = status.history.iter().skip(1).take(LISTED).cloned().collect();
        (!rows.is_empty()).then(|| {
            let row = |operation: Operation| {
                view! {
                    <li>
                        <MarkOnly status=band(operation.state)/>
                        <span class="clip">{operation.title.clone()}</span>
                        <span class="num">{format::count(operation.progress.done)}</span>
                        <span class="num">{format::moment(operation.created_at, minute.get())}</span>
                    </li>
                }
            };
            view! {
                <h3 style="margin-block-start:var(--p5)">"Earlier"</h3>
                <ul class="tasks compact">{rows.into_iter().map(row).collect_view()}</ul>
            }
        })
    };
    move || {
        status.get().map(|status| {
            view! {
                {status.elsewhere.clone().map(|who| view! { <p class="sub">{who}</p> })}
                {last(&status)}
                <dl class="kv" style="margin-block-start:var(--p5)">
                    <dt>"Next"</dt>
                    <dd>{next(&status)}</dd>
                </dl>
                {earlier(&status)}
            }
        })
    }
}
