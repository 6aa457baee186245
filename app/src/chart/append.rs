//! Live points at the end of a series.

use headroom_model::{
    MetricId, Timestamp,
    sample::Figures,
    series::{MAX_POINTS, Series},
};

/// Puts a new sample into its slot of a fine series and lets the window move along. A slot that was skipped stays a gap;
/// a figure that is absent was not measured. Samples older than the newest slot are left out.
pub fn append(series: &mut Series, at: Timestamp, figures: &Figures, window_ms: i64) {
    let step = series.step_ms.max(1);
    let Ok(slot) = usize::try_from((at.0 - series.from.0).div_euclid(step)) else { return };
    if slot + 1 < series.avg.len() || slot > series.avg.len().saturating_add(MAX_POINTS) {
        return;
    }
    let value = measured(figures, series.metric);
    for column in [&mut series.avg, &mut series.min, &mut series.max] {
        column.resize(slot + 1, None);
        if value.is_some() {
            column[slot] = value;
        }
    }
    let oldest = usize::try_from((at.0 - window_ms - series.from.0).div_euclid(step)).unwrap_or(0);
    let excess = oldest.max((slot + 1).saturating_sub(MAX_POINTS));
    for column in [&mut series.avg, &mut series.min, &mut series.max] {
        column.drain(..excess.min(column.len()));
    }
    series.from = series.from.plus_millis(step.saturating_mul(i64::try_from(excess).unwrap_or(0)));
}

fn measured(figures: &Figures, metric: MetricId) -> Option<f64> {
    figures.get(&metric).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(avg: Vec<Option<f64>>) -> Series {
        Series { metric: MetricId::Queries, from: Timestamp(1000), step_ms: 5, min: avg.clone(), max: avg.clone(), avg }
    }

    fn figures(value: f64) -> Figures {
        Figures::from([(MetricId::Queries, value)])
    }

    #[test]
    fn a_sample_fills_its_slot_and_the_window_moves() {
        let mut s = series(vec![Some(1.0), Some(2.0)]);
        append(&mut s, Timestamp(1012), &figures(3.0), 10);
        assert_eq!(s.avg, [Some(1.0), Some(2.0), Some(3.0)]);
        append(&mut s, Timestamp(1021), &figures(4.0), 10);
        assert_eq!((s.from, s.avg.clone()), (Timestamp(1010), vec![Some(3.0), None, Some(4.0)]));
        append(&mut s, Timestamp(1026), &Figures::new(), 10);
        assert_eq!((s.from, s.avg.clone()), (Timestamp(1015), vec![None, Some(4.0), None]));
        let before = s.clone();
        append(&mut s, Timestamp(900), &figures(9.0), 10);
        assert_eq!(s, before);
    }

    proptest! {
        #[test]
        fn stays_bounded(steps in prop::collection::vec(0_i64..4000, 0..400)) {
            let mut s = series(vec![]);
            let mut at = 1000;
            for step in steps {
                at += step;
                append(&mut s, Timestamp(at), &figures(1.0), 1_000_000);
                prop_assert!(s.avg.len() <= MAX_POINTS);
                prop_assert_eq!(s.avg.len(), s.min.len());
            }
        }
    }
}
