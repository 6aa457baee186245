//! Figures beside what bounds them.

use headroom_model::{
    Band, MetricId,
    format::{self, Written},
    live::LiveUpdate,
    metric::Unit,
};

/// "168" and "of 200", "5.9" and "of 8 GiB": number and unit of a figure with its limit; without one the unit alone.
#[must_use]
pub fn of_limit(used: f64, limit: Option<f64>, unit: Unit) -> (String, String) {
    match limit {
        Some(limit) if unit == Unit::Bytes => {
            // Both in the limit's unit, so that they compare at a glance.
            let Written { number, unit } = format::bytes(limit);
            let power = ["B", "KiB", "MiB", "GiB", "TiB"].iter().position(|known| *known == unit).unwrap_or(0);
            let scaled = used / 1024f64.powi(i32::try_from(power).unwrap_or(0));
            (format::number(scaled), format!("of {number} {unit}"))
        }
        Some(limit) => {
            let Written { number, unit: word } = format::value(used, unit);
            (number, format!("{word} of {}", format::value(limit, unit)).trim_start().to_owned())
        }
        None => {
            let Written { number, unit } = format::value(used, unit);
            (number, unit.to_owned())
        }
    }
}

/// The worst deduction about one of these metrics, unless its target is met again.
#[must_use]
pub fn missed(live: &LiveUpdate, metrics: &[MetricId]) -> Option<Band> {
    let about = |metric: &MetricId| metrics.contains(metric);
    live.health.deductions.iter().filter(|d| about(&d.metric) && d.met_since.is_none()).map(|d| d.band).min()
}
