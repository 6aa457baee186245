//! What statements did, in documents that only their writer can read, and whose they are.

use super::{Database, Query, Row, SqlStore, StoreError};
use crate::store::{STATEMENT_SLOTS_MAX, STATEMENTS_MAX, SlotRow, StatementText};
use headroom_model::{TargetId, Timestamp};
use serde::de::DeserializeOwned;

/// Rows of one statement: SQLite binds 32,766 values at most, and a statement should stay readable in a log.
const ROWS: usize = 250;

pub async fn save(
    store: &SqlStore,
    target: &TargetId,
    slots: &[SlotRow],
    texts: &[StatementText],
) -> Result<(), StoreError> {
    let target = store.targets.ensure(&store.database, &[target.as_str()]).await?[0];
    let slot = |row: &SlotRow| {
        Query::new(
            "INSERT INTO statement_slots (target, step, at, part, body) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (target, step, at, part) DO UPDATE SET body = excluded.body",
        )
        .bind(target)
        .bind(row.step_ms)
        .bind(row.at)
        .bind(row.part)
        .bind(&*row.body)
    };
    let text = |text: &StatementText| {
        // A text that is not known yet leaves the one that is.
        Query::new(
            "INSERT INTO statement_texts (target, query_id, text, tags, roles, first_at, last_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (target, query_id) DO UPDATE SET \
             text = coalesce(excluded.text, statement_texts.text), \
             tags = CASE WHEN excluded.text IS NULL THEN statement_texts.tags ELSE excluded.tags END, \
             roles = excluded.roles, \
             first_at = CASE WHEN excluded.first_at < statement_texts.first_at \
                 THEN excluded.first_at ELSE statement_texts.first_at END, \
             last_at = CASE WHEN excluded.last_at > statement_texts.last_at \
                 THEN excluded.last_at ELSE statement_texts.last_at END",
        )
        .bind(target)
        .bind(text.query_id)
        .bind(text.text.as_deref())
        .bind(json(&text.tags))
        .bind(json(&text.roles))
        .bind(text.first_at)
        .bind(text.last_at)
    };
    store.database.transaction(slots.iter().map(slot).chain(texts.iter().map(text)).collect()).await.map(drop)
}

/// Lists of plain text always can be written.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "[]".to_owned())
}

fn list<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    let unreadable = |error: serde_json::Error| StoreError::Unreadable { what: "statement", cause: error.to_string() };
    serde_json::from_str(text).map_err(unreadable)
}

pub async fn slots(
    store: &SqlStore,
    target: &TargetId,
    step_ms: i64,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<SlotRow>, StoreError> {
    let Some(target) = find(store, target).await? else { return Ok(Vec::new()) };
    let query = Query::new(
        "SELECT at, part, body FROM statement_slots WHERE target = $1 AND step = $2 AND at >= $3 AND at < $4 \
         ORDER BY at, part LIMIT $5",
    );
    let query = query.bind(target).bind(step_ms).bind(from).bind(to);
    let rows = store.database.read(query.bind(i64::try_from(STATEMENT_SLOTS_MAX).unwrap_or(i64::MAX))).await?;
    let read =
        |mut row: Row| Ok(SlotRow { step_ms, at: row.timestamp()?, part: row.timestamp()?, body: row.bytes()?.into() });
    rows.into_iter().map(read).collect()
}

pub async fn span(
    store: &SqlStore,
    target: &TargetId,
    step_ms: i64,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let Some(target) = find(store, target).await? else { return Ok(None) };
    let query = Query::new(
        "SELECT (SELECT min(at) FROM statement_slots WHERE target = $1 AND step = $2), \
                (SELECT max(at) FROM statement_slots WHERE target = $1 AND step = $2)",
    );
    let mut rows = store.database.read(query.bind(target).bind(step_ms)).await?;
    let row = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?;
    Ok(row.maybe_int()?.map(Timestamp).zip(row.maybe_int()?.map(Timestamp)))
}

pub async fn texts(store: &SqlStore, target: &TargetId, ids: &[i64]) -> Result<Vec<StatementText>, StoreError> {
    let Some(target) = find(store, target).await? else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(ids.len());
    for some in ids[..ids.len().min(STATEMENTS_MAX)].chunks(ROWS) {
        let mut query = Query::new(
            "SELECT query_id, text, tags, roles, first_at, last_at FROM statement_texts WHERE target = $1 \
             AND query_id IN (",
        )
        .bind(target);
        for (n, id) in some.iter().enumerate() {
            query.push(if n == 0 { "" } else { ", " }).push_bind(*id);
        }
        query.push(")");
        for mut row in store.database.read(query.once()).await? {
            found.push(StatementText {
                query_id: row.int()?,
                text: row.maybe_text()?,
                tags: list(&row.text()?)?,
                roles: list(&row.text()?)?,
                first_at: row.timestamp()?,
                last_at: row.timestamp()?,
            });
        }
    }
    Ok(found)
}

async fn find(store: &SqlStore, target: &TargetId) -> Result<Option<i64>, StoreError> {
    Ok(store.targets.find(&store.database, &[target.as_str()]).await?[0])
}

/// Removes a day of slots of each width that are past their retention, and texts of statements that no slot names any more
/// or that are more than a target may have, the longest unseen first. Answers how many rows.
pub async fn prune(
    database: &Database,
    target: i64,
    cutoffs: &[(i64, Timestamp)],
    texts_from: Timestamp,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for (step, cutoff) in cutoffs {
        let query = Query::new(
            "DELETE FROM statement_slots WHERE target = $1 AND step = $2 AND at < $3 \
             AND at < $4 + (SELECT min(at) FROM statement_slots WHERE target = $1 AND step = $2)",
        );
        let bite = (*step * 200).max(24 * crate::store::HOUR_MS);
        removed += database.write(query.bind(target).bind(*step).bind(*cutoff).bind(bite)).await?;
    }
    let query = Query::new(
        "DELETE FROM statement_texts WHERE target = $1 AND (last_at < $2 OR last_at < \
         (SELECT last_at FROM statement_texts WHERE target = $1 ORDER BY last_at DESC LIMIT 1 OFFSET $3))",
    );
    let most = i64::try_from(STATEMENTS_MAX).unwrap_or(i64::MAX);
    removed += database.write(query.bind(target).bind(texts_from).bind(most)).await?;
    Ok(removed)
}
