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
use headroom_engine::{
    actions,
    cache::{KeyUse, TierUse},
    console::Console,
    dataset::Dataset,
};
use headroom_model::{
    Role, TargetId,
    action::ActionOutcome,
    api::Envelope,
    cache::{CacheReport, ClassCounters, ClearPreview, ClearScope, KeyDetail, KeyReport, TagReport, TierReport},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use utoipa::{IntoParams, ToSchema};

/// Keys of a list when none are asked for.
const KEYS: usize = 20;
/// Keys of a list at most.
const KEYS_MAX: usize = 500;
/// Of a value so much is shown.
const VALUE_MAX: usize = 64 << 10;

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

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

type Listed = fn(&Dataset, usize) -> Vec<KeyUse>;

fn keys(
    web: &Web,
    target: &TargetId,
    query: &KeysQuery,
    list: Listed,
    hottest: bool,
) -> Result<Vec<KeyReport>, WebError> {
    let limit = query.limit.unwrap_or(KEYS);
    if !(1..=KEYS_MAX).contains(&limit) {
        return Err(WebError::field("limit", format!("{limit} is out of range; allowed: 1 to {KEYS_MAX}")));
    }
    let of_target = web.console.datasets.list().filter(|dataset| dataset.config().target == *target);
    let mut found: Vec<KeyReport> = of_target
        .filter(|dataset| query.dataset.as_deref().is_none_or(|name| name == dataset.name()))
        .flat_map(|dataset| list(dataset, limit).into_iter().map(|key| key_report(dataset.name(), key)))
        .collect();
    if hottest {
        found.sort_by(|a, b| b.accesses.cmp(&a.accesses).then_with(|| a.key.cmp(&b.key)));
    } else {
        found.sort_by(|a, b| a.accesses.cmp(&b.accesses).then_with(|| a.key.cmp(&b.key)));
    }
    found.truncate(limit);
    Ok(found)
}

fn key_report(dataset: &str, key: KeyUse) -> KeyReport {
    KeyReport {
        dataset: dataset.to_owned(),
        key: key.key.to_string(),
        accesses: key.accesses,
        error: key.error,
        hit_rate: (key.accesses > 0).then(|| key.hits as f64 * 100.0 / key.accesses as f64),
        bytes: key.bytes,
        fresh_for_ms: key.fresh_for.map(millis),
    }
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
    keys(&web, &target, &query, |dataset, limit| dataset.class().hottest(limit), true).map(Answer)
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
    keys(&web, &target, &query, |dataset, limit| dataset.class().coldest(limit), false).map(Answer)
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
    let dataset = web.console.datasets.get(&query.dataset)?;
    Ok(Answer(detail(dataset, key, caller.actor.role).await))
}

async fn detail(dataset: &Arc<Dataset>, key: String, role: Role) -> KeyDetail {
    let found = dataset.class().inspect(&key).await;
    let tier = |tier: TierUse| TierReport {
        bytes: tier.bytes,
        age_ms: millis(tier.age),
        fresh_for_ms: millis(tier.fresh_for),
        usable_for_ms: millis(tier.usable_for),
    };
    let body = found.value.flatten().filter(|_| role >= Role::Operator).map(|page| page.body().clone());
    let is_shortened = body.as_ref().is_some_and(|body| body.len() > VALUE_MAX);
    KeyDetail {
        dataset: dataset.name().to_owned(),
        key,
        memory: found.memory.map(tier),
        redis: found.redis.map(tier),
        redis_problem: found.redis_problem,
        tags: found.tags,
        hits: found.hits,
        load_ms: millis(found.load_time),
        value: body.map(|body| String::from_utf8_lossy(&body[..body.len().min(VALUE_MAX)]).into_owned()),
        is_shortened,
    }
}

/// Tags
///
/// What each tag groups in this console's memory, most keys first, at most 500.
#[utoipa::path(get, path = "/api/v1/cache/tags", tag = "Cache", params(TargetQuery), responses((status = 200, body = Envelope<Vec<TagReport>>, description = "Most keys first.")))]
pub async fn tags(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<Vec<TagReport>>, WebError> {
    let tags = web.console.cache_tags(&target, KEYS_MAX);
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
