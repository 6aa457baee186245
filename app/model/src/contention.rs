//! Who waits for whom, for what, and since when; what active sessions wait for; deadlocks.

use crate::{
    Timestamp,
    activity::{SessionKey, SessionLock, SessionView, Unknown},
    event::Event,
    live::LiveUpdate,
    metric::MetricId,
    moment::{LockSession, Wait},
    range::Resolved,
    target::TargetId,
};
use serde::{Deserialize, Serialize};

/// Trees an answer holds at most.
pub const MAX_TREES: usize = 20;
/// Sessions a tree holds at most.
pub const MAX_TREE_SESSIONS: usize = 50;
/// Stretches of contention an answer holds at most.
pub const MAX_STRETCHES: usize = 50;
/// Wait events an answer holds at most.
pub const MAX_EVENTS: usize = 20;

/// One place in a blocking tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlockingNode {
    /// Steps from the root, which has 0.
    pub depth: u32,
    /// The session that it waits for; none for the root.
    pub waits_for: Option<i32>,
    /// Process id; 0 is a prepared transaction.
    pub pid: i32,
    /// The session; none for a prepared transaction or a process that is no client session.
    pub session: Option<SessionView>,
    /// What it holds and what it waits for, at most 20.
    pub locks: Vec<SessionLock>,
    /// Sessions that wait behind it.
    pub blocks: u64,
}

/// A root and everyone who waits for it, directly or behind others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlockingTree {
    /// Sessions that wait.
    pub waiting: u64,
    /// The longest wait, in milliseconds; none where the server does not tell.
    pub longest_ms: Option<f64>,
    /// Root first, then depth first; at most [`MAX_TREE_SESSIONS`].
    pub nodes: Vec<BlockingNode>,
}

impl BlockingTree {
    /// The session to end, where the root is one.
    #[must_use]
    pub fn root(&self) -> Option<SessionKey> {
        self.nodes.first()?.session.as_ref().map(|session| session.key)
    }
}

/// A class of waits over a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WaitClass {
    /// Its figure in the catalogue.
    pub metric: MetricId,
    /// Active sessions in it, mean over the looks of the range.
    pub mean: f64,
    /// Share of all active sessions, 0 to 1.
    pub share: f64,
}

/// What active sessions did over a range, looked at every second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WaitBreakdown {
    /// By class, over the whole range, most first; classes that were never seen are left out. Empty where nothing was
    /// measured, or nobody was active.
    pub classes: Vec<WaitClass>,
    /// Active sessions at a look, mean over the range; none where nothing was measured.
    pub active: Option<f64>,
    /// By event, since `details_from`, most first, at most [`MAX_EVENTS`].
    pub events: Vec<Wait>,
}

/// A stretch of time in which a session kept others waiting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ContentionStretch {
    /// First minute.
    pub from: Timestamp,
    /// Last minute.
    pub to: Timestamp,
    /// Who held what others wanted, as seen last.
    pub root: LockSession,
    /// The most that waited in one minute.
    pub waiters: u64,
    /// The longest wait, in milliseconds; none where the server does not tell.
    pub longest_ms: Option<f64>,
    /// Readings that saw it; one every five seconds.
    pub seen: u64,
}

/// Deadlocks of the watched database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Deadlocks {
    /// How many in the range; none where they were not counted.
    pub count: Option<u64>,
    /// Their marks on the timeline, newest first, at most 20.
    pub events: Vec<Event>,
    /// Why statements and tables of a deadlock are not known, and where they are.
    pub details: Option<Unknown>,
}

/// Lock waits of a target, now and over a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Contention {
    /// Whose.
    pub target: TargetId,
    /// The range of everything but the trees.
    pub range: Resolved,
    /// When the trees were read; null before the first reading, and while the server does not answer.
    pub at: Option<Timestamp>,
    /// Why trees or waits are not known.
    pub missing: Vec<Unknown>,
    /// Trees now, longest wait first, at most [`MAX_TREES`].
    pub trees: Vec<BlockingTree>,
    /// Trees in all.
    pub trees_total: u64,
    /// Waits of active sessions.
    pub waits: WaitBreakdown,
    /// Stretches of contention, newest first, at most [`MAX_STRETCHES`].
    pub stretches: Vec<ContentionStretch>,
    /// From when on minutes were read for events and stretches: the newest day of the range at most. Null where there is none.
    pub details_from: Option<Timestamp>,
    /// Deadlocks.
    pub deadlocks: Deadlocks,
}

/// What the page of lock waits shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentionView {
    /// The newest view of the target.
    pub live: LiveUpdate,
    /// Trees, waits, deadlocks.
    pub contention: Contention,
}
