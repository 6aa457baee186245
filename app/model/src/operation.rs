//! An operation: one long action with progress, cancel, outcome and verified effect.

use crate::{Role, TargetId, Timestamp};
use serde::{Deserialize, Serialize};

/// Log lines kept an operation; older ones are dropped and counted.
pub const MAX_LOG_LINES: usize = 200;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum OperationState {
    /// Waits for a free place.
    Queued,
    /// Works.
    Running,
    /// Did what it promised, and that was verified.
    Succeeded,
    /// Ended with an error; `outcome` says what is left behind.
    Failed,
    /// Someone stopped it; `outcome` says what is left behind.
    Cancelled,
}

impl OperationState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, OperationState::Succeeded | OperationState::Failed | OperationState::Cancelled)
    }

    /// The name stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OperationState::Queued => "queued",
            OperationState::Running => "running",
            OperationState::Succeeded => "succeeded",
            OperationState::Failed => "failed",
            OperationState::Cancelled => "cancelled",
        }
    }
}

/// How far an operation has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, once known.
    pub total: Option<u64>,
    /// What a unit is (`keys`, `rows`, `blocks`).
    pub unit: String,
    /// Units a second over the last seconds, once known.
    pub rate: Option<f64>,
    /// Milliseconds left at that rate, once known.
    pub eta_ms: Option<u64>,
}

/// One line of an operation's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// A long action as everyone sees it: pages, CLI, API, audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// UUIDv7: sorts by creation.
    pub id: String,
    /// What kind of action (`stats.reset`, `cache.warm`, …).
    pub kind: String,
    /// One line: what it does, in numbers where known.
    pub title: String,
    /// The target it works on.
    pub target: Option<TargetId>,
    /// Who started it.
    pub actor: String,
    /// The least role that may cancel it.
    pub cancel_role: Role,
    /// Why, in the words of who started it.
    pub reason: Option<String>,
    /// Where it stands.
    pub state: OperationState,
    /// How far it has come.
    pub progress: Progress,
    /// The newest log lines, oldest first.
    pub log: Vec<LogLine>,
    /// Lines dropped from the log.
    pub log_dropped: u64,
    /// How it ended and what is left behind.
    pub outcome: Option<String>,
    /// What was checked afterwards, and what the check found.
    pub effect: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began to work.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}
