use crate::error::AppError;
use headroom_model::operation::Operation;
use leptos::prelude::*;

/// Asks a running operation to stop. The operation itself may ask for a higher role.
#[server(prefix = "/api/fn", endpoint = "cancel_operation")]
pub async fn cancel_operation(id: String) -> Result<Operation, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    Ok(context.console.operations.cancel(&id, &context.actor)?)
}
