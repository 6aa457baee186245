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
    task::{JoinError, JoinHandle},
    time::{MissedTickBehavior, interval},
};

/// Between two steps on the live feed.
const FEED_EVERY: Duration = Duration::from_millis(250);
/// Feed steps between two writes to the state store: every five seconds.
const STEPS_A_WRITE: u32 = 20;

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
        if let Some(queued) = self.shared().register.get(&self.context.id) {
            self.shared().save(&queued).await;
        }
        let place = tokio::select! {
            biased;
            () = self.context.cancelled.cancelled() => None,
            place = self.shared().places.acquire() => place.ok(),
        };
        let end = match place {
            None => End::cancelled("Stopped before it began; nothing was done."),
            Some(_place) => {
                self.begin().await;
                let context = self.context.clone();
                // A task of its own: a panic ends the work, not the driver.
                let task = tokio::spawn(async move { work(context).await });
                self.follow(task).await
            }
        };
        self.end(end).await;
    }

    async fn begin(&self) {
        let now = self.shared().clock.now();
        if let Some(operation) = self.shared().register.begin(&self.context.id, now) {
            let detail = operation.reason.clone();
            self.mark(&operation, format!("{} started", operation.title), detail, None);
            self.shared().feed.send(LiveMessage::Operation(operation.clone()));
            self.shared().save(&operation).await;
        }
    }

    async fn follow(&self, mut task: JoinHandle<Result<Done, Failure>>) -> End {
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
                        shared.save(&operation).await;
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

    async fn end(&self, end: End) {
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
        tokio::join!(
            shared.save(&operation),
            shared.audit(&operation, &self.actor, &operation.kind, end.outcome, succeeded),
        );
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
