//! Freeze ages, running vacuums, and who keeps dead rows from being removed.

use super::{Look, counter, list::table_name_of, moment};
use crate::sql::quote_literal;
use headroom_model::{
    Timestamp,
    tables::{FreezeAge, VacuumProgress, VacuumReport, XminHolder},
};
use sqlx::{Row, postgres::PgRow};

const DATABASES: &str = "
SELECT /* headroom */ d.datname::text AS name, age(d.datfrozenxid)::int8 AS age, mxid_age(d.datminmxid)::int8 AS multixacts
FROM pg_database d ORDER BY 2 DESC, 1 LIMIT 50";

/// A table is as old as the older of itself and what it stores out of line.
const TABLES: &str = "
SELECT /* headroom */ n.nspname || '.' || c.relname AS name,
    greatest(age(c.relfrozenxid), age(t.relfrozenxid))::int8 AS age,
    greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid))::int8 AS multixacts
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' ORDER BY 2 DESC, 1 LIMIT 20";

/// A vacuum of any database; names only of this one.
const RUNNING: &str = "
SELECT /* headroom */ p.pid, n.nspname::text AS schema, c.relname::text AS name, p.phase, p.heap_blks_scanned AS done,
    p.heap_blks_total AS total, p.index_vacuum_count AS passes, coalesce(a.backend_type = 'autovacuum worker', false) AS automatic,
    floor(extract(epoch FROM a.xact_start) * 1000)::int8 AS since
FROM pg_stat_progress_vacuum p LEFT JOIN pg_stat_activity a ON a.pid = p.pid
    LEFT JOIN pg_class c ON c.oid = p.relid AND p.datname = current_database()
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.phase IS NOT NULL ORDER BY since NULLS LAST, p.pid LIMIT 20";

/// Whose snapshot, slot or feedback is the oldest. Our own session and walsenders are left out: standbys have rows of theirs.
const HOLDERS: &str = "
SELECT /* headroom */ * FROM (
    SELECT 'session' AS kind, a.pid::text AS name,
        concat_ws(', ', a.usename, nullif(a.application_name, ''), a.datname, coalesce(a.state, a.backend_type)) AS detail,
        age(a.backend_xmin)::int8 AS age, floor(extract(epoch FROM a.xact_start) * 1000)::int8 AS since,
        a.backend_start::text AS mark, coalesce(a.datname = current_database(), true) AS is_here
    FROM pg_stat_activity a
    WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid()
        AND a.backend_type NOT IN ('walsender', 'autovacuum worker')
    UNION ALL
    SELECT 'prepared transaction', p.gid, concat_ws(', ', p.owner, p.database), age(p.transaction)::int8,
        floor(extract(epoch FROM p.prepared) * 1000)::int8, NULL, p.database = current_database()
    FROM pg_prepared_xacts p
    UNION ALL
    SELECT 'replication slot', s.slot_name, concat_ws(', ', s.slot_type, s.plugin, CASE WHEN s.active THEN 'in use' ELSE 'not in use' END),
        greatest(age(s.xmin), age(s.catalog_xmin))::int8, NULL, CASE WHEN s.active THEN 'active' END,
        s.xmin IS NOT NULL
    FROM pg_replication_slots s WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'standby', coalesce(nullif(r.application_name, ''), r.pid::text), concat_ws(', ', r.usename, host(r.client_addr)),
        age(r.backend_xmin)::int8, NULL, NULL, true
    FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL) h
ORDER BY age DESC NULLS LAST LIMIT 20";

const SETTINGS: &str = "SELECT /* headroom */ current_setting('autovacuum_max_workers')::int4 AS workers,
    current_setting('autovacuum_freeze_max_age')::int8 AS freeze_max";

/// Transaction ids until the server refuses writes (documentation, "Preventing Transaction ID Wraparound Failures").
const SPACE: f64 = 2_147_483_648.0;

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<VacuumReport> {
    let settings = sqlx::query(SETTINGS).fetch_one(to.connection()).await?;
    let ages = |rows: Vec<PgRow>| rows.iter().map(age).collect::<sqlx::Result<Vec<_>>>();
    Ok(VacuumReport {
        at,
        running: running(to).await?,
        workers_max: u32::try_from(settings.try_get::<i32, _>("workers")?).unwrap_or(0),
        freeze_max_age: settings.try_get("freeze_max")?,
        databases: ages(to.all(DATABASES).await?)?,
        tables: ages(to.all(TABLES).await?)?,
        holders: holders(to).await?,
        limitations: to
            .server
            .hides("Sessions and standbys of other roles that keep dead rows stay hidden.")
            .into_iter()
            .collect(),
    })
}

pub(super) async fn running(to: &mut Look) -> sqlx::Result<Vec<VacuumProgress>> {
    to.all(RUNNING).await?.iter().map(progress).collect()
}

pub(super) async fn holders(to: &mut Look) -> sqlx::Result<Vec<XminHolder>> {
    to.all(HOLDERS).await?.iter().map(holder).collect()
}

fn progress(row: &PgRow) -> sqlx::Result<VacuumProgress> {
    let (schema, name): (Option<String>, Option<String>) = (row.try_get("schema")?, row.try_get("name")?);
    Ok(VacuumProgress {
        pid: row.try_get("pid")?,
        table: schema.zip(name).map(|(schema, name)| table_name_of(&schema, &name)),
        phase: row.try_get("phase")?,
        blocks_done: counter(row, "done")?,
        blocks: counter(row, "total")?,
        index_passes: counter(row, "passes")?,
        is_automatic: row.try_get("automatic")?,
        since: moment(row, "since")?,
    })
}

fn age(row: &PgRow) -> sqlx::Result<FreezeAge> {
    let (age, multixact_age): (i64, i64) = (row.try_get("age")?, row.try_get("multixacts")?);
    #[expect(clippy::cast_precision_loss, reason = "below 2³²")]
    let percent = 100.0 * age.max(multixact_age) as f64 / SPACE;
    Ok(FreezeAge { name: row.try_get("name")?, age, percent, multixact_age })
}

fn holder(row: &PgRow) -> sqlx::Result<XminHolder> {
    let (kind, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
    let mark: Option<String> = row.try_get("mark")?;
    let remedy = match (kind.as_str(), &mark) {
        // The number alone may be another session's by then.
        ("session", Some(start)) => format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {name} AND backend_start = {};",
            quote_literal(start)
        ),
        ("session", None) => "Its owner must end its transaction.".to_owned(),
        ("prepared transaction", _) => {
            format!(
                "ROLLBACK PREPARED {name}; -- or COMMIT PREPARED, as its application says",
                name = quote_literal(&name)
            )
        }
        ("replication slot", Some(_)) => "Its consumer must catch up, or be stopped and its slot dropped.".to_owned(),
        ("replication slot", None) => format!("SELECT pg_drop_replication_slot({});", quote_literal(&name)),
        _ => "End the long query on the standby, or switch hot_standby_feedback off there.".to_owned(),
    };
    Ok(XminHolder {
        kind,
        name,
        detail: row.try_get("detail")?,
        age: row.try_get::<Option<i64>, _>("age")?.unwrap_or(0),
        since: moment(row, "since")?,
        remedy,
        is_here: row.try_get("is_here")?,
    })
}
