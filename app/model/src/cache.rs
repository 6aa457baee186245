//! The two-tier cache as pages and API show it.

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
