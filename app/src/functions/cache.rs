//! The cache page and its actions.

use crate::error::AppError;
use headroom_model::{
    action::ActionOutcome,
    cache::{CacheOverview, ClearFields, ClearPreview, KeyDetail, KeyList, KeysAsk, TagReport},
    operation::Operation,
    warmup::{WarmupPreview, WarmupStatus, WarmupStrategy},
};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Where the form of the clear confirm page posts to.
pub const CLEAR_CACHE: &str = "/api/fn/clear_cache";
/// Where the form of the warm confirm page posts to.
pub const START_WARMUP: &str = "/api/fn/start_warmup";

/// Longest text of a search or a key, in bytes.
#[cfg(feature = "ssr")]
const TEXT_MAX: usize = 1024;

/// The present of a target's cache: figures, counters, levels. Needs no server: it is in memory.
#[server(name = ReadCacheReport, prefix = "/api/fn", endpoint = "cache_report", input = GetUrl)]
pub async fn cache_report(target: Option<String>) -> Result<CacheOverview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let live = context.console.latest(&target).ok_or_else(AppError::internal)?;
    let report = context.console.cache_report(&target).ok_or_else(AppError::internal)?;
    Ok(CacheOverview { live: (*live).clone(), report })
}

/// One page of the most or least used keys.
#[server(name = ReadCacheKeys, prefix = "/api/fn", endpoint = "cache_keys", input = GetUrl)]
pub async fn cache_keys(target: Option<String>, ask: KeysAsk) -> Result<KeyList, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    bounded("search", &ask.find)?;
    Ok(context.console.cache_key_list(&target, &ask))
}

/// One key in detail. Its value is for operators.
#[server(name = ReadCacheKey, prefix = "/api/fn", endpoint = "cache_key", input = GetUrl)]
pub async fn cache_key(target: Option<String>, dataset: String, key: String) -> Result<KeyDetail, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_model::Role;
    let context = PageContext::require(Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    bounded("key", &key)?;
    let with_value = context.actor.role >= Role::Operator;
    let found = context.console.cache_key(Some(&target), &dataset, key, with_value).await;
    // The one way to fail: no such dataset. A page keeps its status, this is one panel of it.
    found.map_err(|error| AppError::new(ErrorCode::Invalid, error.to_string()).answered())
}

/// Tags of a target's cache, those with most keys first.
#[server(name = ReadCacheTags, prefix = "/api/fn", endpoint = "cache_tags", input = GetUrl)]
pub async fn cache_tags(target: Option<String>) -> Result<Vec<TagReport>, AppError> {
    use crate::context::PageContext;

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    context.console.cache_tags(&target).ok_or_else(AppError::internal)
}

/// What a clear would do. Changes nothing.
#[server(name = ReadPreviewClear, prefix = "/api/fn", endpoint = "preview_clear", input = GetUrl)]
pub async fn preview_clear(target: Option<String>, fields: ClearFields) -> Result<ClearPreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(headroom_engine::actions::preview_clear(&context.console, &target, &scope_of(fields)?).await?)
}

/// Clears a part of a target's cache, verifies it, and leaves an audit row and an event. A plain form is sent back to the
/// confirm page, which shows how it ended.
#[server(prefix = "/api/fn", endpoint = "clear_cache")]
pub async fn clear_cache(
    target: Option<String>,
    fields: ClearFields,
    reason: Option<String>,
) -> Result<ActionOutcome, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let (request, scope) = (context.asks(reason)?, scope_of(fields)?);
    let outcome = headroom_engine::actions::clear(&context.console, &target, scope.clone(), &request).await?;
    if is_plain_form() {
        let done = outcome.audit_id.to_string();
        let query = ClearFields::from(scope).pairs().map(|(key, value)| (key, value.to_owned())).collect();
        let back = [("target", Some(target.as_str())), ("done", Some(done.as_str()))];
        leptos_axum::redirect(&crate::url::href("/confirm/clear", &query, &back));
    }
    Ok(outcome)
}

/// What a warmup would load. Changes nothing.
#[server(name = ReadPreviewWarmup, prefix = "/api/fn", endpoint = "preview_warmup", input = GetUrl)]
pub async fn preview_warmup(target: Option<String>, strategy: WarmupStrategy) -> Result<WarmupPreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(headroom_engine::actions::preview_warmup(&context.console, &target, strategy).await?)
}

/// Starts a warmup; it reports as an operation. A plain form is sent back to the confirm page, which shows how far it is.
#[server(prefix = "/api/fn", endpoint = "start_warmup")]
pub async fn start_warmup(
    target: Option<String>,
    strategy: WarmupStrategy,
    reason: Option<String>,
) -> Result<Operation, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let request = context.asks(reason)?;
    let started = headroom_engine::actions::warm(&context.console, &target, strategy, &request).await?;
    if is_plain_form() {
        let strategy = strategy.as_str();
        leptos_axum::redirect(&format!("/confirm/warm?target={target}&strategy={strategy}&done={}", started.id));
    }
    Ok(started)
}

/// Warmups of a target: the one under way, the next, and earlier ones.
#[server(name = ReadWarmupStatus, prefix = "/api/fn", endpoint = "warmup_status", input = GetUrl)]
pub async fn warmup_status(target: Option<String>) -> Result<WarmupStatus, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    context.console.warmup_status(&target).await.ok_or_else(AppError::internal)
}

#[cfg(feature = "ssr")]
fn bounded(what: &str, text: &str) -> Result<(), AppError> {
    if text.len() <= TEXT_MAX {
        return Ok(());
    }
    let message = format!("A {what} has at most {TEXT_MAX} bytes.");
    Err(AppError::new(crate::error::ErrorCode::Invalid, message).answered())
}

#[cfg(feature = "ssr")]
fn scope_of(fields: ClearFields) -> Result<headroom_model::cache::ClearScope, AppError> {
    fields.try_into().map_err(|reason: String| AppError::new(crate::error::ErrorCode::Invalid, reason).answered())
}
