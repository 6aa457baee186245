//! Warmup: filling the cache before anyone asks.

use crate::{Timestamp, operation::Operation};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What a warmup loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WarmupStrategy {
    /// Datasets of the class `critical`: their first pages and known keys.
    CriticalOnly,
    /// The most used keys, and datasets of the class `high_frequency`.
    HighFrequency,
    /// Keys that were missed lately, and datasets of the class `recent`.
    RecentData,
    /// Every known key of every dataset.
    Comprehensive,
    /// Known keys, those first whose hits save most database time.
    BySavings,
}

impl WarmupStrategy {
    /// Every strategy, in the order menus show them.
    pub const ALL: [WarmupStrategy; 5] = [
        WarmupStrategy::CriticalOnly,
        WarmupStrategy::HighFrequency,
        WarmupStrategy::RecentData,
        WarmupStrategy::BySavings,
        WarmupStrategy::Comprehensive,
    ];

    /// The name sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            WarmupStrategy::CriticalOnly => "CRITICAL_ONLY",
            WarmupStrategy::HighFrequency => "HIGH_FREQUENCY",
            WarmupStrategy::RecentData => "RECENT_DATA",
            WarmupStrategy::Comprehensive => "COMPREHENSIVE",
            WarmupStrategy::BySavings => "BY_SAVINGS",
        }
    }

    /// The name shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            WarmupStrategy::CriticalOnly => "Critical datasets",
            WarmupStrategy::HighFrequency => "Hottest keys",
            WarmupStrategy::RecentData => "Recent misses",
            WarmupStrategy::Comprehensive => "Every known key",
            WarmupStrategy::BySavings => "Most time saved",
        }
    }

    /// What it loads, in a few words.
    #[must_use]
    pub fn note(self) -> &'static str {
        match self {
            WarmupStrategy::CriticalOnly => "Datasets of the class critical",
            WarmupStrategy::HighFrequency => "By accesses, all datasets",
            WarmupStrategy::RecentData => "Missed in the last 30 min",
            WarmupStrategy::Comprehensive => "All datasets, all keys ever counted",
            WarmupStrategy::BySavings => "Ranked by database time saved",
        }
    }
}

impl FromStr for WarmupStrategy {
    type Err = String;

    /// Reads the name sent, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        WarmupStrategy::ALL.into_iter().find(|strategy| strategy.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let allowed = WarmupStrategy::ALL.map(WarmupStrategy::as_str).join(", ");
            format!("strategy \"{text}\" is not known; allowed: {allowed}")
        })
    }
}

/// What a warmup would load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarmupPreview {
    /// How keys are chosen.
    pub strategy: WarmupStrategy,
    /// Keys it would look at.
    pub keys: u64,
    /// Those of them that are not fresh in memory and would be loaded.
    pub to_load: u64,
    /// How long that takes, in milliseconds, by the datasets' mean loads; null where no load was measured yet.
    pub estimated_ms: Option<f64>,
    /// By dataset, in the order they are warmed.
    pub datasets: Vec<WarmupShare>,
    /// One sentence: what is loaded and what it costs.
    pub effect: String,
}

/// A dataset's share of a warmup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarmupShare {
    /// The dataset.
    pub dataset: String,
    /// Its keys in this warmup.
    pub keys: u64,
    /// Keys that are done: loaded, or fresh already.
    pub done: u64,
    /// Keys that could not be loaded, after retries.
    pub failed: u64,
}

/// A warmup under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarmupRun {
    /// The operation: who, since when, progress, rate, time left.
    pub operation: Operation,
    /// How keys are chosen.
    pub strategy: WarmupStrategy,
    /// By dataset, in the order they are warmed.
    pub datasets: Vec<WarmupShare>,
    /// Why it goes slower than it may, or waits; null while it does not.
    pub yields_because: Option<String>,
}

/// When warmups start by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarmupSchedule {
    /// A cron expression of five fields, in UTC.
    pub cron: String,
    /// How keys are chosen then.
    pub strategy: WarmupStrategy,
    /// When it starts next.
    pub next: Timestamp,
}

/// Warmups of a target: now, next, and before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarmupStatus {
    /// The one under way.
    pub running: Option<WarmupRun>,
    /// Who runs one from another console on the same Redis, and since when; null where nobody is known to.
    pub elsewhere: Option<String>,
    /// Where one is configured.
    pub schedule: Option<WarmupSchedule>,
    /// Earlier ones, newest first, at most 20.
    pub history: Vec<Operation>,
}
