//! Seasonal decomposition by loess (MSTL: Bandara, Hyndman and Bergmeir 2021) and exponential smoothing of the trend, its form
//! chosen by AICc (AutoETS: Hyndman and Khandakar 2008), both from `augurs`. Without a strong week there is nothing to
//! decompose, and the trend model sees the days as they are.
//!
//! Seasonal ETS is unimplemented in `augurs` and panics; only the non-seasonal one is asked for. A panic inside would still
//! be caught: the other models go on without this one.

use super::{Projection, Training};
use crate::forecast::{
    daily::filled,
    season::WEEK,
    stats::{mean, variance},
};
use augurs::{
    Fit, Predict,
    ets::{AutoETS, trend::AutoETSTrendModel},
    mstl::MSTLModel,
};
use std::panic::catch_unwind;

/// The newest days that are learned from: more makes it slower, not better.
const DAYS_MAX: usize = 400;

/// Trend and season ahead.
pub fn project(of: &Training<'_>, horizon: usize) -> Option<Projection> {
    let bridged = filled(of.days, of.week);
    let from = bridged.len().saturating_sub(DAYS_MAX);
    let year = |i: usize| if of.year.is_empty() { 0.0 } else { of.year[i % of.year.len()] };
    // Seen from its own middle and width: the decomposition counts in single precision.
    let seen: Vec<f64> = (from..bridged.len()).map(|i| bridged[i] - year(i)).collect();
    let centre = mean(seen.iter().copied())?;
    let width = variance(&seen).sqrt();
    if width <= 1e-9 * centre.abs() {
        return Some(Projection { trend: vec![centre; horizon], season: of.ahead(horizon) });
    }
    let scaled: Vec<f64> = seen.iter().map(|value| (value - centre) / width).collect();
    let is_weekly = !of.week.is_empty();
    let (trend, week) =
        catch_unwind(|| if is_weekly { weekly(&scaled, horizon) } else { plain(&scaled, horizon) }).ok()??;
    let season = (0..horizon).map(|h| week[h % week.len()] * width + year(of.days.len() + h)).collect();
    Some(Projection { trend: trend.into_iter().map(|value| centre + width * value).collect(), season })
}

/// (trend, the last week's season).
fn weekly(days: &[f64], horizon: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let model = MSTLModel::new(vec![WEEK], AutoETSTrendModel::from(AutoETS::non_seasonal()));
    let fitted = model.fit(days).ok()?;
    let points = fitted.predict(horizon, None).ok()?.point;
    let season = fitted.fit().seasonal().first()?;
    let week: Vec<f64> = season.get(season.len().checked_sub(WEEK)?..)?.iter().map(|value| f64::from(*value)).collect();
    let trend = points.iter().enumerate().map(|(h, point)| point - week[h % WEEK]).collect();
    Some((trend, week))
}

fn plain(days: &[f64], horizon: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let points = AutoETS::non_seasonal().fit(days).ok()?.predict(horizon, None).ok()?.point;
    Some((points, vec![0.0]))
}
