//! Advice about indexes: which to create, which nobody uses, which are there twice.

use crate::{
    access::Caller,
    api::optional_text,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, Segment, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::actions;
use headroom_model::{
    advice::{AdviceReport, ApplyPreview, DuplicateReport, UnusedReport},
    api::Envelope,
    operation::Operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Suggested indexes
///
/// What the last round of advice found, from the statements that were really seen: indexes to create with exact statement,
/// proof and gain; what was considered and why not; statements that could not be looked at. Rounds run about hourly.
#[utoipa::path(get, path = "/api/v1/database/indexes/suggestions", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<AdviceReport>, description = "Most saved first.")))]
pub async fn suggestions(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<AdviceReport>, WebError> {
    Ok(Answer(web.console.advisor.report(&web.console, &target)?))
}

/// Look for indexes now
///
/// Asks for a round of advice without waiting for its hour, and answers what is known so far. Rounds run one at a time.
#[utoipa::path(post, path = "/api/v1/database/indexes/suggestions", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<AdviceReport>, description = "A round begins within seconds.")))]
pub async fn look(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<AdviceReport>, WebError> {
    web.console.advisor.ask(&target)?;
    Ok(Answer(web.console.advisor.report(&web.console, &target)?))
}

/// Unused indexes
///
/// Indexes without a scan, largest first, each with every rule that it must meet before it is dropped. Nothing is dropped
/// from here. At most 10 s old.
#[utoipa::path(get, path = "/api/v1/database/indexes/unused", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<UnusedReport>, description = "Largest first.")))]
pub async fn unused(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<UnusedReport>, WebError> {
    Ok(Answer(actions::unused_indexes(&web.console, &target).await?))
}

/// Duplicate indexes
///
/// Indexes that are the same as another, or the beginning of one. Never one that a constraint needs. At most 10 s old.
#[utoipa::path(get, path = "/api/v1/database/indexes/duplicates", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<DuplicateReport>, description = "Largest first.")))]
pub async fn duplicates(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<DuplicateReport>, WebError> {
    Ok(Answer(actions::duplicate_indexes(&web.console, &target).await?))
}

/// How to create a suggested index.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What creating an index does, and the operation that does it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReport {
    /// What is to be done.
    pub preview: ApplyPreview,
    /// What does it; null on a dry run.
    pub operation: Option<Operation>,
}

/// Create a suggested index
///
/// `CREATE INDEX CONCURRENTLY` as an operation with progress. An invalid index that an earlier build left behind under this name
/// is removed first. Cancelled, failed or later than `plans.build_timeout`, its own is removed; afterwards what it brings is
/// measured. One at a time for a target. `dryRun` says what would be done.
#[utoipa::path(post, path = "/api/v1/database/indexes/suggestions/{id}/apply", tag = "Database", params(("id" = String, Path, description = "Of the suggestion."), TargetQuery), request_body = ApplyRequest, responses(
    (status = 200, body = Envelope<ApplyReport>, description = "What is or would be done."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "It exists already, its name is taken, or another is being created."),
))]
pub async fn apply(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Segment(id): Segment,
    caller: Caller,
    JsonBody(request): JsonBody<ApplyRequest>,
) -> Result<Answer<ApplyReport>, WebError> {
    let reason = optional_text("reason", request.reason.as_deref())?;
    let preview = actions::preview_index(&web.console, &target, &id).await?;
    let operation = if request.dry_run {
        None
    } else {
        Some(actions::create_index(&web.console, &target, &id, &caller.asks(reason)).await?)
    };
    Ok(Answer(ApplyReport { preview, operation }))
}
