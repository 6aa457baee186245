//! What the Overview page shows at first paint.

use crate::{
    Actor, event::Event, live::LiveUpdate, operation::Operation, range::Resolved, series::Series, target::TargetInfo,
};
use serde::{Deserialize, Serialize};

/// Everything the Overview needs in one answer; the live feed keeps it fresh afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The newest view of the chosen target.
    pub live: LiveUpdate,
    /// The range the series cover.
    pub range: Resolved,
    /// Scores and the small multiples; one series per requested metric, in order.
    pub series: Vec<Series>,
    /// The newest events in the range, newest first.
    pub events: Vec<Event>,
    /// Operations that run, and the ones that ended lately, newest first.
    pub operations: Vec<Operation>,
}

/// What the shell around every page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shell {
    /// All targets, in configured order.
    pub targets: Vec<TargetInfo>,
    /// Overall score of each target, same order; none when unknown.
    pub scores: Vec<Option<u8>>,
    /// Who looks.
    pub actor: Actor,
    /// Milliseconds between samples.
    pub interval_ms: u64,
    /// The server's clock, for ages that do not depend on the browser's.
    pub now: crate::Timestamp,
}
