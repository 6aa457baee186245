//! The N+1 pattern: a list is read, and then one statement is run for each of its rows.
//!
//! It shows in counters alone: in a minute in which it happens, the calls of the lookup are about the rows of the list. Any two
//! counts may agree by chance once; so they must agree in [`LEAST_MATCHES`] of the last [`MINUTES`] minutes, closely, with
//! several lookups a list, and the lookup must be a SELECT of few rows that takes a parameter.

use super::slot::Slot;
use crate::text::short;
use headroom_model::statements::{MAX_PATTERNS, RowByRow, StatementKind};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Minutes looked at.
const MINUTES: usize = 10;
/// Minutes in which calls and rows must agree.
const LEAST_MATCHES: usize = 5;
/// How far they may lie apart, as a share of the rows: a list at the end of a minute has its lookups in the next.
const TOLERANCE: f64 = 0.05;
/// Lookups in a minute at least.
const LEAST_CALLS: f64 = 50.0;
/// Rows of a list, and so lookups a list, at least.
const LEAST_PER_CALL: f64 = 4.0;
/// Rows of a lookup at most.
const MOST_ROWS: f64 = 20.0;
/// Statements compared a minute: those with most rows and those with most calls.
const COMPARED: usize = 60;
/// Longest text in a finding, in characters.
const TEXT_CHARS: usize = 160;

/// The last minutes of a target.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    minutes: VecDeque<HashMap<(i64, i64), Agreement>>,
}

/// One minute in which calls and rows agreed.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    lists: f64,
    lookups: f64,
    time_ms: f64,
    /// How far they lay apart, as a share.
    apart: f64,
}

impl Pairs {
    /// Takes in a minute that has ended. `text` tells what is known of a statement.
    pub fn observe(&mut self, slot: &Slot, text: impl Fn(i64) -> Option<Arc<str>>) {
        if self.minutes.len() == MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.push_back(agreements(slot, text));
    }

    /// What was found in the last minutes: the surest pair of each lookup, most calls first.
    pub fn findings(&self, text: impl Fn(i64) -> Option<Arc<str>>) -> Vec<RowByRow> {
        let mut by_pair: HashMap<(i64, i64), Vec<Agreement>> = HashMap::new();
        for minute in &self.minutes {
            for (pair, agreement) in minute {
                by_pair.entry(*pair).or_default().push(*agreement);
            }
        }
        let mut best: HashMap<i64, ((i64, i64), Vec<Agreement>)> = HashMap::new();
        for (pair, found) in by_pair.into_iter().filter(|(_, found)| found.len() >= LEAST_MATCHES) {
            let known = best.get(&pair.1);
            if known.is_none_or(|(other, before)| (rank(&found), pair) > (rank(before), *other)) {
                best.insert(pair.1, (pair, found));
            }
        }
        let mut findings: Vec<RowByRow> = best
            .into_values()
            .map(|((list, lookup), found)| {
                let sum = |read: fn(&Agreement) -> f64| found.iter().map(read).sum::<f64>();
                let lookups = sum(|one| one.lookups);
                let shown = |id| text(id).map(|text| short(&text, TEXT_CHARS)).unwrap_or_default();
                RowByRow {
                    list_id: list.to_string(),
                    list_text: shown(list),
                    lookup_id: lookup.to_string(),
                    lookup_text: shown(lookup),
                    minutes: u32::try_from(found.len()).unwrap_or(u32::MAX),
                    of: u32::try_from(self.minutes.len()).unwrap_or(u32::MAX),
                    per_call: lookups / sum(|one| one.lists),
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
                    calls: lookups as u64,
                    total_ms: sum(|one| one.time_ms),
                }
            })
            .collect();
        findings.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.lookup_id.cmp(&b.lookup_id)));
        findings.truncate(MAX_PATTERNS);
        findings
    }
}

/// More minutes are surer; then the closer, in thousandths.
fn rank(found: &[Agreement]) -> (usize, i64) {
    let apart: f64 = found.iter().map(|one| one.apart).sum::<f64>() / found.len() as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most a thousand times the tolerance")]
    (found.len(), -((apart * 1000.0).round() as i64))
}

