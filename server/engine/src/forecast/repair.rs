//! Steps 1 and 2: the hours as they are used. Gaps stay gaps; outliers are set to what their neighbours say.
//!
//! Outliers by Hampel's rule (Hampel 1974; Pearson 2002): further than 4 σ from the median of the ±12 hours around, σ being
//! 1.4826 × the median absolute deviation there. The usual course of the day (with three weeks: of the week) is taken out
//! first: a backup at three every night is a habit, not an outlier.

use super::stats::{MAD_TO_SIGMA, median, median_of, quantile, trimmed_mean_abs};

/// Hours on either side that an hour is compared with.
const REACH: usize = 12;
/// Standard deviations beyond which an hour is an outlier.
const SIGMAS: f64 = 4.0;
/// Measured neighbours below which nothing can be said of an hour.
const NEIGHBOURS_MIN: usize = 7;

/// What the rule made of the hours.
pub struct Repaired {
    /// The hours, outliers replaced; a gap is a gap.
    pub hours: Vec<Option<f64>>,
    /// What is usual at each hour of the cycle, about zero.
    pub profile: Vec<f64>,
    /// Outliers replaced.
    pub spikes: u32,
}

/// Replaces outliers.
pub fn repair(hours: &[Option<f64>]) -> Repaired {
    let profile = profile(hours);
    let flat: Vec<Option<f64>> =
        hours.iter().enumerate().map(|(i, value)| value.map(|it| it - usual(&profile, i))).collect();
    let medians = rolling_medians(&flat);
    let distances: Vec<Option<f64>> =
        flat.iter().zip(&medians).map(|(value, median)| Some((*value)? - (*median)?)).collect();
    let floor = floor(distances.iter().flatten().copied());
    let mut spikes = 0;
    let mut near = Vec::with_capacity(2 * REACH + 1);
    let repaired = (0..hours.len()).map(|i| {
        let (distance, middle) = (distances[i]?, medians[i]?);
        // Only what is far away at all needs its surroundings looked at.
        if distance.abs() <= SIGMAS * floor {
            return hours[i];
        }
        near.clear();
        near.extend(window(&flat, i).iter().flatten().map(|value| (value - middle).abs()));
        if near.len() < NEIGHBOURS_MIN {
            return hours[i];
        }
        let sigma = median(&mut near).map_or(floor, |mad| (MAD_TO_SIGMA * mad).max(floor));
        if distance.abs() <= SIGMAS * sigma {
            return hours[i];
        }
        spikes += 1;
        Some(middle + usual(&profile, i))
    });
    let hours = repaired.collect();
    Repaired { hours, profile, spikes }
}

/// The least that counts as σ anywhere. What happens in more than one hour of twenty is a habit of the figure, however far
/// it goes: four times this lets it pass.
fn floor(distances: impl Iterator<Item = f64>) -> f64 {
    let mut sizes: Vec<f64> = distances.map(f64::abs).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    trimmed_mean_abs(sizes.iter().copied()).max(quantile(&sizes, 0.95).unwrap_or(0.0) / SIGMAS)
}

/// What is usual at hour `i`.
pub fn usual(profile: &[f64], i: usize) -> f64 {
    if profile.is_empty() { 0.0 } else { profile[i % profile.len()] }
}

/// What is usual at each hour of the week (three weeks or more) or of the day (four days or more), about zero: the median
/// distance from the median of the 25 hours around.
fn profile(hours: &[Option<f64>]) -> Vec<f64> {
    let period = match hours.len() {
        0..96 => return Vec::new(),
        96..504 => 24,
        _ => 168,
    };
    let medians = rolling_medians(hours);
    let mut at: Vec<Vec<f64>> = vec![Vec::new(); period];
    for (i, (value, middle)) in hours.iter().zip(&medians).enumerate() {
        if let (Some(value), Some(middle)) = (value, middle) {
            at[i % period].push(value - middle);
        }
    }
    // Three values at least: the median of two is moved by either.
    let usual: Vec<f64> = at.iter_mut().map(|of| if of.len() < 3 { 0.0 } else { median(of).unwrap_or(0.0) }).collect();
    let centre = usual.iter().sum::<f64>() / period as f64;
    usual.into_iter().map(|value| value - centre).collect()
}

