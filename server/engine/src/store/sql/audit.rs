//! Who did what.

use super::{AuditRow, Database, NewAudit, Query, StoreError, named};
use crate::store::database::Row;
use headroom_model::{TargetId, Timestamp};

/// Rows a page has at most.
const MOST: u32 = 500;

pub async fn add(database: &Database, audit: &NewAudit) -> Result<i64, StoreError> {
    let query = Query::new(
        "INSERT INTO audit (at, actor, role, origin, action, target, parameters, reason, outcome, succeeded) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(audit.at)
    .bind(audit.actor.as_str())
    .bind(audit.role.as_str())
    .bind(audit.origin.as_deref())
    .bind(audit.action.as_str())
    .bind(audit.target.as_ref().map(TargetId::as_str))
    .bind(audit.parameters.to_string())
    .bind(audit.reason.as_deref())
    .bind(audit.outcome.as_str())
    .bind(audit.succeeded);
    let mut rows = database.write_returning(query).await?;
    Ok(rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.int()?)
}

pub async fn page(database: &Database, offset: u64, limit: u32) -> Result<(Vec<AuditRow>, u64), StoreError> {
    let mut total = database.read(Query::new("SELECT count(*) FROM audit")).await?;
    let total = total.first_mut().ok_or(sqlx::Error::RowNotFound)?.count()?;
    let query = Query::new(
        "SELECT id, at, actor, role, origin, action, target, parameters, reason, outcome, succeeded FROM audit \
         ORDER BY id DESC LIMIT $1 OFFSET $2",
    )
    .bind(limit.min(MOST))
    .bind(i64::try_from(offset).unwrap_or(i64::MAX));
    let rows = database.read(query).await?;
    Ok((rows.into_iter().map(row).collect::<Result<_, _>>()?, total))
}

pub async fn between(
    database: &Database,
    target: &TargetId,
    (from, to): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    let query = Query::new(
        "SELECT id, at, actor, role, origin, action, target, parameters, reason, outcome, succeeded FROM audit \
         WHERE at >= $1 AND at < $2 AND (target IS NULL OR target = $3) ORDER BY at, id LIMIT $4",
    );
    let query = query.bind(from).bind(to).bind(target.as_str()).bind(limit.min(MOST));
    database.read(query).await?.into_iter().map(row).collect()
}

fn row(mut row: Row) -> Result<AuditRow, StoreError> {
    let id = row.int()?;
    let audit = NewAudit {
        at: row.timestamp()?,
        actor: row.text()?,
        role: named("role", row.text()?, |name| name.parse().ok())?,
        origin: row.maybe_text()?,
        action: row.text()?,
        target: row.maybe_text()?.map(TargetId),
        parameters: serde_json::from_str(&row.text()?)
            .map_err(|cause| StoreError::Unreadable { what: "audit row", cause: cause.to_string() })?,
        reason: row.maybe_text()?,
        outcome: row.text()?,
        succeeded: row.flag()?,
    };
    Ok(AuditRow { id, audit })
}
