//! Shorter views of what was forecast once as far as forecasts reach: a nearer horizon, fewer points.

use super::subject::combine;
use headroom_model::{
    capacity::{CHART_POINTS, CapacityDashboard, Past, ResourceReport},
    forecast::{Crossing, Forecast, Verdict},
};
use std::cmp::Ordering;

/// How many points are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// One a day.
    Days,
    /// Not more than a chart can show.
    Chart,
}

/// A dashboard that looks `horizon_days` ahead and as far back, most urgent first.
pub(super) fn dashboard(full: &CapacityDashboard, horizon_days: u32, detail: Detail) -> CapacityDashboard {
    let mut resources: Vec<ResourceReport> =
        full.resources.iter().map(|report| shorten(report, horizon_days, detail)).collect();
    resources.sort_by(|one, other| before(one, other, horizon_days));
    CapacityDashboard { horizon_days, resources, target: full.target.clone(), ..*full }
}

/// Which of two runs out first: by the median, then by the earliest date, then by the used share; what is not known last.
fn before(one: &ResourceReport, other: &ResourceReport, horizon_days: u32) -> Ordering {
    let key = |report: &ResourceReport| {
        let reaches = report.reaches(horizon_days);
        let days = |days: Option<f64>| days.unwrap_or(f64::INFINITY);
        let used = report.used_percent();
        (
            reaches.urgency().is_none(),
            days(reaches.median()),
            days(reaches.earliest()),
            used.is_none(),
            -used.unwrap_or(0.0),
        )
    };
    key(one).partial_cmp(&key(other)).unwrap_or(Ordering::Equal)
}

/// A report that looks `horizon_days` ahead and as far back.
pub(super) fn shorten(report: &ResourceReport, horizon_days: u32, detail: Detail) -> ResourceReport {
    let width = match detail {
        Detail::Days => 1,
        Detail::Chart => horizon_days.div_ceil(CHART_POINTS).max(1) as usize,
    };
    let verdict = match &report.verdict {
        Verdict::Forecast(full) => Verdict::Forecast(Box::new(cut(full, horizon_days as usize, width))),
        silent => silent.clone(),
    };
    let mut short = ResourceReport { verdict, past: past(report, horizon_days as usize, width), ..report.clone() };
    short.urgency = short.reaches(horizon_days).urgency();
    short
}

/// The newest `days`, `width` of them in one point. The end stays where it is: groups are counted from there.
fn past(report: &ResourceReport, days: usize, width: usize) -> Past {
    let all = &report.past.values;
    let kept = &all[all.len().saturating_sub(days)..];
    let lead = kept.len() % width;
    let groups = std::iter::once(&kept[..lead]).filter(|group| !group.is_empty()).chain(kept[lead..].chunks(width));
    let values: Vec<_> = groups.map(|group| combine(group, report.measure)).collect();
    let step_ms = report.past.step_ms.saturating_mul(i64::try_from(width).unwrap_or(1));
    let end = report.past.from.plus_millis(report.past.step_ms.saturating_mul(i64::try_from(all.len()).unwrap_or(0)));
    let from = end.plus_millis(-step_ms.saturating_mul(i64::try_from(values.len()).unwrap_or(0)));
    Past { from, step_ms, values }
}

fn cut(full: &Forecast, days: usize, width: usize) -> Forecast {
    let column = |values: &[f64]| values.iter().take(days).step_by(width).copied().collect::<Vec<f64>>();
    let crossing = match &full.crossing {
        Crossing::Within { p10, p50, p90 } => {
            let inside = |at: &Option<f64>| at.filter(|at| *at <= days as f64);
            match (inside(p10), inside(p50)) {
                (None, None) => Crossing::Never { within_days: u32::try_from(days).unwrap_or(u32::MAX) },
                (p10, p50) => Crossing::Within { p10, p50, p90: inside(p90) },
            }
        }
        Crossing::Never { .. } => Crossing::Never { within_days: u32::try_from(days).unwrap_or(u32::MAX) },
        other => other.clone(),
    };
    Forecast {
        median: column(&full.median),
        low80: column(&full.low80),
        high80: column(&full.high80),
        low95: column(&full.low95),
        high95: column(&full.high95),
        step_ms: full.step_ms.saturating_mul(i64::try_from(width).unwrap_or(1)),
        crossing,
        ..full.clone()
    }
}
