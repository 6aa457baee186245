//! Minutes on their way into the store: kept until the store has said that it has them.

use super::{Grid, MinuteRow, Tally};
use crate::store::{MINUTE_MS, merge_into};
use headroom_model::{MetricId, Sample, Timestamp};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Minutes a target waits with at most: a day without a state store. About 7 MB.
const MOST_MINUTES: usize = 24 * 60;
/// Minutes written in one transaction.
const BATCH_MINUTES: usize = 10;

#[derive(Debug, Default)]
pub struct Pending {
    minutes: BTreeMap<Timestamp, BTreeMap<MetricId, Tally>>,
    /// What is being written, or was and got no answer. It keeps its name until the store has confirmed it, so that
    /// sending it again never counts twice.
    batch: Option<Batch>,
}

/// Minutes that are written together.
#[derive(Clone, Debug)]
pub struct Batch {
    pub id: Uuid,
    pub rows: Arc<[MinuteRow]>,
}

impl Pending {
    /// Takes a sample in. Answers the minute that had to go because the store has been away for too long.
    pub fn add(&mut self, sample: &Sample) -> Option<Timestamp> {
        let minute = self.minutes.entry(sample.at.floor_to(MINUTE_MS)).or_default();
        for (metric, value) in super::measured(sample) {
            minute.entry(metric).and_modify(|tally| tally.merge(&Tally::of(value))).or_insert(Tally::of(value));
        }
        if self.minutes.len() > MOST_MINUTES { self.minutes.pop_first().map(|(at, _)| at) } else { None }
    }

    /// The next minutes to write, of those that ended before `end`: the ones that got no answer first.
    pub fn next_batch(&mut self, end: Timestamp) -> Option<Batch> {
        if self.batch.is_none() {
            let mut rows = Vec::new();
            for _ in 0..BATCH_MINUTES {
                let Some(minute) = self.minutes.first_entry() else { break };
                if minute.key().plus_millis(MINUTE_MS) > end {
                    break;
                }
                let (at, figures) = minute.remove_entry();
                rows.extend(figures.into_iter().map(|(metric, tally)| MinuteRow { metric, at, tally }));
            }
            if !rows.is_empty() {
                self.batch = Some(Batch { id: Uuid::now_v7(), rows: rows.into() });
            }
        }
        self.batch.clone()
    }

    /// The store has this batch.
    pub fn written(&mut self, id: Uuid) {
        if self.batch.as_ref().is_some_and(|batch| batch.id == id) {
            self.batch = None;
        }
    }

    /// The oldest minute that waits.
    pub fn start(&self) -> Option<Timestamp> {
        let batch = self.batch.iter().flat_map(|batch| batch.rows.iter()).map(|row| row.at);
        batch.chain(self.minutes.keys().next().copied()).min()
    }

    /// Adds what waits to what is stored.
    pub fn merge_into(&self, metric: MetricId, grid: &Grid, slots: &mut [Option<Tally>]) {
        let batch = self.batch.iter().flat_map(|batch| batch.rows.iter());
        let batch = batch.filter(|row| row.metric == metric).map(|row| (row.at, &row.tally));
        let minutes = self.minutes.range(grid.from..grid.end());
        let minutes = minutes.filter_map(|(at, figures)| Some((*at, figures.get(&metric)?)));
        for (at, tally) in batch.chain(minutes) {
            if let Some(slot) = grid.slot_of(at).and_then(|slot| slots.get_mut(slot)) {
                merge_into(slot, tally);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{TargetId, sample::Figures};

    const START: Timestamp = Timestamp(1_795_089_600_000);

    fn sample(offset: i64, value: f64) -> Sample {
        let figures = Figures::from([(MetricId::Queries, value)]);
        Sample { target: TargetId("orders".into()), at: START.plus_millis(offset), figures }
    }

    #[test]
    fn only_ended_minutes_are_written_unless_all_are_wanted() {
        let mut pending = Pending::default();
        pending.add(&sample(0, 1.0));
        pending.add(&sample(5_000, 3.0));
        assert!(pending.next_batch(START.plus_millis(59_999)).is_none());
        let batch = pending.next_batch(START.plus_millis(60_000)).unwrap();
        let tally = Tally { sum: 4.0, min: 1.0, max: 3.0, count: 2 };
        assert_eq!(*batch.rows, [MinuteRow { metric: MetricId::Queries, at: START, tally }]);
    }

    #[test]
    fn a_batch_without_an_answer_keeps_its_name() {
        let mut pending = Pending::default();
        pending.add(&sample(0, 1.0));
        let first = pending.next_batch(Timestamp(i64::MAX)).unwrap();
        // A late sample of the same minute waits for the next batch.
        pending.add(&sample(1_000, 9.0));
        let again = pending.next_batch(Timestamp(i64::MAX)).unwrap();
        assert_eq!((again.id, &again.rows), (first.id, &first.rows));
        pending.written(Uuid::now_v7());
        assert!(pending.batch.is_some(), "the answer to another batch");
        pending.written(first.id);
        let late = pending.next_batch(Timestamp(i64::MAX)).unwrap();
        assert!(late.id != first.id && late.rows[0].tally == Tally::of(9.0));
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_goes_first() {
        let mut pending = Pending::default();
        for minute in 0..MOST_MINUTES as i64 {
            assert_eq!(pending.add(&sample(minute * MINUTE_MS, 1.0)), None);
        }
        assert_eq!(pending.add(&sample(MOST_MINUTES as i64 * MINUTE_MS, 1.0)), Some(START));
        assert_eq!(pending.start(), Some(START.plus_millis(MINUTE_MS)));
        let batch = pending.next_batch(Timestamp(i64::MAX)).unwrap();
        assert_eq!(batch.rows.len(), BATCH_MINUTES);
    }
}
