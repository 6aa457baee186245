//! The two-tier cache as pages and API show it.

use crate::{TargetId, Timestamp, live::LiveUpdate};
use serde::{Deserialize, Serialize};

/// Counters of one class since the process started or the statistics were reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClassCounters {
    /// Answered from memory.
    pub hits_memory: u64,
    /// Answered from Redis.
    pub hits_redis: u64,
    /// Answered with a value past its time.
    pub hits_stale: u64,
    /// Hits that said "there is no such thing"; counted among the others too.
    pub hits_negative: u64,
    /// Answered by a load.
    pub misses: u64,
    /// Loads that ended well.
    pub loads: u64,
    /// Loads that failed or took too long.
    pub load_errors: u64,
    /// Loads begun before an entry's time was over.
    pub refreshes: u64,
    /// Callers that waited for another's load instead of loading themselves: suppressed stampedes.
    pub joined: u64,
    /// Callers that gave up waiting.
    pub timeouts: u64,
    /// Values that were not kept because something was invalidated while they were loaded.
    pub discarded: u64,
    /// Values too large to be kept.
    pub oversized: u64,
    /// Values in Redis that could not be read.
    pub poison: u64,
    /// Entries that left memory for lack of room.
    pub evicted: u64,
    /// Entries that left memory because their time was over.
    pub expired: u64,
    /// Entries that left memory by invalidation.
    pub invalidated: u64,
    /// Bytes given to compression.
    pub packed_from: u64,
    /// Bytes that came out of it.
    pub packed_to: u64,
    /// How long loads took.
    pub load_times: Option<LoadTimes>,
    /// Database time saved in milliseconds: hits times the mean of a load. None before the first load.
    pub saved_ms: Option<f64>,
}

impl ClassCounters {
    /// Answers from any tier.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits_memory + self.hits_redis + self.hits_stale
    }

    /// Hits as a share of all answers, in percent. None before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits() + self.misses;
        (all > 0).then(|| self.hits() as f64 * 100.0 / all as f64)
    }
}

/// How long loads took, in milliseconds. Exact to two digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoadTimes {
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// One class of a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClassReport {
    /// Its name.
    pub class: String,
    /// Tiers: `tiered`, `memory`, `redis` or `none`.
    pub mode: String,
    /// How long its values are fresh, in milliseconds.
    pub ttl_ms: f64,
    /// Entries in memory.
    pub memory_keys: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Counters.
    pub counters: ClassCounters,
    /// Accesses to keys are counted one in so many.
    pub sampled_every: u32,
}

/// Redis as a cache finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RedisTier {
    /// Whether it answers.
    pub answers: bool,
    /// Whether the messages of other instances are heard.
    pub listens: bool,
    /// What is wrong, in words.
    pub problem: Option<String>,
    /// For how long, in milliseconds.
    pub problem_for_ms: Option<f64>,
    /// How often it was left alone for a while because it did not answer.
    pub breaker_opened: u64,
    /// How often messages of other instances were missed and everything was verified.
    pub resynchronised: u64,
    /// Invalidations that wait for it to be back.
    pub waiting: u64,
}

/// The cache of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CacheReport {
    /// Whose.
    pub target: TargetId,
    /// Its second tier; null where the target has no Redis.
    pub redis: Option<RedisTier>,
    /// Whether changes of tables are heard at present; while they are not, pages live until their time is over.
    pub hears_tables: bool,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Most bytes in memory.
    pub memory_max: u64,
    /// Since when the counters count.
    pub counting_since: Timestamp,
    /// All classes together. Load times are the classes' own.
    pub counters: ClassCounters,
    /// One line a dataset.
    pub classes: Vec<ClassReport>,
}

impl ClassCounters {
    /// Adds up classes. Load times do not add up and are left out.
    #[must_use]
    pub fn sum<'a>(classes: impl IntoIterator<Item = &'a ClassCounters>) -> ClassCounters {
        classes.into_iter().fold(ClassCounters::default(), |sum, one| ClassCounters {
            hits_memory: sum.hits_memory + one.hits_memory,
            hits_redis: sum.hits_redis + one.hits_redis,
            hits_stale: sum.hits_stale + one.hits_stale,
            hits_negative: sum.hits_negative + one.hits_negative,
            misses: sum.misses + one.misses,
            loads: sum.loads + one.loads,
            load_errors: sum.load_errors + one.load_errors,
            refreshes: sum.refreshes + one.refreshes,
            joined: sum.joined + one.joined,
            timeouts: sum.timeouts + one.timeouts,
            discarded: sum.discarded + one.discarded,
            oversized: sum.oversized + one.oversized,
            poison: sum.poison + one.poison,
            evicted: sum.evicted + one.evicted,
            expired: sum.expired + one.expired,
            invalidated: sum.invalidated + one.invalidated,
            packed_from: sum.packed_from + one.packed_from,
            packed_to: sum.packed_to + one.packed_to,
            load_times: None,
            saved_ms: one.saved_ms.map_or(sum.saved_ms, |saved| Some(saved + sum.saved_ms.unwrap_or(0.0))),
        })
    }
}

