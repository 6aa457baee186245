//! `pg_stat_activity`: who is connected, what runs, who waits for whom.

use super::{Findings, Server};
use crate::collect::{Session, interval::share, literals::redact};
use headroom_model::{MetricId, activity::SessionKey};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};

/// Longest statement text kept of a session, in characters.
pub(crate) const STATEMENT_CHARS: usize = 500;

/// Reads the counts over all backends and the list of client sessions. The collector's own session counts as a
/// connection, but neither as active nor as running.
///
/// Without `pg_monitor` the server hides state and type of other roles' backends; then the connections are counted (from the
/// rows that belong to a role and a database, which includes parallel workers), and the list holds the role's own sessions.
pub(super) async fn read(connection: &mut PgConnection, server: &Server, findings: &mut Findings) -> sqlx::Result<()> {
    let row = sqlx::query(
        "SELECT /* headroom */
            count(*) FILTER (WHERE client)::float8,
            count(*) FILTER (WHERE hidden)::float8,
            count(*) FILTER (WHERE hidden AND datid IS NOT NULL AND usesysid IS NOT NULL)::float8,
            count(*) FILTER (WHERE other AND running)::float8,
            count(*) FILTER (WHERE other AND in_transaction)::float8,
            count(*) FILTER (WHERE other AND wait_event_type = 'Lock')::float8,
            count(*) FILTER (WHERE backend_type = 'autovacuum worker')::float8,
            coalesce(max(extract(epoch FROM now - query_start)) FILTER (WHERE other AND running), 0)::float8,
            coalesce(max(extract(epoch FROM now - state_change)) FILTER (WHERE other AND in_transaction), 0)::float8,
            coalesce(max(extract(epoch FROM now - xact_start)) FILTER (WHERE other), 0)::float8
         FROM (SELECT *, clock_timestamp() AS now, backend_type = 'client backend' AS client,
                    backend_type = 'client backend' AND pid <> pg_backend_pid() AS other,
                    state IN ('active', 'fastpath function call') AS running,
                    state LIKE 'idle in transaction%' AS in_transaction,
                    backend_type IS NULL AND query = '<insufficient privilege>' AS hidden
               FROM pg_stat_activity) a",
    )
    .fetch_one(&mut *connection)
    .await?;
    let figure = |index: usize| row.try_get::<f64, _>(index);
    let millis = |index: usize| Ok::<_, sqlx::Error>(figure(index)?.max(0.0) * 1000.0);
    let connections = figure(0)? + figure(2)?;
    findings.set(MetricId::Connections, connections);
    findings.set(MetricId::ConnectionsMax, server.connections_max);
    findings.set(MetricId::ConnectionsUsed, share(connections, server.connections_max, 1.0));
    if figure(1)? > 0.0 {
        findings.limit(
            "Sessions of other roles are hidden, so activity, lock waits and statements are not measured.",
            server.grant_monitor(),
        );
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of processes")]
        {
            findings.hidden_sessions = figure(2)?.max(0.0) as u64;
        }
    } else {
        findings.set(MetricId::SessionsActive, figure(3)?);
        findings.set(MetricId::SessionsIdleInTransaction, figure(4)?);
        findings.set(MetricId::LocksBlocked, figure(5)?);
        findings.set(MetricId::AutovacuumWorkers, figure(6)?);
        findings.set(MetricId::LongestStatement, millis(7)?);
        findings.set(MetricId::LongestIdleInTransaction, millis(8)?);
        findings.set(MetricId::LongestTransaction, millis(9)?);
    }
    findings.sessions = sessions(connection, server, findings).await?;
    Ok(())
}

/// The client sessions, oldest transaction first, at most 500. Blockers are asked for of sessions that wait for a lock
/// only, and of a hundred at most: `pg_blocking_pids` stops the lock manager for a moment each time.
async fn sessions(connection: &mut PgConnection, server: &Server, findings: &Findings) -> sqlx::Result<Vec<Session>> {
    // Came with version 14.
    let query_id = if server.version >= 140_000 { "query_id" } else { "NULL::int8" };
    let own = OWN;
    let sql = format!(
        "SELECT /* headroom */ pid, {BACKEND_START_US} AS backend_start, {QUERY_START_US} AS query_start_us,
            coalesce(usename, '')::text AS usename, application_name, coalesce(datname, '')::text AS datname,
            host(client_addr) AS client, coalesce(state, 'unknown') AS state,
            (extract(epoch FROM now - state_change) * 1000)::float8 AS state_age,
            (extract(epoch FROM now - xact_start) * 1000)::float8 AS transaction_age,
            (extract(epoch FROM now - query_start) * 1000)::float8 AS statement_age,
            wait_event_type, wait_event, left(query, 8192) AS query, {query_id} AS query_id,
            age(backend_xmin)::int8 AS xmin_age, {own} AS own,
            CASE WHEN wait_event_type = 'Lock' AND nth <= 100 THEN pg_blocking_pids(pid) END AS blocked_by
         FROM (SELECT *, clock_timestamp() AS now,
                    count(*) FILTER (WHERE wait_event_type = 'Lock') OVER (ORDER BY query_start, pid) AS nth
               FROM pg_stat_activity
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
               ORDER BY xact_start NULLS LAST, pid LIMIT 500) a
         ORDER BY xact_start NULLS LAST, pid"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter().map(|row| session(row, findings)).collect()
}

/// Start of a backend, exactly as the server keeps it: a microsecond is the finest it knows.
pub(crate) const BACKEND_START_US: &str = "(extract(epoch FROM backend_start) * 1000000)::int8";
/// Start of a statement, exactly.
pub(crate) const QUERY_START_US: &str = "(extract(epoch FROM query_start) * 1000000)::int8";
/// Whether a session is a console's: the lanes give their connections such names, and share their role.
pub(crate) const OWN: &str = "(usename = current_user AND application_name LIKE 'headroom/%')";

fn session(row: &PgRow, findings: &Findings) -> sqlx::Result<Session> {
    // Ages by the server's clock, moments by ours: the two may differ.
    let since = |column: &str| -> sqlx::Result<_> {
        #[expect(clippy::cast_possible_truncation, reason = "an age in milliseconds")]
        let age = row.try_get::<Option<f64>, _>(column)?.map(|age| age.max(0.0) as i64);
        Ok(age.map(|age| findings.at.plus_millis(-age)))
    };
    let mut blocked_by = row.try_get::<Option<Vec<i32>>, _>("blocked_by")?.unwrap_or_default();
    // Parallel workers make a blocker appear more than once.
    blocked_by.sort_unstable();
    blocked_by.dedup();
    Ok(Session {
        key: SessionKey { pid: row.try_get("pid")?, backend_start_us: row.try_get("backend_start")? },
        user: row.try_get("usename")?,
        application: row.try_get::<Option<String>, _>("application_name")?.unwrap_or_default(),
        database: row.try_get("datname")?,
        client: row.try_get("client")?,
        state: row.try_get("state")?,
        state_since: since("state_age")?,
        transaction_since: since("transaction_age")?,
        statement_since: since("statement_age")?,
        statement_start_us: row.try_get("query_start_us")?,
        wait_kind: row.try_get("wait_event_type")?,
        wait_event: row.try_get("wait_event")?,
        lock_wait_ms: None,
        blocked_by,
        locks: Vec::new(),
        query_id: row.try_get("query_id")?,
        xmin_age: row.try_get("xmin_age")?,
        own: row.try_get::<Option<bool>, _>("own")?.unwrap_or(false),
        statement: redact(&row.try_get::<Option<String>, _>("query")?.unwrap_or_default(), STATEMENT_CHARS),
    })
}
