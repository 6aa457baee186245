//! Capacity forecasts: what a figure will do, how sure that is, and when it meets its limit.
//!
//! Pure: hours in, [`Verdict`] out; the same input and seed have the same answer. It never panics, and it is silent where
//! the data do not support a forecast. In order:
//!
//! 1. `repair`: hours, gaps marked, outliers replaced (Hampel)
//! 2. `shifts`: sudden changes of level taken out of the past (a purge is no trend)
//! 3. `daily`: hours become days, by their mean or their peak
//! 4. `season`: week and year, kept only if strong
//! 5. `bend` and `models`: a robust line, the same since the last change of slope, MSTL with AutoETS, as a week ago
//! 6. `backtest`: rolling origins choose among them; the best are combined
//! 7. `interval`: how wide, from the errors that the backtest made
//! 8. `passage`: days until the limit, from many paths
//!
//! Two days of history give a line and no date; fourteen give a line and the course of the day; then all of it applies.
//! A forecast looks ahead six times its history at most.
//!
//! Values are divided by the largest of them on the way in, so that nothing overflows, whatever the unit.

mod backtest;
mod bend;
mod daily;
mod hourly;
mod interval;
mod models;
mod outlook;
mod passage;
mod repair;
mod season;
mod shifts;
mod stats;
mod verdict;
mod what_if;

pub use outlook::{Outlook, outlook};

use headroom_model::{
    Timestamp,
    forecast::{MAX_HORIZON_DAYS, Measure, Verdict, WhatIf},
};

/// The most hours looked at, newest first: a little over 25 months.
pub const MAX_HOURS: usize = 800 * 24;

/// A figure's past, hour by hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hourly {
    /// Start of the first hour.
    pub start: Timestamp,
    /// Mean of each hour; none where nothing was measured. What is not finite counts as not measured.
    pub values: Vec<Option<f64>>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// How far to look, in days: 1 to [`MAX_HORIZON_DAYS`].
    pub horizon_days: u32,
    /// What the figure must stay below, in its unit.
    pub limit: Option<f64>,
    /// What counts of a day.
    pub measure: Measure,
    /// The figure is never below this (0 for sizes and counts).
    pub floor: Option<f64>,
    /// The figure is never above this (100 for a share in per cent).
    pub ceiling: Option<f64>,
    /// Seed of the paths.
    pub seed: u64,
    /// Changes to try.
    pub what_if: WhatIf,
}

impl Default for Ask {
    fn default() -> Self {
        Ask {
            horizon_days: 90,
            limit: None,
            measure: Measure::Level,
            floor: None,
            ceiling: None,
            seed: 1,
            what_if: WhatIf::default(),
        }
    }
}

impl Ask {
    fn horizon(&self) -> usize {
        self.horizon_days.clamp(1, MAX_HORIZON_DAYS) as usize
    }

    /// The limit in force.
    fn limit(&self) -> Option<f64> {
        self.what_if.limit.or(self.limit).filter(|limit| limit.is_finite())
    }
}

/// Looks ahead. The forecast starts where the hours end; hours that end with gaps are forecast from the last measured one.
#[must_use]
pub fn forecast(input: &Hourly, ask: &Ask) -> Verdict {
    match outlook(input, ask) {
        Ok(outlook) => Verdict::Forecast(Box::new(verdict::write(&outlook, ask))),
        Err(reason) => Verdict::Silent { reason },
    }
}

#[cfg(test)]
mod tests;
