//! The fullest sequence: what a sequence, or the integer column it fills, can still give.

use super::{Findings, Server};
use crate::{collect::SequenceFigures, sql::quote_identifier};
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};

/// Schemas named in a remedy.
const SCHEMAS: usize = 5;

/// Reads the fullest of the first 10,000 sequences that do not cycle. Its end is the nearer of its own and that of the
/// narrowest integer column that owns it or takes its default from it. While some may not be read there is no figure: the
/// fullest may be among them.
pub(super) async fn read(
    connection: &mut PgConnection,
    server: &Server,
    findings: &mut Findings,
) -> sqlx::Result<Option<SequenceFigures>> {
    // What someone holds exclusively would be waited for.
    let row = sqlx::query(
        "WITH q AS MATERIALIZED (
            SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, s.seqincrement > 0 AS rises,
                s.seqmin::float8 AS lowest, s.seqmax::float8 AS highest,
                coalesce(has_sequence_privilege(c.oid, 'SELECT,USAGE'), false) AS readable
            FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT s.seqcycle AND c.relpersistence = 'p' AND NOT EXISTS (
                SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
                    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
            ORDER BY c.oid LIMIT 10000),
         x AS MATERIALIZED (
            SELECT q.*, f.filled, f.most, CASE WHEN q.readable THEN pg_sequence_last_value(q.oid)::float8 END AS last
            FROM q LEFT JOIN LATERAL (
                SELECT (t.relname || '.' || a.attname)::text AS filled,
                    CASE a.atttypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 WHEN 20 THEN 9223372036854775807 END
                        ::float8 AS most
                FROM (SELECT d.refobjid AS relation, d.refobjsubid AS place FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = q.oid AND d.objsubid = 0
                            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
                      UNION ALL
                      SELECT e.adrelid, e.adnum FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid
                        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = q.oid
                            AND d.classid = 'pg_attrdef'::regclass) o
                    JOIN pg_attribute a ON a.attrelid = o.relation AND a.attnum = o.place
                    JOIN pg_class t ON t.oid = o.relation
                ORDER BY 2 NULLS LAST, 1 LIMIT 1) f ON true),
         u AS (
            SELECT x.*, CASE WHEN rises THEN least(highest, most) ELSE greatest(lowest, -most - 1) END AS ends FROM x)
         SELECT /* headroom */ (SELECT count(*) FROM u WHERE NOT readable) AS hidden,
            (SELECT array_agg(DISTINCT schema) FROM u WHERE NOT readable) AS hidden_schemas,
            w.schema, w.name, w.filled, w.last, w.ends, w.used
         FROM (SELECT 1) one LEFT JOIN LATERAL (
            SELECT schema, name, filled, last, ends, least(100, greatest(0, 100 * coalesce(
                CASE WHEN rises THEN (last - lowest + 1) / nullif(ends - lowest + 1, 0)
                    ELSE (highest - last + 1) / nullif(highest - ends + 1, 0) END, 0)))::float8 AS used
            FROM u WHERE readable ORDER BY used DESC, schema, name LIMIT 1) w ON true",
    )
    .fetch_one(connection)
    .await?;
    if row.try_get::<i64, _>("hidden")? > 0 {
        let schemas: Vec<String> = row.try_get("hidden_schemas")?;
        let grant = |schema: &String| server.grant_sequences(&quote_identifier(schema));
        let grants: Vec<String> = schemas.iter().take(SCHEMAS).map(grant).collect();
        findings.limit("The role may not read all sequences, so which is the fullest is not known.", grants.join("\n"));
        return Ok(None);
    }
    let Some(name) = row.try_get("name")? else { return Ok(None) };
    let used: f64 = row.try_get("used")?;
    findings.set(MetricId::SequenceUsed, used);
    Ok(Some(SequenceFigures {
        schema: row.try_get("schema")?,
        name,
        column: row.try_get("filled")?,
        last_value: row.try_get("last")?,
        ends_at: row.try_get("ends")?,
        used_percent: used,
    }))
}
