//! `pg_stat_database` of the watched database: transactions, rows, buffers, temporary files, deadlocks.

use super::{Findings, Server};
use crate::collect::interval::{Counters, Reading, Step, share};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use tokio::time::Instant;

/// Below this many block requests a hit ratio says nothing.
const LEAST_BLOCKS: f64 = 1000.0;

#[derive(Debug, Default)]
pub(super) struct Databases(Counters<9>);

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
        let interval = match self.0.advance(Reading { taken: Instant::now(), epoch: row.try_get(9)?, values }) {
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
        self.0.forget();
    }
}
