//! The health score: a number, its deductions, and what could not be scored.

use crate::{MetricId, Timestamp};
use serde::{Deserialize, Serialize};

/// Bands of the score, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// 0 to 49.
    Critical,
    /// 50 to 69.
    Degraded,
    /// 70 to 89.
    Good,
    /// 90 to 100.
    Excellent,
}

impl Band {
    /// Every band, worst first.
    pub const ALL: [Band; 4] = [Band::Critical, Band::Degraded, Band::Good, Band::Excellent];

    /// The band a score lies in.
    #[must_use]
    pub fn of(score: u8) -> Self {
        match score {
            0..=49 => Band::Critical,
            50..=69 => Band::Degraded,
            70..=89 => Band::Good,
            _ => Band::Excellent,
        }
    }

    /// The word beside the mark.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Band::Critical => "Critical",
            Band::Degraded => "Degraded",
            Band::Good => "Good",
            Band::Excellent => "Excellent",
        }
    }

    /// The name stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Band::Critical => "critical",
            Band::Degraded => "degraded",
            Band::Good => "good",
            Band::Excellent => "excellent",
        }
    }
}

/// The parts of the data layer that are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// PostgreSQL.
    Database,
    /// Redis and the cache in front of it.
    Cache,
    /// Pools, requests and the process.
    Application,
    /// Lock waits and deadlocks.
    Locks,
    /// Jobs, where they run.
    Queue,
}

impl Component {
    /// The name in sentence case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Component::Database => "Database",
            Component::Cache => "Cache",
            Component::Application => "Application",
            Component::Locks => "Locks",
            Component::Queue => "Queue",
        }
    }
}

/// A link to evidence or remedy, inside the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What is behind it.
    pub label: String,
    /// Path and query inside the console.
    pub href: String,
}

/// Points lost, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Deduction {
    /// The check that failed (`query-latency`).
    pub check: String,
    /// The component it belongs to.
    pub component: Component,
    /// Whole points off the overall score; at least 1.
    pub points: u8,
    /// How bad it is by itself: degraded past the first threshold, critical past the second.
    pub band: Band,
    /// Cause with value and target: "p95 query latency 640 ms, target 500 ms".
    pub cause: String,
    /// The metric that was checked.
    pub metric: MetricId,
    /// Its value.
    pub value: f64,
    /// What it should not have passed.
    pub threshold: f64,
    /// When the check began to fail.
    pub since: Timestamp,
    /// When its target was met again; the deduction ends when that has lasted the hold time.
    pub met_since: Option<Timestamp>,
    /// Where the evidence lies.
    pub evidence: Link,
}

/// Score of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComponentHealth {
    /// Which.
    pub component: Component,
    /// Its share of the overall score in per cent, as configured.
    pub weight: u8,
    /// 0 to 100; none when nothing of it was measured.
    pub score: Option<u8>,
    /// Why there is no score.
    pub unknown: Option<String>,
}

/// The score of a target at one moment. `score = 100 − Σ points`, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// When it was scored.
    pub at: Timestamp,
    /// 0 to 100; none when nothing was measured.
    pub score: Option<u8>,
    /// Every component, in fixed order.
    pub components: Vec<ComponentHealth>,
    /// What costs points, most first.
    pub deductions: Vec<Deduction>,
    /// Seconds a target must be met before its deduction ends.
    pub hold_secs: u64,
}

impl Health {
    /// The band of the overall score.
    #[must_use]
    pub fn band(&self) -> Option<Band> {
        self.score.map(Band::of)
    }
}
