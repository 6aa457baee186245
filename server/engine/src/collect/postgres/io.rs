//! Blocks read and written by the whole server: `pg_stat_io` from version 16 on, `pg_stat_database` before.

use super::{Findings, Server};
use crate::collect::interval::{Counters, Reading};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Io(Counters<2>);

impl Io {
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        findings: &mut Findings,
    ) -> sqlx::Result<()> {
        let statement = match server.version {
            // One operation may cover many blocks, so bytes are divided by the block size. WAL is not counted in blocks.
            180_000.. => {
                "SELECT /* headroom */ coalesce(sum(read_bytes), 0)::float8,
                    coalesce(sum(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)), 0)::float8,
                    floor(extract(epoch FROM max(stats_reset)) * 1000)::int8
                 FROM pg_stat_io WHERE object <> 'wal'"
            }
            160_000.. => {
                "SELECT /* headroom */ coalesce(sum(reads * op_bytes), 0)::float8,
                    coalesce(sum((coalesce(writes, 0) + coalesce(extends, 0)) * op_bytes), 0)::float8,
                    floor(extract(epoch FROM max(stats_reset)) * 1000)::int8
                 FROM pg_stat_io"
            }
            _ => {
                "SELECT /* headroom */ (coalesce(sum(blks_read), 0)
                    * current_setting('block_size')::int8)::float8, 0::float8,
                    floor(extract(epoch FROM max(stats_reset)) * 1000)::int8
                 FROM pg_stat_database"
            }
        };
        let row = sqlx::query(statement).fetch_one(connection).await?;
        let values = [row.try_get(0)?, row.try_get(1)?];
        let step = self.0.advance(Reading { taken: Instant::now(), epoch: row.try_get(2)?, values });
        if let Some(interval) = step.moved() {
            let [read, written] = interval.rates();
            findings.set(MetricId::IoReads, read / server.block_size);
            if server.version >= 160_000 {
                findings.set(MetricId::IoWrites, written / server.block_size);
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.0.forget();
    }
}
