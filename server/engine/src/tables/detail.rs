//! One table, opened: its indexes, foreign keys, ages, vacuums; and its wasted space, measured.

use super::{Look, counter, list, maybe_counter, moment, vacuum};
use crate::sql::quote_identifier;
use headroom_model::{
    Timestamp,
    tables::{ForeignKey, IndexSummary, MeasuredBloat, Runs, TableDetail},
    target::Limitation,
};
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

/// Finds a table by `schema.table`, else by its name in `public`: compared as text, so that no name needs quoting.
const FIND: &str = "
SELECT /* headroom */ c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
    coalesce(c.reloptions, '{}') AS options, age(c.relfrozenxid)::int8 AS freeze_age,
    mxid_age(c.relminmxid)::int8 AS multixact_age,
    coalesce((SELECT max(o.option_value::int8) FROM pg_options_to_table(c.reloptions) o
        WHERE o.option_name = 'autovacuum_freeze_max_age'), current_setting('autovacuum_freeze_max_age')::int8) AS freeze_max,
    s.vacuum_count, s.autovacuum_count, s.analyze_count, s.autoanalyze_count, s.n_mod_since_analyze AS changed,
    floor(extract(epoch FROM s.last_vacuum) * 1000)::int8 AS last_vacuum,
    floor(extract(epoch FROM s.last_autovacuum) * 1000)::int8 AS last_autovacuum,
    floor(extract(epoch FROM s.last_analyze) * 1000)::int8 AS last_analyze,
    floor(extract(epoch FROM s.last_autoanalyze) * 1000)::int8 AS last_autoanalyze
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND (n.nspname || '.' || c.relname = $1 OR n.nspname = 'public' AND c.relname = $1)
ORDER BY n.nspname || '.' || c.relname <> $1 LIMIT 1";

/// From version 16 on the server tells when an index was last used.
const INDEXES: &str = "
SELECT /* headroom */ x.relname::text AS name, pg_get_indexdef(i.indexrelid) AS definition,
    pg_relation_size(i.indexrelid) AS size, coalesce(s.idx_scan, 0) AS scans,
    floor(extract(epoch FROM (to_jsonb(s) ->> 'last_idx_scan')::timestamptz) * 1000)::int8 AS scanned,
    i.indisprimary, i.indisunique, i.indisvalid
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
WHERE i.indrelid = $1::int8::oid ORDER BY size DESC NULLS LAST, name LIMIT 100";

/// An index serves a foreign key when its first columns are the key's, in whatever order, and it covers every row.
const KEYS: &str = "
SELECT /* headroom */ k.conname::text AS name, n.nspname::text AS schema, c.relname::text AS relation,
    rn.nspname || '.' || r.relname AS target, k.conrelid = $1::int8::oid AS is_own,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.place) AS columns,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
        AND i.indnkeyatts >= cardinality(k.conkey)
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) AS has_index
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE k.contype = 'f' AND $1::int8::oid IN (k.conrelid, k.confrelid) AND c.relkind = 'r'
ORDER BY 5 DESC, 7, 1 LIMIT 200";

/// Foreign keys of each kind that are shown.
const KEYS_MAX: usize = 100;

pub(super) async fn read(to: &mut Look, name: &str, at: Timestamp) -> sqlx::Result<Option<TableDetail>> {
    let Some(found) = sqlx::query(FIND).bind(name).fetch_optional(to.connection()).await? else { return Ok(None) };
    let oid: i64 = found.try_get("oid")?;
    let Some(table) = list::one(to, oid).await? else { return Ok(None) };
    let indexes = sqlx::query(INDEXES).bind(oid).fetch_all(to.connection()).await?;
    let keys = sqlx::query(KEYS).bind(oid).fetch_all(to.connection()).await?;
    let (own, others): (Vec<&PgRow>, Vec<&PgRow>) =
        keys.iter().partition(|row| row.try_get::<bool, _>("is_own").unwrap_or(false));
    let own = own.into_iter().take(KEYS_MAX).map(key).collect::<sqlx::Result<Vec<_>>>()?;
    let others = others.into_iter().map(key).collect::<sqlx::Result<Vec<_>>>()?;
    let running = vacuum::running(to).await?;
    let full_name = list::table_name_of(&table.schema, &table.name);
    let runs = |count: &str, last: &str| {
        Ok::<_, sqlx::Error>(Runs { count: counter(&found, count)?, last: moment(&found, last)? })
    };
    Ok(Some(TableDetail {
        at,
        owner: found.try_get("owner")?,
        options: found.try_get("options")?,
        indexes: indexes.iter().map(index).collect::<sqlx::Result<_>>()?,
        foreign_keys: own,
        referenced_without_index: others.into_iter().filter(|key| key.missing_index.is_some()).take(KEYS_MAX).collect(),
        freeze_age: found.try_get("freeze_age")?,
        freeze_max_age: found.try_get("freeze_max")?,
        multixact_age: found.try_get("multixact_age")?,
        vacuums: runs("vacuum_count", "last_vacuum")?,
        autovacuums: runs("autovacuum_count", "last_autovacuum")?,
        analyzes: runs("analyze_count", "last_analyze")?,
        autoanalyzes: runs("autoanalyze_count", "last_autoanalyze")?,
        changed_since_analyze: counter(&found, "changed")?,
        vacuum: running.into_iter().find(|running| running.table.as_deref() == Some(full_name.as_str())),
        measure_missing: extension(to).await?.err(),
        table,
    }))
}

