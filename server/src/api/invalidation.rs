//! Invalidating a part of the cache, by what names it.

use super::{cache::ClearReport, optional_text};
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::actions;
use headroom_model::{
    api::{Envelope, FieldError},
    cache::ClearScope,
};
use serde::Deserialize;
use utoipa::ToSchema;

/// What to invalidate: one of `tag`, `dataset`, `key`, `pattern`. A key or a pattern needs its `dataset` beside it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvalidateRequest {
    /// Whatever carries this tag.
    pub tag: Option<String>,
    /// This dataset; beside `key` or `pattern` the one that they are of.
    pub dataset: Option<String>,
    /// This key, as `X-Cache-Key` tells it.
    pub key: Option<String>,
    /// The keys that match: `*` any characters, `?` one.
    pub pattern: Option<String>,
    /// Only say what would be invalidated.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

impl InvalidateRequest {
    /// What it names.
    fn scope(&self) -> Result<ClearScope, WebError> {
        let given = [("tag", &self.tag), ("dataset", &self.dataset), ("key", &self.key), ("pattern", &self.pattern)];
        let refuse = |field: &str, reason: &str| FieldError { field: field.into(), reason: reason.into() };
        let empty = given.iter().filter(|(_, value)| value.as_ref().is_some_and(|value| value.trim().is_empty()));
        let empty: Vec<FieldError> = empty.map(|(field, _)| refuse(field, "empty")).collect();
        if !empty.is_empty() {
            return Err(WebError::invalid(empty));
        }
        match (&self.tag, &self.dataset, &self.key, &self.pattern) {
            (Some(tag), None, None, None) => Ok(ClearScope::Tag { tag: tag.clone() }),
            (None, Some(dataset), None, None) => Ok(ClearScope::Dataset { dataset: dataset.clone() }),
            (None, Some(dataset), Some(key), None) => {
                Ok(ClearScope::Key { dataset: dataset.clone(), key: key.clone() })
            }
            (None, Some(dataset), None, Some(pattern)) => {
                Ok(ClearScope::Pattern { dataset: dataset.clone(), pattern: pattern.clone() })
            }
            (None, None, None, None) => {
                Err(WebError::field("tag", "missing; needed: one of tag, dataset, key, pattern"))
            }
            (None, None, Some(_), None) | (None, None, None, Some(_)) => {
                Err(WebError::field("dataset", "missing; a key or a pattern is of one dataset"))
            }
            _ => {
                let named = given.iter().filter(|(_, value)| value.is_some());
                let too_many = "only one of tag, dataset, key, pattern; key and pattern with their dataset";
                Err(WebError::invalid(named.map(|(field, _)| refuse(field, too_many)).collect()))
            }
        }
    }
}

/// Invalidate a part of the cache
///
/// By tag, dataset, key or pattern, on all instances. Does what `/api/v1/cache/clear` does: verified, audited, and marked
/// on the timeline. `dryRun` counts the keys and changes nothing.
#[utoipa::path(post, path = "/api/v1/cache/invalidate", tag = "Cache", params(TargetQuery), request_body = InvalidateRequest, responses((status = 200, body = Envelope<ClearReport>, description = "What was or would be invalidated.")))]
pub async fn invalidate(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(request): JsonBody<InvalidateRequest>,
) -> Result<Answer<ClearReport>, WebError> {
    let (reason, scope) = (optional_text("reason", request.reason.as_deref())?, request.scope()?);
    let preview = actions::preview_clear(&web.console, &target, &scope).await?;
    let outcome = if request.dry_run {
        None
    } else {
        Some(actions::clear(&web.console, &target, scope, &caller.asks(reason)).await?)
    };
    Ok(Answer(ClearReport { preview, outcome }))
}
