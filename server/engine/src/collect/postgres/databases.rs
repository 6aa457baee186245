//! `pg_stat_database` of the watched database: transactions, rows, buffers, temporary files, deadlocks.

use super::{Findings, Server};
use crate::collect::interval::{Counters, Reading, Step, share};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use std::time::Duration;
use tokio::time::Instant;

/// Below this many block requests a hit ratio says nothing.
const LEAST_BLOCKS: f64 = 1000.0;

/// Deadlocks are marked on the timeline at most this often: a storm of them is one mark a minute, with their number.
const TELL_DEADLOCKS_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Databases {
    counters: Counters<9>,
    deadlocks: Deadlocks,
}

/// Deadlocks that no mark tells of yet.
#[derive(Debug, Default)]
struct Deadlocks {
    untold: f64,
    told: Option<Instant>,
}

impl Deadlocks {
    fn count(&mut self, more: f64, findings: &mut Findings) {
        self.untold += more;
        let since_told = self.told.map(|told| told.elapsed());
        if self.untold < 1.0 || since_told.is_some_and(|since| since < TELL_DEADLOCKS_EVERY) {
            return;
        }
        let over = match since_told {
            Some(since) if since < 2 * TELL_DEADLOCKS_EVERY => "In the last minute or so, in this database",
            _ => "In this database",
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count, at least 1")]
        findings.deadlocked(self.untold as u64, over);
        *self = Deadlocks { untold: 0.0, told: Some(Instant::now()) };
    }
}

impl Databases {
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        findings: &mut Findings,
    ) -> sqlx::Result<()> {
        let row = sqlx::query(
            "SELECT /* headroom */ xact_commit::float8, xact_rollback::float8, tup_returned::float8,
                (tup_inserted + tup_updated + tup_deleted)::float8, blks_hit::float8, blks_read::float8,
                temp_bytes::float8, blk_read_time::float8, deadlocks::float8,
                floor(extract(epoch FROM stats_reset) * 1000)::int8
             FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(connection)
        .await?;
        let mut values = [0.0; 9];
        for (index, value) in values.iter_mut().enumerate() {
            *value = row.try_get(index)?;
        }
        let interval = match self.counters.advance(Reading { taken: Instant::now(), epoch: row.try_get(9)?, values }) {
            Step::First => return Ok(()),
            Step::Reset => {
                findings.statistics_reset("Database statistics were reset", None);
                return Ok(());
            }
            Step::Moved(interval) => interval,
        };
        let [commits, rollbacks, _, _, hits, reads, _, read_ms, deadlocks] = interval.delta;
        let [commit_rate, rollback_rate, returned, written, _, _, temp_bytes, ..] = interval.rates();
        findings.set(MetricId::Transactions, commit_rate + rollback_rate);
        findings.set(MetricId::RollbackShare, share(rollbacks, commits + rollbacks, 1.0));
        findings.set(MetricId::RowsReturned, returned);
        findings.set(MetricId::RowsWritten, written);
        findings.set(MetricId::BufferHitRatio, share(hits, hits + reads, LEAST_BLOCKS));
        findings.set(MetricId::TempBytes, temp_bytes);
        findings.set(MetricId::Deadlocks, deadlocks);
        self.deadlocks.count(deadlocks, findings);
        if server.track_io_timing {
            findings.set(MetricId::BlockReadTime, (reads > 0.0).then(|| read_ms / reads));
        } else {
            findings.limit(
                "Block read times are not measured: track_io_timing is off.",
                "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
            );
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.counters.forget();
    }
}
