//! Short actions behind buttons: each previews, acts, verifies, and leaves an audit row and an event.

mod ask;
mod clear;
mod reset;
mod resize;
mod sessions;
mod statements;

pub use sessions::{Ending, Standing};
pub(crate) use sessions::{Signal, Unended};

use crate::{
    advisor,
    collect::STATEMENTS_RESET,
    console::Console,
    operations::OperationError,
    pool::Lane,
    store::{EventQuery, StateStore, StoreError},
    tables::optimize,
    warmup,
};
use headroom_model::{
    Actor, TargetId, Timestamp,
    action::{ActionOutcome, ResetPreview, ResetScope},
    activity::SessionPreview,
    advice::{ApplyPreview, DuplicateReport, UnusedReport},
    cache::{ClearPreview, ClearScope},
    event::EventKind,
    operation::Operation,
    pool::ResizePreview,
    warmup::{WarmupPreview, WarmupStrategy},
};
use reset::Reset;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Who asks for an action, from where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub actor: Actor,
    /// Peer address, where known.
    pub origin: Option<String>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
}

/// Why an action was not done. Each says what is left behind and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// No target has this name.
    #[error("no target \"{0}\"")]
    UnknownTarget(TargetId),
    /// The target does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// A right or an extension is missing.
    #[error("{what} Nothing was changed. Remedy: {remedy}")]
    NotAllowed {
        /// What is missing.
        what: String,
        /// The exact statement that helps.
        remedy: String,
    },
    /// What it names does not exist, or is too much at once.
    #[error("{0}")]
    Refused(String),
    /// Another does it already.
    #[error("{0}")]
    Conflict(String),
    /// It was done, or may have been, but the check afterwards did not find the effect.
    #[error("not verified: {0}")]
    NotVerified(String),
    /// The supervisor of long actions takes no more.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a statistics reset would do.
///
/// # Errors
/// No such target, it does not answer, or a right or extension is missing.
pub async fn preview_reset(
    console: &Console,
    target: &TargetId,
    scope: ResetScope,
) -> Result<ResetPreview, ActionError> {
    reset::preview(console, target, scope).await
}

/// Resets statistics: snapshot, reset, verify, audit, event. Once begun it runs to its end, also when the caller goes
/// away: half an action without its audit row is worse than one that nobody waits for.
///
/// # Errors
/// No such target, it does not answer, a right or extension is missing, or the effect was not found. All but the first
/// are in the audit too. [`ActionError::Store`]: it was done, but could not be recorded.
pub async fn reset(
    console: &Console,
    target: &TargetId,
    scope: ResetScope,
    request: &Request,
) -> Result<ActionOutcome, ActionError> {
    let reset = Reset {
        slot: reset::slot(console, target)?.clone(),
        scope,
        request: request.clone(),
        clock: console.clock.clone(),
        store: console.store.clone(),
        feed: console.feed().clone(),
        requests: console.requests.clone(),
        requests_reset_at: console.requests_reset_at.clone(),
        cache: reset::cache(console, target)?,
        lists: console.lists.clone(),
    };
    ended(console.spawn_action(reset.run())).await
}

/// What clearing a part of a target's cache would do.
///
/// # Errors
/// No such target or dataset, a name of more than 1,024 bytes, or Redis does not answer where its keys must be counted.
pub async fn preview_clear(
    console: &Console,
    target: &TargetId,
    scope: &ClearScope,
) -> Result<ClearPreview, ActionError> {
    clear::preview(console, target, scope).await
}

/// Clears a part of a target's cache, on all instances: verify, audit, event. Runs to its end like [`reset`].
///
/// # Errors
/// As [`preview_clear`]; or something that should be gone is still answered.
pub async fn clear(
    console: &Arc<Console>,
    target: &TargetId,
    scope: ClearScope,
    request: &Request,
) -> Result<ActionOutcome, ActionError> {
    let (context, target, request) = (console.clone(), target.clone(), request.clone());
    let task = console.spawn_action(async move { clear::run(&context, &target, &scope, request).await });
    ended(task).await
}

/// Starts VACUUM (ANALYZE) of a table and answers its operation as queued. Cancel it through [`Console::operations`].
///
/// # Errors
/// No such target or table, it does not answer, the right is missing, it runs already, or too many operations wait.
pub async fn optimize(
    console: &Arc<Console>,
    target: &TargetId,
    table: &str,
    request: &Request,
) -> Result<Operation, ActionError> {
    optimize::start(console, target, table, request).await
}

/// What another size of a lane would mean.
///
/// # Errors
/// No such target, or a size that the lane cannot have.
pub fn preview_resize(
    console: &Console,
    target: &TargetId,
    lane: Lane,
    max: u32,
) -> Result<ResizePreview, ActionError> {
    resize::preview(console, target, lane, max)
}

/// Changes the size of a lane while connections are lent: verify, audit, event. Runs to its end like [`reset`]. The
/// configuration stays as it is.
///
/// # Errors
/// As [`preview_resize`].
pub async fn resize(
    console: &Arc<Console>,
    target: &TargetId,
    lane: Lane,
    max: u32,
    request: &Request,
) -> Result<ActionOutcome, ActionError> {
    let (context, target, request) = (console.clone(), target.clone(), request.clone());
    ended(console.spawn_action(async move { resize::run(&context, &target, lane, max, request).await })).await
}

