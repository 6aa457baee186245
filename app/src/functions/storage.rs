use crate::error::AppError;
use headroom_model::storage::Storage;
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What history takes, how long it is kept, and what pruning did.
#[server(name = ReadStorage, prefix = "/api/fn", endpoint = "storage", input = GetUrl)]
pub async fn storage() -> Result<Storage, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let targets = context.console.targets().into_iter().map(|target| target.id);
    context.console.history.storage(targets).await.map_err(|cause| {
        tracing::error!(%cause, "the state store did not answer a page");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer, so there is nothing to tell of it.")
            .answered()
    })
}
