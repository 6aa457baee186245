//! Statements as readers see them: a list over a range, and one of them with its series.

mod absence;
mod list;
mod one;

use super::{StatementLog, Step, slot::Slot};
use crate::{
    collect::{Counter, Work},
    store::StoreError,
};
use headroom_model::{
    TargetId, Timestamp,
    range::Resolved,
    statements::{StatementKind, StatementRow, StatementStats},
};

/// PostgreSQL's block, in bytes, wherever it was not compiled otherwise.
const BLOCK_BYTES: f64 = 8192.0;

/// All slots of a range together: what a share is a share of.
#[derive(Clone, Copy, Debug, Default)]
struct Whole {
    measured_ms: f64,
    calls: f64,
    time_ms: f64,
    evicted: bool,
}

impl Whole {
    fn of<'a>(slots: impl Iterator<Item = &'a Slot>) -> Self {
        slots.fold(Whole::default(), |sum, slot| Whole {
            measured_ms: sum.measured_ms + slot.measured_ms,
            calls: sum.calls + slot.calls,
            time_ms: sum.time_ms + slot.time_ms,
            evicted: sum.evicted || slot.evicted,
        })
    }
}

/// The range, widened to whole slots.
fn widened(range: Resolved, step_ms: i64) -> Resolved {
    let end = range.to.plus_millis(step_ms - 1).floor_to(step_ms);
    Resolved { from: range.from.floor_to(step_ms), to: end, live: range.live }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums of counters, ≥ 0")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { (part / all).min(1.0) } else { 0.0 }
}

/// Figures of a statement, without percentiles.
fn stats(work: &Work, all: &Whole) -> StatementStats {
    let get = |counter| work.counters.get(counter);
    let bytes = |counter| get(counter).map(|blocks| blocks * BLOCK_BYTES);
    StatementStats {
        calls: whole(work.calls),
        calls_per_second: (all.measured_ms > 0.0).then(|| work.calls * 1000.0 / all.measured_ms),
        total_ms: work.time_ms,
        time_share: share(work.time_ms, all.time_ms),
        mean_ms: work.mean_ms(),
        deviation_ms: work.deviation_ms(),
        p95_ms: None,
        p99_ms: None,
        rows: whole(work.rows),
        shared_hit: get(Counter::SharedHit),
        shared_read: get(Counter::SharedRead),
        shared_dirtied: get(Counter::SharedDirtied),
        shared_written: get(Counter::SharedWritten),
        local_blocks: get(Counter::Local),
        temp_read_bytes: bytes(Counter::TempRead),
        temp_written_bytes: bytes(Counter::TempWritten),
        io_ms: get(Counter::IoMs),
        wal_bytes: get(Counter::WalBytes),
        plan_ms: get(Counter::PlanMs),
        jit_ms: get(Counter::JitMs),
        nested_calls: whole(work.nested),
    }
}

/// A row of which only the id and the figures are known.
fn row(query_id: i64, stats: StatementStats) -> StatementRow {
    StatementRow {
        query_id: query_id.to_string(),
        text: None,
        kind: StatementKind::Utility,
        tags: Vec::new(),
        roles: Vec::new(),
        stats,
        trend: Vec::new(),
        first_at: None,
        regression: None,
    }
}

impl StatementLog {
    /// When the history of a target begins.
    async fn starts_at(&self, target: &TargetId) -> Result<Option<Timestamp>, StoreError> {
        let first = async |step: Step| {
            Ok::<_, StoreError>(self.store.statement_span(target, step.millis()).await?.map(|(first, _)| first))
        };
        let stored = match (first(Step::Minute).await?, first(Step::Hour).await?) {
            // An hour is dated to its beginning, also where the first minute came later.
            (Some(minute), Some(hour)) if minute.floor_to(Step::Hour.millis()) <= hour => Some(minute),
            (minute, hour) => hour.or(minute),
        };
        let remembered = self.with(target, |track| {
            let open = track.open.as_ref().map(|(at, _)| *at);
            track.ended.keys().next().copied().into_iter().chain(open).min()
        });
        Ok([stored, remembered.flatten()].into_iter().flatten().min())
    }
}
