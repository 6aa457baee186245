//! What pages and API show of a cache's keys: the most and least used ones, and one key in detail.

use crate::{
    cache::{KeyUse, TagUse, TierUse},
    console::Console,
    dataset::{Dataset, DatasetError},
};
use headroom_model::{
    TargetId,
    cache::{KeyDetail, KeyList, KeyOrder, KeyReport, KeySort, KeysAsk, TagReport, TierReport},
};
use moka::sync::Cache;
use std::{cmp::Ordering, time::Duration};

/// Of a value so much is shown, in bytes.
const VALUE_MAX: usize = 64 << 10;

/// How long a list serves everyone who asks: making it takes a walk through all of memory.
const KEPT: Duration = Duration::from_secs(1);

/// Lists of keys and tags that were just made, by target.
pub(crate) struct Lists {
    keys: Cache<(TargetId, KeyOrder), Vec<KeyReport>>,
    tags: Cache<TargetId, Vec<TagReport>>,
}

impl Default for Lists {
    fn default() -> Self {
        Lists {
            keys: Cache::builder().time_to_live(KEPT).max_capacity(64).build(),
            tags: Cache::builder().time_to_live(KEPT).max_capacity(64).build(),
        }
    }
}

impl Lists {
    /// An action has changed what they tell.
    pub fn forget(&self) {
        self.keys.invalidate_all();
        self.tags.invalidate_all();
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
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

/// Unknown values come last, whichever way the rest is sorted.
fn compare(a: Option<f64>, b: Option<f64>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

fn sort(keys: &mut [KeyReport], by: KeySort, descending: bool) {
    let value = |key: &KeyReport| match by {
        KeySort::Accesses => Some(key.accesses as f64),
        KeySort::HitRate => key.hit_rate,
        KeySort::Fresh => key.fresh_for_ms,
        KeySort::Size => key.bytes.map(|bytes| bytes as f64),
    };
    keys.sort_by(|a, b| compare(value(a), value(b), descending).then_with(|| a.key.cmp(&b.key)));
}

impl Console {
    /// The most or least used keys of a target's datasets, at most `limit` of them, in order; `dataset` names the only one
    /// looked at. Counted by a bounded sketch in this process (hottest) or on the entries in memory (coldest).
    #[must_use]
    pub fn cache_keys(
        &self,
        target: &TargetId,
        dataset: Option<&str>,
        order: KeyOrder,
        limit: usize,
    ) -> Vec<KeyReport> {
        let listed = |dataset: &Dataset| match order {
            KeyOrder::Hottest => dataset.class().hottest(limit),
            KeyOrder::Coldest => dataset.class().coldest(limit),
        };
        let of_target = self.datasets.list().filter(|dataset| dataset.config().target == *target);
        let mut found: Vec<KeyReport> = of_target
            .filter(|known| dataset.is_none_or(|name| name == known.name()))
            .flat_map(|dataset| listed(dataset).into_iter().map(|key| key_report(dataset.name(), key)))
            .collect();
        sort(&mut found, KeySort::Accesses, order == KeyOrder::Hottest);
        found.truncate(limit);
        found
    }

    /// One page of the most or least used keys, found and sorted as asked, at most a second old. The search looks through
    /// the [`KeysAsk::LOOKED_AT`] first of them.
    #[must_use]
    pub fn cache_key_list(&self, target: &TargetId, ask: &KeysAsk) -> KeyList {
        let make = || self.cache_keys(target, None, ask.order, KeysAsk::LOOKED_AT);
        let mut found = self.lists.keys.get_with((target.clone(), ask.order), make);
        let looked_at = found.len() as u64;
        let most = found.iter().map(|key| key.accesses).max().unwrap_or(0);
        let find = ask.find.to_lowercase();
        if !find.is_empty() {
            found.retain(|key| key.key.to_lowercase().contains(&find) || key.dataset.to_lowercase().contains(&find));
        }
        sort(&mut found, ask.sort, ask.descending);
        let matching = found.len();
        let pages = matching.div_ceil(KeysAsk::PAGE).max(1);
        let page = usize::try_from(ask.page).unwrap_or(usize::MAX).clamp(1, pages);
        let rows = found.into_iter().skip((page - 1) * KeysAsk::PAGE).take(KeysAsk::PAGE).collect();
        KeyList { rows, page: page as u64, pages: pages as u64, matching: matching as u64, looked_at, most }
    }

    /// The [`TagReport::LISTED`] tags of a target's cache with most keys in memory, at most a second old. None where no
    /// target has this name.
    #[must_use]
    pub fn cache_tags(&self, target: &TargetId) -> Option<Vec<TagReport>> {
        let cache = self.datasets.cache(target)?;
        let make = || {
            let report = |(tag, used): (String, TagUse)| TagReport {
                tag,
                keys: used.keys,
                bytes: used.bytes,
                hits: used.hits,
                misses: used.misses,
                invalidations: used.invalidations,
            };
            let mut tags: Vec<TagReport> = cache.tags().into_iter().map(report).collect();
            tags.sort_by(|a, b| b.keys.cmp(&a.keys).then_with(|| a.tag.cmp(&b.tag)));
            tags.truncate(TagReport::LISTED);
            tags
        };
        Some(self.lists.tags.get_with(target.clone(), make))
    }

    /// One key in detail: its copies in both tiers, its tags, and with `with_value` the beginning of its value. Not
    /// counted as an access.
    ///
    /// # Errors
    /// No dataset of the target has this name.
    pub async fn cache_key(
        &self,
        target: Option<&TargetId>,
        dataset: &str,
        key: String,
        with_value: bool,
    ) -> Result<KeyDetail, DatasetError> {
        let dataset = self.datasets.get(dataset)?;
        if target.is_some_and(|target| dataset.config().target != *target) {
            return Err(DatasetError::Unknown(dataset.name().to_owned()));
        }
        let found = dataset.class().inspect(&key).await;
        let tier = |tier: TierUse| TierReport {
            bytes: tier.bytes,
            age_ms: millis(tier.age),
            fresh_for_ms: millis(tier.fresh_for),
            usable_for_ms: millis(tier.usable_for),
        };
        let body = found.value.flatten().filter(|_| with_value).map(|page| page.body().clone());
        let is_shortened = body.as_ref().is_some_and(|body| body.len() > VALUE_MAX);
        Ok(KeyDetail {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_comes_last_in_both_directions() {
        let key = |name: &str, bytes| KeyReport {
            dataset: "orders".into(),
            key: name.into(),
            accesses: 1,
            error: 0,
            hit_rate: None,
            bytes,
            fresh_for_ms: None,
        };
        let mut keys = vec![key("a", None), key("b", Some(10)), key("c", Some(20))];
        let names = |keys: &[KeyReport]| keys.iter().map(|key| key.key.clone()).collect::<String>();
        sort(&mut keys, KeySort::Size, false);
        assert_eq!(names(&keys), "bca");
        sort(&mut keys, KeySort::Size, true);
        assert_eq!(names(&keys), "cba");
        sort(&mut keys, KeySort::Fresh, true);
        assert_eq!(names(&keys), "abc", "by name among equals");
    }
}
