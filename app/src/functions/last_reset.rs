use crate::error::AppError;
use headroom_model::{action::ResetScope, overview::LastReset};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// How the newest reset of a scope ended, from the newest rows of the audit.
#[server(name = ReadLastReset, prefix = "/api/fn", endpoint = "last_reset", input = GetUrl)]
pub async fn last_reset(target: Option<String>, scope: ResetScope) -> Result<Option<LastReset>, AppError> {
    use crate::{context::PageContext, error::ErrorCode};

    /// Audit rows looked through, newest first.
    const ROWS: u32 = 100;

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let (rows, _) = context.console.store.audit(0, ROWS).await.map_err(|cause| {
        tracing::error!(%cause, %target, "the audit could not be read");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer.").answered()
    })?;
    let row = rows.into_iter().find(|row| {
        let audit = &row.audit;
        audit.action == "stats.reset"
            // The console's own latencies belong to no target.
            && audit.target.as_ref().is_none_or(|of| *of == target)
            && audit.parameters.get("scope").and_then(serde_json::Value::as_str) == Some(scope.as_str())
    });
    Ok(row.map(|row| LastReset {
        audit_id: row.id,
        at: row.audit.at,
        actor: row.audit.actor,
        succeeded: row.audit.succeeded,
        outcome: row.audit.outcome,
    }))
}
