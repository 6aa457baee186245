use crate::error::AppError;
use headroom_model::action::{ResetPreview, ResetScope};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What resetting statistics would discard. Changes nothing.
#[server(name = ReadPreviewReset, prefix = "/api/fn", endpoint = "preview_reset", input = GetUrl)]
pub async fn preview_reset(target: Option<String>, scope: ResetScope) -> Result<ResetPreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(headroom_engine::actions::preview_reset(&context.console, &target, scope).await?)
}
