//! What the server says of connections that are lent out.

use super::{Holder, Lane, PoolError, Pools};
use crate::collect::literals::redact;
use headroom_model::{Timestamp, pool::BackendReport};
use sqlx::{Row, postgres::PgRow};
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;

/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Characters of a statement that are kept.
const STATEMENT_MAX: usize = 500;

impl Pools {
    /// Adds to each holder on the primary what the server says of its backend: state, last statement, oldest transaction kept
    /// visible, locks. One statement, two seconds at most. Backends are recognised by process id and application name.
    ///
    /// # Errors
    /// The server does not answer; the holders stay as they are.
    pub async fn inspect(&self, holders: &mut [Holder]) -> Result<(), PoolError> {
        let on_primary = holders.iter().filter(|holder| holder.lane != Lane::Replica);
        let pids: Vec<i32> = on_primary.filter_map(|holder| holder.pid).collect();
        let read = async {
            let mut lease = self.acquire(Lane::Interactive).await?.purpose("holders of connections");
            let rows = sqlx::query(BACKENDS).bind(pids).fetch_all(&mut *lease).await;
            match rows {
                Ok(rows) => Ok(rows),
                Err(error) => {
                    lease.discard();
                    Err(PoolError::Connect(error))
                }
            }
        };
        let timed_out = |_| PoolError::Connect(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
        let rows = timeout(ANSWER, read).await.map_err(timed_out)??;
        let mut backends =
            rows.iter().map(backend).collect::<sqlx::Result<HashMap<_, _>>>().map_err(PoolError::Connect)?;
        for holder in holders.iter_mut().filter(|holder| holder.lane != Lane::Replica) {
            let name = format!("{}/{}", holder.application, holder.lane.name());
            holder.backend = holder.pid.and_then(|pid| backends.remove(&(pid, name)));
        }
        Ok(())
    }
}

const BACKENDS: &str = "
SELECT /* headroom */ a.pid, a.application_name, a.state, a.query,
    floor(extract(epoch FROM a.xact_start) * 1000)::int8 AS transaction_since,
    pg_catalog.age(a.backend_xmin)::int8 AS xmin_age, coalesce(l.locks, 0) AS locks,
    coalesce(l.relations, '{}') AS relations
FROM pg_catalog.pg_stat_activity a
    LEFT JOIN LATERAL (
        SELECT sum(r.locks)::int8 AS locks,
            (pg_catalog.array_agg(r.name ORDER BY r.name) FILTER (WHERE r.name IS NOT NULL))[1:20] AS relations
        FROM (
            SELECT count(*) AS locks, CASE WHEN l.relation IS NOT NULL
                    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
                THEN l.relation::pg_catalog.regclass::text || ': ' || pg_catalog.string_agg(DISTINCT l.mode, ', ') END AS name
            FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.granted GROUP BY l.relation, l.database) r) l ON true
WHERE a.pid = ANY($1) AND a.datname = pg_catalog.current_database()";

fn backend(row: &PgRow) -> sqlx::Result<((i32, String), BackendReport)> {
    let statement: Option<String> = row.try_get("query")?;
    let report = BackendReport {
        state: row.try_get("state")?,
        transaction_since: row.try_get::<Option<i64>, _>("transaction_since")?.map(Timestamp),
        statement: statement.filter(|text| !text.is_empty()).map(|text| redact(&text, STATEMENT_MAX)),
        xmin_age: row.try_get("xmin_age")?,
        locks: u64::try_from(row.try_get::<i64, _>("locks")?).unwrap_or(0),
        relations: row.try_get("relations")?,
    };
    Ok(((row.try_get("pid")?, row.try_get("application_name")?), report))
}
