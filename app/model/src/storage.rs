//! What history takes, how long it is kept, and what was removed of it.

use crate::{TargetId, Timestamp, origin::Origin};
use serde::{Deserialize, Serialize};

/// The state store as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// `sqlite` or `postgres`.
    pub backend: String,
    /// Bytes of its tables and indexes.
    pub size_bytes: u64,
    /// Rows by table, those of history first; counted in the background, hourly at most. Empty before the first count.
    pub rows: Vec<TableRows>,
    /// When they were counted.
    pub counted_at: Option<Timestamp>,
    /// How long what is kept.
    pub retention: Vec<Kept>,
    /// Where the history of each target begins.
    pub targets: Vec<TargetHistory>,
    /// What pruning did last; null until it has run since the console started.
    pub pruned: Option<Pruned>,
    /// When it runs next, at the latest.
    pub prunes_at: Option<Timestamp>,
}

/// Rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TableRows {
    /// Its name.
    pub table: String,
    /// How many.
    pub rows: u64,
}

/// How long one kind of thing is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// What: `minutes`, `hours`, `events`.
    pub what: String,
    /// Days.
    pub days: u32,
    /// The key of the configuration that sets it.
    pub key: String,
}

/// Where the history of a target begins, and what of it was not measured here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TargetHistory {
    /// Which target.
    pub target: TargetId,
    /// Its oldest minute; null when there is none.
    pub oldest_minute: Option<Timestamp>,
    /// Its oldest hour.
    pub oldest_hour: Option<Timestamp>,
    /// Imported and generated stretches, oldest first.
    pub origins: Vec<Origin>,
}

/// What a round of pruning did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// When it ended.
    pub at: Timestamp,
    /// Rows it removed.
    pub rows: u64,
    /// How long it took.
    pub took_ms: f64,
    /// Whether it goes on because there was more to remove than one round may.
    pub unfinished: bool,
}
