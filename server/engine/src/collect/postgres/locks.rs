//! `pg_locks`: what client sessions hold and how long they have waited; in detail where someone waits.

use super::{Findings, Server};
use headroom_model::{MetricId, activity::SessionLock};
use sqlx::{PgConnection, Row};
use std::collections::{BTreeSet, HashMap};

/// A wait up to this long is ordinary, in milliseconds.
const ORDINARY_WAIT_MS: f64 = 1000.0;

/// Sessions whose locks are read in detail, and locks kept of each.
const DETAILED: usize = 100;
const LOCKS_EACH: usize = 20;

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
    let rows = sqlx::query(statement).fetch_all(&mut *connection).await?;
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
        session.lock_wait_ms = waits.get(&session.key.pid).copied().flatten();
    }
    detail(connection, findings).await
}

/// Names what those hold and want who block or are blocked. Nothing is asked while nobody waits.
async fn detail(connection: &mut PgConnection, findings: &mut Findings) -> sqlx::Result<()> {
    let sessions = &mut findings.sessions;
    let blocked = sessions.iter().filter(|session| !session.blocked_by.is_empty());
    let involved: BTreeSet<i32> =
        blocked.flat_map(|session| session.blocked_by.iter().copied().chain([session.key.pid])).collect();
    if involved.is_empty() {
        return Ok(());
    }
    let pids: Vec<i32> = involved.into_iter().take(DETAILED).collect();
    // A share for each session: one with thousands of locks leaves room for the others. Indexes are locked with their table and would only say it again. A table of another database has no name here.
    let rows = sqlx::query(
        "SELECT /* headroom */ * FROM (SELECT l.pid, l.locktype, l.mode, l.granted,
            CASE WHEN l.relation IS NULL THEN NULL
                WHEN c.oid IS NOT NULL AND n.nspname = 'public' THEN c.relname::text
                WHEN c.oid IS NOT NULL THEN n.nspname || '.' || c.relname
                ELSE 'relation ' || l.relation || ' of ' || coalesce(d.datname, 'all databases') END AS relation,
            row_number() OVER (PARTITION BY l.pid ORDER BY l.granted) AS place
         FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database
            LEFT JOIN pg_class c ON c.oid = l.relation AND (l.database = 0 OR d.datname = current_database())
            LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = ANY($1) AND (NOT l.granted OR l.locktype <> 'virtualxid')
            AND (NOT l.granted OR c.relkind IS NULL OR c.relkind NOT IN ('i', 'I'))
         ) found WHERE place <= 60 ORDER BY granted, pid LIMIT 3000",
    )
    .bind(pids)
    .fetch_all(connection)
    .await?;
    let mut locks: HashMap<i32, BTreeSet<SessionLock>> = HashMap::new();
    for row in &rows {
        let lock = SessionLock {
            kind: row.try_get::<Option<String>, _>(1)?.unwrap_or_default(),
            relation: row.try_get(4)?,
            mode: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
            granted: row.try_get(3)?,
        };
        let of_session = locks.entry(row.try_get(0)?).or_default();
        // What is waited for comes first, so that it is never what is left out.
        if of_session.len() < LOCKS_EACH {
            of_session.insert(lock);
        }
    }
    for session in sessions {
        session.locks = locks.remove(&session.key.pid).unwrap_or_default().into_iter().collect();
        session.locks.sort_by_key(|lock| lock.granted);
    }
    Ok(())
}
