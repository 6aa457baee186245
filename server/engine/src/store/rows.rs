//! Statements and rows that both drivers share.

use super::{AuditRow, NewAudit, StoreError};
use headroom_model::{
    Band, TargetId, Timestamp,
    event::{Event, EventKind, NewEvent},
};
use sqlx::FromRow;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
/// An hour stays stale for this long after its end: minutes that waited for the store arrive late.
pub(super) const LATE_MS: i64 = 5 * MINUTE_MS;
/// Rows of one INSERT; eight binds each stay far below both drivers' limits.
pub(super) const MERGE_CHUNK: usize = 500;
/// Hours rolled up in one round of upkeep.
pub(super) const UPKEEP_HOURS: i64 = 500;

pub(super) const MERGE_HEAD: &str = "INSERT INTO minute (target, metric, at, sum, min, max, last, count) ";
pub(super) const MERGE_TAIL: &str = " ON CONFLICT (target, metric, at) DO UPDATE SET
    sum = minute.sum + excluded.sum, count = minute.count + excluded.count, last = excluded.last,
    min = CASE WHEN excluded.min < minute.min THEN excluded.min ELSE minute.min END,
    max = CASE WHEN excluded.max > minute.max THEN excluded.max ELSE minute.max END";
pub(super) const MARK_STALE: &str = "INSERT INTO stale_hour (target, at, marks) VALUES ($1, $2, 1)
    ON CONFLICT (target, at) DO UPDATE SET marks = stale_hour.marks + 1";

/// `last` of an hour is the `last` of its newest minute.
pub(super) const ROLL_UP: &str = "INSERT INTO hour (target, metric, at, sum, min, max, last, count)
    SELECT m.target, m.metric, $2, sum(m.sum), min(m.min), max(m.max),
           (SELECT n.last FROM minute n WHERE n.target = m.target AND n.metric = m.metric AND n.at >= $2 AND n.at < $3
            ORDER BY n.at DESC LIMIT 1),
           CAST(sum(m.count) AS BIGINT)
    FROM minute m JOIN metric k ON k.id = m.metric
    WHERE m.target = $1 AND m.at >= $2 AND m.at < $3 GROUP BY m.target, m.metric
    ON CONFLICT (target, metric, at) DO UPDATE SET
        sum = excluded.sum, min = excluded.min, max = excluded.max, last = excluded.last, count = excluded.count";

pub(super) const PRUNE_MINUTES: &str = "DELETE FROM minute WHERE target = $1 AND metric = $2 AND at < $3
    AND at < (SELECT min(at) FROM minute WHERE target = $1 AND metric = $2) + 86400000";
pub(super) const PRUNE_HOURS: &str = "DELETE FROM hour WHERE target = $1 AND metric = $2 AND at < $3
    AND at < (SELECT min(at) FROM hour WHERE target = $1 AND metric = $2) + 5184000000";
pub(super) const PRUNE_RECORDS: [&str; 3] = [
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < $1 ORDER BY at LIMIT 5000)",
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT 5000)",
    "DELETE FROM operation WHERE id IN (SELECT id FROM operation
        WHERE created_at < $1 AND state NOT IN ('queued', 'running') ORDER BY created_at LIMIT 5000)",
];

/// Which table answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Minutes,
    Hours,
}

impl Source {
    pub fn slots(self) -> &'static str {
        match self {
            Source::Minutes => {
                "SELECT (at - $3) / $5 AS slot, sum(sum) AS sum, min(min) AS min, max(max) AS max,
                        CAST(sum(count) AS BIGINT) AS count
                 FROM minute WHERE target = $1 AND metric = $2 AND at >= $3 AND at < $4 GROUP BY 1 ORDER BY 1"
            }
            Source::Hours => {
                "SELECT (at - $3) / $5 AS slot, sum(sum) AS sum, min(min) AS min, max(max) AS max,
                        CAST(sum(count) AS BIGINT) AS count
                 FROM hour WHERE target = $1 AND metric = $2 AND at >= $3 AND at < $4 GROUP BY 1 ORDER BY 1"
            }
        }
    }

    /// One index probe a metric instead of a scan over all minutes.
    pub fn first(self) -> &'static str {
        match self {
            Source::Minutes => {
                "SELECT min((SELECT min(at) FROM minute WHERE target = $1 AND metric = metric.id)) FROM metric"
            }
            Source::Hours => {
                "SELECT min((SELECT min(at) FROM hour WHERE target = $1 AND metric = metric.id)) FROM metric"
            }
        }
    }
}

/// Measurements of one slot.
#[derive(Clone, Copy, Debug, PartialEq, FromRow)]
pub(crate) struct Slot {
    pub slot: i64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    pub count: i64,
}

/// An hour whose minutes changed since it was rolled up.
#[derive(Clone, Copy, Debug, FromRow)]
pub(super) struct StaleHour {
    pub target: i64,
    pub at: i64,
    pub marks: i64,
}

#[derive(FromRow)]
pub(super) struct EventRow {
    id: i64,
    at: i64,
    target: Option<String>,
    kind: String,
    band: Option<String>,
    title: String,
    detail: Option<String>,
    actor: Option<String>,
}

impl EventRow {
    /// None for a kind that a newer version stored.
    pub fn read(self) -> Option<Event> {
        let band = self.band.and_then(|name| Band::ALL.into_iter().find(|band| band.as_str() == name));
        Some(Event {
            id: self.id,
            event: NewEvent {
                at: Timestamp(self.at),
                target: self.target.map(TargetId),
                kind: EventKind::parse(&self.kind)?,
                band,
                title: self.title,
                detail: self.detail,
                actor: self.actor,
            },
        })
    }
}

#[derive(FromRow)]
pub(super) struct StoredAudit {
    id: i64,
    at: i64,
    actor: String,
    role: String,
    origin: Option<String>,
    action: String,
    target: Option<String>,
    parameters: String,
    reason: Option<String>,
    outcome: String,
    succeeded: bool,
}

impl StoredAudit {
    pub fn read(self) -> Option<AuditRow> {
        Some(AuditRow {
            id: self.id,
            audit: NewAudit {
                at: Timestamp(self.at),
                actor: self.actor,
                role: self.role.parse().ok()?,
                origin: self.origin,
                action: self.action,
                target: self.target.map(TargetId),
                parameters: serde_json::from_str(&self.parameters).unwrap_or_default(),
                reason: self.reason,
                outcome: self.outcome,
                succeeded: self.succeeded,
            },
        })
    }
}

/// A name that is taken is not a broken store.
pub(super) fn taken(error: sqlx::Error, what: &'static str, name: &str) -> StoreError {
    if error.as_database_error().is_some_and(|cause| cause.is_unique_violation()) {
        return StoreError::Exists { what, name: name.to_owned() };
    }
    error.into()
}

/// A task of ours that panicked or was aborted while the runtime went down.
pub(super) fn task_failed(error: tokio::task::JoinError) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(error))
}
