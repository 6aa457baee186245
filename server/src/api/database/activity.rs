//! Sessions, and ending them.

use crate::{
    access::Caller,
    api::optional_text,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, Params, Segment, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::actions::{self, Ending};
use headroom_model::{
    TargetId,
    action::ActionOutcome,
    activity::{Activity, ActivityQuery, SessionAct, SessionKey, SessionPreview},
    api::Envelope,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sessions
///
/// The client sessions of the target's server as of the newest sample, filtered, sorted and in pages; what they have in common;
/// and the state of auto-terminate. Statements come without their literals. `missing` says what is not known and the exact
/// grant that helps.
#[utoipa::path(get, path = "/api/v1/database/activity", tag = "Database", params(TargetQuery, ActivityQuery), responses((status = 200, body = Envelope<Activity>, description = "Sessions and groups.")))]
pub async fn list(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Params(query): Params<ActivityQuery>,
) -> Result<Answer<Activity>, WebError> {
    let activity = web.console.activity(&target, &query);
    let activity = activity.ok_or_else(|| WebError::internal(format!("target \"{target}\" has no sessions")))?;
    activity.map(Answer).map_err(WebError::invalid)
}

/// Which session, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndRequest {
    /// When its backend started, in microseconds since 1970, as `key.backendStartUs` of the list says: process ids are reused.
    pub backend_start_us: i64,
    /// Only while it is at the statement that began then, as `statementStartUs` of the list says. For a cancel.
    pub statement_start_us: Option<i64>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What ending a session or its statement would do, and what it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndReport {
    /// Who it was, and what is lost.
    pub preview: SessionPreview,
    /// What was done, verified; null on a dry run.
    pub outcome: Option<ActionOutcome>,
}

/// Cancel a statement
///
/// Stops what a session runs; the session stays connected. Refused where it is another session by now, no client's, a
/// console's own, or runs nothing. Verified, audited, and marked on the timeline.
#[utoipa::path(post, path = "/api/v1/database/activity/{pid}/cancel", tag = "Database", params(("pid" = i32, Path, description = "Process id."), TargetQuery), request_body = EndRequest, responses(
    (status = 200, body = Envelope<EndReport>, description = "What was or would be stopped."),
    (status = 422, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "Refused; the detail says why and which grant helps."),
))]
pub async fn cancel(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    Segment(pid): Segment,
    JsonBody(request): JsonBody<EndRequest>,
) -> Result<Answer<EndReport>, WebError> {
    end(&web, &target, &caller, &pid, SessionAct::Cancel, request).await
}

/// Terminate a session
///
/// Ends a session: its transaction is rolled back, its locks are released, its client is disconnected. Refused as a cancel
/// is, but for sessions that run nothing. Verified, audited, and marked on the timeline.
#[utoipa::path(post, path = "/api/v1/database/activity/{pid}/terminate", tag = "Database", params(("pid" = i32, Path, description = "Process id."), TargetQuery), request_body = EndRequest, responses(
    (status = 200, body = Envelope<EndReport>, description = "What was or would be ended."),
    (status = 422, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "Refused; the detail says why and which grant helps."),
))]
pub async fn terminate(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    Segment(pid): Segment,
    JsonBody(request): JsonBody<EndRequest>,
) -> Result<Answer<EndReport>, WebError> {
    end(&web, &target, &caller, &pid, SessionAct::Terminate, request).await
}

async fn end(
    web: &Web,
    target: &TargetId,
    caller: &Caller,
    pid: &str,
    act: SessionAct,
    request: EndRequest,
) -> Result<Answer<EndReport>, WebError> {
    let key = format!("{pid}-{}", request.backend_start_us).parse::<SessionKey>();
    let key = key.map_err(|_| WebError::field("pid", "not a process id; allowed: a whole number from 1"))?;
    let reason = optional_text("reason", request.reason.as_deref())?;
    let ending = Ending { key, act, statement_start_us: request.statement_start_us, only_while: None };
    let preview = actions::preview_ending(&web.console, target, ending).await?;
    let outcome = if request.dry_run {
        None
    } else {
        Some(actions::end(&web.console, target, ending, &caller.asks(reason)).await?)
    };
    Ok(Answer(EndReport { preview, outcome }))
}
