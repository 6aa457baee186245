//! What a metric usually is at this hour of the week, and where it was not.
//!
//! A pure function over hours: for each hour of the shown range it takes the same hour of up to eight earlier weeks and
//! makes a band of them. Three rules keep the band honest:
//!
//! - **Growth is no anomaly.** Each value is compared with the level of its own week, the median of the seven days before it,
//!   and the differences are added to the level of now (a seasonal difference against a robust level; Hyndman and
//!   Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 3.2 and 5.2). A level that jumped for good is usual again
//!   once it has lasted half a week.
//! - **One bad week is no band.** The usual value is a median, its spread the median absolute deviation times 1.4826 (which
//!   makes it a standard deviation where values are normal), pooled with the two hours on either side, because eight
//!   values alone tell little about a spread. The band is three of those wide, wider where few weeks are known, and never
//!   narrower than a floor, so that what is constant does not alarm at the first tick.
//! - **Fine slots are not hours.** The mean of an hour varies less than the samples in it. Where slots are finer than an hour
//!   the band moves from what hourly means did towards what the smallest and largest measurements of those hours did, on a
//!   logarithmic scale. Counts are scaled to the slot instead, with the noise that counts have by themselves (Poisson).
//!
//! Gaps in earlier weeks are left out; an hour with fewer than three weeks has no band.

mod band;
mod outside;
#[cfg(test)]
mod tests;

use crate::{
    console::Console,
    store::{Grid, HOUR_MS, StoreError, Tally},
};
use band::Hourly;
use headroom_model::{
    MetricId, TargetId, Timestamp,
    baseline::{Baseline, LEAST_WEEKS, MAX_WEEKS},
    format,
    metric::Unit,
    series::Series,
};

/// A week of hours.
const WEEK: usize = 7 * 24;
/// The longest range that gets a band. Beyond it slots are days, and an hour of the week has no meaning.
const LONGEST_MS: i64 = 35 * 24 * HOUR_MS;

/// The hours of one metric, without a hole in time: what was not measured is none.
#[derive(Clone, Copy, Debug)]
pub struct Hours<'a> {
    /// Start of the first hour.
    pub from: Timestamp,
    /// What each hour measured.
    pub tallies: &'a [Option<Tally>],
}

/// The hours that [`baseline`] needs for series on this grid: whole hours, with one to spare at each end for what lies
/// between, and nine weeks before (eight to compare with, one for the level of the eighth).
#[must_use]
pub fn needs(from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
    let weeks = i64::from(MAX_WEEKS) + 1;
    let start = from.floor_to(HOUR_MS).plus_millis(-(weeks * 7 * 24 + 1) * HOUR_MS);
    (start, to.plus_millis(2 * HOUR_MS - 1).floor_to(HOUR_MS))
}

/// The band of a series, and where the series leaves it. `hours` are those that [`needs`] names; fewer are fine. Of counts,
/// a slot that `now` lies in still fills, so it leaves no band.
#[must_use]
pub fn baseline(shown: &Series, hours: Hours<'_>, now: Timestamp) -> Baseline {
    if shown.metric.metric().unit == Unit::Flag {
        return silent(shown, "A yes-or-no figure has no usual band.".to_owned());
    }
    if span_ms(shown) > LONGEST_MS {
        let days = format::duration_ms(LONGEST_MS as f64);
        return silent(shown, format!("The usual band is drawn for ranges of up to {days}."));
    }
    let hourly = Hourly::new(shown.metric, hours);
    let mut band = Baseline { weeks: 0, silent: None, ..silent(shown, String::new()) };
    let mut most = 0;
    for slot in 0..shown.avg.len() {
        let (found, weeks) = hourly.slot(shown.at(slot), shown.step_ms);
        most = most.max(weeks);
        if let Some(found) = found {
            (band.low[slot], band.mid[slot], band.high[slot]) = (Some(found.low), Some(found.mid), Some(found.high));
        }
    }
    band.weeks = most;
    if most < LEAST_WEEKS {
        let known = match most {
            0 => "no earlier week is known".to_owned(),
            weeks => format!("{} known", if weeks == 1 { "1 earlier week is" } else { "2 earlier weeks are" }),
        };
        band.silent = Some(format!("No usual band: of these hours of the week {known}, {LEAST_WEEKS} are needed."));
        return band;
    }
    band.anomalies = outside::anomalies(shown, &band, now);
    band
}

fn span_ms(shown: &Series) -> i64 {
    shown.at(shown.avg.len()).0 - shown.from.0
}

fn silent(shown: &Series, reason: String) -> Baseline {
    let nothing = vec![None; shown.avg.len()];
    Baseline {
        metric: shown.metric,
        from: shown.from,
        step_ms: shown.step_ms,
        low: nothing.clone(),
        mid: nothing.clone(),
        high: nothing,
        weeks: 0,
        anomalies: Vec::new(),
        silent: Some(reason),
    }
}

impl Console {
    /// The usual bands of series of a target, in their order and on their grids.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn baselines(&self, target: &TargetId, shown: &[Series]) -> Result<Vec<Baseline>, StoreError> {
        let wanted: Vec<&Series> = shown.iter().filter(|series| span_ms(series) <= LONGEST_MS).collect();
        let from = wanted.iter().map(|series| series.from).min().unwrap_or_default();
        let to = wanted.iter().map(|series| series.at(series.avg.len())).max().unwrap_or_default();
        let (from, to) = needs(from, to);
        let metrics: Vec<MetricId> = wanted.iter().map(|series| series.metric).collect();
        let slots = usize::try_from((to.0 - from.0).max(0) / HOUR_MS).unwrap_or(0);
        let grid = Grid { from, step_ms: HOUR_MS, slots };
        let columns =
            if metrics.is_empty() { Vec::new() } else { self.history.tallies(target, &metrics, &grid).await? };
        let (shown, now) = (shown.to_vec(), self.clock.now());
        // Some milliseconds a metric: not on a thread that others wait for.
        let bands = tokio::task::spawn_blocking(move || {
            let mut columns = columns.iter();
            let mut hours = |series: &Series| match span_ms(series) <= LONGEST_MS {
                true => columns.next().map_or(&[][..], Vec::as_slice),
                false => &[],
            };
            shown.iter().map(|series| baseline(series, Hours { from, tallies: hours(series) }, now)).collect()
        });
        // It ends early only with the process.
        Ok(bands.await.unwrap_or_else(|error| {
            tracing::error!(%error, "usual bands could not be computed");
            Vec::new()
        }))
    }
}
