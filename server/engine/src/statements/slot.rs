//! What statements did in one slot of time, and how it is written down.

use crate::{
    collect::{COUNTERS, Counters, Work, Workload},
    store::StoreError,
};
use headroom_model::statements::MAX_IN_SLOT;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, io, sync::Arc};

/// Statements followed in a slot while it is open; calls and time of all others still count in the totals.
const MOST_STATEMENTS: usize = 2_000;
/// A document is never longer; what claims to be was not made here.
const MOST_BYTES: usize = 4 << 20;

/// What statements did in one slot of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slot {
    /// How much of the slot was measured, in milliseconds.
    pub measured_ms: f64,
    /// Calls of all statements.
    pub calls: f64,
    /// Execution time of all statements.
    pub time_ms: f64,
    /// Whether the server forgot statements meanwhile.
    pub evicted: bool,
    /// The statements with most time and with most calls.
    pub statements: HashMap<i64, Work>,
}

impl Slot {
    /// Takes in what happened between two readings.
    pub fn add(&mut self, workload: &Workload) {
        self.measured_ms += workload.interval.as_secs_f64() * 1000.0;
        self.calls += workload.calls;
        self.time_ms += workload.time_ms;
        self.evicted |= workload.evicted;
        for one in &workload.statements {
            if self.statements.len() < MOST_STATEMENTS || self.statements.contains_key(&one.query_id) {
                self.statements.entry(one.query_id).or_insert(Work::ZERO).add(&one.work);
            }
        }
    }

    /// Takes in a slot that lies within this one, or another part of it.
    pub fn merge(&mut self, other: &Slot) {
        self.measured_ms += other.measured_ms;
        self.calls += other.calls;
        self.time_ms += other.time_ms;
        self.evicted |= other.evicted;
        for (id, work) in &other.statements {
            self.statements.entry(*id).or_insert(Work::ZERO).add(work);
        }
    }

    /// The statements worth keeping: most time first, a fifth of the places for those with most calls.
    fn top(&self) -> Vec<(i64, &Work)> {
        let mut sorted: Vec<(i64, &Work)> = self.statements.iter().map(|(id, work)| (*id, work)).collect();
        sorted.sort_by(|a, b| b.1.time_ms.total_cmp(&a.1.time_ms).then(a.0.cmp(&b.0)));
        if sorted.len() > MAX_IN_SLOT {
            let by_time = MAX_IN_SLOT - MAX_IN_SLOT / 5;
            sorted[by_time..].sort_by(|a, b| b.1.calls.total_cmp(&a.1.calls).then(a.0.cmp(&b.0)));
            sorted.truncate(MAX_IN_SLOT);
        }
        sorted
    }

    /// The slot as the store keeps it.
    pub fn encode(&self) -> io::Result<Arc<[u8]>> {
        let statement = |(id, work): (i64, &Work)| {
            let sums = [work.calls, tidy(work.time_ms, 1e4), tidy(work.squares, 1e6), work.rows, work.nested];
            let counters = work.counters.values().map(|value| value.map(|value| tidy(value, 1e3)));
            (id, sums.into_iter().map(Some).chain(counters).collect())
        };
        let document = Document {
            measured_ms: self.measured_ms.round(),
            calls: self.calls,
            time_ms: tidy(self.time_ms, 1e3),
            evicted: self.evicted,
            statements: self.top().into_iter().map(statement).collect(),
        };
        let text = serde_json::to_vec(&document)?;
        zstd::bulk::compress(&text, zstd::DEFAULT_COMPRESSION_LEVEL).map(Into::into)
    }

    /// Reads a document.
    pub fn decode(body: &[u8]) -> Result<Slot, StoreError> {
        let unreadable = |cause: String| StoreError::Unreadable { what: "slot of statements", cause };
        let text = zstd::bulk::decompress(body, MOST_BYTES).map_err(|error| unreadable(error.to_string()))?;
        let document: Document = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        let statement = |(id, values): (i64, Vec<Option<f64>>)| {
            let sum = |place: usize| values.get(place).copied().flatten().unwrap_or(0.0);
            let work = Work {
                calls: sum(0),
                time_ms: sum(1),
                squares: sum(2),
                rows: sum(3),
                nested: sum(4),
                counters: Counters::new(values.iter().skip(SUMS).copied()),
            };
            (id, work)
        };
        Ok(Slot {
            measured_ms: document.measured_ms,
            calls: document.calls,
            time_ms: document.time_ms,
            evicted: document.evicted,
            statements: document.statements.into_iter().map(statement).collect(),
        })
    }
}

/// Values of a statement before its counters.
const SUMS: usize = 5;
// A document is read by place: counters are only ever added at the end.
const _: () = assert!(COUNTERS == 13);

/// A slot in the store: one list of numbers a statement.
#[derive(Serialize, Deserialize)]
struct Document {
    measured_ms: f64,
    calls: f64,
    time_ms: f64,
    evicted: bool,
    statements: Vec<(i64, Vec<Option<f64>>)>,
}

/// More digits would only take room.
fn tidy(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Counter;

    fn work(calls: f64, mean_ms: f64) -> Work {
        Work { calls, time_ms: calls * mean_ms, squares: calls * mean_ms * mean_ms, rows: calls, ..Work::ZERO }
    }

    #[test]
    fn a_slot_comes_back_as_it_was() {
        let counters = Counters::new([None, None, Some(12_345.0), Some(6.0)]);
        let statements = [(i64::MIN, work(3.0, 1.5)), (7, Work { counters, ..work(1e9, 0.001) })];
        let slot =
            Slot { measured_ms: 60_000.0, calls: 1e9, time_ms: 1e6, evicted: true, statements: statements.into() };
        assert_eq!(Slot::decode(&slot.encode().unwrap()).unwrap().statements[&7].counters.get(Counter::PlanMs), None);
        let back = Slot::decode(&slot.encode().unwrap()).unwrap();
        assert_eq!((back.measured_ms, back.calls, back.evicted), (60_000.0, 1e9, true));
        assert_eq!(back.statements[&7].counters.get(Counter::SharedHit), Some(12_345.0));
        assert_eq!(back.statements[&i64::MIN], work(3.0, 1.5));
        assert!(Slot::decode(b"not a document").is_err());
    }

    #[test]
    fn a_full_slot_keeps_those_with_most_time_and_with_most_calls() {
        let slow = (0..1000).map(|id| (id, work(2.0, 100.0 + id as f64)));
        let frequent = (2000..2010).map(|id| (id, work(1e4, 0.001)));
        let slot = Slot { statements: slow.chain(frequent).collect(), ..Slot::default() };
        let kept = Slot::decode(&slot.encode().unwrap()).unwrap().statements;
        assert_eq!(kept.len(), MAX_IN_SLOT);
        assert!(kept.contains_key(&999) && !kept.contains_key(&500) && kept.contains_key(&2005));
    }

    #[test]
    fn a_busy_minute_stays_small() {
        let statements = (0..MAX_IN_SLOT as i64).map(|id| {
            let id = id.wrapping_mul(0x1234_5678_9abc_def1);
            let values = (0..COUNTERS as i64).map(|n| Some((id.wrapping_mul(n + 3) & 0xffff) as f64 / 7.0));
            (id, Work { counters: Counters::new(values), ..work((id & 0xfff) as f64, (id & 0xff) as f64 / 3.0) })
        });
        let slot = Slot { statements: statements.collect(), ..Slot::default() };
        let bytes = slot.encode().unwrap().len();
        assert!(bytes < 32_000, "{bytes}");
    }
}
