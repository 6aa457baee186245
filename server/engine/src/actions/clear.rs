//! Clearing a cache, by scope.

use super::{ActionError, Request};
use crate::{
    cache::{Cache, Group},
    console::Console,
    dataset::{Dataset, Page},
    store::NewAudit,
};
use futures::future::join_all;
use headroom_model::{
    TargetId,
    action::ActionOutcome,
    cache::{ClearPreview, ClearScope},
    event::{EventKind, NewEvent},
    format,
};
use std::sync::Arc;

/// Keys that a pattern may clear at once. More than that is a dataset or a tag.
const KEYS_MAX: usize = 10_000;
/// Longest name of a tag, a dataset, a key or a pattern, in bytes.
const NAME_MAX: usize = 1024;
/// Keys that are told to Redis at the same time.
const AT_ONCE: usize = 32;

fn cache<'a>(console: &'a Console, target: &TargetId) -> Result<&'a Cache<Page>, ActionError> {
    console.datasets.cache(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))
}

fn dataset<'a>(console: &'a Console, target: &TargetId, name: &str) -> Result<&'a Arc<Dataset>, ActionError> {
    let found = console.datasets.get(name).ok().filter(|dataset| dataset.config().target == *target);
    found.ok_or_else(|| ActionError::Refused(format!("there is no dataset \"{name}\" on {target}")))
}

/// What is named goes into the audit and the timeline, so it is bounded before it is looked for.
fn bounded(scope: &ClearScope) -> Result<(), ActionError> {
    let named = match scope {
        ClearScope::All => vec![],
        ClearScope::Tag { tag } => vec![("tag", tag)],
        ClearScope::Dataset { dataset } => vec![("dataset", dataset)],
        ClearScope::Key { dataset, key } => vec![("dataset", dataset), ("key", key)],
        ClearScope::Pattern { dataset, pattern } => vec![("dataset", dataset), ("pattern", pattern)],
    };
    match named.into_iter().find(|(_, text)| text.len() > NAME_MAX) {
        Some((what, _)) => {
            Err(ActionError::Refused(format!("a {what} has at most {} bytes", format::count(NAME_MAX as u64))))
        }
        None => Ok(()),
    }
}

/// The part of the cache that is cleared as a whole; none where keys are named.
fn group(scope: &ClearScope) -> Option<Group<'_>> {
    match scope {
        ClearScope::All => Some(Group::All),
        ClearScope::Tag { tag } => Some(Group::Tag(tag)),
        ClearScope::Dataset { dataset } => Some(Group::Class(dataset)),
        ClearScope::Key { .. } | ClearScope::Pattern { .. } => None,
    }
}

/// The keys that match, if they are not too many.
async fn matching(dataset: &Dataset, pattern: &str) -> Result<Vec<String>, ActionError> {
    let (keys, more) = dataset.class().keys(pattern, KEYS_MAX).await.map_err(ActionError::Unreachable)?;
    if more {
        let most = format::count(KEYS_MAX as u64);
        return Err(ActionError::Refused(format!(
            "more than {most} keys match; clear the dataset, or narrow the pattern"
        )));
    }
    Ok(keys)
}

/// Keys of a dataset in Redis; none where it does not answer.
async fn in_redis(dataset: &Dataset) -> Option<u64> {
    if dataset.class().settings().mode.redis() { dataset.class().redis_keys().await } else { Some(0) }
}

pub(super) async fn preview(
    console: &Console,
    target: &TargetId,
    scope: &ClearScope,
) -> Result<ClearPreview, ActionError> {
    bounded(scope)?;
    let cache = cache(console, target)?;
    let (mut memory_keys, mut memory_bytes) = group(scope).map_or((0, 0), |group| cache.holds(group, None));
    let mut name_keys = |dataset: &str, keys: &[&str]| {
        for bytes in keys.iter().filter_map(|key| cache.holds_key(dataset, key, None)) {
            memory_keys += 1;
            memory_bytes += u64::from(bytes);
        }
    };
    let redis_keys = match scope {
        ClearScope::All => {
            let mut sum = Some(0);
            for dataset in console.datasets.list().filter(|dataset| dataset.config().target == *target) {
                sum = sum.zip(in_redis(dataset).await).map(|(sum, keys)| sum + keys);
            }
            sum
        }
        ClearScope::Tag { .. } => None,
        ClearScope::Dataset { dataset: name } => in_redis(dataset(console, target, name)?).await,
        ClearScope::Key { dataset: name, key } => {
            let inspected = dataset(console, target, name)?.class().inspect(key).await;
            name_keys(name, &[key]);
            inspected.redis_problem.is_none().then(|| u64::from(inspected.redis.is_some()))
        }
        ClearScope::Pattern { dataset: name, pattern } => {
            let keys = matching(dataset(console, target, name)?, pattern).await?;
            name_keys(name, &keys.iter().map(String::as_str).collect::<Vec<_>>());
            Some(keys.len() as u64)
        }
    };
    let memory = format!("{} in memory ({})", format::count(memory_keys), format::bytes(memory_bytes as f64));
    let redis = match (redis_keys, scope) {
        _ if cache.redis().is_none() => String::new(),
        (Some(keys), _) => format!(", {} in Redis", format::count(keys)),
        (None, ClearScope::Tag { .. }) => ", and those in Redis, which are not counted by tag".to_owned(),
        (None, _) => ", and those in Redis, which does not answer and is told when it is back".to_owned(),
    };
    let effect = format!("Keys: {memory}{redis}. Each is loaded from PostgreSQL again when it is next asked for.");
    Ok(ClearPreview { scope: scope.clone(), memory_keys, memory_bytes, redis_keys, effect })
}