/// A dataset as the configuration defines one: what the page shows where a target has none.
pub const EXAMPLE_DATASET: &str = r#"[[datasets]]
name = "orders"
sql = "SELECT id, status FROM orders WHERE customer = :customer"
ttl = "30s"
tags = ["customer:{customer}"]

[[datasets.parameters]]
name = "customer"
type = "integer""#;

/// What is to be cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "scope", rename_all = "camelCase", deny_unknown_fields)]
pub enum ClearScope {
    /// Everything in the target's cache.
    All,
    /// Whatever carries a tag.
    Tag {
        /// The tag.
        tag: String,
    },
    /// One dataset.
    Dataset {
        /// Its name.
        dataset: String,
    },
    /// One key.
    Key {
        /// Its dataset.
        dataset: String,
        /// The key, as `X-Cache-Key` tells it.
        key: String,
    },
    /// The keys of a dataset that match.
    Pattern {
        /// The dataset.
        dataset: String,
        /// `*` any characters, `?` one.
        pattern: String,
    },
}

impl ClearScope {
    /// The name of a scope as forms and addresses write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ClearScope::All => "all",
            ClearScope::Tag { .. } => "tag",
            ClearScope::Dataset { .. } => "dataset",
            ClearScope::Key { .. } => "key",
            ClearScope::Pattern { .. } => "pattern",
        }
    }
}

/// A [`ClearScope`] as the fields of a form or of an address; fields that its scope does not need are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearFields {
    /// `all`, `tag`, `dataset`, `key` or `pattern`.
    pub scope: String,
    /// The tag.
    #[serde(default)]
    pub tag: String,
    /// The dataset, of a key and of a pattern too.
    #[serde(default)]
    pub dataset: String,
    /// The key.
    #[serde(default)]
    pub key: String,
    /// The pattern.
    #[serde(default)]
    pub pattern: String,
}

impl ClearFields {
    /// The fields that say something, as an address writes them.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("scope", &self.scope),
            ("tag", &self.tag),
            ("dataset", &self.dataset),
            ("key", &self.key),
            ("pattern", &self.pattern),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, value.as_str()))
    }
}

impl From<ClearScope> for ClearFields {
    fn from(scope: ClearScope) -> Self {
        let fields = ClearFields { scope: scope.name().to_owned(), ..ClearFields::default() };
        match scope {
            ClearScope::All => fields,
            ClearScope::Tag { tag } => ClearFields { tag, ..fields },
            ClearScope::Dataset { dataset } => ClearFields { dataset, ..fields },
            ClearScope::Key { dataset, key } => ClearFields { dataset, key, ..fields },
            ClearScope::Pattern { dataset, pattern } => ClearFields { dataset, pattern, ..fields },
        }
    }
}

impl TryFrom<ClearFields> for ClearScope {
    type Error = String;

    /// Reads the fields; says which one is missing.
    fn try_from(fields: ClearFields) -> Result<Self, Self::Error> {
        let given = |text: String, what: &str| {
            let text = text.trim().to_owned();
            if text.is_empty() { Err(format!("Say which {what}.")) } else { Ok(text) }
        };
        let ClearFields { scope, tag, dataset, key, pattern } = fields;
        Ok(match scope.as_str() {
            "all" => ClearScope::All,
            "tag" => ClearScope::Tag { tag: given(tag, "tag")? },
            "dataset" => ClearScope::Dataset { dataset: given(dataset, "dataset")? },
            "key" => ClearScope::Key { dataset: given(dataset, "dataset")?, key: given(key, "key")? },
            "pattern" => {
                ClearScope::Pattern { dataset: given(dataset, "dataset")?, pattern: given(pattern, "pattern")? }
            }
            _ => return Err("Say what to clear: all, a tag, a dataset, a key or a pattern.".to_owned()),
        })
    }
}

/// What a clear would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClearPreview {
    /// What is to be cleared.
    pub scope: ClearScope,
    /// Keys in memory that it concerns.
    pub memory_keys: u64,
    /// Their bytes.
    pub memory_bytes: u64,
    /// Keys in Redis; null where that is not known: tags are not indexed there, or it does not answer.
    pub redis_keys: Option<u64>,
    /// One sentence: what is cleared and what follows.
    pub effect: String,
}

impl ClearPreview {
    /// Keys it concerns. A key in both tiers counts once; where Redis has more than memory, its count leads.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.memory_keys.max(self.redis_keys.unwrap_or(0))
    }
}

