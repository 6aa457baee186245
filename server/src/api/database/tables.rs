//! Tables: sizes, scans, bloat, vacuum; and the button that vacuums one.

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
    api::Envelope,
    operation::Operation,
    tables::{MeasuredBloat, OptimizePreview, TableDetail, TableList},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tables
///
/// The largest 500 with sizes, growth, scans, HOT share, dead rows, estimated bloat, newest vacuum and freeze age. Kept for
/// 10 s.
#[utoipa::path(get, path = "/api/v1/database/tables", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<TableList>, description = "Largest first.")))]
pub async fn list(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<TableList>, WebError> {
    Ok(Answer((*web.console.tables.list(&target).await?).clone()))
}

/// One table
///
/// With its indexes, foreign keys and those that lack an index, ages, vacuums, and a vacuum that runs on it.
#[utoipa::path(get, path = "/api/v1/database/tables/{table}", tag = "Database", params(TargetQuery, ("table" = String, Path, description = "`schema.table`, or a table of `public`")), responses((status = 200, body = Envelope<TableDetail>, description = "The table.")))]
pub async fn detail(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Segment(table): Segment,
) -> Result<Answer<TableDetail>, WebError> {
    Ok(Answer(web.console.tables.detail(&target, &table).await?))
}

/// Measure wasted space
///
/// With `pgstattuple_approx`, where installed: reads the pages that may hold dead rows, 20 s at most.
#[utoipa::path(post, path = "/api/v1/database/tables/{table}/bloat", tag = "Database", params(TargetQuery, ("table" = String, Path, description = "`schema.table`, or a table of `public`")), responses((status = 200, body = Envelope<MeasuredBloat>, description = "As measured.")))]
pub async fn measure(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Segment(table): Segment,
) -> Result<Answer<MeasuredBloat>, WebError> {
    Ok(Answer(web.console.tables.measure(&target, &table).await?))
}

/// Why a table is optimised.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptimizeRequest {
    /// Only say what it would do.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What optimising would do, and the operation that does it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptimizeReport {
    /// What it would do.
    pub preview: OptimizePreview,
    /// What does it; null on a dry run.
    pub operation: Option<Operation>,
}

/// Optimise a table
///
/// `VACUUM (ANALYZE)` as an operation with progress, cancel, audit and a checked effect. `dryRun` answers what it would do
/// and whether the role may.
#[utoipa::path(post, path = "/api/v1/database/tables/{table}/optimize", tag = "Database", params(TargetQuery, ("table" = String, Path, description = "`schema.table`, or a table of `public`")), request_body = OptimizeRequest, responses(
    (status = 200, body = Envelope<OptimizeReport>, description = "What is or would be done."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "It is being optimised already."),
))]
pub async fn optimize(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Segment(table): Segment,
    caller: Caller,
    JsonBody(request): JsonBody<OptimizeRequest>,
) -> Result<Answer<OptimizeReport>, WebError> {
    let reason = optional_text("reason", request.reason.as_deref())?;
    let preview = web.console.tables.preview_optimize(&target, &table).await?;
    let operation = if request.dry_run {
        None
    } else {
        Some(actions::optimize(&web.console, &target, &preview.table, &caller.asks(reason)).await?)
    };
    Ok(Answer(OptimizeReport { preview, operation }))
}
