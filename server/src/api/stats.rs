//! Statistics that start from zero.

use super::optional_text;
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::actions;
use headroom_model::{
    action::{ActionOutcome, ResetPreview, ResetScope},
    api::Envelope,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to reset.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetRequest {
    /// Whose statistics.
    pub scope: ResetScope,
    /// Only say what would be reset.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What a reset would do, and what it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetReport {
    /// What was there before.
    pub preview: ResetPreview,
    /// What was done, verified; null on a dry run.
    pub outcome: Option<ActionOutcome>,
}

/// Reset statistics
///
/// `dryRun` answers what would be discarded and changes nothing. A reset is verified, audited, and marked on the
/// timeline; lines break there instead of falling to zero.
#[utoipa::path(post, path = "/api/v1/stats/reset", tag = "Actions", params(TargetQuery), request_body = ResetRequest, responses((status = 200, body = Envelope<ResetReport>, description = "What was or would be discarded.")))]
pub async fn reset(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Answer<ResetReport>, WebError> {
    let reason = optional_text("reason", request.reason.as_deref())?;
    let preview = actions::preview_reset(&web.console, &target, request.scope).await?;
    let outcome = if request.dry_run {
        None
    } else {
        Some(actions::reset(&web.console, &target, request.scope, &caller.asks(reason)).await?)
    };
    Ok(Answer(ResetReport { preview, outcome }))
}
