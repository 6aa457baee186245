//! The connection lanes into a target, the statements that pass them, and their sizes.

use super::optional_text;
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, Params, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::{
    actions,
    pool::{Holder, Lane, Pools},
    target::Target,
};
use headroom_model::{
    TargetId,
    action::ActionOutcome,
    api::Envelope,
    pool::{HolderReport, LabelledStatement, PoolReport, ResizePreview},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use utoipa::{IntoParams, ToSchema};

fn target(web: &Web, id: &TargetId) -> Result<Arc<Target>, WebError> {
    web.console.target(id).ok_or_else(|| WebError::internal(format!("target \"{id}\" has no pools")))
}

/// Connection lanes
///
/// The console's own pools into the target's PostgreSQL and those of applications in the same process, one entry a lane:
/// in use, idle, waiting, limits, leaks, distributions of waits, uses and creations, and the size advised by Little's law.
#[utoipa::path(get, path = "/api/v1/pool", tag = "Pools", params(TargetQuery), responses((status = 200, body = Envelope<PoolReport>, description = "Lanes and replica.")))]
pub async fn lanes(State(web): State<Web>, Chosen(id): Chosen) -> Result<Answer<PoolReport>, WebError> {
    let pools = web.console.pools(&id).ok_or_else(|| WebError::internal(format!("target \"{id}\" has no pools")))?;
    Ok(Answer(pools.0))
}

/// Whether to ask the server about holders.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InspectQuery {
    /// Also ask the server about each backend: state, last statement, oldest transaction kept visible, locks.
    #[serde(default)]
    pub backends: bool,
}

/// Who holds a connection
///
/// Oldest first, with the line of code that took it and what for. With `backends=true` also what the server says of each.
#[utoipa::path(get, path = "/api/v1/pool/holders", tag = "Pools", params(TargetQuery, InspectQuery), responses((status = 200, body = Envelope<Vec<HolderReport>>, description = "Oldest first.")))]
pub async fn holders(
    State(web): State<Web>,
    Chosen(id): Chosen,
    Params(query): Params<InspectQuery>,
) -> Result<Answer<Vec<HolderReport>>, WebError> {
    held(&web, &id, query, |_| true).await
}

/// Suspected leaks
///
/// Connections lent out for longer than the target's `leak_after`, but for those held for announced long work. Each is also
/// an event on the timeline, within half a second of becoming one.
#[utoipa::path(get, path = "/api/v1/pool/leaks", tag = "Pools", params(TargetQuery, InspectQuery), responses((status = 200, body = Envelope<Vec<HolderReport>>, description = "Oldest first.")))]
pub async fn leaks(
    State(web): State<Web>,
    Chosen(id): Chosen,
    Params(query): Params<InspectQuery>,
) -> Result<Answer<Vec<HolderReport>>, WebError> {
    held(&web, &id, query, |holder| holder.is_leak).await
}

async fn held(
    web: &Web,
    id: &TargetId,
    query: InspectQuery,
    is_meant: impl Fn(&Holder) -> bool,
) -> Result<Answer<Vec<HolderReport>>, WebError> {
    let (target, now) = (target(web, id)?, web.console.clock.now());
    let mut holders = Vec::new();
    let mut collect = |pools: &Pools| {
        holders.extend(pools.holders().into_iter().filter(&is_meant));
    };
    target.each_pools(&mut collect);
    holders.sort_by_key(|holder| holder.since);
    if query.backends && !holders.is_empty() {
        let asked = target.pools.inspect(&mut holders).await;
        asked.map_err(|error| WebError::unavailable(target.explain(&error), error))?;
    }
    Ok(Answer(holders.into_iter().map(|holder| holder.report(now)).collect()))
}

/// Another size of a lane.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResizeRequest {
    /// `interactive`, `monitor`, `batch`, `data`, `warmup` or `replica`.
    pub lane: String,
    /// Most connections lent at once, 1 to 200; at least 2 for `monitor`.
    pub max: u32,
    /// Only say what it would mean.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What another size means, and what came of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResizeReport {
    /// What it means.
    pub preview: ResizePreview,
    /// What was done, verified; null on a dry run.
    pub outcome: Option<ActionOutcome>,
}

/// Resize a lane
///
/// While connections are lent: those beyond a smaller limit are closed when they come back. Lasts until the console restarts.
/// `dryRun` answers what it would mean. Verified, audited, and marked on the timeline.
#[utoipa::path(post, path = "/api/v1/pool/resize", tag = "Pools", params(TargetQuery), request_body = ResizeRequest, responses((status = 200, body = Envelope<ResizeReport>, description = "What it means and what came of it.")))]
pub async fn resize(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(request): JsonBody<ResizeRequest>,
) -> Result<Answer<ResizeReport>, WebError> {
    let reason = optional_text("reason", request.reason.as_deref())?;
    let lane: Lane = request.lane.parse().map_err(|reason: String| WebError::field("lane", reason))?;
    let preview = actions::preview_resize(&web.console, &target, lane, request.max)?;
    let outcome = if request.dry_run {
        None
    } else {
        Some(actions::resize(&web.console, &target, lane, request.max, &caller.asks(reason)).await?)
    };
    Ok(Answer(ResizeReport { preview, outcome }))
}

/// What counts as slow.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SlowQuery {
    /// Milliseconds from which on a run counts as slow, 1 to 60,000. Default 1,000.
    #[param(minimum = 1, maximum = 60_000, default = 1_000)]
    pub threshold: Option<u64>,
}

impl SlowQuery {
    fn threshold(self) -> Result<Duration, WebError> {
        match self.threshold.unwrap_or(1_000) {
            ms @ 1..=60_000 => Ok(Duration::from_millis(ms)),
            _ => Err(WebError::field("threshold", "allowed: 1 to 60000 milliseconds")),
        }
    }
}

/// Statements of the console's own lanes
///
/// Exact percentiles of statements that carry a label (datasets and the console's own), from the acquire to the last row,
/// most runs first. Since the start or the last reset of pool counters.
#[utoipa::path(get, path = "/api/v1/queries/performance", tag = "Pools", params(TargetQuery, SlowQuery), responses((status = 200, body = Envelope<Vec<LabelledStatement>>, description = "One entry a label.")))]
pub async fn performance(
    State(web): State<Web>,
    Chosen(id): Chosen,
    Params(query): Params<SlowQuery>,
) -> Result<Answer<Vec<LabelledStatement>>, WebError> {
    Ok(Answer(target(&web, &id)?.pools.statements().list(query.threshold()?)))
}

/// Slow statements of the console's own lanes
///
/// Labels with at least one run that took as long as `threshold`, most slow runs first.
#[utoipa::path(get, path = "/api/v1/queries/performance/slow", tag = "Pools", params(TargetQuery, SlowQuery), responses((status = 200, body = Envelope<Vec<LabelledStatement>>, description = "One entry a label.")))]
pub async fn slow(
    State(web): State<Web>,
    Chosen(id): Chosen,
    Params(query): Params<SlowQuery>,
) -> Result<Answer<Vec<LabelledStatement>>, WebError> {
    let mut statements = target(&web, &id)?.pools.statements().list(query.threshold()?);
    statements.retain(|statement| statement.slow > 0);
    statements.sort_by_key(|statement| std::cmp::Reverse(statement.slow));
    Ok(Answer(statements))
}
