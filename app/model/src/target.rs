//! A target: a watched PostgreSQL and, optionally, its Redis.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The short name a target has in configuration, links and the API: `[a-z0-9-]`, 1–40 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct TargetId(pub String);

impl TargetId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a server answers, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Reach {
    /// Not configured: nothing is expected of it.
    #[default]
    Absent,
    /// Configured, not reached yet.
    Starting,
    /// Answers.
    Up {
        /// First answer of this stretch.
        since: Timestamp,
    },
    /// Does not answer.
    Down {
        /// First failure of this stretch.
        since: Timestamp,
        /// Cause in one sentence, without credentials.
        reason: String,
    },
}

impl Reach {
    /// Whether the server answers now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Reach::Up { .. })
    }
}

/// What the console knows of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TargetInfo {
    /// Short name.
    pub id: TargetId,
    /// Whether PostgreSQL answers.
    pub postgres: Reach,
    /// Server version in words (`15.18`), once known.
    pub postgres_version: Option<String>,
    /// True when the server is a replica, once known.
    pub replica: Option<bool>,
    /// Whether Redis answers.
    pub redis: Reach,
    /// Redis version in words (`7.0.15`), once known.
    pub redis_version: Option<String>,
    /// When the newest complete sample was taken.
    pub sampled_at: Option<Timestamp>,
    /// When pg_stat_statements was last reset, where known.
    pub statements_reset_at: Option<Timestamp>,
    /// What the console could not read, and the exact remedy (a missing extension or grant).
    pub limitations: Vec<Limitation>,
}

/// Something that keeps figures unknown, and how to lift it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limitation {
    /// What is missing, in one sentence.
    pub what: String,
    /// The exact statement or setting that lifts it.
    pub remedy: String,
}
