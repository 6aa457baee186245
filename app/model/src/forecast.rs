//! A forecast: what a figure will do, how sure that is, when it meets its limit, and how well such forecasts of the same
//! figure did in its own past.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest horizon a forecast has: 24 months.
pub const MAX_HORIZON_DAYS: u32 = 731;

/// The answer to "what will this figure do?": a forecast, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// The data support a forecast.
    Forecast(Box<Forecast>),
    /// They do not.
    Silent {
        /// Why, in words.
        reason: String,
    },
}

/// What a figure will do, one value a step in every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Start of the first step: the end of the history.
    pub start: Timestamp,
    /// Width of a step in milliseconds: a day.
    pub step_ms: i64,
    /// The figure at each step, in its own unit: half of the outcomes lie above.
    pub median: Vec<f64>,
    /// Lower end of the interval that holds 80 of 100 outcomes.
    pub low80: Vec<f64>,
    /// Upper end of it.
    pub high80: Vec<f64>,
    /// Lower end of the interval that holds 95 of 100 outcomes.
    pub low95: Vec<f64>,
    /// Upper end of it.
    pub high95: Vec<f64>,
    /// What is forecast of each day.
    pub measure: Measure,
    /// The model, in words.
    pub model: String,
    /// Days of history with a measurement.
    pub history_days: f64,
    /// How the figure changes a day over the horizon, in its unit; seasons left out.
    pub growth_per_day: f64,
    /// How such forecasts of this figure did in its own past; none when the history is too short to try.
    pub backtest: Option<Backtest>,
    /// Sudden changes of level that were found, oldest first.
    pub shifts: Vec<Shift>,
    /// Whether the changes of level come back regularly and were left in the data as a habit.
    pub shifts_recur: bool,
    /// Hours whose value was an outlier and did not count.
    pub spikes: u32,
    /// Hours without a measurement between the first and the last.
    pub gaps: u32,
    /// Seasons that were strong enough to keep.
    pub seasons: Vec<Season>,
    /// When the limit is met.
    pub crossing: Crossing,
}

/// What is forecast of each day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Its mean: what fills up, such as a disk.
    #[default]
    Level,
    /// Its highest hour: what must not run out at any time, such as CPU and connections.
    DailyPeak,
}

/// A season found in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Season {
    /// Hours of the day differ.
    Day,
    /// Days of the week differ.
    Week,
    /// Times of the year differ.
    Year,
}

impl Season {
    /// The adjective.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Season::Day => "daily",
            Season::Week => "weekly",
            Season::Year => "yearly",
        }
    }
}

/// A sudden change of level, such as a purge. What came before it counts as if it had been at the new level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shift {
    /// The first hour at the new level.
    pub at: Timestamp,
    /// By how much, in the figure's unit; below zero for a fall.
    pub by: f64,
}

/// Forecasts made from earlier ends of the same history, measured against what came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// How far ahead they looked, in days.
    pub horizon_days: u32,
    /// How many there were.
    pub folds: u32,
    /// Their error.
    pub ours: BacktestError,
    /// The error of a straight line through the same history as it was measured.
    pub straight_line: BacktestError,
    /// The error of "as in the week before" (with less than two weeks: the day before).
    pub seasonal_naive: BacktestError,
    /// Share of what came inside the interval of 80 of 100, in per cent.
    pub covered80_percent: f64,
    /// Share of what came inside the interval of 95 of 100, in per cent.
    pub covered95_percent: f64,
}

/// How far forecasts were off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BacktestError {
    /// Mean absolute scaled error (Hyndman and Koehler 2006): the mean error divided by that of "as in the period before",
    /// one period ahead, over the history. Below 1 is better than that.
    pub mase: f64,
    /// Mean error in the figure's unit.
    pub error: f64,
    /// The same in per cent of the mean of what came; none when that is zero.
    pub error_percent: Option<f64>,
}

/// When a figure meets its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Crossing {
    /// It has none.
    NoLimit,
    /// It is there already.
    Reached,
    /// Fewer than one in ten outcomes meet it within the horizon: flat, shrinking, or far away.
    Never {
        /// The horizon, in days.
        within_days: u32,
    },
    /// Days from the start of the forecast.
    Within {
        /// One in ten outcomes meets it by then; none beyond the horizon.
        p10: Option<f64>,
        /// Half of them do; none beyond the horizon.
        p50: Option<f64>,
        /// Nine in ten do; none beyond the horizon.
        p90: Option<f64>,
    },
    /// The history is too short to promise a date.
    Unpromised {
        /// Why, in words.
        reason: String,
    },
}

/// Changes to try on a forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct WhatIf {
    /// Growth from now on, as a multiple of what is forecast: 1 changes nothing, 0 stops it.
    pub growth: f64,
    /// What is planned, in any order. At most [`MAX_PLANNED`] count.
    pub planned: Vec<Planned>,
    /// Another limit.
    pub limit: Option<f64>,
}

/// The most planned events that one forecast takes.
pub const MAX_PLANNED: usize = 32;

impl Default for WhatIf {
    fn default() -> Self {
        WhatIf { growth: 1.0, planned: Vec::new(), limit: None }
    }
}

/// Something planned that changes the figure from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// When it begins to count.
    pub at: Timestamp,
    /// What it does.
    pub change: Change,
}

/// What a planned event does to the figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub enum Change {
    /// Adds so much, in the figure's unit; below zero takes away.
    Add(f64),
    /// Makes it so many times as high.
    Multiply(f64),
}
