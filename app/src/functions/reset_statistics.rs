use crate::error::AppError;
use headroom_model::action::{ActionOutcome, ResetScope};
use leptos::prelude::*;

/// Where the form of the confirm page posts to.
pub const PATH: &str = "/api/fn/reset_statistics";

/// Resets statistics, verifies it, and leaves an audit row and an event. A plain form is sent back to the confirm page,
/// which shows how it ended.
#[server(prefix = "/api/fn", endpoint = "reset_statistics")]
pub async fn reset_statistics(
    target: Option<String>,
    scope: ResetScope,
    reason: Option<String>,
) -> Result<ActionOutcome, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let request = context.asks(reason)?;
    let outcome = headroom_engine::actions::reset(&context.console, &target, scope, &request).await?;
    if is_plain_form() {
        leptos_axum::redirect(&format!(
            "/confirm/reset?target={target}&scope={}&done={}",
            scope.as_str(),
            outcome.audit_id
        ));
    }
    Ok(outcome)
}
