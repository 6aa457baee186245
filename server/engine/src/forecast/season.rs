//! Step 4: seasons, kept only if they are strong.
//!
//! Strong: with what is usual on each day of the week taken out, the variance that is left is at least a quarter smaller,
//! counted with the degrees of freedom that this costs (the strength of Wang, Smith and Hyndman 2006, adjusted so that noise
//! has none).

use super::{daily::filled, stats::variance};

/// Share of the variance that a season must explain.
const STRONG: f64 = 0.25;
/// Days in a week.
pub const WEEK: usize = 7;
/// Days in a year.
pub const YEAR: usize = 365;

/// What is usual on each day of the week (index: day modulo 7), about zero; empty when the days of the week hardly differ or
/// there are fewer than two weeks.
pub fn week(days: &[Option<f64>]) -> Vec<f64> {
    if days.len() < 2 * WEEK {
        return Vec::new();
    }
    let mut usual = Vec::new();
    // The first pass bridges gaps without knowing the week; the second knows it.
    for _ in 0..2 {
        let bridged = filled(days, &usual);
        let trend = centred_mean(&bridged, WEEK);
        let rest: Vec<Option<f64>> = (0..days.len()).map(|i| Some(days[i]? - trend[i]?)).collect();
        let Some(found) = profile(&rest, WEEK) else { return Vec::new() };
        let before: Vec<f64> = rest.iter().flatten().copied().collect();
        let after: Vec<f64> =
            rest.iter().enumerate().filter_map(|(i, value)| Some((*value)? - found[i % WEEK])).collect();
        let freedom = (before.len().saturating_sub(1) as f64) / (before.len().saturating_sub(WEEK).max(1) as f64);
        // What does not vary has no season either.
        if variance(&after) * freedom >= (1.0 - STRONG) * variance(&before) {
            return Vec::new();
        }
        usual = found;
    }
    usual
}

/// Mean at each place of the cycle, about zero; none when a place has no value.
fn profile(values: &[Option<f64>], period: usize) -> Option<Vec<f64>> {
    let mut sums = vec![(0.0, 0_usize); period];
    for (i, value) in values.iter().enumerate() {
        if let Some(value) = value {
            sums[i % period].0 += value;
            sums[i % period].1 += 1;
        }
    }
    let means: Vec<f64> =
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect::<Option<_>>()?;
    let centre = means.iter().sum::<f64>() / period as f64;
    Some(means.into_iter().map(|it| it - centre).collect())
}

/// The mean of the `width` (odd) values around each; none within half a width of the ends.
fn centred_mean(values: &[f64], width: usize) -> Vec<Option<f64>> {
    let half = width / 2;
    (0..values.len())
        .map(|i| {
            let window = values.get(i.checked_sub(half)?..i + half + 1)?;
            Some(window.iter().sum::<f64>() / width as f64)
        })
        .collect()
}

/// What is usual on each day of the year (index: day modulo 365), about zero; empty with less than two years, or when the
/// years are not alike.
pub fn year(days: &[Option<f64>]) -> Vec<f64> {
    if days.len() < 2 * YEAR {
        return Vec::new();
    }
    let (slope, level) = super::models::least_squares(days).unwrap_or_default();
    let rest: Vec<f64> =
        filled(days, &[]).iter().enumerate().map(|(i, value)| value - level - slope * i as f64).collect();
    // A month's mean: what comes back every year is slow.
    let smooth: Vec<f64> = (0..rest.len())
        .map(|i| {
            let window = &rest[i.saturating_sub(15)..(i + 16).min(rest.len())];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect();
    let pairs: Vec<(f64, f64)> = smooth.iter().copied().zip(smooth[YEAR..].iter().copied()).collect();
    // Two years alike: their correlation is high, and a line explains little of what they share.
    if correlation(&pairs) < 0.7 {
        return Vec::new();
    }
    let slow: Vec<Option<f64>> = smooth.into_iter().map(Some).collect();
    profile(&slow, YEAR).unwrap_or_default()
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len().max(1) as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0 / count, sum.1 + it.1 / count));
    let (xx, yy, xy) = pairs.iter().fold((0.0, 0.0, 0.0), |sum, it| {
        let (dx, dy) = (it.0 - x, it.1 - y);
        (sum.0 + dx * dx, sum.1 + dy * dy, sum.2 + dx * dy)
    });
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        (i * 7919 % 101) as f64 / 50.0 - 1.0
    }

    #[test]
    fn weekends_are_a_season() {
        let days: Vec<_> = (0..60).map(|i| Some(i as f64 + noise(i) + if i % 7 > 4 { -10.0 } else { 0.0 })).collect();
        let found = week(&days);
        assert_eq!(found.len(), 7);
        assert!(found[5] < -5.0 && found[6] < -5.0 && found[0] > 2.0, "{found:?}");
    }

    #[test]
    fn what_does_not_vary_has_no_season() {
        assert!(week(&[Some(0.5); 60]).is_empty());
    }

    #[test]
    fn noise_is_none() {
        for days in [14, 21, 60, 365] {
            let days: Vec<_> = (0..days).map(|i| Some(i as f64 + noise(i * i + 3 * i))).collect();
            assert!(week(&days).is_empty(), "{} days", days.len());
        }
    }

    #[test]
    fn two_years_alike_are_a_season() {
        let wave = |i: usize| 30.0 * (i as f64 / 365.0 * std::f64::consts::TAU).sin();
        let days: Vec<_> = (0..760).map(|i| Some(0.1 * i as f64 + noise(i) + wave(i))).collect();
        let found = year(&days);
        assert_eq!(found.len(), YEAR);
        assert!(found[91] > 20.0 && found[274] < -20.0, "{} {}", found[91], found[274]);
        assert!(year(&days[..700]).is_empty());
        let steady: Vec<_> = (0..760).map(|i| Some(0.1 * i as f64 + noise(i))).collect();
        assert!(year(&steady).is_empty());
    }
}
