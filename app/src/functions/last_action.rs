use crate::error::AppError;
use headroom_model::overview::LastAction;
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// How the action of this kind with this audit row ended, if it is among the newest rows; none where none is named.
#[server(name = ReadLastAction, prefix = "/api/fn", endpoint = "last_action", input = GetUrl)]
pub async fn last_action(action: String, audit_id: Option<String>) -> Result<Option<LastAction>, AppError> {
    use crate::{context::PageContext, error::ErrorCode};

    /// Audit rows looked through, newest first.
    const ROWS: u32 = 100;

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let Some(audit_id) = audit_id else { return Ok(None) };
    let (rows, _) = context.console.store.audit(0, ROWS).await.map_err(|cause| {
        tracing::error!(%cause, "the audit could not be read");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer.").answered()
    })?;
    let row = rows.into_iter().find(|row| row.id.to_string() == audit_id && row.audit.action == action);
    Ok(row.map(|row| LastAction {
        audit_id: row.id,
        at: row.audit.at,
        actor: row.audit.actor,
        succeeded: row.audit.succeeded,
        outcome: row.audit.outcome,
    }))
}
