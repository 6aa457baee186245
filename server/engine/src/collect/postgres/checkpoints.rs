//! Checkpoints: `pg_stat_checkpointer` from version 17 on, `pg_stat_bgwriter` before.

use super::{Findings, Server};
use crate::collect::interval::{Counters, Reading};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Checkpoints(Counters<3>);

impl Checkpoints {
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        findings: &mut Findings,
    ) -> sqlx::Result<()> {
        let statement = if server.version >= 170_000 {
            "SELECT /* headroom */ num_timed::float8, num_requested::float8, write_time::float8,
                floor(extract(epoch FROM stats_reset) * 1000)::int8 FROM pg_stat_checkpointer"
        } else {
            "SELECT /* headroom */ checkpoints_timed::float8, checkpoints_req::float8, checkpoint_write_time::float8,
                floor(extract(epoch FROM stats_reset) * 1000)::int8 FROM pg_stat_bgwriter"
        };
        let row = sqlx::query(statement).fetch_one(connection).await?;
        let values = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let step = self.0.advance(Reading { taken: Instant::now(), epoch: row.try_get(3)?, values });
        if let Some(interval) = step.moved() {
            let [timed, requested, write_ms] = interval.delta;
            findings.set(MetricId::CheckpointsTimed, timed);
            findings.set(MetricId::CheckpointsRequested, requested);
            findings.set(MetricId::CheckpointWriteTime, write_ms);
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.0.forget();
    }
}
