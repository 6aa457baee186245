//! Operations: the one mechanism for every long action.
//!
//! A supervisor runs them with bounded concurrency, writes them to the state store, streams them on the live feed,
//! records them in the audit and marks the timeline. Work that panics fails its operation and nothing else. A state
//! store that does not answer delays no work: states are saved beside it, the newest wins, and the end is sent again until
//! it is stored or the console stops.

mod driver;
mod rate;
mod register;

use crate::{
    clock::Clock,
    spine::feed::Feed,
    store::{NewAudit, StateStore, StoreError},
};
use driver::Driver;
use headroom_model::{
    Actor, Role, TargetId,
    live::LiveMessage,
    operation::{Operation, OperationState, Progress},
};
use register::Register;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Operations that work at the same time.
pub const CONCURRENT_MAX: usize = 4;
/// Operations that wait for a free place.
pub const QUEUE_MAX: usize = 100;
/// How long work may take to notice that the console stops, before it is ended.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long writing down its end may take then.
const END_GRACE: Duration = Duration::from_secs(1);
/// How long stopping takes at most.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(STOP_GRACE.as_secs() + END_GRACE.as_secs());
/// One attempt to write to the state store.
const WRITE: Duration = Duration::from_secs(5);

/// What is to be done, for whom and why.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationSpec {
    /// Kind (`cache.warm`).
    pub kind: &'static str,
    /// One line: what it does.
    pub title: String,
    /// On which target.
    pub target: Option<TargetId>,
    /// For whom.
    pub actor: Actor,
    /// The least role that may cancel it.
    pub cancel_role: Role,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// What a unit of progress is (`keys`).
    pub unit: &'static str,
}

/// Why an operation was not started or cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The queue is full.
    #[error("{waiting} operations wait already; try again when one has ended")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// No operation has this id.
    #[error("no operation \"{0}\"")]
    Unknown(String),
    /// It has ended.
    #[error("the operation has ended already")]
    Ended,
    /// The actor's role does not suffice.
    #[error("cancelling this needs the role {0}")]
    Forbidden(Role),
    /// The console is stopping.
    #[error("the console is stopping")]
    Stopping,
}

/// How an operation ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What was done, in numbers.
    pub outcome: String,
    /// What was checked afterwards and found.
    pub effect: String,
}

/// Why an operation failed and what is left behind: one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// What the work of an operation uses to report and to notice that it should stop.
#[derive(Clone, Debug)]
pub struct OperationContext {
    /// Cancelled when someone stops the operation or the console shuts down. Work ends soon after.
    pub cancelled: CancellationToken,
    id: String,
    shared: Arc<Shared>,
}

impl OperationContext {
    /// Reports progress; the feed carries at most four steps a second.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        self.shared.register.progress(&self.id, done, total, self.shared.clock.now());
    }

    /// Adds a line to the log, of at most 500 characters.
    pub fn log(&self, text: impl Into<String>) {
        self.shared.register.log(&self.id, &text.into(), self.shared.clock.now());
    }
}

/// The supervisor. Cheap to share: clones supervise together.
#[derive(Clone, Debug)]
pub struct Operations {
    shared: Arc<Shared>,
}

struct Shared {
    register: Register,
    places: Semaphore,
    feed: Arc<Feed>,
    store: Arc<dyn StateStore>,
    clock: Clock,
    tasks: TaskTracker,
    /// Asks all work to stop.
    stop: CancellationToken,
    /// Ends work that did not.
    abandon: CancellationToken,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("register", &self.register).finish_non_exhaustive()
    }
}