/// What cancelling a statement or ending a session would do, as the server says this moment.
///
/// # Errors
/// No such target, it does not answer; the session is gone, is another one now, is none of a client, is the console's own, or
/// runs nothing that could be cancelled; or the server hides it.
pub async fn preview_ending(
    console: &Console,
    target: &TargetId,
    ending: Ending,
) -> Result<SessionPreview, ActionError> {
    let target = console.target(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))?;
    sessions::preview(&target, ending).await
}

/// Cancels a statement or ends a session: identity, signal, verification, audit, event. Runs to its end like [`reset`],
/// within about twenty-five seconds.
///
/// # Errors
/// As [`preview_ending`]; or a right is missing, or the session was signalled and is still there. All but an unknown target
/// are in the audit too.
pub async fn end(
    console: &Arc<Console>,
    target: &TargetId,
    ending: Ending,
    request: &Request,
) -> Result<ActionOutcome, ActionError> {
    end_again(console, target, ending, request, Vec::new()).await.map_err(|unended| unended.error)
}

/// As [`end`], of what may have been tried before: failures in words that are `recorded` do not go into the audit again,
/// unless a signal may have been sent.
pub(crate) async fn end_again(
    console: &Arc<Console>,
    target: &TargetId,
    ending: Ending,
    request: &Request,
    recorded: Vec<String>,
) -> Result<ActionOutcome, Unended> {
    let (context, target, request) = (console.clone(), target.clone(), request.clone());
    let task = console.spawn_action(async move { sessions::run(&context, &target, ending, request, &recorded).await });
    task.await.unwrap_or_else(|_| Err(Unended::new(failed(), Signal::MayBeSent)))
}

async fn ended(task: JoinHandle<Result<ActionOutcome, ActionError>>) -> Result<ActionOutcome, ActionError> {
    task.await.unwrap_or_else(|_| Err(failed()))
}

fn failed() -> ActionError {
    ActionError::NotVerified("the console failed while it acted".to_owned())
}

/// What a warmup of a target's cache would load.
///
/// # Errors
/// No such target.
pub async fn preview_warmup(
    console: &Console,
    target: &TargetId,
    strategy: WarmupStrategy,
) -> Result<WarmupPreview, ActionError> {
    warmup::preview(console, target, strategy).await
}

/// Starts a warmup of a target's cache and answers its operation as queued. Cancel it through [`Console::operations`].
///
/// # Errors
/// No such target; one runs already, here or in another console on the same Redis ([`ActionError::Conflict`] names who
/// runs it); the lock that keeps them apart does not answer; or too many operations wait.
pub async fn warm(
    console: &Arc<Console>,
    target: &TargetId,
    strategy: WarmupStrategy,
    request: &Request,
) -> Result<Operation, ActionError> {
    warmup::start(console, target, strategy, request).await
}

/// What creating an advised index would do, by what stands under its name now.
///
/// # Errors
/// No such target or suggestion, it does not answer, or the name of the index is taken ([`ActionError::Conflict`]).
pub async fn preview_index(console: &Console, target: &TargetId, id: &str) -> Result<ApplyPreview, ActionError> {
    advisor::preview(console, target, id).await
}

/// Creates an advised index without blocking readers or writers, and answers its operation as queued. Cancelled or failed,
/// it removes the invalid index that PostgreSQL leaves behind. Afterwards what it brings is measured.
///
/// # Errors
/// No such target or suggestion; it was created already, or another is being created ([`ActionError::Conflict`]); or too
/// many operations wait.
pub async fn create_index(
    console: &Arc<Console>,
    target: &TargetId,
    id: &str,
    request: &Request,
) -> Result<Operation, ActionError> {
    advisor::start(console, target, id, request).await
}

/// Indexes without scans, and which of the strict rules each meets. Reads the catalogue, once in 10 s for all who ask.
///
/// # Errors
/// No such target, or it does not answer.
pub async fn unused_indexes(console: &Console, target: &TargetId) -> Result<UnusedReport, ActionError> {
    console.advisor.unused(target).await.map(Arc::unwrap_or_clone)
}

/// Indexes that another one repeats. Reads the catalogue, once in 10 s for all who ask.
///
/// # Errors
/// No such target, or it does not answer.
pub async fn duplicate_indexes(console: &Console, target: &TargetId) -> Result<DuplicateReport, ActionError> {
    console.advisor.duplicates(target).await.map(Arc::unwrap_or_clone)
}

/// When pg_stat_statements of a target was last reset, as the timeline tells. The server does not tell for one database
/// alone.
pub(crate) async fn last_statements_reset(
    store: &dyn StateStore,
    target: &TargetId,
) -> Result<Option<Timestamp>, StoreError> {
    let query = EventQuery {
        target: Some(target.clone()),
        kinds: vec![EventKind::StatisticsReset],
        limit: 100,
        ..EventQuery::default()
    };
    let events = store.events(&query).await?;
    Ok(events
        .iter()
        .find(|event| event.event.title == STATEMENTS_RESET && event.event.target.as_ref() == Some(target))
        .map(|event| event.event.at))
}
