//! What happened: the marks on the timeline that every chart shares.

use crate::{Band, TargetId, Timestamp};
use serde::{Deserialize, Serialize};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A release of the watched application, posted by its pipeline.
    Deploy,
    /// Someone pressed a button.
    Action,
    /// A long action started, ended or failed.
    Operation,
    /// An alert fired or was resolved.
    Alert,
    /// A server stopped answering.
    Outage,
    /// A server answers again.
    Recovery,
    /// A server came back with a new start time.
    Restart,
    /// Someone's statistics started from zero: lines break here.
    StatisticsReset,
    /// A setting changed.
    Configuration,
    /// A table or index came, went or changed.
    SchemaChange,
    /// A statement came, went, or takes longer than usual.
    Statement,
    /// A statement is executed in another way than before.
    PlanChange,
    /// The server ended a transaction because others waited for it in a circle.
    Deadlock,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 13] = [
        EventKind::Deploy,
        EventKind::Action,
        EventKind::Operation,
        EventKind::Alert,
        EventKind::Outage,
        EventKind::Recovery,
        EventKind::Restart,
        EventKind::StatisticsReset,
        EventKind::Configuration,
        EventKind::SchemaChange,
        EventKind::Statement,
        EventKind::PlanChange,
        EventKind::Deadlock,
    ];

    /// The name stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Deploy => "deploy",
            EventKind::Action => "action",
            EventKind::Operation => "operation",
            EventKind::Alert => "alert",
            EventKind::Outage => "outage",
            EventKind::Recovery => "recovery",
            EventKind::Restart => "restart",
            EventKind::StatisticsReset => "statisticsReset",
            EventKind::Configuration => "configuration",
            EventKind::SchemaChange => "schemaChange",
            EventKind::Statement => "statement",
            EventKind::PlanChange => "planChange",
            EventKind::Deadlock => "deadlock",
        }
    }

    /// The kind with this stored name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        EventKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An event that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The target it concerns; none means the console itself.
    pub target: Option<TargetId>,
    /// What kind of thing.
    pub kind: EventKind,
    /// A status, for events that are good or bad news.
    pub band: Option<Band>,
    /// One line: what happened.
    pub title: String,
    /// A second line: between what, how much, by which rule.
    pub detail: Option<String>,
    /// Who did it; none for what happened by itself.
    pub actor: Option<String>,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Rising with time of storage; the keyset cursor of the timeline.
    pub id: i64,
    /// The event itself.
    #[serde(flatten)]
    pub event: NewEvent,
}