impl Operations {
    /// A supervisor over a store. What an earlier process left running is marked as failed first.
    pub(crate) async fn open(store: Arc<dyn StateStore>, feed: Arc<Feed>, clock: Clock) -> Result<Self, StoreError> {
        let interrupted = store.fail_interrupted_operations(clock.now()).await?;
        if interrupted > 0 {
            tracing::warn!(interrupted, "operations of an earlier process did not end");
        }
        let register = Register::new(store.operations(None, 50).await?);
        let shared = Shared {
            register,
            places: Semaphore::new(CONCURRENT_MAX),
            feed,
            store,
            clock,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        Ok(Operations { shared: Arc::new(shared) })
    }

    /// Queues an operation and answers it as queued; `work` starts when a place is free. Once admitted the operation runs
    /// whether or not the caller waits for this answer.
    ///
    /// # Errors
    /// [`QUEUE_MAX`] operations wait already, or the console is stopping.
    pub async fn start<F, Work>(&self, spec: OperationSpec, work: F) -> Result<Operation, OperationError>
    where
        F: FnOnce(OperationContext) -> Work + Send + 'static,
        Work: Future<Output = Result<Done, Failure>> + Send + 'static,
    {
        let shared = &self.shared;
        if shared.stop.is_cancelled() {
            return Err(OperationError::Stopping);
        }
        let operation = Operation {
            id: uuid::Uuid::now_v7().to_string(),
            kind: spec.kind.to_owned(),
            title: spec.title,
            target: spec.target,
            actor: spec.actor.name.clone(),
            cancel_role: spec.cancel_role,
            reason: spec.reason,
            state: OperationState::Queued,
            progress: Progress { unit: spec.unit.to_owned(), ..Progress::default() },
            log: Vec::new(),
            log_dropped: 0,
            outcome: None,
            effect: None,
            created_at: shared.clock.now(),
            started_at: None,
            finished_at: None,
        };
        let cancelled = shared.stop.child_token();
        shared.register.admit(operation.clone(), cancelled.clone(), QUEUE_MAX)?;
        shared.feed.send(LiveMessage::Operation(operation.clone()));
        let context = OperationContext { cancelled, id: operation.id.clone(), shared: shared.clone() };
        shared.tasks.spawn(Driver::new(context, spec.actor).run(work));
        Ok(operation)
    }

    /// Asks an operation to stop; it ends as cancelled once its work has noticed.
    ///
    /// # Errors
    /// No such operation, it has ended, or the actor's role does not suffice.
    pub fn cancel(&self, id: &str, actor: &Actor) -> Result<Operation, OperationError> {
        let operation = self.shared.register.cancel(id, actor, self.shared.clock.now())?;
        let (shared, cancelled, actor) = (self.shared.clone(), operation.clone(), actor.clone());
        self.shared.tasks.spawn(async move {
            shared.audit(&cancelled, &actor, "operation.cancel", "asked to stop".to_owned(), true).await;
        });
        Ok(operation)
    }

    /// Those that have not ended and the ones that ended lately, newest first, at most 50.
    #[must_use]
    pub fn list(&self, target: Option<&TargetId>) -> Vec<Operation> {
        self.shared.register.list(target)
    }

    /// One operation.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Operation> {
        self.shared.register.get(id)
    }

    /// Asks all work to stop and waits for it; after [`STOP_GRACE`] it is ended where it stands.
    pub(crate) async fn shutdown(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        shared.tasks.close();
        if timeout(STOP_GRACE, shared.tasks.wait()).await.is_err() {
            shared.abandon.cancel();
            if timeout(END_GRACE, shared.tasks.wait()).await.is_err() {
                tracing::error!("operations did not end in time");
            }
        }
    }
}

impl Shared {
    /// Writes an operation down; waits for the store no longer than [`WRITE`]. False: it was logged instead.
    async fn save(&self, operation: &Operation) -> bool {
        let problem = match timeout(WRITE, self.store.save_operation(operation)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the state store did not answer within {WRITE:?}"),
        };
        tracing::error!(operation = operation.id, problem, "operation not stored");
        false
    }

    async fn audit(&self, operation: &Operation, actor: &Actor, action: &str, outcome: String, succeeded: bool) {
        let audit = NewAudit {
            at: self.clock.now(),
            actor: actor.name.clone(),
            role: actor.role,
            origin: None,
            action: action.to_owned(),
            target: operation.target.clone(),
            parameters: serde_json::json!({ "operation": operation.id, "title": operation.title }),
            reason: operation.reason.clone(),
            outcome,
            succeeded,
        };
        let problem = match timeout(WRITE, self.store.add_audit(&audit)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the state store did not answer within {WRITE:?}"),
        };
        tracing::error!(operation = operation.id, action, problem, "audit row not stored");
    }
}

#[cfg(test)]
mod tests;
