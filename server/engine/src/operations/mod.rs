//! Operations: the one mechanism for every long action.
//!
//! A supervisor runs them with bounded concurrency, writes them to the state store, streams them on the live feed and
//! marks the timeline.

use headroom_model::{Actor, Role, TargetId, operation::Operation};
use tokio_util::sync::CancellationToken;

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
}

impl OperationContext {
    /// Reports progress; the feed carries at most four steps a second.
    pub fn progress(&self, _done: u64, _total: Option<u64>) {
        unimplemented!()
    }

    /// Adds a line to the log.
    pub fn log(&self, _text: impl Into<String>) {
        unimplemented!()
    }
}

/// The supervisor.
#[derive(Debug)]
pub struct Operations {}

impl Operations {
    /// Queues an operation and answers it as queued; `work` starts when a place is free.
    pub async fn start<F, Work>(&self, _spec: OperationSpec, _work: F) -> Result<Operation, OperationError>
    where
        F: FnOnce(OperationContext) -> Work + Send + 'static,
        Work: Future<Output = Result<Done, Failure>> + Send + 'static,
    {
        unimplemented!()
    }

    /// Asks an operation to stop; it ends as cancelled once its work has noticed.
    pub fn cancel(&self, _id: &str, _actor: &Actor) -> Result<Operation, OperationError> {
        unimplemented!()
    }

    /// Running ones and the ones that ended lately, newest first, at most 50.
    #[must_use]
    pub fn list(&self, _target: Option<&TargetId>) -> Vec<Operation> {
        unimplemented!()
    }

    /// One operation.
    #[must_use]
    pub fn get(&self, _id: &str) -> Option<Operation> {
        unimplemented!()
    }
}
