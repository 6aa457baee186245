//! The handlers, one file a family. Each validates, makes one call into the engine, and answers.

#![expect(unused_qualifications, reason = "the expansion of utoipa's params(…) qualifies names that are in scope")]

pub mod audit;
pub mod baseline;
pub mod cache;
pub mod capacity;
pub mod data;
pub mod database;
pub mod document;
pub mod events;
pub mod exposition;
pub mod health;
pub mod history;
pub mod invalidation;
pub mod metrics;
pub mod moment;
pub mod operations;
pub mod pool;
pub mod probes;
pub mod requests;
pub mod session;
pub mod shares;
pub mod stats;
pub mod stream;
pub mod summary;
pub mod targets;
pub mod tokens;
pub mod transfer;
pub mod trends;
pub mod users;
pub mod warmup;

use crate::{access::Caller, http::error::WebError, web::Web};
use headroom_engine::store::NewAudit;
use headroom_model::{TargetId, live::LiveUpdate};
use std::sync::Arc;

/// The newest view of a target.
fn latest(web: &Web, target: &TargetId) -> Result<Arc<LiveUpdate>, WebError> {
    web.console
        .latest(target)
        .ok_or_else(|| WebError::internal(format!("target \"{target}\" is configured but was never published")))
}

/// Runs a change and its audit row to their end, also when the caller goes away meanwhile: one without the other is worse
/// than one that nobody waits for.
async fn to_its_end<T: Send + 'static>(
    web: &Web,
    change: impl Future<Output = Result<T, WebError>> + Send + 'static,
) -> Result<T, WebError> {
    web.console.spawn_action(change).await.unwrap_or_else(|error| Err(WebError::internal(error)))
}

/// Puts a change of access on record: who, what, on whom.
async fn record(
    web: &Web,
    caller: &Caller,
    action: &str,
    parameters: serde_json::Value,
    outcome: &str,
) -> Result<(), WebError> {
    let audit = NewAudit {
        at: web.console.clock.now(),
        actor: caller.actor.name.clone(),
        role: caller.actor.role,
        origin: caller.origin.clone(),
        action: action.to_owned(),
        target: None,
        parameters,
        reason: None,
        outcome: outcome.to_owned(),
        succeeded: true,
    };
    web.console.store.add_audit(&audit).await?;
    Ok(())
}

/// The longest free text a caller may send.
const MAX_TEXT: usize = 500;

/// Free text of a caller: trimmed, bounded, without control characters.
fn text(field: &str, value: &str) -> Result<String, WebError> {
    let value = value.trim();
    if value.is_empty() {
        return Err(WebError::field(field, "empty; allowed: 1 to 500 characters"));
    }
    if value.chars().count() > MAX_TEXT || value.chars().any(|c| c.is_control() && c != '\n') {
        return Err(WebError::field(field, "allowed: 1 to 500 characters, no control characters"));
    }
    Ok(value.to_owned())
}

/// As [`text`], where the field may be left out.
fn optional_text(field: &str, value: Option<&str>) -> Result<Option<String>, WebError> {
    value.filter(|value| !value.trim().is_empty()).map(|value| text(field, value)).transpose()
}
