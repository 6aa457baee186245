//! Plans of statements by their shape, and advice about indexes.

use super::{AdviceRow, Database, PlanRow, Query, StoreError};
use headroom_model::TargetId;

/// Shapes kept of a statement.
const SHAPES: u32 = 10;
/// Plans kept of a target.
const PLANS: u32 = 2_000;
/// Advices kept of a target.
const ADVICES: u32 = 200;

pub async fn save(
    database: &Database,
    target: &TargetId,
    query_id: i64,
    plan: &PlanRow,
) -> Result<Option<String>, StoreError> {
    let newest = Query::new(
        "SELECT fingerprint FROM plans WHERE target = $1 AND query_id = $2 ORDER BY last_at DESC, first_at DESC LIMIT 1",
    );
    let mut before = database.read(newest.bind(target.as_str()).bind(query_id)).await?;
    let before = before.first_mut().map(|row| row.text()).transpose()?;
    let upsert = Query::new(
        "INSERT INTO plans (target, query_id, fingerprint, first_at, last_at, body) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (target, query_id, fingerprint) DO UPDATE SET last_at = excluded.last_at, body = excluded.body",
    )
    .bind(target.as_str())
    .bind(query_id)
    .bind(plan.fingerprint.as_str())
    .bind(plan.first_at)
    .bind(plan.last_at)
    .bind(plan.body.as_str());
    let shapes = Query::new(
        "DELETE FROM plans WHERE target = $1 AND query_id = $2 AND fingerprint NOT IN (\
         SELECT fingerprint FROM plans WHERE target = $1 AND query_id = $2 ORDER BY last_at DESC LIMIT $3)",
    )
    .bind(target.as_str())
    .bind(query_id)
    .bind(SHAPES);
    let plans = Query::new(
        "DELETE FROM plans WHERE target = $1 AND last_at < (\
         SELECT min(last_at) FROM (SELECT last_at FROM plans WHERE target = $1 ORDER BY last_at DESC LIMIT $2) AS kept)",
    )
    .bind(target.as_str())
    .bind(PLANS);
    database.transaction(vec![upsert, shapes, plans]).await?;
    Ok(before)
}

pub async fn list(database: &Database, target: &TargetId, query_id: i64) -> Result<Vec<PlanRow>, StoreError> {
    let query = Query::new(
        "SELECT fingerprint, first_at, last_at, body FROM plans WHERE target = $1 AND query_id = $2 \
         ORDER BY last_at DESC, first_at DESC LIMIT $3",
    );
    let rows = database.read(query.bind(target.as_str()).bind(query_id).bind(SHAPES)).await?;
    let read = |mut row: super::Row| {
        Ok(PlanRow {
            fingerprint: row.text()?,
            first_at: row.timestamp()?,
            last_at: row.timestamp()?,
            body: row.text()?,
        })
    };
    rows.into_iter().map(read).collect()
}

pub async fn save_advice(database: &Database, target: &TargetId, rows: &[AdviceRow]) -> Result<(), StoreError> {
    let upsert = |row: &AdviceRow| {
        Query::new(
            "INSERT INTO advice (target, id, at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (target, id) DO UPDATE SET at = excluded.at, body = excluded.body",
        )
        .bind(target.as_str())
        .bind(row.id.as_str())
        .bind(row.at)
        .bind(row.body.as_str())
    };
    let bound = Query::new(
        "DELETE FROM advice WHERE target = $1 AND id NOT IN (\
         SELECT id FROM advice WHERE target = $1 ORDER BY at DESC LIMIT $2)",
    )
    .bind(target.as_str())
    .bind(ADVICES);
    database.transaction(rows.iter().map(upsert).chain([bound]).collect()).await.map(drop)
}

pub async fn advice(database: &Database, target: &TargetId) -> Result<Vec<AdviceRow>, StoreError> {
    let query = Query::new("SELECT id, at, body FROM advice WHERE target = $1 ORDER BY at DESC, id LIMIT $2");
    let rows = database.read(query.bind(target.as_str()).bind(ADVICES)).await?;
    let read = |mut row: super::Row| Ok(AdviceRow { id: row.text()?, at: row.timestamp()?, body: row.text()? });
    rows.into_iter().map(read).collect()
}
