//! Warming the cache.

use super::optional_text;
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::{Kind, WebError},
        extract::{Chosen, JsonBody, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::actions;
use headroom_model::{
    TargetId,
    api::Envelope,
    operation::Operation,
    warmup::{WarmupPreview, WarmupStatus, WarmupStrategy},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to warm.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmupRequest {
    /// How keys are chosen.
    pub strategy: WarmupStrategy,
    /// Only say what would be loaded.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What a warmup would load, and the operation that loads it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarmupReport {
    /// What is to be loaded.
    pub preview: WarmupPreview,
    /// What does it; null on a dry run.
    pub operation: Option<Operation>,
}

/// Warm the cache
///
/// Loads pages before anyone asks: as an operation with progress, a few at a time, slower while the database suffers. One
/// runs at a time over all consoles on the target's Redis. `dryRun` counts the keys and starts nothing.
#[utoipa::path(post, path = "/api/v1/cache/warmup", tag = "Cache", params(TargetQuery), request_body = WarmupRequest, responses(
    (status = 200, body = Envelope<WarmupReport>, description = "What is or would be loaded."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "One runs already; the detail names who runs it."),
))]
pub async fn start(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(request): JsonBody<WarmupRequest>,
) -> Result<Answer<WarmupReport>, WebError> {
    let reason = optional_text("reason", request.reason.as_deref())?;
    let preview = actions::preview_warmup(&web.console, &target, request.strategy).await?;
    let operation = if request.dry_run {
        None
    } else {
        Some(actions::warm(&web.console, &target, request.strategy, &caller.asks(reason)).await?)
    };
    Ok(Answer(WarmupReport { preview, operation }))
}

/// Warmups
///
/// The one under way with progress, rate, time left and what it yields to; the schedule; and the newest 20 that ended.
#[utoipa::path(get, path = "/api/v1/cache/warmup/status", tag = "Cache", params(TargetQuery), responses((status = 200, body = Envelope<WarmupStatus>, description = "Now, next, and before.")))]
pub async fn status(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<WarmupStatus>, WebError> {
    current(&web, &target).await.map(Answer)
}

async fn current(web: &Web, target: &TargetId) -> Result<WarmupStatus, WebError> {
    let status = web.console.warmup_status(target).await;
    status.ok_or_else(|| WebError::internal(format!("target \"{target}\" has no warmups")))
}

/// Stop a warmup
///
/// Asks the one under way to stop; what was loaded stays.
#[utoipa::path(delete, path = "/api/v1/cache/warmup", tag = "Cache", params(TargetQuery), responses(
    (status = 200, body = Envelope<Operation>, description = "It was asked to stop."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "None runs in this console."),
))]
pub async fn stop(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
) -> Result<Answer<Operation>, WebError> {
    let status = current(&web, &target).await?;
    let Some(running) = status.running else {
        let detail = match status.elsewhere {
            Some(owner) => format!("The warmup of {target} runs in another console ({owner}); stop it there."),
            None => format!("No warmup of {target} runs."),
        };
        return Err(WebError::new(Kind::Conflict, detail));
    };
    Ok(Answer(web.console.operations.cancel(&running.operation.id, &caller.actor)?))
}