fn agreements(slot: &Slot, text: impl Fn(i64) -> Option<Arc<str>>) -> HashMap<(i64, i64), Agreement> {
    let is_select = |id: i64| text(id).filter(|text| StatementKind::of(text) == StatementKind::Select);
    let top = |by: fn(&crate::collect::Work) -> f64| {
        let mut sorted: Vec<_> = slot.statements.iter().map(|(id, work)| (*id, *work)).collect();
        sorted.sort_by(|a, b| by(&b.1).total_cmp(&by(&a.1)).then(a.0.cmp(&b.0)));
        sorted.truncate(COMPARED);
        sorted
    };
    let lookups: Vec<_> = top(|work| work.calls)
        .into_iter()
        .filter(|(_, work)| work.calls >= LEAST_CALLS && work.rows <= MOST_ROWS * work.calls)
        .filter(|(id, _)| is_select(*id).is_some_and(|text| text.contains('$')))
        .collect();
    let lists = top(|work| work.rows)
        .into_iter()
        .filter(|(id, work)| work.calls > 0.0 && work.rows >= LEAST_PER_CALL * work.calls && is_select(*id).is_some());
    let mut found = HashMap::new();
    for (list, rows) in lists {
        for (lookup, calls) in lookups.iter().filter(|(lookup, _)| *lookup != list) {
            let apart = (calls.calls - rows.rows).abs() / rows.rows;
            if apart <= TOLERANCE {
                let agreement = Agreement { lists: rows.calls, lookups: calls.calls, time_ms: calls.time_ms, apart };
                found.insert((list, *lookup), agreement);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Work;

    fn text(id: i64) -> Option<Arc<str>> {
        Some(match id {
            1 => "SELECT id, customer_id FROM orders WHERE status = $1 LIMIT $2".into(),
            2 => "SELECT name FROM customers WHERE id = $1".into(),
            3 => "INSERT INTO log VALUES ($1)".into(),
            4 => "SELECT now()".into(),
            _ => return None,
        })
    }

    fn minute(lists: f64, rows: f64, lookups: f64) -> Slot {
        let work = |calls: f64, rows: f64| Work { calls, rows, time_ms: calls * 0.1, ..Work::ZERO };
        let statements = [
            (1, work(lists, rows)),
            (2, work(lookups, lookups)),
            (3, work(rows, rows)),
            (4, work(rows, rows)),
            (5, work(rows, rows)),
        ];
        Slot { statements: statements.into(), ..Slot::default() }
    }

    fn findings(minutes: &[(f64, f64, f64)]) -> Vec<RowByRow> {
        let mut pairs = Pairs::default();
        for (lists, rows, lookups) in minutes {
            pairs.observe(&minute(*lists, *rows, *lookups), text);
        }
        pairs.findings(text)
    }

    #[test]
    fn a_list_with_a_lookup_a_row_is_named_with_both_statements() {
        let found = findings(&[
            (10.0, 200.0, 200.0),
            (12.0, 240.0, 238.0),
            (9.0, 180.0, 183.0),
            (20.0, 400.0, 390.0),
            (11.0, 220.0, 221.0),
        ]);
        let [one] = &found[..] else { panic!("{found:#?}") };
        assert_eq!((one.list_id.as_str(), one.lookup_id.as_str(), one.minutes, one.of), ("1", "2", 5, 5));
        assert_eq!((one.calls, one.per_call.round()), (1232, 20.0));
        assert!(one.list_text.contains("orders") && one.lookup_text.contains("customers"));
    }

    #[test]
    fn chance_is_not_a_pattern() {
        let once = [(10.0, 200.0, 200.0), (10.0, 200.0, 90.0)];
        assert!(findings(&once.repeat(2)).is_empty(), "twice");
        assert!(findings(&[(10.0, 200.0, 230.0); 10]).is_empty(), "never close");
        assert!(findings(&[(100.0, 200.0, 200.0); 10]).is_empty(), "two rows are no list");
        assert!(findings(&[(1.0, 20.0, 20.0); 10]).is_empty(), "too few to matter");
    }

    #[test]
    fn what_has_stopped_is_forgotten() {
        let mut minutes = vec![(10.0, 200.0, 200.0); 10];
        assert_eq!(findings(&minutes).len(), 1);
        minutes.extend([(10.0, 200.0, 0.0); 6]);
        assert!(findings(&minutes).is_empty());
    }
}
