//! An operation: what it does, how far it is, and the way to stop it.

use super::status::Mark;
use crate::{error::AppError, functions::cancel_operation, layout::use_frame};
use headroom_model::{
    Band, format,
    operation::{Operation, OperationState},
};
use leptos::prelude::*;

/// Share done in whole per cent, once the total is known.
fn share(operation: &Operation) -> Option<u64> {
    let total = operation.progress.total.filter(|total| *total > 0)?;
    Some((operation.progress.done.min(total) * 100) / total)
}

/// "41 %, 18,420 of 45,000 keys".
fn done(operation: &Operation) -> String {
    let progress = &operation.progress;
    match operation.state {
        OperationState::Queued => "Waits for a free place".to_owned(),
        OperationState::Running => match (share(operation), progress.total) {
            (Some(share), Some(total)) => {
                format!("{share} %, {} of {} {}", format::count(progress.done), format::count(total), progress.unit)
            }
            _ => format!("{} {}", format::count(progress.done), progress.unit),
        },
        OperationState::Succeeded => operation.effect.clone().or(operation.outcome.clone()).unwrap_or_default(),
        OperationState::Failed | OperationState::Cancelled => operation.outcome.clone().unwrap_or_default(),
    }
}

/// "3 min 30 s left".
fn left(operation: &Operation) -> String {
    match operation.progress.eta_ms {
        Some(eta) if operation.state == OperationState::Running => format!("{} left", format::duration_ms(eta as f64)),
        _ => String::new(),
    }
}

/// Spoken at quarters and at the end, not at every step.
fn spoken(operation: &Operation) -> String {
    match (operation.state, share(operation)) {
        (OperationState::Running, Some(share)) => format!("{}, {} %", operation.title, share / 25 * 25),
        (OperationState::Running, None) => format!("{}, running", operation.title),
        (OperationState::Queued, _) => format!("{}, waiting", operation.title),
        _ => format!("{}: {}", operation.title, done(operation)),
    }
}

/// How far an operation is: a bar, its figures, and words at quarters.
#[component]
pub fn Progress(#[prop(into)] operation: Signal<Operation>) -> impl IntoView {
    let state = Memo::new(move |_| operation.with(|operation| operation.state));
    let speech = Memo::new(move |_| operation.with(spoken));
    let (text, remaining) = (Memo::new(move |_| operation.with(done)), Memo::new(move |_| operation.with(left)));
    let percent = Memo::new(move |_| operation.with(share));
    let class = move || match state.get() {
        OperationState::Queued => "prog wait",
        OperationState::Running if percent.get().is_none() => "prog wait",
        OperationState::Running => "prog",
        OperationState::Succeeded => "prog done",
        OperationState::Failed | OperationState::Cancelled => "prog fail",
    };
    let width = move || {
        let full = state.get() == OperationState::Succeeded;
        percent.get().map(|percent| format!("inline-size:{percent}%")).or(full.then(|| "inline-size:100%".to_owned()))
    };
    view! {
        <div class=class>
            <div
                class="track"
                role="progressbar"
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || percent.get().map(|percent| percent.to_string())
                aria-label=move || operation.with(|operation| operation.title.clone())
            >
                <i style=width></i>
            </div>
            <div class="meta">
                <span>{text}</span>
                <span>{remaining}</span>
            </div>
            <span class="vh" role="status">
                {speech}
            </span>
        </div>
    }
    .into_any()
}

/// One operation in a list of actions.
#[component]
pub fn OperationRow(#[prop(into)] operation: Signal<Operation>) -> impl IntoView {
    let frame = use_frame();
    let refused = RwSignal::new(None::<AppError>);
    let state = Memo::new(move |_| operation.with(|operation| operation.state));
    let may_cancel = move || {
        !state.get().is_final() && operation.with(|operation| frame.may(operation.cancel_role)) && frame.alive.get()
    };
    let cancel = move |_| {
        let id = operation.with_untracked(|operation| operation.id.clone());
        leptos::task::spawn_local(async move {
            refused.try_set(cancel_operation(id).await.err());
        });
    };
    view! {
        <div class="cmd">
            <div>
                <h3>{move || operation.with(|operation| operation.title.clone())}</h3>
                <p>{move || operation.with(|operation| format!("started by {}", operation.actor))}</p>
            </div>
            <div class="acts">
                <Show when=may_cancel>
                    <button type="button" class="btn s" on:click=cancel>
                        "Cancel"
                    </button>
                </Show>
            </div>
            <Progress operation/>
            {move || refused.get().map(|error| view! { <Mark status=Some(Band::Critical) text=error.message/> })}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{Role, Timestamp, operation::Progress};

    fn operation(state: OperationState, total: Option<u64>) -> Operation {
        Operation {
            id: "1".into(),
            kind: "cache.warm".into(),
            title: "Warm cache".into(),
            target: None,
            actor: "operator 1".into(),
            cancel_role: Role::Operator,
            reason: None,
            state,
            progress: Progress { done: 18_420, total, unit: "keys".into(), rate: None, eta_ms: Some(210_000) },
            log: vec![],
            log_dropped: 0,
            outcome: Some("Stopped".into()),
            effect: None,
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
        }
    }

    #[test]
    fn progress_is_written_in_numbers() {
        let running = operation(OperationState::Running, Some(45_000));
        assert_eq!(done(&running), "40 %, 18,420 of 45,000 keys");
        assert_eq!(left(&running), "3 min 30 s left");
        assert_eq!(spoken(&running), "Warm cache, 25 %");
        assert_eq!(done(&operation(OperationState::Running, None)), "18,420 keys");
        let cancelled = operation(OperationState::Cancelled, Some(0));
        assert_eq!((done(&cancelled).as_str(), left(&cancelled).as_str()), ("Stopped", ""));
    }
}
