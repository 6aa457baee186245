//! Locks as rows. The store's own clock decides what has run out, so that those of two machines need not agree.

use super::{Database, Query, StoreError};
use crate::store::StoredLock;
use std::time::Duration;
use uuid::Uuid;

/// Milliseconds since the Unix epoch, as the database tells them.
fn now(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        Database::Postgres(_) => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    }
}

fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 4)
}

pub async fn take(
    database: &Database,
    name: &str,
    holder: Uuid,
    owner: &str,
    ttl: Duration,
) -> Result<Option<u64>, StoreError> {
    let now = now(database);
    let mut query = Query::new("INSERT INTO locks (name, holder, owner, fence, expires_at) VALUES ($1, $2, $3, 1, ")
        .bind(name)
        .bind(holder.to_string())
        .bind(owner);
    query.push(now).push(" + ").push_bind(millis(ttl));
    query
        .push(") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, owner = excluded.owner, ")
        .push("fence = locks.fence + 1, expires_at = excluded.expires_at WHERE locks.expires_at <= ")
        .push(now)
        .push(" RETURNING fence");
    let mut rows = database.write_returning(query).await?;
    Ok(rows.first_mut().map(super::Row::count).transpose()?)
}

pub async fn renew(database: &Database, name: &str, holder: Uuid, ttl: Duration) -> Result<bool, StoreError> {
    let now = now(database);
    let mut query = Query::new("UPDATE locks SET expires_at = ");
    query.push(now).push(" + ").push_bind(millis(ttl));
    query.push(" WHERE name = ").push_bind(name).push(" AND holder = ").push_bind(holder.to_string());
    query.push(" AND expires_at > ").push(now);
    Ok(database.write(query).await? > 0)
}

pub async fn free(database: &Database, name: &str, holder: Uuid) -> Result<bool, StoreError> {
    let mut query = Query::new("UPDATE locks SET expires_at = 0 WHERE name = ");
    query.push_bind(name).push(" AND holder = ").push_bind(holder.to_string());
    query.push(" AND expires_at > ").push(now(database));
    Ok(database.write(query).await? > 0)
}

pub async fn read(database: &Database, name: &str) -> Result<Option<StoredLock>, StoreError> {
    let now = now(database);
    let mut query = Query::new("SELECT owner, fence, expires_at - ");
    query.push(now).push(" FROM locks WHERE name = ").push_bind(name).push(" AND expires_at > ").push(now);
    let mut rows = database.read(query).await?;
    let read = |row: &mut super::Row| {
        Ok::<_, sqlx::Error>(StoredLock {
            owner: row.text()?,
            fence: row.count()?,
            left: Duration::from_millis(row.count()?),
        })
    };
    Ok(rows.first_mut().map(read).transpose()?)
}
