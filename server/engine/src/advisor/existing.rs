//! Indexes that exist and may be superfluous: those that nobody uses, and those that another repeats.

use super::ask;
use crate::{sql::quote_identifier, tables::LookError, target::Target};
use headroom_model::{
    Timestamp,
    advice::{DuplicateIndex, DuplicateReport, Repeats, Rule, UnusedIndex, UnusedReport},
    format,
};
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};
use std::collections::BTreeMap;

/// Statistics must have counted for so long.
const COUNTED_DAYS: i64 = 35;
/// Smaller indexes are not worth a thought.
const SIZE_FLOOR: i64 = 1 << 20;
/// Most indexes told.
const MOST: usize = 200;
/// Most indexes compared with each other.
const MOST_COMPARED: i64 = 20_000;
const DAY_MS: i64 = 86_400_000;
/// First server that tells when an index was last used.
const LAST_SCAN: i32 = 160_000;

/// Indexes without scans, largest first, each with the rules that it meets and those that it does not.
pub async fn unused(target: &Target, now: Timestamp) -> Result<UnusedReport, LookError> {
    let (facts, rows) = ask(target, async |connection| {
        let facts = sqlx::query(
            "SELECT /* headroom */ current_setting('server_version_num')::int4, \
             (SELECT floor(extract(epoch FROM stats_reset) * 1000)::int8 FROM pg_stat_database \
              WHERE datname = current_database()), \
             floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::int8, \
             (SELECT count(*) FROM pg_stat_replication WHERE application_name NOT LIKE 'pg\\_basebackup%'), \
             pg_is_in_recovery()",
        )
        .fetch_one(&mut *connection)
        .await?;
        let version: i32 = facts.try_get(0)?;
        let last =
            if version >= LAST_SCAN { "floor(extract(epoch FROM s.last_idx_scan) * 1000)::int8" } else { "NULL::int8" };
        let sql = format!(
            "SELECT /* headroom */ n.nspname::text, t.relname::text, c.relname::text, \
             pg_get_indexdef(i.indexrelid), pg_relation_size(i.indexrelid), i.indisvalid, i.indexprs IS NOT NULL, \
             EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = i.indrelid \
                 AND f.conkey[1] = i.indkey[0]), {last} \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid \
             WHERE s.idx_scan = 0 AND c.relkind = 'i' AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             AND NOT (i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident) \
             AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype <> 'f') \
             ORDER BY 5 DESC, 1, 3 LIMIT {MOST}"
        );
        Ok((facts, sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?))
    })
    .await?;
    let read = || -> sqlx::Result<UnusedReport> {
        let server = Server {
            reset_at: facts.try_get::<Option<i64>, _>(1)?.map(Timestamp),
            started_at: Timestamp(facts.try_get(2)?),
            replicas: facts.try_get(3)?,
            is_replica: facts.try_get(4)?,
            tells_last_scan: facts.try_get::<i32, _>(0)? >= LAST_SCAN,
        };
        let indexes = rows.iter().map(|row| judge(row, &server, now)).collect::<sqlx::Result<_>>()?;
        Ok(UnusedReport { target: target.id.clone(), counting_since: server.reset_at, indexes })
    };
    read().map_err(|_| LookError::Failed("PostgreSQL answered in an unexpected form.".to_owned()))
}

struct Server {
    reset_at: Option<Timestamp>,
    started_at: Timestamp,
    replicas: i64,
    is_replica: bool,
    tells_last_scan: bool,
}

