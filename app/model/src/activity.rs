//! Sessions: who is connected, what they do, and how one is ended.

use crate::{
    Timestamp,
    api::Pagination,
    live::LiveUpdate,
    pool::{HolderReport, PoolReport},
    sample::Figures,
    target::TargetId,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Sessions an answer holds at most.
pub const MAX_SESSIONS: u32 = 500;
/// Groups of one sort that an answer holds at most.
pub const MAX_GROUPS: usize = 20;

/// One backend, and that one alone: process ids are reused, so its start belongs to its name. Written `48213-1795098728250123`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionKey {
    /// Process id.
    pub pid: i32,
    /// When the backend started, in microseconds since 1970 by the server's clock: exactly what the server keeps.
    pub backend_start_us: i64,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.backend_start_us)
    }
}

impl FromStr for SessionKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-').and_then(|(pid, start)| Some((pid.parse().ok()?, start.parse().ok()?)));
        match parts {
            Some((pid, backend_start_us)) if pid > 0 && backend_start_us > 0 => {
                Ok(SessionKey { pid, backend_start_us })
            }
            _ => Err("not a session; allowed: process id, a hyphen, start in microseconds".to_owned()),
        }
    }
}

/// What is done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionAct {
    /// Stops the statement that runs; the session stays.
    Cancel,
    /// Ends the session: its transaction is rolled back, its locks are released, its client is disconnected.
    Terminate,
}

impl SessionAct {
    /// The name sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SessionAct::Cancel => "cancel",
            SessionAct::Terminate => "terminate",
        }
    }

    /// The verb on buttons.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            SessionAct::Cancel => "Cancel",
            SessionAct::Terminate => "Terminate",
        }
    }
}

impl FromStr for SessionAct {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cancel" => Ok(SessionAct::Cancel),
            "terminate" => Ok(SessionAct::Terminate),
            _ => Err("not an act; allowed: cancel, terminate".to_owned()),
        }
    }
}

/// What ending a session or its statement would do, as the server says this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionPreview {
    /// Which session.
    pub key: SessionKey,
    /// What would be done.
    pub act: SessionAct,
    /// Its role.
    pub user: String,
    /// Its application_name.
    pub application: String,
    /// Its database.
    pub database: String,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// Start of the statement that runs, or ran last, in microseconds since 1970: a cancel that names it touches no other.
    pub statement_start_us: Option<i64>,
    /// The statement without its literals, at most 500 characters.
    pub statement: String,
    /// How long the transaction has been open, in milliseconds; none outside one.
    pub transaction_ms: Option<f64>,
    /// Sessions that wait for it directly, counted to a hundred.
    pub blocks: u64,
    /// One sentence: what is lost, and what stays.
    pub effect: String,
}

/// A lock of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionLock {
    /// locktype: `relation`, `transactionid`, `tuple`, `advisory`, …
    pub kind: String,
    /// The table it is on; none where it is on no table.
    pub relation: Option<String>,
    /// `RowExclusiveLock`, `AccessExclusiveLock`, …
    pub mode: String,
    /// Held, or waited for.
    pub granted: bool,
}

/// One client session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Which session.
    pub key: SessionKey,
    /// Role.
    pub user: String,
    /// application_name; empty where the client gave none.
    pub application: String,
    /// Database.
    pub database: String,
    /// Address of the client; none over a Unix socket.
    pub client: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// How long it has been in that state, in milliseconds.
    pub state_ms: Option<f64>,
    /// How long its transaction has been open, in milliseconds; none outside one.
    pub transaction_ms: Option<f64>,
    /// Since its statement began, in milliseconds; the last one where none runs.
    pub statement_ms: Option<f64>,
    /// wait_event_type, while it works on something and waits.
    pub wait_kind: Option<String>,
    /// wait_event.
    pub wait_event: Option<String>,
    /// How long it has waited for a lock, in milliseconds; none where it does not, or where the server does not tell.
    pub lock_wait_ms: Option<f64>,
    /// Processes that block it.
    pub blocked_by: Vec<i32>,
    /// Sessions that wait for it, directly or behind others.
    pub blocks: u64,
    /// Key in pg_stat_statements, as text; none before PostgreSQL 14, and where compute_query_id is off.
    pub query_id: Option<String>,
    /// Start of the statement, in microseconds since 1970.
    pub statement_start_us: Option<i64>,
    /// Statement without its literals, at most 500 characters.
    pub statement: String,
    /// How many transactions ago its snapshot is: vacuum keeps all rows that died since.
    pub xmin_age: Option<i64>,
    /// Whether it runs one statement for longer than the limit.
    pub long_running: bool,
    /// Whether it idles in its transaction for longer than the limit.
    pub leaked: bool,
    /// Whether it is the console's own.
    pub own: bool,
}

/// Sessions that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionGroup {
    /// What: a state, an application, an address, a role, a wait. Empty where the client gave none.
    pub name: String,
    /// How many.
    pub sessions: u64,
    /// Those of them that run a statement.
    pub active: u64,
    /// Those of them idle in a transaction.
    pub idle_in_transaction: u64,
}

