use crate::error::AppError;
use headroom_model::overview::Overview;
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// The present of a target: figures, score, issues, operations. Needs no database: it is in memory.
#[server(name = ReadOverview, prefix = "/api/fn", endpoint = "overview", input = GetUrl)]
pub async fn overview(target: Option<String>) -> Result<Overview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let live = context.console.latest(&target).ok_or_else(AppError::internal)?;
    let operations = context.console.operations.list(Some(&target));
    Ok(Overview { live: (*live).clone(), operations })
}
