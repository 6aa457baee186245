//! Sessions, lock waits, and ending a session.

use crate::error::AppError;
use headroom_model::{
    action::ActionOutcome,
    activity::{ConnectionsView, SessionAct, SessionPreview},
    contention::ContentionView,
};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Where the form of the confirm page posts to.
pub const END_SESSION: &str = "/api/fn/end_session";

/// All sessions of a target's server, and the console's own pools. Needs no server: it is in memory.
#[server(name = ReadConnections, prefix = "/api/fn", endpoint = "connections", input = GetUrl)]
pub async fn connections(target: Option<String>) -> Result<ConnectionsView, AppError> {
    use crate::context::PageContext;
    use headroom_model::activity::{ActivityQuery, MAX_SESSIONS};

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let console = &context.console;
    let live = console.latest(&target).ok_or_else(AppError::internal)?;
    // The page filters and sorts by itself, so that it need not ask for that.
    let all = ActivityQuery { limit: Some(MAX_SESSIONS), ..ActivityQuery::default() };
    let activity = console.activity(&target, &all).and_then(Result::ok).ok_or_else(AppError::internal)?;
    let (pools, holders) = console.pools(&target).ok_or_else(AppError::internal)?;
    Ok(ConnectionsView { live: (*live).clone(), activity, pools, holders })
}

/// Who waits for whom now, and lock waits over a range as people write it.
#[server(name = ReadContention, prefix = "/api/fn", endpoint = "contention", input = GetUrl)]
pub async fn contention(target: Option<String>, from: String, to: String) -> Result<ContentionView, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_model::range;

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let range = range::resolve(&from, &to, context.console.clock.now())
        .map_err(|error| AppError::new(ErrorCode::Invalid, format!("{}: {}.", error.field, error.reason)).answered())?;
    let live = context.console.latest(&target).ok_or_else(AppError::internal)?;
    let contention = context.console.contention(&target, range).await.map_err(|cause| {
        tracing::error!(%cause, %target, "the state store did not answer a page");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer, so there is no past of waits to show.")
            .answered()
    })?;
    Ok(ContentionView { live: (*live).clone(), contention: contention.ok_or_else(AppError::internal)? })
}

/// What cancelling a statement or ending a session would do. Changes nothing.
#[server(name = ReadPreviewEnding, prefix = "/api/fn", endpoint = "preview_ending", input = GetUrl)]
pub async fn preview_ending(
    target: Option<String>,
    session: String,
    act: SessionAct,
) -> Result<SessionPreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let ending = ending(&session, act, None)?;
    Ok(headroom_engine::actions::preview_ending(&context.console, &target, ending).await?)
}

/// Cancels a statement or ends a session, verifies it, and leaves an audit row and an event. A plain form is sent back to the
/// confirm page, which shows how it ended.
#[server(prefix = "/api/fn", endpoint = "end_session")]
pub async fn end_session(
    target: Option<String>,
    session: String,
    act: SessionAct,
    statement: Option<i64>,
    reason: Option<String>,
) -> Result<ActionOutcome, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let (request, ending) = (context.asks(reason)?, ending(&session, act, statement)?);
    let outcome = headroom_engine::actions::end(&context.console, &target, ending, &request).await?;
    if is_plain_form() {
        let (session, act) = (ending.key, act.as_str());
        let back = format!("/confirm/session?target={target}&session={session}&act={act}&done={}", outcome.audit_id);
        leptos_axum::redirect(&back);
    }
    Ok(outcome)
}

#[cfg(feature = "ssr")]
fn ending(
    session: &str,
    act: SessionAct,
    statement_start_us: Option<i64>,
) -> Result<headroom_engine::actions::Ending, AppError> {
    let invalid = |reason: String| AppError::new(crate::error::ErrorCode::Invalid, reason).answered();
    let key = session.parse().map_err(|reason| invalid(format!("session: {reason}.")))?;
    Ok(headroom_engine::actions::Ending { key, act, statement_start_us, only_while: None })
}
