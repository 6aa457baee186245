//! What ran in one minute of a target: the answer to "what was that spike?".
//!
//! A [`MinuteRecord`] is folded from what the collector reads anyway and kept beside the minutes of history. A [`Moment`]
//! is that record with what else is known of the minute: events, operations and actions, and why there is no record where
//! there is none.

use crate::{Timestamp, event::Event, operation::OperationState, target::TargetId};
use serde::{Deserialize, Serialize};

/// Statements a record holds at most.
pub const MAX_STATEMENTS: usize = 20;
/// Waits a record holds at most.
pub const MAX_WAITS: usize = 20;
/// Lock trees a record holds at most.
pub const MAX_LOCK_TREES: usize = 10;
/// Waiters a lock tree holds at most.
pub const MAX_WAITERS: usize = 20;
/// Statements seen running that a record holds at most.
pub const MAX_RUNNING: usize = 10;
/// Datasets a record holds at most.
pub const MAX_DATASETS: usize = 20;

/// One statement in one minute. pg_stat_statements counts a call when it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinuteStatement {
    /// pg_stat_statements key, as text: it does not fit a JavaScript number.
    pub query_id: String,
    /// Text without literals, at most 500 characters; none where the server had not told it yet.
    pub text: Option<String>,
    /// Calls that ended in the minute.
    pub calls: u64,
    /// Their execution time in all, in milliseconds.
    pub total_ms: f64,
    /// Rows they returned or changed.
    pub rows: u64,
    /// Share of the execution time of all statements of the minute, 0 to 1.
    pub share: f64,
}

impl MinuteStatement {
    /// Execution time of a call, in milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        self.total_ms / self.calls.max(1) as f64
    }
}

/// All statements of a minute together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementTotals {
    /// Calls that ended in the minute.
    pub calls: u64,
    /// Execution time in all, in milliseconds: a minute of it is one session busy all the time.
    pub total_ms: f64,
}

/// A statement that a reading found running: it may have ended later, or never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunningStatement {
    /// Text without literals, at most 500 characters.
    pub text: String,
    /// application_name of the session that ran longest with it.
    pub application: String,
    /// The longest it had run for when it was seen, in milliseconds.
    pub longest_ms: f64,
    /// How often a session was seen with it: once a session and reading.
    pub seen: u64,
}

/// What active sessions did, by PostgreSQL's wait event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// wait_event_type; none for a session that ran without waiting.
    pub kind: Option<String>,
    /// wait_event.
    pub event: Option<String>,
    /// How often an active session was seen so: once a session and look, about one look a second.
    pub seen: u64,
    /// Share of all sightings of active sessions in the minute, 0 to 1.
    pub share: f64,
}

impl Wait {
    /// The wait in words: `Lock: transactionid`, `IO: DataFileRead`, `Running`.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.kind, &self.event) {
            (Some(kind), Some(event)) => format!("{kind}: {event}"),
            (Some(kind), None) => kind.clone(),
            _ => "Running, not waiting".to_owned(),
        }
    }
}

/// Sessions in one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StateCount {
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// Mean number of sessions over the readings of the minute.
    pub mean: f64,
    /// The most at one reading.
    pub most: u64,
}

/// One session in a lock tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockSession {
    /// Process id.
    pub pid: i32,
    /// When its backend started, in microseconds since 1970: process ids are reused. None where it is no client session, and
    /// in records of before it was kept.
    #[serde(default)]
    pub backend_start_us: Option<i64>,
    /// The session that it waits for; none for the root.
    pub waits_for: Option<i32>,
    /// application_name.
    pub application: String,
    /// Its state when it was seen last.
    pub state: String,
    /// Text without literals, at most 500 characters.
    pub text: String,
    /// The longest it was seen waiting, in milliseconds; none for the root, and where the server does not tell.
    pub waited_ms: Option<f64>,
}

/// A session that others waited for, and those others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockTree {
    /// Who holds what others want, and waits for nobody.
    pub root: LockSession,
    /// Who waited, longest first, at most [`MAX_WAITERS`].
    pub waiters: Vec<LockSession>,
    /// Waiters in all.
    pub waiters_total: u64,
    /// The longest wait seen in the minute, in milliseconds; none where the server does not tell.
    pub longest_ms: Option<f64>,
    /// Readings that saw it.
    pub seen: u64,
}

