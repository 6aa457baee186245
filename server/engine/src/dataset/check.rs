//! Whether PostgreSQL agrees with a definition: its columns, its key, the tables it reads.

use super::{Column, Dataset, DatasetError};
use crate::{cache::TAGS_MAX, pool::Lane};
use sqlx::{AssertSqlSafe, Column as _, Executor, PgConnection, Row, SqlSafeStr, Statement};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// For so long a refusal stands without asking again.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// What is known of a definition.
#[derive(Debug, Default)]
pub(super) enum Checked {
    /// Nobody has asked PostgreSQL, or it did not answer.
    #[default]
    NotYet,
    /// It can be used.
    Ready(Arc<Ready>),
    /// It could not when PostgreSQL was last asked; one sentence.
    Wrong(String, Instant),
}

#[derive(Debug)]
pub(super) struct Ready {
    pub columns: Vec<Column>,
    /// Tables of its plan, `schema.table`, and those they are partitions of.
    pub tables: Vec<String>,
}

/// Why a check gave no answer.
enum Trouble {
    Wrong(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Trouble::Database(error)
    }
}

impl Dataset {
    /// What is known of the definition, else what PostgreSQL says of it. One asks for all. A definition that was refused
    /// is asked about again, for the schema may have changed, but not at once: whoever reads a broken one again and again
    /// must not take the connections from the others.
    pub(super) async fn check(&self) -> Result<Arc<Ready>, DatasetError> {
        if let Some(ready) = self.ready() {
            return Ok(ready);
        }
        // Apart from the callers' futures: it is rare, and large.
        Box::pin(self.ask()).await
    }

    async fn ask(&self) -> Result<Arc<Ready>, DatasetError> {
        let _turn = self.checking.lock().await;
        match &*self.checked.read().unwrap_or_else(PoisonError::into_inner) {
            Checked::Ready(ready) => return Ok(ready.clone()),
            Checked::Wrong(reason, at) if at.elapsed() < REFUSED_FOR => {
                return Err(DatasetError::Definition(reason.clone()));
            }
            Checked::Wrong(..) | Checked::NotYet => {}
        }
        let mut lease = self.lease(Lane::Data).await?;
        let mut found = self.examine(&mut lease).await;
        if let Err(Trouble::Database(error)) = &found
            && self.target.pools.repeats_on_primary(&lease, error)
        {
            lease.discard();
            lease = self.lease_of_primary(Lane::Data).await?;
            found = self.examine(&mut lease).await;
        }
        // It holds a prepared statement and a setting of the check's.
        lease.discard();
        let refused = match found {
            Ok(ready) => {
                if self.config().tables.is_empty() {
                    self.heard.learn(&self.target.id, &ready.tables).await;
                }
                let ready = Arc::new(ready);
                self.learn(Checked::Ready(ready.clone()));
                return Ok(ready);
            }
            Err(Trouble::Wrong(reason)) => reason,
            Err(Trouble::Database(error)) => refusal(&error).ok_or_else(|| self.failed(&error))?,
        };
        self.learn(Checked::Wrong(refused.clone(), Instant::now()));
        Err(DatasetError::Definition(refused))
    }

    fn learn(&self, checked: Checked) {
        *self.checked.write().unwrap_or_else(PoisonError::into_inner) = checked;
    }

    async fn examine(&self, connection: &mut PgConnection) -> Result<Ready, Trouble> {
        let plain = self.definition.plain();
        let statement = (&mut *connection)
            .prepare(AssertSqlSafe(format!("SELECT * FROM (\n{}\n) AS q", plain.sql)).into_sql_str())
            .await?;
        let mut columns = Vec::new();
        let mut origins = Vec::new();
        for column in statement.columns() {
            let name = column.name().to_owned();
            if columns.iter().any(|known: &Column| known.name == name) {
                return Err(Trouble::Wrong(format!("two of its columns are named \"{name}\"")));
            }
            let oid = column.type_info().oid();
            let kind: String = match oid {
                Some(oid) => {
                    let sql = "SELECT /* headroom */ pg_catalog.format_type($1, NULL)";
                    sqlx::query_scalar(sql).bind(oid).fetch_one(&mut *connection).await?
                }
                None => "text".into(),
            };
            origins.push((name.clone(), column.relation_id(), column.relation_attribute_no()));
            columns.push(Column { name, kind });
        }
        self.check_key(connection, &origins).await?;
        let tables = tables(connection, &plain.sql, plain.names.len()).await?;
        if self.config().tables.is_empty() && tables.len() + self.config().tags.len() > TAGS_MAX {
            let count = tables.len();
            return Err(Trouble::Wrong(format!("its plan reads {count} tables; name those that matter in \"tables\"")));
        }
        Ok(Ready { columns, tables })
    }

