//! Takes one operation from queued to its end.

use super::{Done, Failure, OperationContext, Shared};
use headroom_model::{
    Actor, Band,
    event::{EventKind, NewEvent},
    live::LiveMessage,
    operation::{Operation, OperationState},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{MissedTickBehavior, interval, sleep},
};

/// Between two steps on the live feed.
const FEED_EVERY: Duration = Duration::from_millis(250);
/// Feed steps between two states that are saved: every five seconds.
const STEPS_A_WRITE: u32 = 20;

/// Pauses between attempts to save the end: the first, and how many, each twice as long as the one before. About four
/// minutes; what is not stored then is marked as interrupted when the console starts again.
const END_RETRIES: (Duration, u32) = (Duration::from_secs(1), 8);

pub(super) struct Driver {
    context: OperationContext,
    actor: Actor,
}

/// How an operation ended.
struct End {
    state: OperationState,
    outcome: String,
    effect: Option<String>,
}

impl End {
    fn failed(outcome: impl Into<String>) -> Self {
        End { state: OperationState::Failed, outcome: outcome.into(), effect: None }
    }

    fn cancelled(outcome: impl Into<String>) -> Self {
        End { state: OperationState::Cancelled, outcome: outcome.into(), effect: None }
    }
}

impl Driver {
    pub fn new(context: OperationContext, actor: Actor) -> Self {
        Driver { context, actor }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.context.shared
    }

    /// Waits for a place, runs the work, writes down how it ended.
    pub async fn run<F, Work>(self, work: F)
    where
        F: FnOnce(OperationContext) -> Work + Send + 'static,
        Work: Future<Output = Result<Done, Failure>> + Send + 'static,
    {
        let Some(queued) = self.shared().register.get(&self.context.id) else { return };
        let (states, newest) = watch::channel(queued);
        let saving = self.shared().tasks.spawn(save_states(self.shared().clone(), newest));
        let place = tokio::select! {
            biased;
            () = self.context.cancelled.cancelled() => None,
            place = self.shared().places.acquire() => place.ok(),
        };
        let end = match place {
            None => End::cancelled("Stopped before it began; nothing was done."),
            Some(_place) => {
                self.begin(&states);
                let context = self.context.clone();
                // A task of its own: a panic ends the work, not the driver.
                let task = tokio::spawn(async move { work(context).await });
                self.follow(task, &states).await
            }
        };
        self.end(end, states, saving).await;
    }

    fn begin(&self, states: &watch::Sender<Operation>) {
        let now = self.shared().clock.now();
        if let Some(operation) = self.shared().register.begin(&self.context.id, now) {
            let detail = operation.reason.clone();
            self.mark(&operation, format!("{} started", operation.title), detail, None);
            self.shared().feed.send(LiveMessage::Operation(operation.clone()));
            states.send_replace(operation);
        }
    }

    async fn follow(&self, mut task: JoinHandle<Result<Done, Failure>>, states: &watch::Sender<Operation>) -> End {
        let shared = self.shared();
        let mut step = interval(FEED_EVERY);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut saved, mut steps) = (0, 0, 0u32);
        loop {
            tokio::select! {
                biased;
                result = &mut task => return self.judge(result),
                () = shared.abandon.cancelled() => {
                    task.abort();
                    return End::failed("The console stopped before it had ended; what was done until then stays.");
                }
                _ = step.tick() => {
                    if let Some(operation) = shared.register.changed(&self.context.id, &mut seen) {
                        shared.feed.send(LiveMessage::Operation(operation));
                    }
                    steps = (steps + 1) % STEPS_A_WRITE;
                    if steps == 0 && let Some(operation) = shared.register.changed(&self.context.id, &mut saved) {
                        states.send_replace(operation);
                    }
                }
            }
        }
    }

    fn judge(&self, result: Result<Result<Done, Failure>, JoinError>) -> End {
        match result {
            // Done is done, also when someone asked to stop meanwhile.
            Ok(Ok(Done { outcome, effect })) => End { state: OperationState::Succeeded, outcome, effect: Some(effect) },
            Ok(Err(Failure(outcome))) if self.context.cancelled.is_cancelled() => End::cancelled(outcome),
            Ok(Err(Failure(outcome))) => End::failed(outcome),
            Err(error) => {
                // The panic's own words may hold anything; they went to the log through the panic hook.
                tracing::error!(operation = self.context.id, panicked = error.is_panic(), "operation's work broke");
                End::failed("A defect in the console ended it; what was done until then stays.")
            }
        }
    }

    async fn end(&self, end: End, states: watch::Sender<Operation>, saving: JoinHandle<()>) {
        let shared = self.shared();
        let now = shared.clock.now();
        let ended = shared.register.change(&self.context.id, |operation| {
            operation.state = end.state;
            operation.outcome = Some(end.outcome.clone());
            operation.effect.clone_from(&end.effect);
            operation.progress.eta_ms = None;
            operation.finished_at = Some(now);
        });
        let Some(operation) = ended else { return };
        let band = match end.state {
            OperationState::Succeeded => Some(Band::Excellent),
            OperationState::Failed => Some(Band::Critical),
            _ => None,
        };
        let title = format!("{} {}", operation.title, end.state.as_str());
        self.mark(&operation, title, Some(end.outcome.clone()), band);
        shared.feed.send(LiveMessage::Operation(operation.clone()));
        let succeeded = end.state == OperationState::Succeeded;
        states.send_replace(operation.clone());
        drop(states);
        let (saved, ()) =
            tokio::join!(saving, shared.audit(&operation, &self.actor, &operation.kind, end.outcome, succeeded),);
        if saved.is_err() {
            tracing::error!(operation = operation.id, "the end of an operation was not stored");
        }
    }

    fn mark(&self, operation: &Operation, title: String, detail: Option<String>, band: Option<Band>) {
        self.shared().feed.mark_soon(NewEvent {
            at: self.shared().clock.now(),
            target: operation.target.clone(),
            kind: EventKind::Operation,
            band,
            title,
            detail,
            actor: Some(operation.actor.clone()),
        });
    }
}

/// Saves the newest state whenever there is a newer one. Ends when the last one, whose sender is gone, is saved.
async fn save_states(shared: Arc<Shared>, mut newest: watch::Receiver<Operation>) {
    loop {
        let state = newest.borrow_and_update().clone();
        if state.state.is_final() {
            return save_end(&shared, &state).await;
        }
        shared.save(&state).await;
        if newest.changed().await.is_err() {
            return;
        }
    }
}

/// A state that is missed is followed by another one; the end is not.
async fn save_end(shared: &Shared, end: &Operation) {
    let (mut pause, retries) = END_RETRIES;
    for _ in 0..retries {
        if shared.save(end).await || shared.abandon.is_cancelled() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => pause *= 2,
            // One more attempt, then the process ends.
            () = shared.stop.cancelled() => {
                shared.save(end).await;
                return;
            }
        }
    }
}
