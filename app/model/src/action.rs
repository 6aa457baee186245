//! Actions: what a button previews and what it achieved.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Whose statistics start from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ResetScope {
    /// pg_stat_statements of the watched database.
    Statements,
    /// Counters of the console's own pools into the target.
    Pool,
    /// The console's own HTTP latencies.
    Requests,
    /// Counters and hottest keys of the target's cache.
    Cache,
}

impl ResetScope {
    /// Every scope.
    pub const ALL: [ResetScope; 4] =
        [ResetScope::Statements, ResetScope::Pool, ResetScope::Requests, ResetScope::Cache];

    /// The name sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResetScope::Statements => "statements",
            ResetScope::Pool => "pool",
            ResetScope::Requests => "requests",
            ResetScope::Cache => "cache",
        }
    }

    /// The name shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ResetScope::Statements => "pg_stat_statements",
            ResetScope::Pool => "pool counters",
            ResetScope::Requests => "request latencies",
            ResetScope::Cache => "cache counters",
        }
    }
}

impl FromStr for ResetScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ResetScope::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("scope \"{text}\" is not known; allowed: statements, pool, requests, cache"))
    }
}

/// What a reset would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResetPreview {
    /// Whose statistics.
    pub scope: ResetScope,
    /// How many statements, lanes or routes lose their totals.
    pub entries: u64,
    /// Since when the totals have counted, where known.
    pub counting_since: Option<Timestamp>,
    /// One sentence: what is discarded and what stays.
    pub effect: String,
}

/// What an action achieved, verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActionOutcome {
    /// Its audit row.
    pub audit_id: i64,
    /// When it was done.
    pub at: Timestamp,
    /// What was checked afterwards and found.
    pub effect: String,
}
