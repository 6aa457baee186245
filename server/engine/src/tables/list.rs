//! The tables: sizes, scans, dead rows, ages, and how much is wasted by the statistics.

use super::{Look, counter, maybe_counter, moment};
use crate::collect::vacuum_threshold;
use headroom_model::{
    Timestamp,
    format::count,
    tables::{Bloat, TableList, TableSummary},
};
use sqlx::{Row, postgres::PgRow};

/// Bytes before the rows of a page, and of a row before its columns (documentation, "Database Page Layout").
const PAGE_HEADER: f64 = 24.0;
const ROW_HEADER: f64 = 23.0;
const ITEM_POINTER: f64 = 4.0;
/// Rows and pages begin at multiples of this.
const ALIGNMENT: f64 = 8.0;
/// A smaller table is not worth an estimate.
const PAGES_LEAST: f64 = 128.0;
/// Statistics are stale once this share of the rows, and this many, changed since the newest ANALYZE.
const STALE_SHARE: f64 = 0.2;
const STALE_ROWS: f64 = 1000.0;

/// One row a table; `$1` is one table's oid, or null for the largest 500. The sizes of a table that someone holds exclusively
/// would wait for him: they stay unknown. What is locked of a TOAST table is locked of its owner.
const TABLES: &str = concat!(
    "WITH c AS MATERIALIZED (
        SELECT c.oid, c.relname, n.nspname, c.relpages, c.reltuples, c.reloptions, c.reltoastrelid, c.relfrozenxid,
            c.relhasindex
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
            AND ($1::int8 IS NULL OR c.oid = $1::int8::oid)
        ORDER BY c.relpages::int8 + coalesce(t.relpages, 0) DESC, c.oid LIMIT 500),
     locked AS MATERIALIZED (
        SELECT coalesce(o.oid, i.indrelid, l.relation) AS relation FROM pg_locks l
            LEFT JOIN pg_index i ON i.indexrelid = l.relation
            LEFT JOIN pg_class o ON o.reltoastrelid = coalesce(i.indrelid, l.relation)
        WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
            AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())),
     width AS MATERIALIZED (
        SELECT w.schemaname, w.tablename, count(*) AS columns, sum((1 - w.null_frac) * w.avg_width)::float8 AS bytes,
            bool_or(w.null_frac > 0) AS has_nulls
        FROM pg_stats w WHERE NOT w.inherited AND (w.schemaname, w.tablename) IN (SELECT c.nspname, c.relname FROM c)
        GROUP BY w.schemaname, w.tablename)
     SELECT /* headroom */ c.nspname::text AS schema, c.relname::text AS name, l.relation IS NOT NULL AS is_locked,
        CASE WHEN l.relation IS NULL THEN pg_total_relation_size(c.oid) END AS size,
        CASE WHEN l.relation IS NULL THEN pg_table_size(c.oid) END AS table_size,
        CASE WHEN l.relation IS NULL THEN pg_indexes_size(c.oid) END AS index_size,
        CASE WHEN l.relation IS NULL AND c.reltoastrelid <> 0 THEN pg_total_relation_size(c.reltoastrelid) END AS toast_size,
        s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze, s.n_tup_ins, s.n_tup_upd, s.n_tup_hot_upd, s.n_tup_del,
        coalesce(s.seq_scan, 0) AS seq_scan, coalesce(s.seq_tup_read, 0) AS seq_tup_read,
        coalesce(s.idx_scan, 0) AS idx_scan, ",
    vacuum_threshold!(),
    " AS vacuum_at,
        floor(extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum)) * 1000)::int8 AS vacuumed,
        floor(extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze)) * 1000)::int8 AS analyzed,
        (100 * age(c.relfrozenxid) / 2147483648.0)::float8 AS freeze_percent,
        c.relpages::float8 AS pages, c.reltuples::float8 AS rows, w.bytes AS row_bytes, w.has_nulls,
        coalesce(w.columns, 0) AS known_columns,
        (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
        coalesce((SELECT max(o.option_value::float8) FROM pg_options_to_table(c.reloptions) o
            WHERE o.option_name = 'fillfactor'), 100) AS fillfactor,
        (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                AND i.indnkeyatts >= cardinality(k.conkey)
                AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)) AS keys_without_index
     FROM c JOIN pg_stat_user_tables s ON s.relid = c.oid
        LEFT JOIN (SELECT DISTINCT relation FROM locked) l ON l.relation = c.oid
        LEFT JOIN width w ON w.schemaname = c.nspname AND w.tablename = c.relname
     ORDER BY size DESC NULLS FIRST, c.oid"
);

