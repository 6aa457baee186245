//! Lines: Theil–Sen (Theil 1950, Sen 1968), the median of the slopes between pairs, which up to 29 of 100 wrong values do not
//! move; and least squares, which is what others draw.

use super::{Projection, Training};
use crate::forecast::stats::{median, median_of};

/// The most pairs looked at. Far ones are enough: they know the slope best.
const PAIRS_MAX: usize = 4_000;

/// (slope, level at 0) of the robust line through (place, value).
fn theil_sen(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len();
    let least = if count > 12 { count / 3 } else { 1 };
    let pairs: usize = (least..count).map(|lag| count - lag).sum();
    let stride = pairs.div_ceil(PAIRS_MAX).max(1);
    let mut slopes = Vec::with_capacity(pairs / stride + 1);
    // Every `stride`-th pair over all lags and places, as if they stood in one row.
    let mut next = 0;
    for lag in least..count {
        let row = count - lag;
        while next < row {
            let (a, b) = (points[next], points[next + lag]);
            slopes.push((b.1 - a.1) / (b.0 - a.0));
            next += stride;
        }
        next -= row;
    }
    let slope = median(&mut slopes)?;
    let level = median_of(points.iter().map(|(x, y)| y - slope * x))?;
    Some((slope, level))
}

fn points(values: &[Option<f64>], from: usize) -> Vec<(f64, f64)> {
    values.iter().enumerate().skip(from).filter_map(|(i, value)| Some((i as f64, (*value)?))).collect()
}

/// A robust line through the days from `from` on, and the seasons.
pub fn through_days(of: &Training<'_>, from: usize, horizon: usize) -> Option<Projection> {
    let points = points(&of.flat(), from);
    if points.len() < 3 {
        return None;
    }
    let (slope, level) = theil_sen(&points)?;
    let trend = (0..horizon).map(|h| level + slope * (of.days.len() + h) as f64).collect();
    Some(Projection { trend, season: of.ahead(horizon) })
}

/// A robust line through the hours; a day is as far above its middle as days were.
pub fn through_hours(of: &Training<'_>, horizon: usize) -> Option<Projection> {
    let points = points(of.hours, 0);
    if points.len() < 6 {
        return None;
    }
    let (slope, level) = theil_sen(&points)?;
    let first = of.hours.len() % 24;
    let middle = |day: usize| level + slope * ((first + day * 24) as f64 + 11.5);
    let above = median_of(of.days.iter().enumerate().filter_map(|(day, value)| Some((*value)? - middle(day))));
    let above = above.unwrap_or(0.0);
    let trend = (0..horizon).map(|h| middle(of.days.len() + h) + above).collect();
    Some(Projection { trend, season: vec![0.0; horizon] })
}

/// (slope, level at 0) by ordinary least squares.
pub fn least_squares(values: &[Option<f64>]) -> Option<(f64, f64)> {
    let points = points(values, 0);
    let count = points.len() as f64;
    if points.len() < 2 {
        return None;
    }
    let x = points.iter().map(|it| it.0).sum::<f64>() / count;
    let y = points.iter().map(|it| it.1).sum::<f64>() / count;
    let across: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let along: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
    let slope = across / along;
    Some((slope, y - slope * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_wrong_values_does_not_move_the_robust_line() {
        let points: Vec<_> =
            (0..100).map(|i| (f64::from(i), if i % 4 == 0 { 900.0 } else { 3.0 + 2.0 * f64::from(i) })).collect();
        let (slope, level) = theil_sen(&points).unwrap();
        assert!((slope - 2.0).abs() < 0.05, "{slope}");
        assert!((level - 3.0).abs() < 3.0, "{level}");
    }

    #[test]
    fn long_histories_are_thinned_evenly() {
        let points: Vec<_> = (0..2_000).map(|i| (f64::from(i), 5.0 - f64::from(i))).collect();
        let (slope, level) = theil_sen(&points).unwrap();
        assert!((slope + 1.0).abs() < 1e-9 && (level - 5.0).abs() < 1e-9);
    }

    #[test]
    fn least_squares_fits_a_line() {
        let (slope, level) = least_squares(&[Some(1.0), None, Some(5.0), Some(7.0)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-12 && (level - 1.0).abs() < 1e-12);
        assert!(least_squares(&[Some(1.0)]).is_none());
    }
}
