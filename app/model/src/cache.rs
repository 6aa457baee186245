//! The two-tier cache as pages and API show it.

use crate::{TargetId, Timestamp};
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
    /// How often it was invalidated since the process started.
    pub invalidations: u64,
}