fn window<T>(values: &[T], i: usize) -> &[T] {
    &values[i.saturating_sub(REACH)..(i + REACH + 1).min(values.len())]
}

/// The median of the ±12 hours around each hour; none where nothing was measured.
fn rolling_medians(hours: &[Option<f64>]) -> Vec<Option<f64>> {
    // The window in order: moving on by an hour takes one value out and puts one in.
    let mut sorted: Vec<f64> = Vec::with_capacity(2 * REACH + 1);
    let place = |sorted: &[f64], value: f64| sorted.partition_point(|it| it.total_cmp(&value).is_lt());
    for value in hours.iter().take(REACH).flatten() {
        sorted.insert(place(&sorted, *value), *value);
    }
    let mut medians = Vec::with_capacity(hours.len());
    for i in 0..hours.len() {
        if let Some(value) = hours.get(i + REACH).copied().flatten() {
            sorted.insert(place(&sorted, value), value);
        }
        if let Some(value) = i.checked_sub(REACH + 1).and_then(|gone| hours[gone]) {
            sorted.remove(place(&sorted, value));
        }
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        medians.push(sorted.get(high).map(|upper| f64::midpoint(sorted[low], *upper)));
    }
    medians
}

/// The median of the hours in `range`, what is usual taken out.
pub fn flat_median(hours: &[Option<f64>], profile: &[f64], range: std::ops::Range<usize>) -> Option<f64> {
    median_of(range.filter_map(|i| hours.get(i).copied().flatten().map(|value| value - usual(profile, i))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wave(days: usize) -> Vec<Option<f64>> {
        let hour =
            |i: usize| 100.0 + 10.0 * (i as f64 / 24.0 * std::f64::consts::TAU).sin() + (i * 7919 % 13) as f64 / 10.0;
        (0..days * 24).map(|i| Some(hour(i))).collect()
    }

    #[test]
    fn a_spike_goes_and_its_neighbours_stay() {
        let clean = wave(10);
        let mut hours = clean.clone();
        hours[100] = Some(900.0);
        hours[101] = Some(0.0);
        let repaired = repair(&hours);
        assert_eq!(repaired.spikes, 2);
        for (i, (was, is)) in clean.iter().zip(&repaired.hours).enumerate() {
            let off = (was.unwrap() - is.unwrap()).abs();
            assert!(off < if i == 100 || i == 101 { 3.0 } else { 1e-9 }, "hour {i} is off by {off}");
        }
    }

    #[test]
    fn a_nightly_peak_is_a_habit() {
        let mut hours = wave(10);
        for day in 0..10 {
            hours[day * 24 + 3] = Some(300.0);
        }
        assert_eq!(repair(&hours).spikes, 0);
    }

    #[test]
    fn counts_that_hardly_change_keep_their_changes() {
        let hours: Vec<_> = (0..480).map(|i| Some(if i % 31 == 0 || i % 47 == 0 { 6.0 } else { 5.0 })).collect();
        assert_eq!(repair(&hours).hours, hours);
    }

    #[test]
    fn a_step_is_no_spike() {
        let hours: Vec<_> =
            wave(10).iter().enumerate().map(|(i, v)| Some(v.unwrap() - if i > 125 { 60.0 } else { 0.0 })).collect();
        assert_eq!(repair(&hours).spikes, 0);
    }

    proptest! {
        #[test]
        fn a_gap_never_becomes_a_value(hours in prop::collection::vec(prop::option::of(-1.0..1.0_f64), 0..600)) {
            let repaired = repair(&hours);
            prop_assert_eq!(repaired.hours.len(), hours.len());
            for (was, is) in hours.iter().zip(&repaired.hours) {
                prop_assert_eq!(was.is_none(), is.is_none());
            }
        }

        #[test]
        fn rolling_medians_are_medians(hours in prop::collection::vec(prop::option::of(-1.0..1.0_f64), 0..80)) {
            for (i, found) in rolling_medians(&hours).into_iter().enumerate() {
                prop_assert_eq!(found, median_of(window(&hours, i).iter().flatten().copied()));
            }
        }
    }
}
