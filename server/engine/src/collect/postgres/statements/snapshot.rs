//! The counters of all statements at one moment, and what happened between two such moments.

use crate::collect::{Counters, StatementFigures, StatementSpend, Work};
use crate::latency::Mode;
use std::{collections::HashMap, sync::Arc};
use tokio::time::Instant;

/// One statement of one role, called by a client or from inside functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) user: i64,
    pub(super) query_id: i64,
    /// Whether it was called from inside functions.
    pub(super) nested: bool,
}

/// Sums over calls; they can be added and subtracted, which means and deviations cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) calls: f64,
    pub(super) time_ms: f64,
    /// Sum of squared times.
    pub(super) squares: f64,
    pub(super) rows: f64,
}

impl Totals {
    /// From what the extension keeps: `stddev` is the population's.
    pub(super) fn cumulative(calls: f64, time_ms: f64, mean_ms: f64, deviation_ms: f64, rows: f64) -> Self {
        Totals { calls, time_ms, squares: calls * deviation_ms.mul_add(deviation_ms, mean_ms * mean_ms), rows }
    }

    pub(super) fn add(&mut self, other: &Totals) {
        self.calls += other.calls;
        self.time_ms += other.time_ms;
        self.squares += other.squares;
        self.rows += other.rows;
    }

    fn minus(&self, earlier: &Totals) -> Totals {
        Totals {
            calls: self.calls - earlier.calls,
            time_ms: (self.time_ms - earlier.time_ms).max(0.0),
            squares: (self.squares - earlier.squares).max(0.0),
            rows: (self.rows - earlier.rows).max(0.0),
        }
    }

    pub(super) fn mean_ms(&self) -> f64 {
        self.time_ms / self.calls
    }

    /// Population standard deviation: what is left of the mean square. Rounding may take it just below zero.
    fn deviation_ms(&self) -> f64 {
        let mean = self.mean_ms();
        (self.squares / self.calls - mean * mean).max(0.0).sqrt()
    }

    pub(super) fn mode(&self) -> Mode {
        Mode { calls: self.calls, mean_ms: self.mean_ms(), deviation_ms: self.deviation_ms() }
    }

    pub(super) fn spend(&self, query_id: i64, text: Option<Arc<str>>) -> StatementSpend {
        let (calls, rows) = self.counts();
        StatementSpend { query_id, text, calls, time_ms: self.time_ms, rows }
    }

    fn counts(&self) -> (u64, u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "differences of counters, ≥ 0")]
        let counts = (self.calls as u64, self.rows as u64);
        counts
    }

    pub(super) fn figures(&self, query_id: i64, text: &str, all_ms: f64) -> StatementFigures {
        let (calls, rows) = self.counts();
        StatementFigures {
            query_id,
            text: text.to_owned(),
            calls,
            mean_ms: self.mean_ms(),
            deviation_ms: (calls > 1).then(|| self.deviation_ms()),
            time_share: if all_ms > 0.0 { self.time_ms / all_ms } else { 0.0 },
            rows,
        }
    }
}

/// All statements at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) taken: Instant,
    /// When everything was last reset, by the server's clock in milliseconds; from extension version 1.9 on.
    pub(super) reset_at: Option<i64>,
    /// How often the extension made room by forgetting statements, before and after the rows were read; from version 1.9 on.
    pub(super) evictions: Option<(i64, i64)>,
    /// Whether every statement was read.
    pub(super) complete: bool,
    /// Rows whose statement is hidden from this role.
    pub(super) hidden: usize,
    pub(super) rows: HashMap<Key, Totals>,
    /// When counting of each statement began, by the server's clock; from extension version 1.11 on.
    pub(super) since: HashMap<Key, i64>,
    /// The other counters, where this reading took them.
    pub(super) counters: Option<HashMap<Key, Counters>>,
}

/// What happened between two snapshots.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// Someone reset statistics: the interval's totals are not known.
    Reset {
        /// Statements that vanished, as far as that is known, or whose counters fell.
        missing: usize,
        /// Statements there were.
        of: usize,
    },
    /// What was added, for statements with at least one call.
    Moved(HashMap<Key, Totals>),
}

