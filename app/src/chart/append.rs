//! Live points at the end of a series.

use headroom_model::{
    Timestamp,
    metric::Kind,
    sample::Figures,
    series::{MAX_POINTS, Series},
};

/// A sample on its way into the series of a page.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// When it was taken.
    pub at: Timestamp,
    /// What it measured; a figure that is absent was not measured.
    pub figures: &'a Figures,
    /// Distance of samples.
    pub interval_ms: i64,
}

/// Merges a sample into the newest slot of a fine series, or into the one after it, and drops slots before `from`. One
/// slot may be skipped: samples come a little late at times, so it is filled from this sample. More stay a gap. Samples
/// older than the newest slot are left out.
pub fn append(series: &mut Series, sample: &Sampled<'_>, from: Timestamp) {
    let step = series.step_ms.max(1);
    let place = |at: Timestamp| usize::try_from((at.0 - series.from.0).div_euclid(step)).ok();
    let Some(slot) = place(sample.at) else { return };
    let oldest = place(from).unwrap_or(0);
    let filled = series.avg.len();
    if slot + 1 < filled || slot > filled.saturating_add(MAX_POINTS) {
        return;
    }
    let metric = series.metric;
    let adds_up = metric.metric().kind == Kind::Delta;
    let value = sample.figures.get(&metric).copied();
    // How many samples the slot holds already follows from their distance, with some room for late ones.
    let into_slot = (sample.at.0 - series.from.0).rem_euclid(step);
    let interval = sample.interval_ms.max(1);
    let held = ((into_slot + interval / 10) / interval).max(1) as f64;
    let merge = |column: &mut Vec<Option<f64>>, fold: &dyn Fn(f64, f64) -> f64| {
        column.resize(slot + 1, None);
        let Some(value) = value else { return };
        column[slot] = Some(column[slot].map_or(value, |known| fold(known, value)));
        if filled > 0 && slot == filled + 1 {
            // What was counted is in the new slot.
            column[filled] = Some(if adds_up { 0.0 } else { value });
        }
    };
    merge(&mut series.avg, &|known, value| {
        if adds_up { known + value } else { known + (value - known) / (held + 1.0) }
    });
    merge(&mut series.min, &f64::min);
    merge(&mut series.max, &f64::max);
    let excess = oldest.max((slot + 1).saturating_sub(MAX_POINTS));
    for column in [&mut series.avg, &mut series.min, &mut series.max] {
        column.drain(..excess.min(column.len()));
    }
    series.from = series.from.plus_millis(step.saturating_mul(i64::try_from(excess).unwrap_or(0)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::MetricId;
    use proptest::prelude::*;

    fn series(metric: MetricId, step_ms: i64, avg: Vec<Option<f64>>) -> Series {
        Series { metric, from: Timestamp(1000), step_ms, min: avg.clone(), max: avg.clone(), avg }
    }

    /// Appends samples 5 ms apart to a window of `window_ms`.
    fn feed(series: &mut Series, window_ms: i64, samples: &[(i64, Option<f64>)]) {
        for (at, value) in samples {
            let figures = value.map(|value| (series.metric, value)).into_iter().collect();
            let sample = Sampled { at: Timestamp(*at), figures: &figures, interval_ms: 5 };
            append(series, &sample, Timestamp(at - window_ms));
        }
    }

    #[test]
    fn a_sample_fills_its_slot_and_the_window_moves() {
        let mut s = series(MetricId::Queries, 5, vec![Some(1.0), Some(2.0)]);
        feed(&mut s, 10, &[(1012, Some(3.0))]);
        assert_eq!(s.avg, [Some(1.0), Some(2.0), Some(3.0)]);
        feed(&mut s, 10, &[(1016, None)]);
        assert_eq!((s.from, s.avg.clone()), (Timestamp(1005), vec![Some(2.0), Some(3.0), None]));
        let before = s.clone();
        feed(&mut s, 10, &[(900, Some(9.0))]);
        assert_eq!(s, before);
    }

    #[test]
    fn a_late_sample_fills_the_slot_it_missed_and_a_missing_one_is_a_gap() {
        let mut s = series(MetricId::Queries, 5, vec![Some(1.0)]);
        feed(&mut s, 100, &[(1010, Some(3.0))]);
        assert_eq!(s.avg, [Some(1.0), Some(3.0), Some(3.0)]);
        feed(&mut s, 100, &[(1025, Some(4.0))]);
        assert_eq!(s.avg[3..], [None, None, Some(4.0)]);
        let mut s = series(MetricId::Deadlocks, 5, vec![Some(1.0)]);
        feed(&mut s, 100, &[(1010, Some(2.0))]);
        assert_eq!(s.avg, [Some(1.0), Some(0.0), Some(2.0)]);
    }

    #[test]
    fn several_samples_share_a_slot() {
        let samples = [(1001, Some(4.0)), (1006, Some(1.0)), (1010, None), (1011, Some(7.0)), (1016, Some(9.0))];
        let mut s = series(MetricId::Queries, 15, vec![]);
        feed(&mut s, 100, &samples);
        assert_eq!(s.avg, [Some(4.0), Some(9.0)]);
        assert_eq!(s.min, [Some(1.0), Some(9.0)]);
        assert_eq!(s.max, [Some(7.0), Some(9.0)]);
        let mut s = series(MetricId::Deadlocks, 15, vec![]);
        feed(&mut s, 100, &samples);
        assert_eq!(s.avg, [Some(12.0), Some(9.0)]);
        assert_eq!(s.max, [Some(7.0), Some(9.0)]);
    }

    proptest! {
        #[test]
        fn stays_bounded(steps in prop::collection::vec(0_i64..4000, 0..400)) {
            let mut s = series(MetricId::Queries, 5, vec![]);
            let mut at = 1000;
            for step in steps {
                at += step;
                feed(&mut s, 1_000_000, &[(at, Some(1.0))]);
                prop_assert!(s.avg.len() <= MAX_POINTS);
                prop_assert_eq!(s.avg.len(), s.min.len());
            }
        }
    }
}
