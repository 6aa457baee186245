//! Fewer points than pixels: merges neighbouring slots before a series travels.

use headroom_model::{metric::Kind, series::Series};

/// Merges slots until at most `most` are left: means are averaged (counts added), extremes are kept, and numbers are
/// rounded to five significant digits, which is more than a pixel can show.
#[must_use]
pub fn thin(mut series: Series, most: usize) -> Series {
    let every = series.avg.len().div_ceil(most.max(1)).max(1);
    let counts = series.metric.metric().kind == Kind::Delta;
    let merge = |slots: &[Option<f64>], fold: &dyn Fn(&[f64]) -> f64| -> Vec<Option<f64>> {
        slots
            .chunks(every)
            .map(|chunk| {
                let values: Vec<f64> = chunk.iter().flatten().copied().collect();
                (!values.is_empty()).then(|| round(fold(&values)))
            })
            .collect()
    };
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    series.avg = merge(&series.avg, &|values| if counts { sum(values) } else { sum(values) / values.len() as f64 });
    series.min = merge(&series.min, &|values| values.iter().copied().fold(f64::INFINITY, f64::min));
    series.max = merge(&series.max, &|values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    series.step_ms = series.step_ms.saturating_mul(i64::try_from(every).unwrap_or(1));
    series
}

fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 4 - value.abs().log10().floor() as i32;
    // Beyond 15 decimals (or above a hundred thousand) scaling would lose more than it saves.
    if !(0..=15).contains(&digits) {
        return if digits < 0 { value.round() } else { value };
    }
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{MetricId, Timestamp};
    use proptest::prelude::*;

    fn series(metric: MetricId, avg: Vec<Option<f64>>) -> Series {
        Series { metric, from: Timestamp(0), step_ms: 5000, min: avg.clone(), max: avg.clone(), avg }
    }

    #[test]
    fn keeps_peaks_and_gaps() {
        let thinned = thin(series(MetricId::Connections, vec![Some(1.0), Some(3.0), None, None, Some(7.0)]), 3);
        assert_eq!(thinned.avg, [Some(2.0), None, Some(7.0)]);
        assert_eq!(thinned.max, [Some(3.0), None, Some(7.0)]);
        assert_eq!(thinned.step_ms, 10_000);
        assert_eq!(thin(series(MetricId::Deadlocks, vec![Some(1.0), Some(2.0)]), 1).avg, [Some(3.0)]);
    }

    #[test]
    fn numbers_are_short() {
        for (long, short) in [(1.234_567_8, 1.2346), (123_456.7, 123_457.0), (0.000_123_456, 0.000_123_46), (0.0, 0.0)]
        {
            assert_eq!(round(long), short);
        }
    }

    proptest! {
        #[test]
        fn never_more_than_asked(len in 0_usize..2000, most in 1_usize..500) {
            let thinned = thin(series(MetricId::Queries, vec![Some(1.5); len]), most);
            prop_assert!(thinned.avg.len() <= most);
            prop_assert!(thinned.avg.iter().all(|v| *v == Some(1.5)));
        }
    }
}
