//! The console's own connection lanes into a target.

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::{
    pool::{Holder, LaneSnapshot},
    target::Target,
};
use headroom_model::{TargetId, Timestamp, api::Envelope};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One lane. Counters rise since the start or the last reset.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaneReport {
    /// `interactive`, `monitor` or `batch`.
    pub lane: &'static str,
    /// Lent out.
    pub in_use: u32,
    /// Open and waiting for work.
    pub idle: u32,
    /// Limit.
    pub max: u32,
    /// Callers in the queue.
    pub waiting: u32,
    /// Checkouts.
    pub acquired: u64,
    /// Checkouts that gave up.
    pub timeouts: u64,
    /// Connections lent out for longer than the limit.
    pub leaks: u32,
}

impl From<LaneSnapshot> for LaneReport {
    fn from(lane: LaneSnapshot) -> Self {
        LaneReport {
            lane: lane.lane.name(),
            in_use: lane.in_use,
            idle: lane.idle,
            max: lane.max,
            waiting: lane.waiting,
            acquired: lane.acquired,
            timeouts: lane.timeouts,
            leaks: lane.leaks,
        }
    }
}

/// A connection that is lent out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HolderReport {
    /// Its lane.
    pub lane: &'static str,
    /// The line of code that took it.
    #[schema(example = "server/engine/src/collect/mod.rs:120")]
    pub call_site: String,
    /// Since when.
    pub since: Timestamp,
    /// For how long, in milliseconds.
    pub held_ms: u64,
}

impl HolderReport {
    fn new(holder: Holder, now: Timestamp) -> Self {
        HolderReport {
            lane: holder.lane.name(),
            call_site: format!("{}:{}", holder.call_site.file(), holder.call_site.line()),
            since: holder.since,
            held_ms: u64::try_from(now.since(holder.since).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn target(web: &Web, id: &TargetId) -> Result<Arc<Target>, WebError> {
    web.console.target(id).ok_or_else(|| WebError::internal(format!("target \"{id}\" has no pools")))
}

/// Connection lanes
///
/// The console's own pools into the target's PostgreSQL, one line a lane.
#[utoipa::path(get, path = "/api/v1/pool", tag = "Console", params(TargetQuery), responses((status = 200, body = Envelope<Vec<LaneReport>>, description = "One line a lane.")))]
pub async fn lanes(State(web): State<Web>, Chosen(id): Chosen) -> Result<Answer<Vec<LaneReport>>, WebError> {
    Ok(Answer(target(&web, &id)?.pools.snapshot().into_iter().map(Into::into).collect()))
}

/// Who holds a connection
///
/// Oldest first, with the line of code that took it.
#[utoipa::path(get, path = "/api/v1/pool/holders", tag = "Console", params(TargetQuery), responses((status = 200, body = Envelope<Vec<HolderReport>>, description = "Oldest first.")))]
pub async fn holders(State(web): State<Web>, Chosen(id): Chosen) -> Result<Answer<Vec<HolderReport>>, WebError> {
    let now = web.console.clock.now();
    let holders = target(&web, &id)?.pools.holders();
    Ok(Answer(holders.into_iter().map(|holder| HolderReport::new(holder, now)).collect()))
}

/// Suspected leaks
///
/// Connections lent out for longer than the target's `leak_after`.
#[utoipa::path(get, path = "/api/v1/pool/leaks", tag = "Console", params(TargetQuery), responses((status = 200, body = Envelope<Vec<HolderReport>>, description = "Oldest first.")))]
pub async fn leaks(State(web): State<Web>, Chosen(id): Chosen) -> Result<Answer<Vec<HolderReport>>, WebError> {
    let now = web.console.clock.now();
    let limit = web.console.config.targets.iter().find(|config| config.id == id).map(|config| config.pool.leak_after);
    let limit = limit.ok_or_else(|| WebError::internal(format!("target \"{id}\" has no configuration")))?;
    let holders = target(&web, &id)?.pools.holders().into_iter();
    let leaks = holders.filter(|holder| now.since(holder.since) > limit);
    Ok(Answer(leaks.map(|holder| HolderReport::new(holder, now)).collect()))
}