pub(super) async fn run(
    console: &Arc<Console>,
    target: &TargetId,
    scope: &ClearScope,
    request: Request,
) -> Result<ActionOutcome, ActionError> {
    bounded(scope)?;
    let done = act(console, target, scope).await;
    console.lists.forget();
    let at = console.clock.now();
    let audit = NewAudit {
        at,
        actor: request.actor.name.clone(),
        role: request.actor.role,
        origin: request.origin,
        action: "cache.clear".to_owned(),
        target: Some(target.clone()),
        parameters: serde_json::to_value(scope).unwrap_or_default(),
        reason: request.reason,
        outcome: done.as_ref().map_or_else(ToString::to_string, Clone::clone),
        succeeded: done.is_ok(),
    };
    let audit_id = console.store.add_audit(&audit).await;
    let effect = done?;
    let title = match scope {
        ClearScope::All => "Cache was cleared".to_owned(),
        ClearScope::Tag { tag } => format!("Cache was cleared: tag {tag}"),
        ClearScope::Dataset { dataset } => format!("Cache was cleared: dataset {dataset}"),
        ClearScope::Key { dataset, .. } => format!("Cache was cleared: one key of {dataset}"),
        ClearScope::Pattern { dataset, pattern } => format!("Cache was cleared: {pattern} of {dataset}"),
    };
    console.feed().mark_soon(NewEvent {
        at,
        target: Some(target.clone()),
        kind: EventKind::Action,
        band: None,
        title,
        detail: Some(effect.clone()),
        actor: Some(request.actor.name),
    });
    Ok(ActionOutcome { audit_id: audit_id?, at, effect })
}

async fn act(console: &Console, target: &TargetId, scope: &ClearScope) -> Result<String, ActionError> {
    let cache = cache(console, target)?;
    if let Some(target) = console.target(target) {
        target.pools.note_change();
    }
    let mark = cache.mark();
    let before = group(scope).map_or(0, |group| cache.holds(group, None).0);
    let by_keys = async |name: &str, keys: &[String]| {
        let class = dataset(console, target, name)?.class();
        let mut told = true;
        for some in keys.chunks(AT_ONCE) {
            let answers = join_all(some.iter().map(|key| class.invalidate(key))).await;
            told &= answers.into_iter().all(|answer| answer);
        }
        let left = keys.iter().filter(|key| cache.holds_key(name, key, Some(mark)).is_some()).count();
        verified(left as u64)?;
        Ok::<_, ActionError>(told)
    };
    let (cleared, told) = match scope {
        ClearScope::All => (before, cache.clear().await),
        ClearScope::Tag { tag } => (before, cache.invalidate_tag(tag).await),
        ClearScope::Dataset { dataset: name } => (before, dataset(console, target, name)?.class().clear().await),
        ClearScope::Key { dataset: name, key } => {
            let found = dataset(console, target, name)?.class().inspect(key).await;
            let there = found.memory.is_some() || found.redis.is_some();
            (u64::from(there), by_keys(name, std::slice::from_ref(key)).await?)
        }
        ClearScope::Pattern { dataset: name, pattern } => {
            let keys = matching(dataset(console, target, name)?, pattern).await?;
            (keys.len() as u64, by_keys(name, &keys).await?)
        }
    };
    if let Some(group) = group(scope) {
        verified(cache.holds(group, Some(mark)).0)?;
    }
    let (also, redis) = match (cache.redis(), told) {
        (None, _) => ("", ""),
        (Some(_), true) => (" in memory and those in Redis", "; Redis and the other instances were told"),
        (Some(_), false) => (" in memory and those in Redis", "; Redis does not answer and is told when it is back"),
    };
    let also = if group(scope).is_some() { also } else { "" };
    Ok(format!("{}{also} answered no more{redis}", format::counted(cleared, "key")))
}

/// Loading goes on while a clear is checked, so what counts is what was there before it.
fn verified(left: u64) -> Result<(), ActionError> {
    if left == 0 {
        return Ok(());
    }
    Err(ActionError::NotVerified(format!("{} from before the clear still answered", format::counted(left, "key"))))
}
