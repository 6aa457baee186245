//! Short actions behind buttons: each previews, acts, verifies, and leaves an audit row and an event.

use crate::{console::Console, store::StoreError};
use headroom_model::{
    Actor, TargetId,
    action::{ActionOutcome, ResetPreview, ResetScope},
};

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
    /// It was done, but the check afterwards did not find the effect.
    #[error("not verified: {0}")]
    NotVerified(String),
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a statistics reset would do.
pub async fn preview_reset(
    _console: &Console,
    _target: &TargetId,
    _scope: ResetScope,
) -> Result<ResetPreview, ActionError> {
    unimplemented!()
}

/// Resets statistics: snapshot, reset, verify, audit, event.
pub async fn reset(
    _console: &Console,
    _target: &TargetId,
    _scope: ResetScope,
    _request: &Request,
) -> Result<ActionOutcome, ActionError> {
    unimplemented!()
}
