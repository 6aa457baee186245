//! The minute that is being filled.

use crate::store::MinuteRow;
use headroom_model::{MetricId, Sample, Timestamp};
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(super) struct OpenMinute {
    at: Timestamp,
    rows: BTreeMap<MetricId, MinuteRow>,
}

impl OpenMinute {
    pub fn new(at: Timestamp) -> Self {
        OpenMinute { at, rows: BTreeMap::new() }
    }

    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub fn add(&mut self, sample: &Sample) {
        for (metric, value) in &sample.figures {
            let row = self.rows.entry(*metric).or_insert(MinuteRow {
                metric: *metric,
                at: self.at,
                sum: 0.0,
                min: *value,
                max: *value,
                last: *value,
                count: 0,
            });
            row.sum += value;
            row.min = row.min.min(*value);
            row.max = row.max.max(*value);
            row.last = *value;
            row.count += 1;
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = MinuteRow> + '_ {
        self.rows.values().copied()
    }
}

/// How many minutes a queue of rows holds; rows of one minute lie together.
pub(super) fn count(rows: &VecDeque<MinuteRow>) -> usize {
    let mut minutes: Vec<Timestamp> = rows.iter().map(|row| row.at).collect();
    minutes.dedup();
    minutes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::TargetId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_minute_keeps_sum_min_max_last_and_count(values in prop::collection::vec(-1e6_f64..1e6, 1..20)) {
            let mut minute = OpenMinute::new(Timestamp(0));
            for value in &values {
                let mut sample = Sample { target: TargetId("t".into()), at: Timestamp(0), figures: BTreeMap::new() };
                sample.set(MetricId::Connections, *value);
                minute.add(&sample);
            }
            let row = minute.rows().next().unwrap();
            prop_assert!((row.sum - values.iter().sum::<f64>()).abs() < 1e-3);
            prop_assert_eq!(row.min, values.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(row.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            prop_assert_eq!(row.last, values[values.len() - 1]);
            prop_assert_eq!(row.count as usize, values.len());
        }
    }
}
