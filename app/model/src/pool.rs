//! Connection pools: lanes, who holds a connection, leaks, sizes, and the replica.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// How something is distributed, from all that was measured since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// How many were measured.
    pub count: u64,
    /// Median in milliseconds; null without any.
    pub p50_ms: Option<f64>,
    /// 95th percentile in milliseconds.
    pub p95_ms: Option<f64>,
    /// 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
    /// Largest in milliseconds.
    pub max_ms: Option<f64>,
}

/// How large a lane should be, by Little's law from its busiest minute of the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sizing {
    /// Checkouts a second (λ).
    pub rate: f64,
    /// How long each was used, in milliseconds (S).
    pub usage_ms: f64,
    /// Connections that were busy on average (λ·S).
    pub busy: f64,
    /// Places so that 70 % of them are busy then: ⌈λ·S / 0.7⌉.
    pub advised: u32,
}

/// One lane. Counters and distributions are of the time since the start or the last reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LaneReport {
    /// Whose: `headroom`, or an application in the same process.
    pub application: String,
    /// `interactive`, `monitor`, `batch`, `data`, `warmup` or `replica`.
    pub lane: String,
    /// Lent out.
    pub in_use: u32,
    /// Open and waiting for work.
    pub idle: u32,
    /// Limit now.
    pub max: u32,
    /// Limit by configuration; differs from `max` after a resize.
    pub configured_max: u32,
    /// Connections kept open also when unused.
    pub min: u32,
    /// Callers in the queue.
    pub waiting: u32,
    /// Checkouts.
    pub acquired: u64,
    /// Checkouts that gave up.
    pub timeouts: u64,
    /// Connections lent out for longer than the limit.
    pub leaks: u32,
    /// Connections that came back after they had been reported as leaks.
    pub returned_late: u64,
    /// Checks whether an idle connection still answers.
    pub health_checks: u64,
    /// Those that found it broken; it was closed.
    pub health_failures: u64,
    /// Waits for a connection, queue and connect together.
    pub acquire: Distribution,
    /// How long connections were lent out.
    pub usage: Distribution,
    /// How long opening a connection took.
    pub creation: Distribution,
    /// How large it should be; null before a whole minute with checkouts.
    pub sizing: Option<Sizing>,
}

/// A connection that is lent out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HolderReport {
    /// Whose: `headroom`, or an application in the same process.
    pub application: String,
    /// Its lane.
    pub lane: String,
    /// The line of code that took it.
    #[cfg_attr(feature = "openapi", schema(example = "server/engine/src/collect/mod.rs:120"))]
    pub call_site: String,
    /// What for, as its taker says; else the unit of work (tracing span) in which it was taken.
    pub purpose: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// For how long, in milliseconds.
    pub held_ms: u64,
    /// Process id of its backend, where the server told it.
    pub pid: Option<i32>,
    /// It is held for announced work that takes long and has an end of its own, so that it is no leak.
    pub is_long: bool,
    /// It is held for longer than a connection may be: a suspected leak.
    pub is_leak: bool,
    /// What the server says of that backend; null unless it was asked for and answered.
    pub backend: Option<BackendReport>,
}

/// What the server says of the backend of a connection that is lent out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackendReport {
    /// `active`, `idle in transaction`, …
    pub state: Option<String>,
    /// When its transaction began.
    pub transaction_since: Option<Timestamp>,
    /// The statement that runs, or ran last, without its literals.
    pub statement: Option<String>,
    /// Age of the oldest transaction it keeps visible, in transactions: vacuum removes nothing younger.
    pub xmin_age: Option<i64>,
    /// Locks it holds.
    pub locks: u64,
    /// Locked relations with the strongest mode on each, at most 20.
    pub relations: Vec<String>,
}

/// Where datasets may be read besides the primary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// Where it listens.
    pub address: String,
    /// Whether reads go there now.
    pub in_use: bool,
    /// Why, or why not.
    pub state: String,
    /// How far it is behind the primary, in milliseconds: the age of the newest noted position of the primary's log that it
    /// has replayed. Null while not known.
    pub lag_ms: Option<f64>,
    /// Bytes of the log that it has not replayed.
    pub lag_bytes: Option<f64>,
    /// Up to here it is used, in milliseconds.
    pub max_lag_ms: u64,
    /// Reads that went there.
    pub reads: u64,
    /// Reads that could have gone there and went to the primary.
    pub fallbacks: u64,
}

/// The pools of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolReport {
    /// One entry a lane.
    pub lanes: Vec<LaneReport>,
    /// Null where none is configured.
    pub replica: Option<ReplicaReport>,
    /// From here on a connection counts as leaked, in milliseconds.
    pub leak_after_ms: u64,
}

/// What another size of a lane would mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResizePreview {
    /// Which lane.
    pub lane: String,
    /// Its limit now.
    pub from: u32,
    /// Its limit afterwards.
    pub to: u32,
    /// Limit of all lanes together afterwards.
    pub total: u32,
    /// Connections that the server offers to ordinary roles; null where it was not asked yet.
    pub server_max: Option<u32>,
    /// One sentence: what happens and what does not.
    pub effect: String,
}

/// Statements that pass the console's lanes under one label: exact, not estimated. Since the start or the last reset of pool
/// counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LabelledStatement {
    /// What it is for (`dataset orders`).
    pub label: String,
    /// Runs.
    pub count: u64,
    /// Runs that failed or were given up.
    pub errors: u64,
    /// Mean in milliseconds.
    pub mean_ms: f64,
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// Slowest run in milliseconds; one minute stands for more.
    pub max_ms: f64,
    /// Runs that took at least as long as what counts as slow.
    pub slow: u64,
}
