//! What the Overview page and the shell around every page show at first paint.

use crate::{
    Actor, MetricId, Timestamp, event::Event, live::LiveUpdate, operation::Operation, origin::Origin, range::Resolved,
    series::Series, target::TargetInfo,
};
use serde::{Deserialize, Serialize};

/// The present of one target; the live feed keeps it fresh afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The newest view of the target.
    pub live: LiveUpdate,
    /// Operations that run, and the ones that ended lately, newest first.
    pub operations: Vec<Operation>,
}

/// The past of one target over a range. Apart from [`Overview`], because it needs the state store and the present does
/// not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The range the series cover.
    pub range: Resolved,
    /// One series a requested metric, in order.
    pub series: Vec<Series>,
    /// The newest events in the range, newest first.
    pub events: Vec<Event>,
    /// What the health checks allow, for the metrics that have a check.
    pub limits: Vec<MetricLimits>,
    /// Stretches of the range that were imported or generated, oldest first.
    #[serde(default)]
    pub origins: Vec<Origin>,
}

/// What a health check allows of a metric, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricLimits {
    /// The metric.
    pub metric: MetricId,
    /// Past this it is degraded.
    pub degraded: f64,
    /// Past this it is critical; below `degraded` where little is bad.
    pub critical: f64,
}

/// What the shell around every page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shell {
    /// All targets, in configured order; the first is the default one.
    pub targets: Vec<TargetScore>,
    /// Who looks.
    pub actor: Actor,
    /// Milliseconds between samples.
    pub interval_ms: u64,
    /// The server's clock, for ages that do not depend on the browser's.
    pub now: Timestamp,
    /// Version of the console.
    pub version: String,
}

/// A target in the picker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetScore {
    /// The target.
    pub info: TargetInfo,
    /// Its overall score; none when unknown.
    pub score: Option<u8>,
}

/// How an action ended, from the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// Its audit row.
    pub audit_id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Whether it did what it promised.
    pub succeeded: bool,
    /// What was verified, or why not.
    pub outcome: String,
}