fn judge(row: &PgRow, server: &Server, now: Timestamp) -> sqlx::Result<UnusedIndex> {
    let (schema, table, index): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let size_bytes: i64 = row.try_get(4)?;
    let last_scan: Option<i64> = row.try_get(8)?;
    let mut rules = vec![Rule { found: "No scan since statistics are counted".to_owned(), met: true }];
    rules.push(match server {
        Server { is_replica: true, .. } => {
            Rule { found: "This is a replica: scans on the primary are counted there".to_owned(), met: false }
        }
        Server { replicas: 0, .. } => Rule { found: "No replica is connected".to_owned(), met: true },
        Server { replicas, .. } => Rule {
            found: format!(
                "{} connected; scans there are counted there",
                format::counted((*replicas).max(0) as u64, "replica")
            ),
            met: false,
        },
    });
    // Without a reset on record the start of the server is what is certain.
    let (since, what) = match server.reset_at {
        Some(at) => (at, "Statistics were reset"),
        None => (server.started_at, "No reset on record; the server started"),
    };
    let days = (now.0 - since.0).max(0) / DAY_MS;
    rules.push(Rule {
        found: format!("{what} {} ago; {COUNTED_DAYS} are needed", format::counted(days as u64, "day")),
        met: days >= COUNTED_DAYS,
    });
    if server.tells_last_scan {
        rules.push(match last_scan {
            None => Rule { found: "No last use on record".to_owned(), met: true },
            Some(at) => Rule {
                found: format!("Used last {} ago", format::counted(((now.0 - at).max(0) / DAY_MS) as u64, "day")),
                met: now.0 - at >= COUNTED_DAYS * DAY_MS,
            },
        });
    }
    let is_valid: bool = row.try_get(5)?;
    rules.push(Rule {
        found: if is_valid { "Valid".to_owned() } else { "Not valid: a build failed or is under way".to_owned() },
        met: is_valid,
    });
    rules.push(Rule {
        found: format!(
            "{}; below {} it is not worth it",
            format::bytes(size_bytes as f64),
            format::bytes(SIZE_FLOOR as f64)
        ),
        met: size_bytes >= SIZE_FLOOR,
    });
    let mut warnings = vec!["An index that was built lately has no scans either.".to_owned()];
    if row.try_get(7)? {
        warnings.push("It begins with the column of a foreign key: deleting in the other table uses it.".to_owned());
    }
    if row.try_get(6)? {
        warnings.push("It is over an expression: the planner also uses its statistics.".to_owned());
    }
    let is_proven = rules.iter().all(|rule| rule.met);
    Ok(UnusedIndex {
        table: format!("{schema}.{table}"),
        drop_sql: drop_sql(&schema, &index),
        index: format!("{schema}.{index}"),
        definition: row.try_get(3)?,
        size_bytes,
        is_proven,
        rules,
        warnings,
    })
}

fn drop_sql(schema: &str, index: &str) -> String {
    format!("DROP INDEX CONCURRENTLY {}.{};", quote_identifier(schema), quote_identifier(index))
}

/// An index as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    schema: String,
    table: String,
    name: String,
    definition: String,
    size_bytes: i64,
    method: String,
    /// Columns of the key; 0 stands for an expression.
    keys: Vec<String>,
    classes: Vec<String>,
    collations: Vec<String>,
    options: Vec<String>,
    included: Vec<String>,
    expressions: Option<String>,
    predicate: Option<String>,
    is_unique: bool,
    /// Whether a constraint or the replica identity needs it.
    is_bound: bool,
}

/// Indexes that another one repeats, largest first.
pub async fn duplicates(target: &Target) -> Result<DuplicateReport, LookError> {
    let rows = ask(target, async |connection| {
        sqlx::query(
            "SELECT /* headroom */ i.indrelid::int8, n.nspname::text, t.relname::text, c.relname::text, \
             pg_get_indexdef(i.indexrelid), pg_relation_size(i.indexrelid), am.amname::text, i.indkey::text, \
             i.indclass::text, i.indcollation::text, i.indoption::text, i.indnkeyatts::int4, \
             pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid), i.indisunique, \
             i.indisprimary OR i.indisexclusion OR i.indisreplident \
                 OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype <> 'f') \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am am ON am.oid = c.relam \
             WHERE i.indisvalid AND c.relkind = 'i' AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY i.indrelid, i.indexrelid LIMIT $1",
        )
        .bind(MOST_COMPARED)
        .fetch_all(connection)
        .await
    })
    .await?;
    let mut tables: BTreeMap<i64, Vec<Shape>> = BTreeMap::new();
    for row in &rows {
        let (table, shape) =
            read(row).map_err(|_| LookError::Failed("PostgreSQL answered in an unexpected form.".to_owned()))?;
        tables.entry(table).or_default().push(shape);
    }
    let mut indexes: Vec<DuplicateIndex> = tables.values().flat_map(|shapes| repeated(shapes)).collect();
    indexes.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.index.cmp(&b.index)));
    indexes.truncate(MOST);
    Ok(DuplicateReport { target: target.id.clone(), indexes })
}

