//! What ran in each minute: documents that only their writer can read.

use super::{Database, Query, SqlStore, StoreError};
use crate::store::{MomentRow, MomentsSize};
use headroom_model::{TargetId, Timestamp};

pub async fn save(store: &SqlStore, target: &TargetId, rows: &[MomentRow]) -> Result<(), StoreError> {
    let target = store.targets.ensure(&store.database, &[target.as_str()]).await?[0];
    let upsert = |row: &MomentRow| {
        Query::new(
            "INSERT INTO moments (target, at, readings, bytes, body) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (target, at) DO UPDATE \
             SET readings = excluded.readings, bytes = excluded.bytes, body = excluded.body \
             WHERE excluded.readings > moments.readings",
        )
        .bind(target)
        .bind(row.at)
        .bind(row.readings)
        .bind(i64::try_from(row.body.len()).unwrap_or(i64::MAX))
        .bind(&*row.body)
    };
    store.database.transaction(rows.iter().map(upsert).collect()).await.map(drop)
}

pub async fn read(store: &SqlStore, target: &TargetId, at: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(target) = find(store, target).await? else { return Ok(None) };
    let query = Query::new("SELECT body FROM moments WHERE target = $1 AND at = $2").bind(target).bind(at);
    let mut rows = store.database.read(query).await?;
    Ok(rows.first_mut().map(|row| row.bytes()).transpose()?)
}

pub async fn between(
    store: &SqlStore,
    target: &TargetId,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<(Timestamp, Vec<u8>)>, StoreError> {
    let Some(target) = find(store, target).await? else { return Ok(Vec::new()) };
    let query =
        Query::new("SELECT at, body FROM moments WHERE target = $1 AND at >= $2 AND at < $3 ORDER BY at DESC LIMIT $4");
    let mut rows = store.database.read(query.bind(target).bind(from).bind(to).bind(limit)).await?;
    let read = rows.iter_mut().rev().map(|row| Ok((row.timestamp()?, row.bytes()?)));
    read.collect::<Result<_, sqlx::Error>>().map_err(Into::into)
}

pub async fn around(
    store: &SqlStore,
    target: &TargetId,
    at: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
    let Some(target) = find(store, target).await? else { return Ok((None, None)) };
    let query = Query::new(
        "SELECT (SELECT max(at) FROM moments WHERE target = $1 AND at <= $2), \
                (SELECT min(at) FROM moments WHERE target = $1 AND at > $2)",
    );
    let mut rows = store.database.read(query.bind(target).bind(at)).await?;
    let row = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?;
    Ok((row.maybe_int()?.map(Timestamp), row.maybe_int()?.map(Timestamp)))
}

pub async fn size(database: &Database) -> Result<MomentsSize, StoreError> {
    let query = Query::new("SELECT count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM moments");
    let mut rows = database.read(query).await?;
    let row = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?;
    Ok(MomentsSize { minutes: row.count()?, bytes: row.count()? })
}

async fn find(store: &SqlStore, target: &TargetId) -> Result<Option<i64>, StoreError> {
    Ok(store.targets.find(&store.database, &[target.as_str()]).await?[0])
}
