//! Which console writes into the store. The store's own clock decides, so that those of two machines need not agree.

use super::{Database, Query, StoreError};
use std::time::Duration;
use uuid::Uuid;

/// There is one lease: for all that is written.
const NAME: &str = "console";

pub async fn hold(database: &Database, holder: Uuid, term: Duration) -> Result<bool, StoreError> {
    let now = match database {
        Database::Sqlite(_) => "unixepoch() * 1000",
        Database::Postgres(_) => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    };
    let mut query =
        Query::new("INSERT INTO leases (name, holder, until) VALUES ($1, $2, ").bind(NAME).bind(holder.to_string());
    query.push(now).push(" + ").push_bind(i64::try_from(term.as_millis()).unwrap_or(i64::MAX));
    query
        .push(") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until ")
        .push("WHERE leases.holder = excluded.holder OR leases.until < ")
        .push(now);
    Ok(database.write(query).await? > 0)
}

pub async fn release(database: &Database, holder: Uuid) -> Result<(), StoreError> {
    let query = Query::new("DELETE FROM leases WHERE name = $1 AND holder = $2").bind(NAME).bind(holder.to_string());
    database.write(query).await.map(drop)
}
