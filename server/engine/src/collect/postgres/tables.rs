//! The heavy part: tables, sizes and the age of transaction ids.

use super::Findings;
use crate::collect::TableFigures;
use headroom_model::{MetricId, Timestamp};
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::HashMap;

/// Dead rows at which autovacuum starts on a table, as the server computes it (documentation, "The Autovacuum Daemon"):
/// settings, overridden by the table's own, capped from version 18 on. `c` is the row of pg_class.
macro_rules! vacuum_threshold {
    () => {
        "(SELECT least(coalesce(o.base, current_setting('autovacuum_vacuum_threshold')::float8)
                + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::float8)
                * greatest(c.reltuples, 0)::float8, CASE WHEN m.most >= 0 THEN m.most END)
          FROM (SELECT max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS base,
                    max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale,
                    max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_max_threshold') AS most
                FROM pg_options_to_table(c.reloptions)) o,
            LATERAL (SELECT coalesce(o.most,
                    current_setting('autovacuum_vacuum_max_threshold', true)::float8) AS most) m)"
    };
}
pub(crate) use vacuum_threshold;

/// Scans of a table at the previous reading, by its oid.
#[derive(Debug, Default)]
pub(super) struct Tables(HashMap<i64, [i64; 3]>);

impl Tables {
    /// The figures over all tables, and the largest 500 tables.
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        findings: &mut Findings,
    ) -> sqlx::Result<Vec<TableFigures>> {
        let row = sqlx::query(concat!(
            "SELECT /* headroom */
                max(100.0 * s.n_dead_tup / (s.n_live_tup + s.n_dead_tup))
                    FILTER (WHERE s.n_live_tup + s.n_dead_tup > 10000)::float8,
                count(*) FILTER (WHERE s.n_dead_tup > ",
            vacuum_threshold!(),
            ")::float8
             FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.relkind IN ('r', 'm')"
        ))
        .fetch_one(&mut *connection)
        .await?;
        findings.set(MetricId::DeadRowsWorst, row.try_get::<Option<f64>, _>(0)?);
        findings.set(MetricId::TablesOverdueVacuum, row.try_get::<f64, _>(1)?);

        // The size of a table that someone is rewriting, or of which he rebuilds an index, would wait for him: it is taken
        // from pg_class instead. What is locked of a TOAST table is locked of its owner.
        let rows = sqlx::query(concat!(
            "WITH c AS MATERIALIZED (
                SELECT c.oid, c.relname, n.nspname, c.relpages, c.reltuples, c.reloptions
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
                WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
                    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
                ORDER BY c.relpages::int8 + coalesce(t.relpages, 0) DESC, c.oid LIMIT 500),
             locked AS MATERIALIZED (
                SELECT coalesce(o.oid, i.indrelid, l.relation) AS relation FROM pg_locks l
                    LEFT JOIN pg_index i ON i.indexrelid = l.relation
                    LEFT JOIN pg_class o ON o.reltoastrelid = coalesce(i.indrelid, l.relation)
                WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
                    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
             SELECT /* headroom */ c.oid::int8 AS oid, c.nspname::text AS schema, c.relname::text AS name,
                CASE WHEN c.oid IN (SELECT relation FROM locked)
                    THEN c.relpages::int8 * current_setting('block_size')::int8
                    ELSE pg_total_relation_size(c.oid) END AS size,
                s.n_live_tup AS live, s.n_dead_tup AS dead, ",
            vacuum_threshold!(),
            " AS threshold, coalesce(s.seq_scan, 0) AS seq_scan, coalesce(s.seq_tup_read, 0) AS seq_tup_read,
                coalesce(s.idx_scan, 0) AS idx_scan,
                floor(extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum)) * 1000)::int8 AS vacuumed
             FROM c JOIN pg_stat_user_tables s ON s.relid = c.oid ORDER BY size DESC NULLS LAST"
        ))
        .fetch_all(connection)
        .await?;
        let previous = std::mem::take(&mut self.0);
        rows.iter().filter_map(|row| self.table(row, &previous).transpose()).collect()
    }

    /// None for a table that vanished while it was looked at.
    fn table(&mut self, row: &PgRow, previous: &HashMap<i64, [i64; 3]>) -> sqlx::Result<Option<TableFigures>> {
        let Some(size_bytes) = row.try_get::<Option<i64>, _>("size")? else { return Ok(None) };
        let oid: i64 = row.try_get("oid")?;
        let scans = [row.try_get("seq_scan")?, row.try_get("seq_tup_read")?, row.try_get("idx_scan")?];
        self.0.insert(oid, scans);
        // Nothing is known of the time before the first reading, nor of one in which the counters fell.
        let before = previous.get(&oid).filter(|before| before.iter().zip(&scans).all(|(before, now)| before <= now));
        let [seq_scans, seq_rows, index_scans] =
            before.map_or([0; 3], |before| std::array::from_fn(|i| u64::try_from(scans[i] - before[i]).unwrap_or(0)));
        Ok(Some(TableFigures {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            size_bytes,
            live_rows: row.try_get("live")?,
            dead_rows: row.try_get("dead")?,
            vacuum_threshold: row.try_get("threshold")?,
            seq_scans,
            seq_rows,
            index_scans,
            vacuumed_at: row.try_get::<Option<i64>, _>("vacuumed")?.map(Timestamp),
        }))
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Size of the database and how much of the transaction id space is used up.
pub(super) async fn read_sizes(connection: &mut PgConnection, findings: &mut Findings) -> sqlx::Result<()> {
    let row = sqlx::query(
        "SELECT /* headroom */ pg_database_size(current_database())::float8,
            (100 * max(age(datfrozenxid)) / 2147483648.0)::float8,
            (100 * max(mxid_age(datminmxid)) / 2147483648.0)::float8 FROM pg_database",
    )
    .fetch_one(connection)
    .await?;
    findings.set(MetricId::DatabaseSize, row.try_get::<f64, _>(0)?);
    findings.set(MetricId::TransactionIdAge, row.try_get::<f64, _>(1)?);
    findings.set(MetricId::MultixactAge, row.try_get::<f64, _>(2)?);
    Ok(())
}