impl Snapshot {
    /// Compares with an earlier snapshot.
    ///
    /// A statement that vanished or fell was either forgotten to make room, which `evictions` shows, or reset. Where
    /// the extension does not count evictions (before 1.9), the loss of more than half counts as a reset. Where one of the
    /// two readings was cut short or had hidden rows, a statement that only one of them shows tells nothing: it may have
    /// been there all the time.
    pub(super) fn since(&self, earlier: &Snapshot) -> Change {
        let of = earlier.rows.len();
        let partial = !(self.is_whole() && earlier.is_whole());
        let missing = earlier
            .rows
            .iter()
            .filter(|(key, before)| match self.rows.get(key) {
                Some(now) => now.calls < before.calls || self.began_anew(earlier, key),
                None => !partial,
            })
            .count();
        let reset = match (earlier.evictions, self.evictions) {
            (Some((before, _)), Some((_, now))) => missing > 0 && before == now,
            _ => missing * 2 > of,
        };
        if reset || self.reset_at != earlier.reset_at {
            return Change::Reset { missing, of };
        }
        let added = self.rows.iter().filter_map(|(key, now)| {
            let delta = match earlier.rows.get(key) {
                // Forgotten and met again: all its calls lie in the interval.
                Some(_) if self.began_anew(earlier, key) => *now,
                Some(before) => now.minus(before),
                // Not there before: all its calls lie in the interval.
                None if partial => return None,
                None => *now,
            };
            (delta.calls > 0.0).then_some((*key, delta))
        });
        Change::Moved(added.collect())
    }

    /// Whether the server counts a statement from another moment on than it did.
    fn began_anew(&self, earlier: &Snapshot, key: &Key) -> bool {
        matches!((self.since.get(key), earlier.since.get(key)), (Some(now), Some(before)) if now != before)
    }

    /// What a statement did since an earlier snapshot of the other counters, given what was added to its totals.
    pub(super) fn work(&self, earlier: &Snapshot, key: &Key, delta: &Totals) -> Option<Work> {
        let now = self.counters.as_ref()?.get(key)?;
        let earlier_counters = earlier.counters.as_ref()?;
        let counters = match earlier_counters.get(key) {
            Some(before) if !self.began_anew(earlier, key) => now.since(before),
            _ => *now,
        };
        Some(Work {
            calls: delta.calls,
            time_ms: delta.time_ms,
            squares: delta.squares,
            rows: delta.rows,
            nested: if key.nested { delta.calls } else { 0.0 },
            counters,
        })
    }

