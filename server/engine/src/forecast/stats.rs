//! Medians, quantiles and sums: what every step counts with.

/// How many times the median absolute deviation of normal noise goes into its standard deviation.
pub const MAD_TO_SIGMA: f64 = 1.4826;

/// The middle of `values`, which it reorders; none when there are none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let (middle, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, upper))
}

/// The middle of what is there.
pub fn median_of(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    median(&mut values.into_iter().collect::<Vec<_>>())
}

/// The value that a share of `share` (0 to 1) of `sorted` does not exceed, between neighbours in proportion.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // Neighbours may both be infinite: a path that never arrives.
    Some(if low == high { low } else { low + (high - low) * (place - below as f64) })
}

/// The mean of what is there.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The mean of squares about the mean.
pub fn variance(values: &[f64]) -> f64 {
    let Some(centre) = mean(values.iter().copied()) else { return 0.0 };
    mean(values.iter().map(|value| (value - centre).powi(2))).unwrap_or(0.0)
}

/// The mean of the smaller 98 of 100 absolute values: a spread that survives where the median of deviations is zero, as in
/// counts that hardly change.
pub fn trimmed_mean_abs(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sizes: Vec<f64> = values.into_iter().map(f64::abs).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.truncate((sizes.len() * 98).div_ceil(100));
    mean(sizes).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 3.0], 0.25), Some(1.5));
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.9), Some(f64::INFINITY));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_few_giants_do_not_move_the_trimmed_mean() {
        let values = (0..100).map(|i| if i == 7 { 1e9 } else { 1.0 });
        assert_eq!(trimmed_mean_abs(values), 1.0);
    }
}
