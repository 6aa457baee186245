//! Operations, as JSON beside the columns they are looked up by.

use super::{Database, Query, StoreError};
use headroom_model::{
    TargetId, Timestamp,
    operation::{Operation, OperationState},
};

/// Operations a query answers at most.
const MOST: u32 = 500;

pub async fn save(database: &Database, operation: &Operation) -> Result<(), StoreError> {
    database.write(upsert(operation)?).await.map(drop)
}

fn upsert(operation: &Operation) -> Result<Query, StoreError> {
    let body = serde_json::to_string(operation)
        .map_err(|cause| StoreError::Unreadable { what: "operation", cause: cause.to_string() })?;
    Ok(Query::new(
        "INSERT INTO operations (id, kind, target, state, created_at, finished_at, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at, body = excluded.body",
    )
    .bind(operation.id.as_str())
    .bind(operation.kind.as_str())
    .bind(operation.target.as_ref().map(TargetId::as_str))
    .bind(operation.state.as_str())
    .bind(operation.created_at)
    .bind(operation.finished_at)
    .bind(body))
}

pub async fn list(database: &Database, target: Option<&TargetId>, limit: u32) -> Result<Vec<Operation>, StoreError> {
    let mut query = Query::new("SELECT body FROM operations");
    if let Some(target) = target {
        query.push(" WHERE target = ").push_bind(target.as_str());
    }
    query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit.min(MOST));
    read(database, query).await
}

pub async fn list_kind(
    database: &Database,
    kind: &str,
    target: &TargetId,
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let query = Query::new(
        "SELECT body FROM operations WHERE kind = $1 AND target = $2 ORDER BY created_at DESC, id DESC LIMIT $3",
    );
    read(database, query.bind(kind).bind(target.as_str()).bind(limit.min(MOST))).await
}

pub async fn between(
    database: &Database,
    target: &TargetId,
    (from, to): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let query = Query::new(
        // Two stretches of the index on ends, instead of everything that began before.
        "SELECT body FROM (\
             SELECT body, created_at, id FROM operations WHERE finished_at IS NULL AND created_at < $2 \
                 AND (target IS NULL OR target = $3) \
             UNION ALL SELECT body, created_at, id FROM operations WHERE finished_at >= $1 AND created_at < $2 \
                 AND (target IS NULL OR target = $3)\
         ) AS ran ORDER BY created_at, id LIMIT $4",
    );
    read(database, query.bind(from).bind(to).bind(target.as_str()).bind(limit.min(MOST))).await
}

async fn read(database: &Database, query: Query) -> Result<Vec<Operation>, StoreError> {
    let parse = |body: String| {
        serde_json::from_str(&body)
            .map_err(|cause| StoreError::Unreadable { what: "operation", cause: cause.to_string() })
    };
    database.read(query).await?.into_iter().map(|mut row| parse(row.text()?)).collect()
}

pub async fn fail_interrupted(database: &Database, now: Timestamp) -> Result<u64, StoreError> {
    let mut query = Query::new("SELECT body FROM operations WHERE state IN (");
    query.push_bind(OperationState::Queued.as_str()).push(", ").push_bind(OperationState::Running.as_str()).push(")");
    let mut interrupted = read(database, query).await?;
    for operation in &mut interrupted {
        operation.state = OperationState::Failed;
        operation.finished_at = Some(now);
        operation.outcome = Some("the console stopped".to_owned());
        operation.progress.rate = None;
        operation.progress.eta_ms = None;
    }
    let saves = interrupted.iter().map(upsert).collect::<Result<Vec<_>, _>>()?;
    Ok(database.transaction(saves).await?.len() as u64)
}
