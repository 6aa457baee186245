//! What the server's catalogue and statistics say of the tables that a workload reads.

use crate::{
    plans::{ExplainError, Explainer},
    sql::quote_identifier,
};
use sqlx::{Connection, PgConnection, Row, postgres::PgRow};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Tables looked at.
const MAX_TABLES: usize = 100;
/// Functions looked at, of all schemas.
const MAX_FUNCTIONS: i64 = 2_000;

/// The schema of the server's own functions.
const PG_CATALOG: &str = "pg_catalog";

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// `jsonb`, `int8`, `_text` for an array of text.
    pub type_name: String,
    /// Bytes a value; none without statistics.
    pub width: Option<f64>,
    /// Different values; none without statistics.
    pub distinct: Option<f64>,
    /// Share of NULL.
    pub null_fraction: f64,
    /// Share of true, of a boolean.
    pub true_fraction: Option<f64>,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub method: String,
    /// Its keys as the server writes them, without order and operator class.
    /// Functions outside `pg_catalog` bear their schema.
    pub keys: Vec<String>,
    pub is_partial: bool,
    pub is_unique: bool,
    /// An invalid one serves no statement: a build of it did not end.
    pub is_valid: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `r` ordinary, `p` partitioned, `v` view, …
    pub kind: String,
    /// Rows, estimated; negative where it was never analysed.
    pub rows: f64,
    pub pages: f64,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    /// Row versions written that indexes must follow, since statistics are counted.
    pub writes: f64,
    /// For how long they are counted.
    pub counted_hours: Option<f64>,
}

impl Table {
    /// `shop.orders`.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Quoted, for statements.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Bytes a row without its header.
    pub fn row_width(&self) -> f64 {
        self.columns.iter().map(|column| column.width.unwrap_or(8.0)).sum()
    }

    /// Row writes an hour.
    pub fn writes_per_hour(&self) -> Option<f64> {
        self.counted_hours.filter(|hours| *hours > 0.01).map(|hours| self.writes / hours)
    }
}

/// The tables of a workload and what else matters for advice.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_oid: BTreeMap<u32, Arc<Table>>,
    by_name: HashMap<Vec<String>, u32>,
    /// Functions of one argument by name and schema, and whether they are immutable.
    pub functions: HashMap<String, BTreeMap<String, bool>>,
    /// Schema of hypopg, quoted; none where it is not installed.
    pub hypopg: Option<String>,
    /// Whether the server offers it.
    pub offers_hypopg: bool,
    /// Schema of pg_trgm, quoted.
    pub trigrams: Option<String>,
    pub offers_trigrams: bool,
    /// The console's role, quoted.
    pub role: String,
}

impl Catalog {
    /// A table by the name that a statement gives it.
    pub fn by_name(&self, parts: &[String]) -> Option<Arc<Table>> {
        self.by_name.get(parts).and_then(|oid| self.by_oid.get(oid)).cloned()
    }

    pub fn by_oid(&self, oid: u32) -> Option<&Arc<Table>> {
        self.by_oid.get(&oid)
    }

    /// The name of a function, whatever the search_path: with its schema, unless only `pg_catalog` has it. As it is written
    /// where several schemas have it.
    pub fn resolved(&self, parts: &[String]) -> Vec<String> {
        let only = parts.last().and_then(|name| self.functions.get(name)).and_then(only);
        match (only, parts) {
            (Some((PG_CATALOG, _)), [name]) => vec![name.clone()],
            (Some((PG_CATALOG, _)), [schema, name]) if schema == PG_CATALOG => vec![name.clone()],
            (Some((schema, _)), [name]) => vec![schema.to_owned(), name.clone()],
            _ => parts.to_vec(),
        }
    }

    /// Why an index may not be over a function of this resolved name; none where it may.
    pub fn refusal(&self, function: &[String]) -> Option<String> {
        let schemas = self.functions.get(function.last()?);
        let is_immutable = match function {
            [schema, _] => schemas.and_then(|schemas| schemas.get(schema)).copied(),
            _ => schemas.and_then(only).map(|(_, is_immutable)| is_immutable),
        };
        if let ([name], Some(schemas), None) = (function, schemas, is_immutable) {
            let schemas = schemas.keys().cloned().collect::<Vec<_>>().join(", ");
            return Some(format!(
                "{name}() is in several schemas ({schemas}); which one the statement means depends on its search_path."
            ));
        }
        (!is_immutable.unwrap_or(false))
            .then(|| format!("{}() is not immutable, so its results cannot be indexed.", function.join(".")))
    }