const COUNTS: &str = "SELECT /* headroom */ (SELECT count(*) FROM pg_stat_user_tables) AS total,
    (SELECT floor(extract(epoch FROM d.stats_reset) * 1000)::int8 FROM pg_stat_database d
        WHERE d.datname = current_database()) AS reset";

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<TableList> {
    let block = to.server.block_size;
    let counts = sqlx::query(COUNTS).fetch_one(to.connection()).await?;
    let rows = sqlx::query(TABLES).bind(None::<i64>).fetch_all(to.connection()).await?;
    Ok(TableList {
        at,
        tables: rows.iter().map(|row| summary(row, block)).collect::<sqlx::Result<_>>()?,
        total: counter(&counts, "total")?,
        counting_since: moment(&counts, "reset")?,
        limitations: to.server.hides("Vacuums that others run stay hidden.").into_iter().collect(),
    })
}

/// One table; none where it has gone.
pub(super) async fn one(to: &mut Look, oid: i64) -> sqlx::Result<Option<TableSummary>> {
    let block = to.server.block_size;
    let row = sqlx::query(TABLES).bind(Some(oid)).fetch_optional(to.connection()).await?;
    row.map(|row| summary(&row, block)).transpose()
}

fn summary(row: &PgRow, block: f64) -> sqlx::Result<TableSummary> {
    let (live, dead) = (counter(row, "n_live_tup")?, counter(row, "n_dead_tup")?);
    let (updated, hot) = (counter(row, "n_tup_upd")?, counter(row, "n_tup_hot_upd")?);
    let share = |part: u64, whole: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
    let (bloat, bloat_unknown) = match estimate(&Statistics::read(row)?, block) {
        Ok(bloat) => (Some(bloat), None),
        Err(reason) => (None, Some(reason)),
    };
    let toast_bytes = maybe_counter(row, "toast_size")?;
    let table_bytes = maybe_counter(row, "table_size")?;
    let is_locked: bool = row.try_get("is_locked")?;
    Ok(TableSummary {
        schema: row.try_get("schema")?,
        name: row.try_get("name")?,
        size_bytes: maybe_counter(row, "size")?,
        heap_bytes: table_bytes.map(|all| all.saturating_sub(toast_bytes.unwrap_or(0))),
        index_bytes: maybe_counter(row, "index_size")?,
        toast_bytes: if is_locked { None } else { toast_bytes.or(Some(0)) },
        growth_bytes_a_day: None,
        growth_over_ms: None,
        live_rows: live,
        dead_rows: dead,
        dead_percent: share(dead, live + dead),
        vacuum_at: row.try_get("vacuum_at")?,
        seq_scans: counter(row, "seq_scan")?,
        seq_rows: counter(row, "seq_tup_read")?,
        index_scans: counter(row, "idx_scan")?,
        hot_percent: share(hot, updated),
        inserted: counter(row, "n_tup_ins")?,
        updated,
        deleted: counter(row, "n_tup_del")?,
        bloat,
        bloat_unknown,
        vacuumed_at: moment(row, "vacuumed")?,
        analyzed_at: moment(row, "analyzed")?,
        freeze_percent: row.try_get("freeze_percent")?,
        keys_without_index: u32::try_from(counter(row, "keys_without_index")?).unwrap_or(u32::MAX),
    })
}

/// What an estimate rests on.
#[derive(Clone, Debug)]
struct Statistics {
    is_locked: bool,
    is_analyzed: bool,
    changed: f64,
    pages: f64,
    rows: f64,
    row_bytes: Option<f64>,
    has_nulls: bool,
    known_columns: i64,
    columns: i64,
    fillfactor: f64,
}