    /// The key must name a row: its columns come from one table that has a unique index within them, without nulls.
    async fn check_key(
        &self,
        connection: &mut PgConnection,
        origins: &[(String, Option<sqlx::postgres::types::Oid>, Option<i16>)],
    ) -> Result<(), Trouble> {
        let key = &self.config().key;
        if key.is_empty() {
            return Ok(());
        }
        let mut relation = None;
        let mut attributes = Vec::new();
        for name in key {
            let Some((_, table, attribute)) = origins.iter().find(|(column, _, _)| column == name) else {
                let columns: Vec<_> = origins.iter().map(|(column, _, _)| column.as_str()).collect();
                let columns = columns.join(", ");
                return Err(Trouble::Wrong(format!("its key names \"{name}\"; its columns are: {columns}")));
            };
            match (table, attribute, relation) {
                (Some(table), Some(attribute), None) => {
                    relation = Some(*table);
                    attributes.push(*attribute);
                }
                (Some(table), Some(attribute), Some(first)) if *table == first => attributes.push(*attribute),
                _ => {
                    let reason =
                        format!("its key column \"{name}\" is no column of the key's table, so it names no row");
                    return Err(Trouble::Wrong(reason));
                }
            }
        }
        let sql = "SELECT /* headroom */ \
                   EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = $1 AND indisunique AND indisvalid \
                     AND indpred IS NULL AND indexprs IS NULL \
                     AND (SELECT array_agg(k) FROM unnest(indkey[0:indnkeyatts - 1]) AS k) <@ $2::int2[]) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum = ANY($2) \
                     AND NOT attnotnull)";
        let unique: bool = sqlx::query_scalar(sql).bind(relation).bind(&attributes).fetch_one(connection).await?;
        if unique {
            return Ok(());
        }
        let key = key.join(", ");
        Err(Trouble::Wrong(format!("its key ({key}) names no row: no unique index lies within it, or it may be null")))
    }
}

/// The tables that a statement's generic plan reads, and those they are partitions of.
async fn tables(connection: &mut PgConnection, sql: &str, parameters: usize) -> Result<Vec<String>, Trouble> {
    // The session is given up afterwards, so neither setting nor prepared statement meets anyone else.
    let nulls = vec!["NULL"; parameters].join(", ");
    let call = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let explain = async {
        sqlx::raw_sql("BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan")
            .execute(&mut *connection)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(format!("PREPARE headroom_check AS {sql}"))).execute(&mut *connection).await?;
        let plan = format!("EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE headroom_check{call}");
        sqlx::raw_sql(AssertSqlSafe(plan)).fetch_one(&mut *connection).await?.try_get_unchecked::<String, _>(0)
    };
    let plan = explain.await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
    let plan: serde_json::Value = serde_json::from_str(&plan?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let mut found = BTreeSet::new();
    collect(&plan, &mut found);
    let (schemas, names): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    let sql = "SELECT /* headroom */ DISTINCT n.nspname || '.' || a.relname FROM unnest($1::text[], $2::text[]) AS f(s, t) \
               JOIN pg_catalog.pg_namespace fn ON fn.nspname = f.s \
               JOIN pg_catalog.pg_class c ON c.relname = f.t AND c.relnamespace = fn.oid \
               CROSS JOIN LATERAL (SELECT c.oid AS relid UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid)) p \
               JOIN pg_catalog.pg_class a ON a.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = a.relnamespace \
               WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    Ok(sqlx::query_scalar(sql).bind(schemas).bind(names).fetch_all(connection).await?)
}

fn collect(plan: &serde_json::Value, found: &mut BTreeSet<(String, String)>) {
    match plan {
        serde_json::Value::Array(nodes) => nodes.iter().for_each(|node| collect(node, found)),
        serde_json::Value::Object(node) => {
            if let (Some(schema), Some(table)) = (node.get("Schema"), node.get("Relation Name"))
                && let (Some(schema), Some(table)) = (schema.as_str(), table.as_str())
            {
                found.insert((schema.to_owned(), table.to_owned()));
            }
            node.values().filter(|value| !value.is_string()).for_each(|value| collect(value, found));
        }
        _ => {}
    }
}

/// A refusal of the statement itself, as opposed to a server that is away. PostgreSQL's words on a definition name its
/// tables and columns, which whoever wrote it knows.
fn refusal(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let code = error.code()?;
    // Syntax and access (42), features (0A), data (22), and what a read-only session may not do (25006).
    let by_statement = ["42", "0A", "22"].iter().any(|class| code.starts_with(class)) || code == "25006";
    by_statement.then(|| format!("PostgreSQL says: {}", error.message()))
}