/// Sessions by what they have in common, most first, at most [`MAX_GROUPS`] of each sort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionGroups {
    /// By state.
    pub states: Vec<SessionGroup>,
    /// By application_name.
    pub applications: Vec<SessionGroup>,
    /// By address of the client.
    pub clients: Vec<SessionGroup>,
    /// By role.
    pub users: Vec<SessionGroup>,
    /// By wait event, of those that wait.
    pub waits: Vec<SessionGroup>,
}

/// Which sessions of a list are meant at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionKind {
    /// All.
    #[default]
    All,
    /// That run one statement for longer than the limit.
    LongRunning,
    /// That idle in a transaction for longer than the limit.
    Leaked,
    /// That wait for a lock.
    Blocked,
    /// That others wait for.
    Blocking,
}

/// By what a list of sessions is sorted. Sessions without the figure come last, either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionSort {
    /// Age of the transaction.
    #[default]
    Transaction,
    /// Age of the state.
    State,
    /// Age of the statement.
    Statement,
    /// Sessions that wait for it.
    Blocks,
    /// Age of its snapshot.
    Xmin,
    /// Process id.
    Pid,
    /// Application.
    Application,
    /// Role.
    User,
    /// Address of the client.
    Client,
    /// Wait event.
    Wait,
}

/// A part of the list of sessions. Texts name a group exactly; `search` is found anywhere in statement, application, role or
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase")]
pub struct ActivityQuery {
    /// A state: `active`, `idle in transaction`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// An application_name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// A role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// An address of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// A wait event, as `Lock: transactionid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// Text to find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Which sessions at all.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub kind: SessionKind,
    /// By what to sort.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub sort: SessionSort,
    /// Smallest first.
    #[serde(default)]
    pub ascending: bool,
    /// Page, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Rows a page, 1 to 500; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Why something is not known, and what lifts that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What, and why.
    pub what: String,
    /// The exact statement or setting that helps; none where time alone does.
    pub remedy: Option<String>,
}

/// The sessions of a target's server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Whose.
    pub target: TargetId,
    /// When they were read; null before the first reading, and while the server does not answer.
    pub at: Option<Timestamp>,
    /// Connections in use and their limit, sessions by state, longest times: figures of the catalogue, absent where they
    /// were not measured.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, f64>))]
    pub figures: Figures,
    /// Why sessions are missing from the list.
    pub missing: Vec<Unknown>,
    /// Sessions of other roles that the server hides from the console's role.
    pub hidden: u64,
    /// Sessions read; 500 at most.
    pub read: u64,
    /// Sessions that run one statement for longer than `longRunningAfterMs`.
    pub long_running: u64,
    /// The limit of those, in milliseconds (`health.limits.long-statement`).
    pub long_running_after_ms: f64,
    /// Sessions that idle in a transaction for longer than `leakedAfterMs`.
    pub leaked: u64,
    /// The limit of those, in milliseconds (`health.limits.idle-in-transaction`).
    pub leaked_after_ms: f64,
    /// What sessions have in common, over all of them.
    pub groups: SessionGroups,
    /// Where the list stands.
    pub pagination: Pagination,
    /// The sessions of this page.
    pub sessions: Vec<SessionView>,
    /// Ending sessions without being asked.
    pub auto_terminate: AutoTerminate,
}

/// The policy that ends sessions by itself, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AutoTerminate {
    /// What it may do; null while it is off.
    pub rules: Option<AutoTerminateRules>,
    /// What it did, or would have done, since the console started: newest first, at most 20.
    pub acts: Vec<AutoTerminateAct>,
}

/// What the policy may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AutoTerminateRules {
    /// Ends sessions that idle in a transaction for longer, in milliseconds.
    pub idle_in_transaction_ms: Option<u64>,
    /// Cancels statements that run for longer, in milliseconds; ends their session where that does not help.
    pub long_running_ms: Option<u64>,
    /// Applications it may touch; `*` at the end stands for any rest. Empty: any.
    pub applications: Vec<String>,
    /// Roles it may touch. Empty: any.
    pub users: Vec<String>,
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// Acts a minute at most.
    pub most_per_minute: u32,
}

/// Something the policy did, or would have done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AutoTerminateAct {
    /// When.
    pub at: Timestamp,
    /// Which session.
    pub key: SessionKey,
    /// Its application.
    pub application: String,
    /// Its role.
    pub user: String,
    /// By which rule, with figures.
    pub reason: String,
    /// What came of it, by the newest attempt.
    pub outcome: String,
    /// Attempts: what failed is tried again, five times at most.
    pub attempts: u32,
}

/// What the page of sessions shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionsView {
    /// The newest view of the target.
    pub live: LiveUpdate,
    /// All sessions.
    pub activity: Activity,
    /// The console's own pools.
    pub pools: PoolReport,
    /// Who holds their connections, oldest first.
    pub holders: Vec<HolderReport>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_name() {
        let key = SessionKey { pid: 48_213, backend_start_us: 1_795_098_728_250_123 };
        assert_eq!(key.to_string().parse(), Ok(key));
        for wrong in ["", "48213", "48213-", "-1-5", "0-5", "48213-x", "48213-5-6", "99999999999-5"] {
            assert!(wrong.parse::<SessionKey>().is_err(), "{wrong}");
        }
    }
}
