//! The timeline.

use super::{Database, EventQuery, Query, StoreError};
use crate::store::database::Row;
use headroom_model::{
    Band, TargetId,
    event::{Event, EventKind, NewEvent},
};
use uuid::Uuid;

/// Events a query answers at most.
const MOST: u32 = 500;

pub async fn add(database: &Database, uid: Uuid, event: &NewEvent) -> Result<Event, StoreError> {
    let query = Query::new(
        "INSERT INTO events (uid, at, target, kind, band, title, detail, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (uid) DO UPDATE SET uid = excluded.uid RETURNING id",
    )
    .bind(uid.to_string())
    .bind(event.at)
    .bind(event.target.as_ref().map(TargetId::as_str))
    .bind(event.kind.as_str())
    .bind(event.band.map(Band::as_str))
    .bind(event.title.as_str())
    .bind(event.detail.as_deref())
    .bind(event.actor.as_deref());
    let mut rows = database.write_returning(query).await?;
    let id = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.int()?;
    Ok(Event { id, event: event.clone() })
}

pub async fn list(database: &Database, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
    let mut sql = Query::new("SELECT id, at, target, kind, band, title, detail, actor FROM events WHERE id < ");
    sql.push_bind(query.before.unwrap_or(i64::MAX));
    if let Some(target) = &query.target {
        sql.push(" AND (target IS NULL OR target = ").push_bind(target.as_str()).push(")");
    }
    if let Some(from) = query.from {
        sql.push(" AND at >= ").push_bind(from);
    }
    if let Some(to) = query.to {
        sql.push(" AND at < ").push_bind(to);
    }
    for (i, kind) in query.kinds.iter().enumerate() {
        sql.push(if i == 0 { " AND kind IN (" } else { ", " }).push_bind(kind.as_str());
    }
    if !query.kinds.is_empty() {
        sql.push(")");
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(query.limit.min(MOST));
    let rows = database.read(sql).await?;
    // A kind that a newer version stored is left out, not an error: the timeline of an older one stays readable.
    rows.into_iter().filter_map(|row| event(row).transpose()).collect()
}

fn event(mut row: Row) -> Result<Option<Event>, StoreError> {
    let (id, at, target) = (row.int()?, row.timestamp()?, row.maybe_text()?);
    let Some(kind) = EventKind::parse(&row.text()?) else { return Ok(None) };
    let band = row.maybe_text()?.and_then(|name| Band::ALL.into_iter().find(|band| band.as_str() == name));
    let event = NewEvent {
        at,
        target: target.map(TargetId),
        kind,
        band,
        title: row.text()?,
        detail: row.maybe_text()?,
        actor: row.maybe_text()?,
    };
    Ok(Some(Event { id, event }))
}