    #[cfg(test)]
    pub fn of(tables: Vec<Table>) -> Self {
        let function = |name: &str, schemas: &[&str]| {
            (name.to_owned(), schemas.iter().map(|schema| ((*schema).to_owned(), true)).collect())
        };
        let functions =
            [function("lower", &[PG_CATALOG]), function("folded", &["shop"]), function("trimmed", &["shop", "legacy"])];
        let mut catalog = Catalog { functions: functions.into(), ..Catalog::default() };
        for table in tables {
            catalog.by_name.insert(vec![table.name.clone()], table.oid);
            catalog.by_name.insert(vec![table.schema.clone(), table.name.clone()], table.oid);
            catalog.by_oid.insert(table.oid, Arc::new(table));
        }
        catalog
    }

    /// Reads what is known of these tables and functions.
    pub async fn read(
        explainer: &mut Explainer,
        names: &BTreeSet<Vec<String>>,
        functions: &BTreeSet<String>,
    ) -> Result<Self, ExplainError> {
        explainer.ask(async |connection| read(connection, names, functions).await).await
    }
}

/// The one schema that has a function, and whether it is immutable there.
fn only(schemas: &BTreeMap<String, bool>) -> Option<(&str, bool)> {
    let mut all = schemas.iter();
    let (schema, is_immutable) = all.next()?;
    all.next().is_none().then_some((schema.as_str(), *is_immutable))
}

async fn read(
    connection: &mut PgConnection,
    names: &BTreeSet<Vec<String>>,
    functions: &BTreeSet<String>,
) -> sqlx::Result<Catalog> {
    let mut catalog = surroundings(connection).await?;
    catalog.functions = self::functions(connection, functions).await?;
    let names: Vec<&Vec<String>> = names.iter().take(4 * MAX_TABLES).collect();
    let quoted: Vec<String> = names
        .iter()
        .map(|parts| parts.iter().map(|part| quote_identifier(part)).collect::<Vec<_>>().join("."))
        .collect();
    let found: Vec<Option<i64>> = sqlx::query_scalar(
        "SELECT /* headroom */ to_regclass(name)::oid::int8 FROM unnest($1) WITH ORDINALITY AS given(name, at) ORDER BY at",
    )
    .bind(&quoted)
    .persistent(false)
    .fetch_all(&mut *connection)
    .await?;
    for (name, oid) in names.into_iter().zip(found) {
        if let Some(oid) = oid.and_then(|oid| u32::try_from(oid).ok()) {
            catalog.by_name.insert(name.clone(), oid);
        }
    }
    let wanted: BTreeSet<i64> = catalog.by_name.values().map(|oid| i64::from(*oid)).take(MAX_TABLES).collect();
    let wanted: Vec<i64> = wanted.into_iter().collect();
    let mut columns = columns(connection, &wanted).await?;
    let mut indexes = indexes(connection, &wanted).await?;
    for row in tables(connection, &wanted).await? {
        let mut table = read_table(&row)?;
        table.columns = columns.remove(&table.oid).unwrap_or_default();
        for column in &mut table.columns {
            // Below zero it is a share of the rows.
            column.distinct = column.distinct.map(|n| if n < 0.0 { -n * table.rows.max(0.0) } else { n });
        }
        table.indexes = indexes.remove(&table.oid).unwrap_or_default();
        catalog.by_oid.insert(table.oid, Arc::new(table));
    }
    Ok(catalog)
}

async fn functions(
    connection: &mut PgConnection,
    names: &BTreeSet<String>,
) -> sqlx::Result<HashMap<String, BTreeMap<String, bool>>> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT /* headroom */ p.proname::text, n.nspname::text, bool_and(p.provolatile = 'i') \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.proname = ANY($1) AND p.pronargs = 1 AND p.prokind = 'f' GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $2",
    )
    .bind(names)
    .bind(MAX_FUNCTIONS)
    .persistent(false)
    .fetch_all(connection)
    .await?;
    let mut functions: HashMap<String, BTreeMap<String, bool>> = HashMap::new();
    for (name, schema, is_immutable) in rows {
        functions.entry(name).or_default().insert(schema, is_immutable);
    }
    Ok(functions)
}

