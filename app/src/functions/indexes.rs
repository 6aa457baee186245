//! The page of indexes and its actions; plans of statements.

use crate::error::AppError;
use headroom_model::{
    advice::{ApplyPreview, IndexesView},
    operation::Operation,
    plan::{KnownPlan, PlanReport},
};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Where the form of the confirm page of an index posts to.
pub const CREATE_INDEX: &str = "/api/fn/create_index";
/// Where the form that asks for a round of advice posts to.
pub const LOOK_FOR_INDEXES: &str = "/api/fn/look_for_indexes";
/// Where the form that asks for a plan posts to.
pub const EXPLAIN_STATEMENT: &str = "/api/fn/explain_statement";

/// Longest id, in bytes.
#[cfg(feature = "ssr")]
const ID_MAX: usize = 64;

/// Suggestions, what was rejected, unused and duplicate indexes.
#[server(name = ReadIndexes, prefix = "/api/fn", endpoint = "indexes", input = GetUrl)]
pub async fn indexes(target: Option<String>) -> Result<IndexesView, AppError> {
    use crate::context::PageContext;
    use headroom_engine::actions;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let advice = context.console.advisor.report(&context.console, &target)?;
    // Each panel says itself why it is empty; the page stays.
    let unused = actions::unused_indexes(&context.console, &target).await.map_err(|error| error.to_string());
    let duplicates = actions::duplicate_indexes(&context.console, &target).await.map_err(|error| error.to_string());
    Ok(IndexesView { advice, unused, duplicates })
}

/// Asks for a round of advice soon.
#[server(prefix = "/api/fn", endpoint = "look_for_indexes")]
pub async fn look_for_indexes(target: Option<String>) -> Result<(), AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(context.console.advisor.ask(&target)?)
}

/// What creating an advised index would do. Changes nothing.
#[server(name = ReadPreviewIndex, prefix = "/api/fn", endpoint = "preview_index", input = GetUrl)]
pub async fn preview_index(target: Option<String>, id: String) -> Result<ApplyPreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Admin)?;
    let target = context.target(target.as_deref())?;
    Ok(headroom_engine::actions::preview_index(&context.console, &target, bounded(&id)?).await?)
}

/// Creates an advised index; it reports as an operation. A plain form is sent back to the confirm page, which shows how far
/// it is.
#[server(prefix = "/api/fn", endpoint = "create_index")]
pub async fn create_index(target: Option<String>, id: String, reason: Option<String>) -> Result<Operation, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Admin)?;
    let target = context.target(target.as_deref())?;
    let request = context.asks(reason)?;
    let id = bounded(&id)?;
    let started = headroom_engine::actions::create_index(&context.console, &target, id, &request).await?;
    if is_plain_form() {
        leptos_axum::redirect(&format!("/confirm/index?target={target}&id={id}&done={}", started.id));
    }
    Ok(started)
}

/// The build of an index, running or ended, while the console remembers it.
#[server(name = ReadIndexBuild, prefix = "/api/fn", endpoint = "index_build", input = GetUrl)]
pub async fn index_build(target: Option<String>, operation: String) -> Result<Option<Operation>, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    Ok(context.console.advisor.build(&context.console, &target, bounded(&operation)?))
}

/// The plans that are kept of a statement, newest first. Asks no server.
#[server(name = ReadStatementPlans, prefix = "/api/fn", endpoint = "statement_plans", input = GetUrl)]
pub async fn statement_plans(target: Option<String>, query_id: String) -> Result<Vec<KnownPlan>, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let id = bounded(&query_id)?
        .parse()
        .map_err(|_| AppError::new(ErrorCode::Invalid, "The id of a statement is a whole number.").answered())?;
    context.console.plans.known(&target, id).await.map_err(|error| {
        tracing::error!(%error, "plans of a statement could not be read");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer, so known plans cannot be read.")
            .answered()
    })
}

/// The plan that a statement has now. Nothing of it runs. A plain form is sent back to its page, which shows the plan.
#[server(prefix = "/api/fn", endpoint = "explain_statement")]
pub async fn explain_statement(target: Option<String>, query_id: String) -> Result<PlanReport, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_engine::plans::PlanError;
    use headroom_model::plan::PlanAsk;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let ask = PlanAsk { query_id: Some(bounded(&query_id)?.to_owned()), ..PlanAsk::default() };
    context.console.plans.explain(&context.console, &target, &ask).await.map_err(|error| {
        let code = match &error {
            PlanError::Busy => ErrorCode::Unavailable,
            PlanError::Store(cause) => {
                tracing::error!(error = %cause, "a plan could not be kept");
                return AppError::new(ErrorCode::Unavailable, "The state store does not answer.").answered();
            }
            PlanError::Id(_) => ErrorCode::Invalid,
            _ => ErrorCode::Refused,
        };
        AppError::new(code, error.to_string()).answered()
    })
}

#[cfg(feature = "ssr")]
fn bounded(id: &str) -> Result<&str, AppError> {
    let plain = id.len() <= ID_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain {
        return Ok(id);
    }
    let message = format!("An id has at most {ID_MAX} letters and digits.");
    Err(AppError::new(crate::error::ErrorCode::Invalid, message).answered())
}
