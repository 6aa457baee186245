//! How large tables were, one row a table and day.

use super::{Database, Query, StoreError};
use crate::store::{DAY_MS, TableSize};
use headroom_model::{TargetId, Timestamp};

/// Rows of one statement: SQLite binds 32,766 values at most, and a statement should stay readable in a log.
const ROWS: usize = 250;

pub async fn note(database: &Database, target: &TargetId, sizes: &[TableSize]) -> Result<(), StoreError> {
    let mut queries = Vec::new();
    for some in sizes.chunks(ROWS) {
        let mut query = Query::new("INSERT INTO table_sizes (target, schema_name, table_name, day, at, bytes) VALUES ");
        for (n, size) in some.iter().enumerate() {
            query.push(if n == 0 { "(" } else { ", (" }).push_bind(target.as_str()).push(", ");
            query.push_bind(size.schema.as_str()).push(", ").push_bind(size.name.as_str()).push(", ");
            query.push_bind(size.at.0.div_euclid(DAY_MS)).push(", ").push_bind(size.at).push(", ");
            query.push_bind(i64::try_from(size.bytes).unwrap_or(i64::MAX)).push(")");
        }
        query.push(" ON CONFLICT (target, schema_name, table_name, day) DO NOTHING");
        queries.push(query.once());
    }
    database.transaction(queries).await.map(drop)
}

/// The oldest size of each table since a moment.
pub async fn oldest(database: &Database, target: &TargetId, since: Timestamp) -> Result<Vec<TableSize>, StoreError> {
    let query = Query::new(
        "SELECT s.schema_name, s.table_name, s.at, s.bytes FROM table_sizes s JOIN (
            SELECT schema_name, table_name, min(day) AS day FROM table_sizes WHERE target = $1 AND at >= $2
            GROUP BY schema_name, table_name) o
            ON s.schema_name = o.schema_name AND s.table_name = o.table_name AND s.day = o.day
         WHERE s.target = $1 ORDER BY s.schema_name, s.table_name LIMIT 5000",
    );
    let read = |mut row: super::Row| {
        Ok(TableSize { schema: row.text()?, name: row.text()?, at: row.timestamp()?, bytes: row.count()? })
    };
    database.read(query.bind(target.as_str()).bind(since)).await?.into_iter().map(read).collect()
}