async fn surroundings(connection: &mut PgConnection) -> sqlx::Result<Catalog> {
    let row = sqlx::query(
        "SELECT /* headroom */ \
         (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'), \
         EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg'), \
         (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'), \
         EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'), \
         current_user::text",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    let schema = |column: usize| -> sqlx::Result<Option<String>> {
        Ok(row.try_get::<Option<String>, _>(column)?.map(|name| quote_identifier(&name)))
    };
    Ok(Catalog {
        hypopg: schema(0)?,
        offers_hypopg: row.try_get(1)?,
        trigrams: schema(2)?,
        offers_trigrams: row.try_get(3)?,
        role: quote_identifier(&row.try_get::<String, _>(4)?),
        ..Catalog::default()
    })
}

async fn tables(connection: &mut PgConnection, oids: &[i64]) -> sqlx::Result<Vec<PgRow>> {
    sqlx::query(
        "SELECT /* headroom */ c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8, \
         c.relpages::float8, \
         coalesce(s.n_tup_ins + s.n_tup_upd - s.n_tup_hot_upd, 0)::float8, \
         (extract(epoch FROM now() - d.stats_reset) / 3600)::float8 \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
         LEFT JOIN pg_stat_database d ON d.datname = current_database() \
         WHERE c.oid::int8 = ANY($1)",
    )
    .bind(oids)
    .persistent(false)
    .fetch_all(connection)
    .await
}

fn oid(row: &PgRow) -> sqlx::Result<u32> {
    let oid: i64 = row.try_get(0)?;
    u32::try_from(oid).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn read_table(row: &PgRow) -> sqlx::Result<Table> {
    Ok(Table {
        oid: oid(row)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        rows: row.try_get(4)?,
        pages: row.try_get(5)?,
        columns: Vec::new(),
        indexes: Vec::new(),
        writes: row.try_get(6)?,
        counted_hours: row.try_get(7)?,
    })
}

async fn columns(connection: &mut PgConnection, oids: &[i64]) -> sqlx::Result<HashMap<u32, Vec<Column>>> {
    let rows = sqlx::query(
        "SELECT /* headroom */ a.attrelid::int8, a.attname::text, t.typname::text, s.avg_width::float8, \
         s.n_distinct::float8, coalesce(s.null_frac, 0)::float8, \
         CASE WHEN t.typname = 'bool' AND s.most_common_vals IS NOT NULL THEN coalesce((\
             SELECT m.f FROM unnest(s.most_common_vals::text::text[], s.most_common_freqs) AS m(v, f) \
             WHERE m.v = 't'), 0)::float8 END \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname \
             AND s.inherited = (c.relkind = 'p') \
         WHERE a.attrelid::int8 = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum",
    )
    .bind(oids)
    .persistent(false)
    .fetch_all(connection)
    .await?;
    let mut columns: HashMap<u32, Vec<Column>> = HashMap::new();
    for row in rows {
        columns.entry(oid(&row)?).or_default().push(Column {
            name: row.try_get(1)?,
            type_name: row.try_get(2)?,
            width: row.try_get(3)?,
            distinct: row.try_get(4)?,
            null_fraction: row.try_get(5)?,
            true_fraction: row.try_get(6)?,
        });
    }
    Ok(columns)
}

async fn indexes(connection: &mut PgConnection, oids: &[i64]) -> sqlx::Result<HashMap<u32, Vec<Index>>> {
    // The search_path decides what is written without its schema. What is invalid while its table has a build may be that
    // build's, whichever index that reports, as it may be where the table is hidden.
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SET /* headroom */ LOCAL search_path = pg_catalog").execute(&mut *transaction).await?;
    let rows = sqlx::query(
        "SELECT /* headroom */ i.indrelid::int8, c.relname::text, am.amname::text, i.indpred IS NOT NULL, \
         ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) AS k), \
         i.indisunique, i.indisvalid \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam \
         WHERE i.indrelid::int8 = ANY($1) AND (i.indisvalid OR NOT EXISTS (\
             SELECT FROM pg_stat_progress_create_index p WHERE p.datname = current_database() \
             AND (p.relid IS NULL OR p.relid = i.indrelid)))",
    )
    .bind(oids)
    .persistent(false)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    let mut indexes: HashMap<u32, Vec<Index>> = HashMap::new();
    for row in rows {
        indexes.entry(oid(&row)?).or_default().push(Index {
            name: row.try_get(1)?,
            method: row.try_get(2)?,
            is_partial: row.try_get(3)?,
            keys: row.try_get(4)?,
            is_unique: row.try_get(5)?,
            is_valid: row.try_get(6)?,
        });
    }
    Ok(indexes)
}