fn read(row: &PgRow) -> sqlx::Result<(i64, Shape)> {
    let list = |column: usize| -> sqlx::Result<Vec<String>> {
        let text: String = row.try_get(column)?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let count = usize::try_from(row.try_get::<i32, _>(11)?).unwrap_or(0);
    let mut keys = list(7)?;
    let included = keys.split_off(count.min(keys.len()));
    let shape = Shape {
        schema: row.try_get(1)?,
        table: row.try_get(2)?,
        name: row.try_get(3)?,
        definition: row.try_get(4)?,
        size_bytes: row.try_get(5)?,
        method: row.try_get(6)?,
        keys,
        classes: list(8)?,
        collations: list(9)?,
        options: list(10)?,
        included,
        expressions: row.try_get(12)?,
        predicate: row.try_get(13)?,
        is_unique: row.try_get(14)?,
        is_bound: row.try_get(15)?,
    };
    Ok((row.try_get(0)?, shape))
}

/// The superfluous indexes of one table, each once.
fn repeated(shapes: &[Shape]) -> Vec<DuplicateIndex> {
    let mut found = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        if shape.is_bound || shape.is_unique {
            continue;
        }
        let keepers = shapes.iter().enumerate().filter(|(other, _)| *other != at);
        let mut kept: Option<(Repeats, &Shape)> = None;
        for (other, keeper) in keepers {
            let repeats = match repeats(shape, keeper) {
                // Of two that are the same and free, the younger goes.
                Some(Repeats::Identical) if keeper.is_bound || keeper.is_unique || other < at => Repeats::Identical,
                Some(Repeats::LeftPrefix) => Repeats::LeftPrefix,
                _ => continue,
            };
            if kept.is_none_or(|(before, _)| before == Repeats::LeftPrefix && repeats == Repeats::Identical) {
                kept = Some((repeats, keeper));
            }
        }
        if let Some((repeats, keeper)) = kept {
            found.push(DuplicateIndex {
                table: format!("{}.{}", shape.schema, shape.table),
                repeats,
                index: format!("{}.{}", shape.schema, shape.name),
                definition: shape.definition.clone(),
                size_bytes: shape.size_bytes,
                kept: format!("{}.{}", keeper.schema, keeper.name),
                kept_definition: keeper.definition.clone(),
                drop_sql: drop_sql(&shape.schema, &shape.name),
            });
        }
    }
    found
}

/// How `keeper` makes `shape` superfluous.
fn repeats(shape: &Shape, keeper: &Shape) -> Option<Repeats> {
    let alike =
        shape.method == keeper.method && shape.predicate == keeper.predicate && shape.expressions == keeper.expressions;
    if !alike {
        return None;
    }
    let begins = |own: &[String], other: &[String]| other.starts_with(own);
    let starts = begins(&shape.keys, &keeper.keys)
        && begins(&shape.classes, &keeper.classes)
        && begins(&shape.collations, &keeper.collations)
        && begins(&shape.options, &keeper.options);
    if !starts {
        return None;
    }
    if shape.keys.len() == keeper.keys.len() {
        let mut own = shape.included.clone();
        let mut other = keeper.included.clone();
        own.sort();
        other.sort();
        return (own == other).then_some(Repeats::Identical);
    }
    // Only a B-tree answers for the beginning of its key as well as a shorter one would.
    let covers = shape.included.iter().all(|column| keeper.included.contains(column) || keeper.keys.contains(column));
    (shape.method == "btree" && covers).then_some(Repeats::LeftPrefix)
}
