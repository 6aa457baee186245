//! Where the bytes are.

use super::{Look, counter, maybe_counter};
use headroom_model::{
    Timestamp,
    tables::{NamedBytes, SizeReport},
};
use sqlx::{Row, postgres::PgRow};

/// The parts come from the pages that the catalogue counted last: exact to the newest vacuum or analyze, and without a lock.
const PARTS: &str = "
SELECT /* headroom */ pg_database_size(current_database()) AS database,
    b.block * coalesce((sum(c.relpages::int8) FILTER (WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'pg_toast'))::int8, 0) AS heap,
    b.block * coalesce((sum(c.relpages::int8) FILTER (WHERE c.relkind = 'i'))::int8, 0) AS indexes,
    b.block * coalesce((sum(c.relpages::int8) FILTER (WHERE c.relkind = 't'))::int8, 0) AS toast
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    (SELECT current_setting('block_size')::int8 AS block) b GROUP BY b.block";

const DATABASES: &str = "
SELECT /* headroom */ d.datname::text AS name, CASE WHEN has_database_privilege(d.oid, 'CONNECT')
        OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN pg_database_size(d.oid) END AS bytes
FROM pg_database d WHERE d.datallowconn ORDER BY bytes DESC NULLS LAST, name LIMIT 50";

const LARGEST: &str = "
SELECT /* headroom */ n.nspname || '.' || c.relname AS name,
    (c.relpages::int8 + coalesce(t.relpages, 0)
        + coalesce((SELECT sum(x.relpages)::int8 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid), 0)) * current_setting('block_size')::int8 AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY bytes DESC, name LIMIT 20";

const WAL: &str = "SELECT /* headroom */ sum(w.size)::int8 AS bytes FROM pg_ls_waldir() w";

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<SizeReport> {
    let parts = sqlx::query(PARTS).fetch_one(to.connection()).await?;
    let may_read_wal: bool =
        sqlx::query_scalar("SELECT /* headroom */ has_function_privilege('pg_ls_waldir()', 'EXECUTE')")
            .fetch_one(to.connection())
            .await?;
    let wal_bytes = match may_read_wal {
        true => maybe_counter(&sqlx::query(WAL).fetch_one(to.connection()).await?, "bytes")?,
        false => None,
    };
    let named = |row: &PgRow| {
        Ok::<_, sqlx::Error>(NamedBytes { name: row.try_get("name")?, bytes: maybe_counter(row, "bytes")? })
    };
    let databases = to.all(DATABASES).await?.iter().map(named).collect::<sqlx::Result<_>>()?;
    let largest = to.all(LARGEST).await?.iter().map(named).collect::<sqlx::Result<_>>()?;
    Ok(SizeReport {
        at,
        database: to.server.database.clone(),
        database_bytes: counter(&parts, "database")?,
        growth_bytes_a_day: None,
        heap_bytes: counter(&parts, "heap")?,
        index_bytes: counter(&parts, "indexes")?,
        toast_bytes: counter(&parts, "toast")?,
        wal_bytes,
        databases,
        largest,
        limitations: to
            .server
            .hides("The write-ahead log and databases that the role may not connect to have no size.")
            .into_iter()
            .collect(),
    })
}
