//! The cache that datasets are read through.

use super::optional_text;
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, Params, Segment, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::{actions, console::Console};
use headroom_model::{
    Role, TargetId,
    action::ActionOutcome,
    api::Envelope,
    cache::{CacheReport, ClassCounters, ClearPreview, ClearScope, KeyDetail, KeyOrder, KeyReport, TagReport},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Keys of a list when none are asked for.
const KEYS: usize = 20;
/// Keys of a list at most.
const KEYS_MAX: usize = 500;

/// Cache
///
/// Both tiers and every dataset of the target: hits, misses, loads, evictions, and the database time saved.
#[utoipa::path(get, path = "/api/v1/cache", tag = "Cache", params(TargetQuery), responses((status = 200, body = Envelope<CacheReport>, description = "Since the statistics were reset.")))]
pub async fn report(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<CacheReport>, WebError> {
    cache_report(&web.console, &target).map(Answer)
}

fn cache_report(console: &Console, target: &TargetId) -> Result<CacheReport, WebError> {
    console.cache_report(target).ok_or_else(|| WebError::internal(format!("target \"{target}\" has no cache")))
}

/// How much of what is asked for is there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HitRate {
    /// All tiers, in percent; null before the first request.
    pub hit_rate: Option<f64>,
    /// Answered from memory, in percent of all requests.
    pub memory: Option<f64>,
    /// Answered from Redis, in percent of all requests.
    pub redis: Option<f64>,
    /// Answered with a value past its time, in percent of all requests.
    pub stale: Option<f64>,
    /// Requests.
    pub requests: u64,
}

impl HitRate {
    fn new(counters: &ClassCounters) -> Self {
        let requests = counters.hits() + counters.misses;
        let share = |part: u64| (requests > 0).then(|| part as f64 * 100.0 / requests as f64);
        HitRate {
            hit_rate: counters.hit_rate(),
            memory: share(counters.hits_memory),
            redis: share(counters.hits_redis),
            stale: share(counters.hits_stale),
            requests,
        }
    }
}

/// Cache hit rate
///
/// Of all datasets of the target, by tier.
#[utoipa::path(get, path = "/api/v1/cache/hit-rate", tag = "Cache", params(TargetQuery), responses((status = 200, body = Envelope<HitRate>, description = "Since the statistics were reset.")))]
pub async fn hit_rate(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<HitRate>, WebError> {
    Ok(Answer(HitRate::new(&cache_report(&web.console, &target)?.counters)))
}

/// Which keys.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeysQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Only of this dataset.
    pub dataset: Option<String>,
    /// How many, 1 to 500.
    #[param(default = 20, minimum = 1, maximum = 500)]
    pub limit: Option<usize>,
}

fn keys(web: &Web, target: &TargetId, query: &KeysQuery, order: KeyOrder) -> Result<Vec<KeyReport>, WebError> {
    let limit = query.limit.unwrap_or(KEYS);
    if !(1..=KEYS_MAX).contains(&limit) {
        return Err(WebError::field("limit", format!("{limit} is out of range; allowed: 1 to {KEYS_MAX}")));
    }
    Ok(web.console.cache_keys(target, query.dataset.as_deref(), order, limit))
}

/// Hottest keys
///
/// The most used keys, counted by a bounded sketch in this console; `error` is by how much a count may be too high.
#[utoipa::path(get, path = "/api/v1/cache/keys/hottest", tag = "Cache", params(KeysQuery), responses((status = 200, body = Envelope<Vec<KeyReport>>, description = "Most used first.")))]
pub async fn hottest(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Params(query): Params<KeysQuery>,
) -> Result<Answer<Vec<KeyReport>>, WebError> {
    keys(&web, &target, &query, KeyOrder::Hottest).map(Answer)
}

/// Coldest keys
///
/// What takes room in memory and is hardly asked for.
#[utoipa::path(get, path = "/api/v1/cache/keys/coldest", tag = "Cache", params(KeysQuery), responses((status = 200, body = Envelope<Vec<KeyReport>>, description = "Least used first.")))]
pub async fn coldest(
    State(web): State<Web>,
    Chosen(target): Chosen,
    Params(query): Params<KeysQuery>,
) -> Result<Answer<Vec<KeyReport>>, WebError> {
    keys(&web, &target, &query, KeyOrder::Coldest).map(Answer)
}

/// Whose key.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Its dataset.
    pub dataset: String,
}

/// A key
///
/// Its copies in both tiers, its tags, and for operators its value.
#[utoipa::path(get, path = "/api/v1/cache/keys/{key}", tag = "Cache", params(("key" = String, Path, description = "As `X-Cache-Key` tells it, percent-encoded."), KeyQuery), responses((status = 200, body = Envelope<KeyDetail>, description = "What the tiers hold.")))]
pub async fn key(
    State(web): State<Web>,
    Segment(key): Segment,
    caller: Caller,
    Params(query): Params<KeyQuery>,
) -> Result<Answer<KeyDetail>, WebError> {
    let with_value = caller.actor.role >= Role::Operator;
    Ok(Answer(web.console.cache_key(None, &query.dataset, key, with_value).await?))
}

/// Tags
///
/// What each tag groups in this console's memory, most keys first, at most 500.
#[utoipa::path(get, path = "/api/v1/cache/tags", tag = "Cache", params(TargetQuery), responses((status = 200, body = Envelope<Vec<TagReport>>, description = "Most keys first.")))]
pub async fn tags(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<Vec<TagReport>>, WebError> {
    let tags = web.console.cache_tags(&target);
    tags.map(Answer).ok_or_else(|| WebError::internal(format!("target \"{target}\" has no cache")))
}

/// How to clear.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct ClearQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Only say what would be cleared.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; goes into the audit.
    #[param(max_length = 500)]
    pub reason: Option<String>,
}

/// What a clear would do, and what it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClearReport {
    /// What was there before.
    pub preview: ClearPreview,
    /// What was done, verified; null on a dry run.
    pub outcome: Option<ActionOutcome>,
}

/// Clear the cache
///
/// `{"scope": "all"}`, or a `tag`, a `dataset`, a `key` or a `pattern` of a dataset, on all instances. `dryRun` counts the
/// keys first and changes nothing. A clear is verified, audited, and marked on the timeline.
#[utoipa::path(post, path = "/api/v1/cache/clear", tag = "Cache", params(ClearQuery), request_body = ClearScope, responses((status = 200, body = Envelope<ClearReport>, description = "What was or would be cleared.")))]
pub async fn clear(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    Params(query): Params<ClearQuery>,
    JsonBody(scope): JsonBody<ClearScope>,
) -> Result<Answer<ClearReport>, WebError> {
    let reason = optional_text("reason", query.reason.as_deref())?;
    let preview = actions::preview_clear(&web.console, &target, &scope).await?;
    let outcome = if query.dry_run {
        None
    } else {
        Some(actions::clear(&web.console, &target, scope, &caller.asks(reason)).await?)
    };
    Ok(Answer(ClearReport { preview, outcome }))
}