/// One dataset in one minute, as the console's cache counted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinuteDataset {
    /// Name.
    pub name: String,
    /// How often it was asked for.
    pub lookups: u64,
    /// Answers from a tier, stale ones included.
    pub hits: u64,
    /// Loads from the database that ended well.
    pub loads: u64,
    /// Loads that failed or took too long.
    pub load_errors: u64,
    /// Time those loads took in all, in milliseconds: what misses cost the database.
    pub load_ms: f64,
}

impl MinuteDataset {
    /// Lookups that no tier could answer.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.lookups.saturating_sub(self.hits)
    }
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// Statements, from pg_stat_statements.
    Statements,
    /// Sessions and waits, from pg_stat_activity.
    Sessions,
    /// Lock trees, from pg_blocking_pids.
    Locks,
    /// Datasets, from the console's cache.
    Datasets,
}

impl Part {
    /// The name in sentence case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::Statements => "Statements",
            Part::Sessions => "Sessions and waits",
            Part::Locks => "Lock waits",
            Part::Datasets => "Datasets",
        }
    }
}

/// How far a part of the minute was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Which part.
    pub part: Part,
    /// Readings that had it.
    pub readings: u64,
    /// Readings that did not.
    pub missed: u64,
    /// Why the first of those did not.
    pub reason: Option<String>,
}

/// What was seen of a target in one minute. Lists are bounded; what was not measured is told by `coverage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinuteRecord {
    /// Start of the minute.
    pub at: Timestamp,
    /// Readings in it; usually one every five seconds.
    pub readings: u64,
    /// All statements together; none when none of it was measured.
    pub totals: Option<StatementTotals>,
    /// Statements by time, most first.
    pub statements: Vec<MinuteStatement>,
    /// Statements that readings found running, longest first.
    pub running: Vec<RunningStatement>,
    /// What active sessions did, most first.
    pub waits: Vec<Wait>,
    /// Looks that `waits` adds up; 0 in records of before there were looks between readings.
    #[serde(default)]
    pub wait_looks: u64,
    /// Sessions by state.
    pub states: Vec<StateCount>,
    /// Who waited for whom, longest wait first.
    pub locks: Vec<LockTree>,
    /// Datasets that were asked for, most misses first.
    pub datasets: Vec<MinuteDataset>,
    /// What was measured and what not.
    pub coverage: Vec<Coverage>,
}

impl MinuteRecord {
    /// How far a part was measured.
    #[must_use]
    pub fn coverage_of(&self, part: Part) -> Option<&Coverage> {
        self.coverage.iter().find(|coverage| coverage.part == part)
    }

    /// Whether any reading had this part.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.coverage_of(part).is_some_and(|coverage| coverage.readings > 0)
    }
}

/// An operation that ran in the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinuteOperation {
    /// Its id.
    pub id: String,
    /// What kind of action (`cache.warm`).
    pub kind: String,
    /// One line: what it does.
    pub title: String,
    /// Who started it.
    pub actor: String,
    /// Where it stands now.
    pub state: OperationState,
    /// When it began to work, or was asked for where it has not begun.
    pub began_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
}

/// An action on record in the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinuteAction {
    /// Its audit row.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What (`stats.reset`).
    pub action: String,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Whether it did what it promised.
    pub succeeded: bool,
}

/// Why there is no record of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum AbsenceCause {
    /// The minute has not come yet, or nothing was read in it so far.
    NotYet,
    /// Records this old are not kept.
    Pruned,
    /// The console did not keep such records yet.
    BeforeFirst,
    /// The console did not run, or did not read this target.
    NotWatched,
    /// The figures of this time were imported: they came without what ran.
    Imported,
    /// The figures of this time are generated: nothing ran.
    Generated,
}

/// Why there is no record, and where the nearest one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Absence {
    /// Why.
    pub cause: AbsenceCause,
    /// Why, in one sentence.
    pub reason: String,
    /// The nearest minute that has a record.
    pub nearest: Option<Timestamp>,
}

/// Everything that is known of one minute of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Whose.
    pub target: TargetId,
    /// Start of the minute.
    pub at: Timestamp,
    /// Whether the minute is still running.
    pub open: bool,
    /// What was seen in it.
    pub record: Option<MinuteRecord>,
    /// Why there is no record.
    pub absence: Option<Absence>,
    /// Events from a minute before to a minute after it, oldest first.
    pub events: Vec<Event>,
    /// Operations that ran from a minute before to a minute after it, oldest first.
    pub operations: Vec<MinuteOperation>,
    /// Actions on record from a minute before to a minute after it, oldest first.
    pub actions: Vec<MinuteAction>,
    /// Why events, operations and actions are missing, where they are.
    pub timeline_missing: Option<String>,
}
