//! `pg_locks`: what client sessions hold and how long they have waited.

use super::{Findings, Server};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// A wait up to this long is ordinary, in milliseconds.
const ORDINARY_WAIT_MS: f64 = 1000.0;

/// Counts locks and completes the sessions with their waits. Runs after the activity, whose sessions it needs; without
/// them (hidden from this role) it measures nothing.
pub(super) async fn read(connection: &mut PgConnection, server: &Server, findings: &mut Findings) -> sqlx::Result<()> {
    if !findings.figures.contains_key(&MetricId::LocksBlocked) {
        return Ok(());
    }
    // `waitstart` is set a moment after the wait begins, and came with version 14.
    let statement = if server.version >= 140_000 {
        "SELECT /* headroom */ l.pid, count(*) FILTER (WHERE l.granted)::float8, bool_or(NOT l.granted),
            (extract(epoch FROM clock_timestamp() - min(l.waitstart) FILTER (WHERE NOT l.granted)) * 1000)::float8
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE a.backend_type = 'client backend' AND l.pid <> pg_backend_pid() GROUP BY l.pid"
    } else {
        "SELECT /* headroom */ l.pid, count(*) FILTER (WHERE l.granted)::float8, bool_or(NOT l.granted), NULL::float8
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE a.backend_type = 'client backend' AND l.pid <> pg_backend_pid() GROUP BY l.pid"
    };
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    let mut held = 0.0;
    let mut waits: HashMap<i32, Option<f64>> = HashMap::new();
    for row in &rows {
        held += row.try_get::<f64, _>(1)?;
        if row.try_get::<bool, _>(2)? {
            let waited = row.try_get::<Option<f64>, _>(3)?.map(|ms| ms.max(0.0));
            let waited = if server.version >= 140_000 { waited.or(Some(0.0)) } else { waited };
            waits.insert(row.try_get(0)?, waited);
        }
    }
    findings.set(MetricId::LocksHeld, held);
    if server.version < 140_000 && !waits.is_empty() {
        findings.limit(
            "PostgreSQL 13 does not tell since when a session waits for a lock, so lock waits are not measured.",
            "Update PostgreSQL to version 14 or newer.",
        );
    }
    // Where one wait's age is unknown, the longest is unknown.
    if let Some(ages) = waits.values().copied().collect::<Option<Vec<f64>>>() {
        findings.set(MetricId::LocksLongestWait, ages.iter().copied().fold(0.0, f64::max));
        let long = ages.iter().filter(|age| **age > ORDINARY_WAIT_MS).count();
        findings.set(MetricId::LocksWaiting, u32::try_from(long).map(f64::from).ok());
    }
    for session in &mut findings.sessions {
        session.lock_wait_ms = waits.get(&session.pid).copied().flatten();
    }
    Ok(())
}
