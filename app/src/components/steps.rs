//! The way of an action: asked about, confirmed, running, done or failed.

use crate::{components::status::Mark, error::AppError};
use headroom_model::{Band, action::ActionOutcome, format};
use leptos::prelude::*;

/// Where an action stands. `S` says what it is about, `P` what it would do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<S, P> {
    /// Nothing is asked.
    Idle,
    /// The preview is on its way.
    Asking(S),
    /// Waits for someone to confirm.
    Confirm(S, P),
    /// Is being done.
    Running(S, P),
    /// Done.
    Done(S, ActionOutcome),
    /// Not done, or the preview failed.
    Failed(S, AppError),
}

/// An action on its way.
pub struct Steps<S: 'static, P: 'static> {
    /// Where it stands.
    pub step: RwSignal<Step<S, P>>,
    /// Why, in the words of who does it; goes into the audit.
    pub reason: RwSignal<String>,
}

impl<S, P> Clone for Steps<S, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, P> Copy for Steps<S, P> {}

impl<S, P> Steps<S, P>
where
    S: Clone + PartialEq + Send + Sync + 'static,
    P: Clone + PartialEq + Send + Sync + 'static,
{
    /// Nothing asked.
    #[must_use]
    pub fn new() -> Self {
        Steps { step: RwSignal::new(Step::Idle), reason: RwSignal::new(String::new()) }
    }

    /// Asks what it would do. A newer question makes the answer void.
    pub fn ask(self, about: S, preview: impl Future<Output = Result<P, AppError>> + 'static) {
        self.step.set(Step::Asking(about.clone()));
        leptos::task::spawn_local(async move {
            let answer = preview.await;
            let waits = self.step.try_with_untracked(|step| *step == Step::Asking(about.clone()));
            if waits == Some(true) {
                self.step.set(match answer {
                    Ok(preview) => Step::Confirm(about, preview),
                    Err(error) => Step::Failed(about, error),
                });
            }
        });
    }

    /// Does what was confirmed, then calls `after`. Nothing happens unless it waits for that. A newer question is not
    /// overwritten by the answer.
    pub fn run(
        self,
        act: impl Future<Output = Result<ActionOutcome, AppError>> + 'static,
        after: impl FnOnce(S) + 'static,
    ) {
        let Step::Confirm(about, preview) = self.step.get_untracked() else { return };
        self.step.set(Step::Running(about.clone(), preview));
        leptos::task::spawn_local(async move {
            let answer = act.await;
            let waits = self.step.try_with_untracked(|step| matches!(step, Step::Running(now, _) if *now == about));
            let succeeded = answer.is_ok();
            if waits == Some(true) {
                self.step.set(match answer {
                    Ok(outcome) => Step::Done(about.clone(), outcome),
                    Err(error) => Step::Failed(about.clone(), error),
                });
            }
            if succeeded {
                after(about);
            }
        });
    }

    /// Forgets it. What is running goes on.
    pub fn rest(self) {
        self.reason.try_set(String::new());
        self.step.try_set(Step::Idle);
    }
}

/// The field for the reason of an action.
#[component]
pub fn ReasonField(
    /// Id of the field.
    id: &'static str,
    /// The text, where the page is alive.
    #[prop(optional)]
    reason: Option<RwSignal<String>>,
) -> impl IntoView {
    let text = reason.unwrap_or_else(|| RwSignal::new(String::new()));
    view! {
        <div class="field" style="inline-size:100%">
            <label for=id>"Reason, recorded in the audit"</label>
            <input
                class="in"
                id=id
                name="reason"
                maxlength="500"
                autocomplete="off"
                prop:value=text
                on:input=move |event| text.set(event_target_value(&event))
            />
        </div>
    }
    .into_any()
}

/// How it ended well.
#[component]
pub fn DoneText(
    /// "Cache counters reset".
    said: String,
    outcome: ActionOutcome,
) -> impl IntoView {
    view! {
        <p>
            <Mark status=Some(Band::Excellent) text=format!("{said} at {}", format::clock_seconds(outcome.at))/>
            <br/>
            {outcome.effect}
            <br/>
            <span class="note">{format!("Audit entry {}", outcome.audit_id)}</span>
        </p>
    }
    .into_any()
}

/// Why it did not.
#[component]
pub fn FailedText(said: String, error: AppError) -> impl IntoView {
    view! {
        <p>
            <Mark status=Some(Band::Critical) text=said/>
            <br/>
            {error.message}
        </p>
    }
    .into_any()
}
