//! Stretches of history that were not measured here. An import fills tables of its own and shows when it is kept, all at
//! once: who is killed half-way leaves nothing behind but rows that upkeep clears away.

use super::{
    Brought, Database, Grid, HistoryStart, NewImport, Query, Rows, SqlStore, Staged, StoreError,
    history::{STAGE_HOURS, STAGE_MINUTES, STAGE_WHOLE_HOURS, gather, upserts},
};
use crate::store::MinuteRow;
use headroom_model::{MetricId, TargetId, Timestamp, origin::Origin};

/// Imports a list has at most.
const MOST: i64 = 1_000;

pub async fn begin(database: &Database, import: &NewImport) -> Result<i64, StoreError> {
    let query = Query::new(
        "INSERT INTO imports (target, source, generated, actor, at, touched_at, kept, from_at, to_at, metrics, points) \
         VALUES ($1, $2, $3, $4, $5, $5, $6, 0, 0, 0, 0) RETURNING id",
    )
    .bind(import.target.as_str())
    .bind(import.source.as_str())
    .bind(import.generated)
    .bind(import.actor.as_str())
    .bind(import.at)
    .bind(false);
    let mut rows = database.write_returning(query).await?;
    Ok(rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.int()?)
}

pub async fn stage(store: &SqlStore, import: i64, now: Timestamp, rows: &Staged) -> Result<(), StoreError> {
    // What was given up for dead is not revived: its rows may be gone already.
    let touch = Query::new("UPDATE imports SET touched_at = $1 WHERE id = $2 AND touched_at > 0 AND NOT kept");
    let mut queries = vec![touch.bind(now).bind(import)];
    for (merge, rows) in
        [(STAGE_MINUTES, &rows.minutes), (STAGE_HOURS, &rows.hours), (STAGE_WHOLE_HOURS, &rows.whole_hours)]
    {
        let names: Vec<&str> = rows.iter().map(|row: &MinuteRow| row.metric.as_str()).collect();
        let metrics = store.metrics.ensure(&store.database, &names).await?;
        let keyed = gather(rows.iter().zip(metrics).map(|(row, metric)| ((metric, row.at.0), row.tally)));
        queries.extend(upserts(merge, import, &keyed));
    }
    let touched = store.database.transaction(queries).await?;
    if touched.first() == Some(&1) { Ok(()) } else { Err(StoreError::ImportEnded) }
}

pub async fn keep(database: &Database, import: i64, brought: Brought) -> Result<(), StoreError> {
    let query = Query::new(
        "UPDATE imports SET kept = $1, from_at = $2, to_at = $3, metrics = $4, points = $5 \
         WHERE id = $6 AND touched_at > 0 AND NOT kept",
    )
    .bind(true)
    .bind(brought.from)
    .bind(brought.to)
    .bind(brought.metrics)
    .bind(i64::try_from(brought.points).unwrap_or(i64::MAX))
    .bind(import);
    if database.write(query).await? == 1 { Ok(()) } else { Err(StoreError::ImportEnded) }
}

pub async fn take_out(database: &Database, import: i64) -> Result<bool, StoreError> {
    let query = Query::new("UPDATE imports SET kept = $1, touched_at = 0 WHERE id = $2 AND touched_at > 0");
    Ok(database.write(query.bind(false).bind(import)).await? > 0)
}

pub async fn origins(database: &Database, target: Option<&TargetId>) -> Result<Vec<Origin>, StoreError> {
    let mut query = Query::new(
        "SELECT id, target, from_at, to_at, source, generated, metrics, points, at, actor FROM imports WHERE kept",
    );
    if let Some(target) = target {
        query.push(" AND target = ").push_bind(target.as_str());
    }
    query.push(" ORDER BY from_at, id LIMIT ").push_bind(MOST);
    let read = |mut row: super::Row| {
        Ok(Origin {
            id: row.int()?,
            target: TargetId(row.text()?),
            from: row.timestamp()?,
            to: row.timestamp()?,
            source: row.text()?,
            generated: row.flag()?,
            metrics: u32::try_from(row.count()?).unwrap_or(u32::MAX),
            points: row.count()?,
            at: row.timestamp()?,
            actor: row.text()?,
        })
    };
    database.read(query).await?.into_iter().map(read).collect()
}

/// The kept imports of a target that have points on a grid.
pub async fn touching(database: &Database, target: &TargetId, grid: &Grid) -> Result<Vec<i64>, StoreError> {
    let query =
        Query::new("SELECT id FROM imports WHERE target = $1 AND kept AND from_at < $2 AND to_at > $3 LIMIT $4");
    let query = query.bind(target.as_str()).bind(grid.end()).bind(grid.from).bind(MOST);
    let rows = database.read(query).await?;
    Ok(rows.into_iter().map(|mut row| row.int()).collect::<Result<_, _>>()?)
}

/// Where the imported history of a target begins.
pub async fn start(database: &Database, target: &TargetId) -> Result<HistoryStart, StoreError> {
    // One seek a metric and import, as with what was measured.
    let query = Query::new(
        "SELECT min((SELECT min(at) FROM imported_minutes WHERE import = i.id AND metric = m.id)), min(i.from_at), \
                min(CASE WHEN i.generated THEN NULL ELSE i.from_at END) \
         FROM imports i CROSS JOIN metrics m WHERE i.target = $1 AND i.kept",
    );
    let mut rows = database.read(query.bind(target.as_str())).await?;
    let row = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?;
    let mut oldest = || Ok::<_, StoreError>(row.maybe_int()?.map(Timestamp));
    Ok(HistoryStart { minutes: oldest()?, hours: oldest()?, measured: oldest()? })
}

macro_rules! known {
    ($measured:literal, $imported:literal) => {
        concat!(
            "SELECT at, 1 FROM ",
            $measured,
            " WHERE target = (SELECT id FROM targets WHERE name = $1) AND metric = $2 AND at >= $3 AND at < $4 \
             UNION ALL SELECT at, 0 FROM ",
            $imported,
            " WHERE import IN (SELECT id FROM imports WHERE target = $1 AND kept) AND metric = $2 AND at >= $3 AND at < $4"
        )
    };
}

pub async fn known(
    store: &SqlStore,
    target: &TargetId,
    metric: MetricId,
    rows: Rows,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, bool)>, StoreError> {
    let Some(metric) = store.metrics.find(&store.database, &[metric.as_str()]).await?[0] else { return Ok(Vec::new()) };
    let sql = match rows {
        Rows::Minutes => known!("minutes", "imported_minutes"),
        Rows::Hours => known!("hours", "imported_hours"),
    };
    let query = Query::new(sql).bind(target.as_str()).bind(metric).bind(from).bind(to);
    let rows = store.database.read(query).await?;
    Ok(rows.into_iter().map(|mut row| Ok((row.timestamp()?, row.flag()?))).collect::<Result<_, sqlx::Error>>()?)
}