impl Statistics {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let changed = row.try_get::<i64, _>("n_mod_since_analyze")? as f64;
        Ok(Statistics {
            is_locked: row.try_get("is_locked")?,
            is_analyzed: row.try_get::<Option<i64>, _>("analyzed")?.is_some(),
            changed,
            pages: row.try_get("pages")?,
            rows: row.try_get("rows")?,
            row_bytes: row.try_get("row_bytes")?,
            has_nulls: row.try_get::<Option<bool>, _>("has_nulls")?.unwrap_or(false),
            known_columns: row.try_get("known_columns")?,
            columns: row.try_get("columns")?,
            fillfactor: row.try_get("fillfactor")?,
        })
    }
}

/// Pages that the rows would need, packed as the server packs them, against the pages that there are. Rough: widths are
/// averages, and alignment between columns is not known. Says why where it would be worse than rough.
fn estimate(of: &Statistics, block: f64) -> Result<Bloat, String> {
    if of.is_locked {
        return Err("someone holds the table exclusively".to_owned());
    }
    if of.pages < PAGES_LEAST {
        return Err("smaller than 1 MiB when it was last analysed or vacuumed".to_owned());
    }
    if of.rows < 0.0 || !of.is_analyzed && of.row_bytes.is_none() {
        return Err("never analysed".to_owned());
    }
    if of.changed > STALE_SHARE * of.rows + STALE_ROWS {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
        let changed = count(of.changed.max(0.0) as u64);
        return Err(format!("the statistics are stale: {changed} rows changed since ANALYZE"));
    }
    let Some(row_bytes) = of.row_bytes.filter(|_| of.known_columns >= of.columns) else {
        return Err("the role may not read the statistics of all columns, or some have none".to_owned());
    };
    let align = |bytes: f64| (bytes / ALIGNMENT).ceil() * ALIGNMENT;
    let nulls = if of.has_nulls { (of.columns as f64 / 8.0).ceil() } else { 0.0 };
    let row = ITEM_POINTER + align(ROW_HEADER + nulls) + align(row_bytes);
    let rows_a_page = ((block - PAGE_HEADER) * of.fillfactor / 100.0 / row).floor().max(1.0);
    let needed = (of.rows / rows_a_page).ceil();
    let wasted = (of.pages - needed).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a table, not negative")]
    let bytes = (wasted * block) as u64;
    Ok(Bloat { bytes, percent: 100.0 * wasted / of.pages })
}

/// `schema.table`, as pages and addresses name it.
#[must_use]
pub fn table_name_of(schema: &str, name: &str) -> String {
    format!("{schema}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics() -> Statistics {
        Statistics {
            is_locked: false,
            is_analyzed: true,
            changed: 0.0,
            pages: 1000.0,
            rows: 60_000.0,
            row_bytes: Some(72.0),
            has_nulls: false,
            known_columns: 5,
            columns: 5,
            fillfactor: 100.0,
        }
    }

    #[test]
    fn pages_beyond_those_that_the_rows_need_are_bloat() {
        // 4 + 24 + 72 bytes a row, 81 rows a page: 60,000 rows need 741 pages.
        let bloat = estimate(&statistics(), 8192.0).unwrap();
        assert_eq!(bloat.bytes, 259 * 8192);
        assert!((bloat.percent - 25.9).abs() < 1e-9);
        // Room that is left on purpose is none.
        assert!(estimate(&Statistics { fillfactor: 70.0, ..statistics() }, 8192.0).unwrap().percent < 0.1);
        assert!(estimate(&Statistics { pages: 700.0, ..statistics() }, 8192.0).unwrap().bytes == 0);
    }

    #[test]
    fn what_cannot_be_said_says_why() {
        let reason = |of: Statistics| estimate(&of, 8192.0).unwrap_err();
        assert!(reason(Statistics { is_locked: true, ..statistics() }).contains("exclusively"));
        assert!(reason(Statistics { pages: 20.0, ..statistics() }).contains("1 MiB"));
        assert!(reason(Statistics { changed: 20_000.0, ..statistics() }).contains("20,000 rows changed"));
        assert!(reason(Statistics { known_columns: 4, ..statistics() }).contains("may not read"));
        assert!(reason(Statistics { rows: -1.0, ..statistics() }).contains("never"));
    }
}
