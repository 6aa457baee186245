//! Snapshots that people share.

use super::{Database, Query, Row, ShareOpenings, StoreError, named};
use headroom_model::{
    TargetId, Timestamp,
    share::{Audience, SHARES_MAX, SHARES_OF_ONE_MAX, Share, ShareId},
};

/// The columns of a share in the order that [`read_share`] takes them. A macro, because statements are texts of this program.
macro_rules! columns {
    () => {
        "id, title, target, query, starts_at, ends_at, audience, size_bytes, created_by, created_at, expires_at, \
         revoked_at, revoked_by, opens, last_opened_at"
    };
}

fn read_share(row: &mut Row) -> Result<Share, StoreError> {
    Ok(Share {
        id: ShareId(row.text()?),
        title: row.text()?,
        target: TargetId(row.text()?),
        view: row.text()?,
        from: row.timestamp()?,
        to: row.timestamp()?,
        audience: named("audience", row.text()?, |name| name.parse::<Audience>().ok())?,
        size_bytes: row.count()?,
        created_by: row.text()?,
        created_at: row.timestamp()?,
        expires_at: row.timestamp()?,
        revoked_at: row.maybe_int()?.map(Timestamp),
        revoked_by: row.maybe_text()?,
        opens: row.count()?,
        last_opened_at: row.maybe_int()?.map(Timestamp),
    })
}

pub async fn add(database: &Database, share: &Share, points: &[u8]) -> Result<bool, StoreError> {
    // What ended gives its place to what works: the oldest goes first, and only as many as are in the way.
    let room = Query::new(
        "DELETE FROM shares WHERE id IN (SELECT id FROM shares WHERE revoked_at IS NOT NULL OR expires_at <= $1 \
         ORDER BY created_at, id LIMIT (SELECT CASE WHEN count(*) < $2 THEN 0 ELSE count(*) - $3 + 1 END FROM shares))",
    )
    .bind(share.created_at)
    .bind(SHARES_MAX)
    .bind(SHARES_MAX);
    let insert = Query::new(
        "INSERT INTO shares (id, title, target, query, starts_at, ends_at, audience, size_bytes, created_by, created_at, \
         expires_at, points) SELECT $1, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT), $7, CAST($8 AS BIGINT), $9, \
         CAST($10 AS BIGINT), CAST($11 AS BIGINT), $12 WHERE (SELECT count(*) FROM shares) < $13 AND \
         (SELECT count(*) FROM shares WHERE created_by = $9 AND revoked_at IS NULL AND expires_at > $10) < $14",
    )
    .bind(share.id.as_str())
    .bind(share.title.as_str())
    .bind(share.target.as_str())
    .bind(share.view.as_str())
    .bind(share.from)
    .bind(share.to)
    .bind(share.audience.as_str())
    .bind(i64::try_from(share.size_bytes).unwrap_or(i64::MAX))
    .bind(share.created_by.as_str())
    .bind(share.created_at)
    .bind(share.expires_at)
    .bind(points)
    .bind(SHARES_MAX)
    .bind(SHARES_OF_ONE_MAX);
    Ok(database.transaction(vec![room, insert]).await?[1] > 0)
}

pub async fn one(database: &Database, id: &ShareId) -> Result<Option<Share>, StoreError> {
    let query = Query::new(concat!("SELECT ", columns!(), " FROM shares WHERE id = $1")).bind(id.as_str());
    database.read(query).await?.first_mut().map(read_share).transpose()
}

pub async fn points(database: &Database, id: &ShareId) -> Result<Option<Vec<u8>>, StoreError> {
    let query = Query::new("SELECT points FROM shares WHERE id = $1").bind(id.as_str());
    Ok(database.read(query).await?.first_mut().map(Row::bytes).transpose()?)
}

pub async fn page(
    database: &Database,
    maker: Option<&str>,
    offset: u64,
    limit: u32,
) -> Result<(Vec<Share>, u64), StoreError> {
    // A maker that is null matches every row.
    let count = Query::new("SELECT count(*) FROM shares WHERE created_by = coalesce($1, created_by)").bind(maker);
    let mut counted = database.read(count).await?;
    let total = counted.first_mut().ok_or(sqlx::Error::RowNotFound)?.count()?;
    let query = Query::new(concat!(
        "SELECT ",
        columns!(),
        " FROM shares WHERE created_by = coalesce($1, created_by) ORDER BY created_at DESC, id LIMIT $2 OFFSET $3"
    ))
    .bind(maker)
    .bind(limit)
    .bind(i64::try_from(offset).unwrap_or(i64::MAX));
    let rows = database.read(query).await?;
    Ok((rows.into_iter().map(|mut row| read_share(&mut row)).collect::<Result<_, _>>()?, total))
}

pub async fn revoke(database: &Database, id: &ShareId, by: &str, at: Timestamp) -> Result<bool, StoreError> {
    let query = Query::new(
        "UPDATE shares SET revoked_at = $2, revoked_by = $3, points = $4 WHERE id = $1 AND revoked_at IS NULL",
    )
    .bind(id.as_str())
    .bind(at)
    .bind(by)
    .bind([0_u8; 0].as_slice());
    Ok(database.write(query).await? > 0)
}

pub async fn opened(database: &Database, openings: &[ShareOpenings]) -> Result<(), StoreError> {
    let update = |entry: &ShareOpenings| {
        Query::new("UPDATE shares SET opens = opens + CAST($2 AS BIGINT), last_opened_at = $3 WHERE id = $1")
            .bind(entry.id.as_str())
            .bind(entry.opens)
            .bind(entry.last_at)
    };
    database.transaction(openings.iter().map(update).collect()).await.map(drop)
}
