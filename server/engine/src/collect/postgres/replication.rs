//! Write-ahead log and how far replicas are behind it.

use super::{Findings, Server};
use crate::collect::interval::{Counters, Reading};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Replication(Counters<1>);

impl Replication {
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        findings: &mut Findings,
    ) -> sqlx::Result<()> {
        if server.in_recovery {
            self.0.forget();
            behind_primary(connection, findings).await
        } else {
            self.ahead_of_replicas(connection, findings).await
        }
    }

    /// On a primary. A replica that has replayed everything is not behind, whatever the last measured delay says;
    /// `replay_lag` is null on an idle server. `greatest` passes over nulls: what is not known would become zero.
    async fn ahead_of_replicas(&mut self, connection: &mut PgConnection, findings: &mut Findings) -> sqlx::Result<()> {
        let row = sqlx::query(
            "SELECT /* headroom */ pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8,
                count(r.pid)::float8,
                max(CASE WHEN r.replay_lsn IS NOT NULL
                    THEN greatest(pg_wal_lsn_diff(w.lsn, r.replay_lsn), 0) END)::float8,
                max(CASE WHEN r.replay_lsn >= w.lsn THEN 0 ELSE extract(epoch FROM r.replay_lag) * 1000 END)::float8
             FROM (SELECT pg_current_wal_lsn() AS lsn) w LEFT JOIN pg_stat_replication r ON true",
        )
        .fetch_one(connection)
        .await?;
        let reading = Reading { taken: Instant::now(), epoch: None, values: [row.try_get(0)?] };
        findings.set(MetricId::WalBytes, self.0.advance(reading).moved().map(|interval| interval.rates()[0]));
        findings.set(MetricId::Replicas, row.try_get::<f64, _>(1)?);
        findings.set(MetricId::ReplicationLagBytes, row.try_get::<Option<f64>, _>(2)?);
        findings.set(MetricId::ReplicationLag, row.try_get::<Option<f64>, _>(3)?);
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.0.forget();
    }
}

/// On a replica. "All that was received is replayed" counts as up to date only while something is received: a replica
/// that lost its primary falls behind.
async fn behind_primary(connection: &mut PgConnection, findings: &mut Findings) -> sqlx::Result<()> {
    let row = sqlx::query(
        "SELECT /* headroom */ CASE WHEN received IS NOT NULL AND replayed IS NOT NULL
                THEN greatest(pg_wal_lsn_diff(received, replayed), 0) END::float8,
            CASE WHEN received <= replayed AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
                WHEN applied IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp() - applied), 0) * 1000
            END::float8,
            (SELECT count(*) FROM pg_stat_replication)::float8
         FROM (SELECT pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,
                pg_last_xact_replay_timestamp() AS applied) w",
    )
    .fetch_one(connection)
    .await?;
    findings.set(MetricId::ReplicationLagBytes, row.try_get::<Option<f64>, _>(0)?);
    findings.set(MetricId::ReplicationLag, row.try_get::<Option<f64>, _>(1)?);
    findings.set(MetricId::Replicas, row.try_get::<f64, _>(2)?);
    Ok(())
}