    /// Whether every statement is in it.
    fn is_whole(&self) -> bool {
        self.complete && self.hidden == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Counter;
    use proptest::prelude::*;

    fn key(query_id: i64) -> Key {
        Key { user: 10, query_id, nested: false }
    }

    fn snapshot(evictions: i64, rows: &[(i64, f64)]) -> Snapshot {
        let rows = rows.iter().map(|(id, calls)| (key(*id), Totals::cumulative(*calls, calls * 2.0, 2.0, 0.5, *calls)));
        Snapshot {
            taken: Instant::now(),
            reset_at: Some(7),
            evictions: Some((evictions, evictions)),
            complete: true,
            hidden: 0,
            rows: rows.collect(),
            since: HashMap::new(),
            counters: None,
        }
    }

    #[test]
    fn what_was_called_is_what_was_added() {
        let earlier = snapshot(0, &[(1, 10.0), (2, 5.0)]);
        let Change::Moved(deltas) = snapshot(0, &[(1, 10.0), (2, 8.0), (3, 4.0)]).since(&earlier) else {
            panic!("no reset here")
        };
        assert_eq!(deltas.len(), 2);
        assert_eq!((deltas[&key(2)].calls, deltas[&key(3)].calls), (3.0, 4.0));
    }

    #[test]
    fn a_reset_is_told_from_an_eviction() {
        let earlier = snapshot(0, &[(1, 10.0), (2, 5.0)]);
        let gone = |evictions| snapshot(evictions, &[(1, 12.0)]);
        assert_eq!(gone(0).since(&earlier), Change::Reset { missing: 1, of: 2 });
        assert!(matches!(gone(1).since(&earlier), Change::Moved(deltas) if deltas.len() == 1));
        assert_eq!(snapshot(0, &[(1, 3.0), (2, 5.0)]).since(&earlier), Change::Reset { missing: 1, of: 2 });
        let mut all = snapshot(0, &[(1, 11.0), (2, 5.0)]);
        all.reset_at = Some(8);
        assert_eq!(all.since(&earlier), Change::Reset { missing: 0, of: 2 });
        // A fallen statement after an eviction is a new life of it: its interval is not known, the others' is.
        let Change::Moved(deltas) = snapshot(1, &[(1, 3.0), (2, 9.0)]).since(&earlier) else { panic!("evicted") };
        assert!(!deltas.contains_key(&key(1)) && deltas[&key(2)].calls == 4.0);
    }

    #[test]
    fn a_statement_that_was_forgotten_and_met_again_counts_whole() {
        let [mut earlier, mut now] = [snapshot(0, &[(1, 10.0), (2, 5.0)]), snapshot(1, &[(1, 12.0), (2, 9.0)])];
        earlier.since = [(key(1), 100), (key(2), 100)].into();
        now.since = [(key(1), 100), (key(2), 200)].into();
        let counters = |hits: f64| Some([1, 2].map(|id| (key(id), Counters::new([None, None, Some(hits)]))).into());
        (earlier.counters, now.counters) = (counters(50.0), counters(80.0));
        let Change::Moved(deltas) = now.since(&earlier) else { panic!("evicted") };
        assert_eq!((deltas[&key(1)].calls, deltas[&key(2)].calls), (2.0, 9.0));
        let hits = |id| now.work(&earlier, &key(id), &deltas[&key(id)]).unwrap().counters.get(Counter::SharedHit);
        assert_eq!((hits(1), hits(2)), (Some(30.0), Some(80.0)));
        // Nothing was forgotten, so someone reset it.
        now.evictions = Some((0, 0));
        assert_eq!(now.since(&earlier), Change::Reset { missing: 1, of: 2 });
    }

    #[test]
    fn an_eviction_while_the_rows_are_read_is_no_reset() {
        let mut earlier = snapshot(0, &[(1, 10.0), (2, 5.0)]);
        earlier.evictions = Some((0, 1));
        assert!(matches!(snapshot(1, &[(1, 12.0)]).since(&earlier), Change::Moved(_)));
        let earlier = snapshot(0, &[(1, 10.0), (2, 5.0)]);
        let mut now = snapshot(0, &[(1, 12.0)]);
        now.evictions = Some((0, 1));
        assert!(matches!(now.since(&earlier), Change::Moved(_)));
    }

    #[test]
    fn what_comes_into_sight_was_not_called_now() {
        let mut hidden = snapshot(0, &[(1, 10.0)]);
        hidden.hidden = 1;
        let seen = snapshot(0, &[(1, 12.0), (2, 9_000.0)]);
        let Change::Moved(deltas) = seen.since(&hidden) else { panic!("granted") };
        assert_eq!((deltas.len(), deltas[&key(1)].calls), (1, 2.0));
        // And the other way round: what is hidden from now on was not reset.
        let Change::Moved(deltas) = hidden.since(&snapshot(0, &[(1, 8.0), (2, 9_000.0)])) else { panic!("revoked") };
        assert_eq!((deltas.len(), deltas[&key(1)].calls), (1, 2.0));
        assert!(matches!(hidden.since(&seen), Change::Reset { missing: 1, .. }), "a counter that fell tells");
    }

    proptest! {
        /// The deviation over an interval, from two cumulative readings, is that of the interval's own values.
        #[test]
        fn interval_deviation_is_exact(
            before in proptest::collection::vec(0.01..1e4_f64, 1..50),
            within in proptest::collection::vec(0.01..1e4_f64, 1..50),
        ) {
            let summary = |values: &[f64]| {
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
                (n, mean, variance.sqrt())
            };
            let cumulative = |values: &[f64]| {
                let (n, mean, deviation) = summary(values);
                Totals::cumulative(n, mean * n, mean, deviation, n)
            };
            let all: Vec<f64> = before.iter().chain(&within).copied().collect();
            let delta = cumulative(&all).minus(&cumulative(&before));
            let (_, mean, deviation) = summary(&within);
            prop_assert!((delta.mean_ms() - mean).abs() < 1e-6 * mean.max(1.0));
            prop_assert!((delta.deviation_ms() - deviation).abs() < 1e-3 * deviation.max(1.0));
        }
    }
}
