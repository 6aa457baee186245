//! Plans of statements.

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
use headroom_engine::store::NewAudit;
use headroom_model::{
    Role,
    api::Envelope,
    plan::{PlanAsk, PlanReport},
};
use serde_json::json;

/// Explain a statement
///
/// The plan of a statement, by its text or by its id in pg_stat_statements: how it would be executed for any values. Nothing
/// runs; texts that are more than one statement or call functions that act are refused. `analyze` runs a SELECT in a
/// read-only transaction and measures it: for administrators, where `[plans] analyze` allows it.
#[utoipa::path(post, path = "/api/v1/database/plans", tag = "Database", params(TargetQuery), request_body = PlanAsk, responses(
    (status = 200, body = Envelope<PlanReport>, description = "The plan, what may be wrong with it, and the plans before."),
))]
pub async fn explain(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(ask): JsonBody<PlanAsk>,
) -> Result<Answer<PlanReport>, WebError> {
    if ask.analyze && caller.actor.role < Role::Admin {
        return Err(WebError::forbidden(Role::Admin, caller.actor.role));
    }
    let report = web.console.plans.explain(&web.console, &target, &ask).await;
    if ask.analyze {
        let audit = NewAudit {
            at: web.console.clock.now(),
            actor: caller.actor.name.clone(),
            role: caller.actor.role,
            origin: caller.origin.clone(),
            action: "statement.analyze".to_owned(),
            target: Some(target),
            parameters: json!({ "queryId": ask.query_id }),
            reason: None,
            outcome: report.as_ref().map_or_else(ToString::to_string, |_| "run and measured".to_owned()),
            succeeded: report.is_ok(),
        };
        web.console.store.add_audit(&audit).await?;
    }
    Ok(Answer(report?))
}
