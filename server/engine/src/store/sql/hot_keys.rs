//! The keys that were used most.

use super::{Database, Query, StoreError};
use crate::store::{HOT_KEYS_MAX, HotKey};
use headroom_model::TargetId;

/// Rows of one statement: SQLite binds 32,766 values at most, and a statement should stay readable in a log.
const ROWS: usize = 250;

pub async fn save(database: &Database, target: &TargetId, dataset: &str, keys: &[HotKey]) -> Result<(), StoreError> {
    let gone = Query::new("DELETE FROM hot_keys WHERE target = $1 AND dataset = $2");
    let mut queries = vec![gone.bind(target.as_str()).bind(dataset)];
    for some in keys[..keys.len().min(HOT_KEYS_MAX)].chunks(ROWS) {
        let mut query = Query::new("INSERT INTO hot_keys (target, dataset, key, accesses) VALUES ");
        for (n, hot) in some.iter().enumerate() {
            query.push(if n == 0 { "(" } else { ", (" }).push_bind(target.as_str()).push(", ").push_bind(dataset);
            query.push(", ").push_bind(hot.key.as_str()).push(", ");
            query.push_bind(i64::try_from(hot.accesses).unwrap_or(i64::MAX)).push(")");
        }
        query.push(" ON CONFLICT (target, dataset, key) DO NOTHING");
        queries.push(query.once());
    }
    database.transaction(queries).await.map(drop)
}

pub async fn list(database: &Database, target: &TargetId, dataset: &str) -> Result<Vec<HotKey>, StoreError> {
    let query = Query::new(
        "SELECT key, accesses FROM hot_keys WHERE target = $1 AND dataset = $2 ORDER BY accesses DESC, key LIMIT $3",
    );
    let query = query.bind(target.as_str()).bind(dataset).bind(i64::try_from(HOT_KEYS_MAX).unwrap_or(i64::MAX));
    let read = |mut row: super::Row| Ok(HotKey { key: row.text()?, accesses: row.count()? });
    database.read(query).await?.into_iter().map(read).collect()
}