/// How a key is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// Its dataset.
    pub dataset: String,
    /// The key.
    pub key: String,
    /// Accesses since the statistics were reset. For hottest keys an estimate that is never too low.
    pub accesses: u64,
    /// The estimate may be too high by this much.
    pub error: u64,
    /// Hits as a share of accesses, in percent.
    pub hit_rate: Option<f64>,
    /// Bytes in memory; null where it is not there.
    pub bytes: Option<u64>,
    /// How long it stays fresh, in milliseconds; null where it is not in memory.
    pub fresh_for_ms: Option<f64>,
}

/// Which end of the list of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyOrder {
    /// The most used ones.
    #[default]
    Hottest,
    /// The least used ones in memory.
    Coldest,
}

/// What a list of keys is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeySort {
    /// How often it was asked for.
    #[default]
    Accesses,
    /// Hits as a share of that.
    HitRate,
    /// How long it stays fresh.
    Fresh,
    /// Bytes in memory.
    Size,
}

/// Which keys a page lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysAsk {
    /// Which end.
    pub order: KeyOrder,
    /// Only those with this text in key or dataset; empty for all.
    pub find: String,
    /// What they are sorted by.
    pub sort: KeySort,
    /// Largest first.
    pub descending: bool,
    /// Which page, from 1.
    pub page: u64,
}

impl KeysAsk {
    /// Keys a page.
    pub const PAGE: usize = 10;
    /// Keys that are looked at, of each end.
    pub const LOOKED_AT: usize = 500;
}

/// One page of keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    /// The keys.
    pub rows: Vec<KeyReport>,
    /// Which page this is.
    pub page: u64,
    /// How many there are, at least one.
    pub pages: u64,
    /// Keys that match.
    pub matching: u64,
    /// Keys that were looked at.
    pub looked_at: u64,
    /// Accesses of the most used one.
    pub most: u64,
}

/// The present of a target's cache; the live feed keeps its figures fresh afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheOverview {
    /// The newest view of the target.
    pub live: LiveUpdate,
    /// Counters and levels.
    pub report: CacheReport,
}

/// One tier's copy of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TierReport {
    /// Bytes.
    pub bytes: u64,
    /// Time since it was loaded, in milliseconds.
    pub age_ms: f64,
    /// How long it stays fresh, in milliseconds.
    pub fresh_for_ms: f64,
    /// How long it may stand in after that, in milliseconds.
    pub usable_for_ms: f64,
}

/// One key in detail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyDetail {
    /// Its dataset.
    pub dataset: String,
    /// The key.
    pub key: String,
    /// Its copy in memory.
    pub memory: Option<TierReport>,
    /// Its copy in Redis.
    pub redis: Option<TierReport>,
    /// Why Redis could not be asked.
    pub redis_problem: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Hits on the copy in memory.
    pub hits: u32,
    /// How long loading it took, in milliseconds.
    pub load_ms: f64,
    /// The value, shortened to 64 KiB; null for viewers and where no tier has it.
    pub value: Option<String>,
    /// Whether the value was shortened.
    pub is_shortened: bool,
}

/// A tag and what it groups in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagReport {
    /// The tag.
    pub tag: String,
    /// Keys in memory that carry it.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Answers with values that carry it since the statistics were reset, from a tier. Sampled and scaled up, like the
    /// accesses to keys.
    pub hits: u64,
    /// Requests for such values that ended in a load, counted alike.
    pub misses: u64,
    /// How often it was invalidated since the process started.
    pub invalidations: u64,
}

impl TagReport {
    /// How many are listed at most.
    pub const LISTED: usize = 500;

    /// How many there are, as a list of so many tells: `12`, `500+`.
    #[must_use]
    pub fn count(listed: usize) -> String {
        if listed < Self::LISTED { listed.to_string() } else { format!("{listed}+") }
    }

    /// [`TagReport::count`] with its noun: `1 tag`, `500+ tags`.
    #[must_use]
    pub fn counted(listed: usize) -> String {
        format!("{} tag{}", Self::count(listed), if listed == 1 { "" } else { "s" })
    }

    /// Hits as a share of all answers, in percent. None before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 * 100.0 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_a_form() {
        for scope in [
            ClearScope::All,
            ClearScope::Tag { tag: "price:eu".into() },
            ClearScope::Dataset { dataset: "orders".into() },
            ClearScope::Key { dataset: "orders".into(), key: "customer=1".into() },
            ClearScope::Pattern { dataset: "orders".into(), pattern: "customer=*".into() },
        ] {
            assert_eq!(ClearScope::try_from(ClearFields::from(scope.clone())), Ok(scope));
        }
        let fields = ClearFields { scope: "pattern".into(), dataset: "orders".into(), ..ClearFields::default() };
        assert_eq!(ClearScope::try_from(fields).unwrap_err(), "Say which pattern.");
        assert!(ClearScope::try_from(ClearFields::default()).is_err());
    }
}