fn index(row: &PgRow) -> sqlx::Result<IndexSummary> {
    Ok(IndexSummary {
        name: row.try_get("name")?,
        definition: row.try_get("definition")?,
        size_bytes: maybe_counter(row, "size")?,
        scans: counter(row, "scans")?,
        scanned_at: moment(row, "scanned")?,
        is_primary: row.try_get("indisprimary")?,
        is_unique: row.try_get("indisunique")?,
        is_valid: row.try_get("indisvalid")?,
    })
}

fn key(row: &PgRow) -> sqlx::Result<ForeignKey> {
    let (schema, relation): (String, String) = (row.try_get("schema")?, row.try_get("relation")?);
    let columns: Vec<String> = row.try_get("columns")?;
    let has_index: bool = row.try_get("has_index")?;
    let missing_index = (!has_index).then(|| {
        let list: Vec<String> = columns.iter().map(|column| quote_identifier(column)).collect();
        let (schema, relation) = (quote_identifier(&schema), quote_identifier(&relation));
        format!("CREATE INDEX CONCURRENTLY ON {schema}.{relation} ({});", list.join(", "))
    });
    Ok(ForeignKey {
        name: row.try_get("name")?,
        table: list::table_name_of(&schema, &relation),
        columns,
        references: row.try_get("target")?,
        missing_index,
    })
}

/// The schema of pgstattuple, quoted, or what measuring needs.
async fn extension(to: &mut Look) -> sqlx::Result<Result<String, Limitation>> {
    let row = sqlx::query(
        "SELECT /* headroom */ (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'pgstattuple') AS schema,
            EXISTS (SELECT FROM pg_available_extensions a WHERE a.name = 'pgstattuple') AS is_offered,
            (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
                WHERE p.proname = 'pgstattuple_approx') AS may_use",
    )
    .fetch_one(to.connection())
    .await?;
    let schema: Option<String> = row.try_get("schema")?;
    let limit = |what: &str, remedy: String| Ok(Err(Limitation { what: what.to_owned(), remedy }));
    match schema {
        Some(_) if row.try_get::<Option<bool>, _>("may_use")? != Some(true) => limit(
            "The role may not measure wasted space.",
            format!("GRANT pg_stat_scan_tables TO {};", to.server.role()),
        ),
        Some(schema) => Ok(Ok(quote_identifier(&schema))),
        None if row.try_get("is_offered")? => limit(
            "Wasted space is an estimate: the extension pgstattuple is not installed.",
            "CREATE EXTENSION pgstattuple;".to_owned(),
        ),
        None => limit(
            "Wasted space is an estimate: this server does not offer the extension pgstattuple.",
            "Install the package of PostgreSQL's additional modules (contrib), then CREATE EXTENSION pgstattuple;"
                .to_owned(),
        ),
    }
}

/// What came of measuring.
pub(super) enum Measured {
    Done(MeasuredBloat),
    NoTable,
    Missing(Limitation),
}

pub(super) async fn measure(to: &mut Look, name: &str, at: Timestamp) -> sqlx::Result<Measured> {
    let Some(found) = sqlx::query(FIND).bind(name).fetch_optional(to.connection()).await? else {
        return Ok(Measured::NoTable);
    };
    let schema = match extension(to).await? {
        Ok(schema) => schema,
        Err(missing) => return Ok(Measured::Missing(missing)),
    };
    sqlx::raw_sql("SET LOCAL /* headroom */ statement_timeout = '20s'").execute(to.connection()).await?;
    let sql = format!(
        "SELECT /* headroom */ m.table_len, m.dead_tuple_len, m.approx_free_space, m.scanned_percent::float8,
            m.dead_tuple_percent::float8 + m.approx_free_percent::float8 AS percent
         FROM {schema}.pgstattuple_approx($1::int8::oid::regclass) m"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(found.try_get::<i64, _>("oid")?).fetch_one(to.connection()).await?;
    Ok(Measured::Done(MeasuredBloat {
        at,
        heap_bytes: counter(&row, "table_len")?,
        dead_bytes: counter(&row, "dead_tuple_len")?,
        free_bytes: counter(&row, "approx_free_space")?,
        percent: row.try_get("percent")?,
        scanned_percent: row.try_get("scanned_percent")?,
    }))
}
