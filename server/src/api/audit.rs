//! The record of every action.

use crate::{
    access::Caller,
    http::{
        error::WebError,
        extract::Params,
        pagination::{PageQuery, paged},
    },
    web::Web,
};
use axum::{
    extract::{OriginalUri, State},
    response::Response,
};
use headroom_engine::store::AuditRow;
use headroom_model::{Role, TargetId, Timestamp, api::Envelope};
use serde::Serialize;
use utoipa::ToSchema;

/// One action on record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// With which role.
    pub role: Role,
    /// From which address; shown to admins only.
    pub origin: Option<String>,
    /// What.
    #[schema(example = "stats.reset")]
    pub action: String,
    /// On which target.
    pub target: Option<TargetId>,
    /// With which parameters.
    #[schema(value_type = Object)]
    pub parameters: serde_json::Value,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Whether it did what it promised.
    pub succeeded: bool,
}

impl AuditEntry {
    fn new(row: AuditRow, reader: Role) -> Self {
        let audit = row.audit;
        AuditEntry {
            id: row.id,
            at: audit.at,
            actor: audit.actor,
            role: audit.role,
            origin: audit.origin.filter(|_| reader >= Role::Admin),
            action: audit.action,
            target: audit.target,
            parameters: audit.parameters,
            reason: audit.reason,
            outcome: audit.outcome,
            succeeded: audit.succeeded,
        }
    }
}

/// The audit
///
/// Every action: who, what, why, and how it ended. Newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "Access", params(PageQuery), responses((status = 200, body = Envelope<Vec<AuditEntry>>, description = "A page of the audit.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Response, WebError> {
    let page = query.check()?;
    let (rows, total) = web.console.store.audit(page.offset(), page.limit).await?;
    let rows = rows.into_iter().map(|row| AuditEntry::new(row, caller.actor.role)).collect();
    Ok(paged(&uri, page, total, rows))
}
