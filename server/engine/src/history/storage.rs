//! What history takes and what pruning does, told without asking the store on each request for what is dear to count.

use crate::store::{Retention, StateStore, StoreError};
use headroom_model::{
    TargetId, Timestamp,
    storage::{Kept, Pruned, Storage, TableRows, TargetHistory},
};
use std::sync::{Mutex, PoisonError};

/// Between two counts of rows: a count reads every one of them.
const COUNT_EVERY_MS: i64 = 60 * 60 * 1000;

/// What is known of upkeep.
#[derive(Debug, Default)]
pub struct UpkeepLog(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    rows: Vec<TableRows>,
    counted_at: Option<Timestamp>,
    pruned: Option<Pruned>,
    next_at: Option<Timestamp>,
}

impl UpkeepLog {
    fn with<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A round has ended. Rounds that go on with what the one before left over are one pruning.
    pub fn pruned(&self, round: Pruned, next_at: Timestamp) {
        self.with(|known| {
            let begun = known.pruned.filter(|before| before.unfinished);
            let (rows, took_ms) = begun.map_or((0, 0.0), |before| (before.rows, before.took_ms));
            known.pruned = Some(Pruned { rows: round.rows + rows, took_ms: round.took_ms + took_ms, ..round });
            known.next_at = Some(next_at);
        });
    }

    /// Counts rows, if that is due.
    pub async fn count(&self, store: &dyn StateStore, now: Timestamp) {
        let due = self.with(|known| known.counted_at.is_none_or(|at| now.0 - at.0 >= COUNT_EVERY_MS));
        if !due {
            return;
        }
        match store.row_counts().await {
            Ok(counts) => self.with(|known| {
                let row = |(table, rows): (&str, u64)| TableRows { table: table.to_owned(), rows };
                known.rows = counts.into_iter().map(row).collect();
                known.counted_at = Some(now);
            }),
            Err(error) => tracing::debug!(%error, "the rows of the state store were not counted"),
        }
    }

    /// All that is known.
    pub async fn tell(
        &self,
        history: &super::History,
        targets: impl IntoIterator<Item = TargetId>,
    ) -> Result<Storage, StoreError> {
        let store = &history.store;
        let known = self.with(|known| known.clone());
        let mut origins = store.origins(None).await?;
        let mut told = Vec::new();
        for target in targets {
            let start = history.start(&target).await?;
            let (mine, others) = origins.into_iter().partition(|origin| origin.target == target);
            origins = others;
            told.push(TargetHistory { target, oldest_minute: start.minutes, oldest_hour: start.hours, origins: mine });
        }
        Ok(Storage {
            backend: store.backend().to_owned(),
            size_bytes: store.size_bytes().await?,
            rows: known.rows,
            counted_at: known.counted_at,
            retention: kept(history.retention),
            targets: told,
            pruned: known.pruned,
            prunes_at: known.next_at,
        })
    }
}

fn kept(retention: Retention) -> Vec<Kept> {
    let Retention { minutes_days, hours_days, events_days } = retention;
    [("minutes", minutes_days), ("hours", hours_days), ("events", events_days)]
        .map(|(what, days)| Kept { what: what.to_owned(), days, key: format!("retention.{what}_days") })
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_go_on_are_one_pruning() {
        let log = UpkeepLog::default();
        let round = |at, rows, unfinished| Pruned { at: Timestamp(at), rows, took_ms: 5.0, unfinished };
        log.pruned(round(1, 50_000, true), Timestamp(2));
        log.pruned(round(2, 700, false), Timestamp(9));
        let known = log.with(|known| known.clone());
        assert_eq!(known.pruned, Some(Pruned { at: Timestamp(2), rows: 50_700, took_ms: 10.0, unfinished: false }));
        log.pruned(round(9, 0, false), Timestamp(20));
        assert_eq!(log.with(|known| known.pruned.unwrap().rows), 0);
    }
}
