//! What a cache and its classes are told.

use std::time::Duration;

/// Limits of a whole cache.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// Name of the key space in Redis. Caches that share it share values, versions and invalidations.
    pub space: String,
    /// Most bytes in memory, values with their keys and bookkeeping. Default 64 MiB.
    pub memory_max: u64,
    /// Loads that run at the same time; more wait. Default 32.
    pub loads_max: usize,
    /// One conversation with Redis. Default 250 ms.
    pub redis_timeout: Duration,
    /// How long an instance that went away while it loaded a key keeps the others waiting for it. One that is there
    /// renews its lease three times as often. Default 2 s.
    pub lease: Duration,
    /// Keys whose accesses are counted for the lists of hottest keys, per class. Default 256.
    pub tracked_keys: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        CacheSettings {
            space: "headroom".into(),
            memory_max: 64 << 20,
            loads_max: 32,
            redis_timeout: Duration::from_millis(250),
            lease: Duration::from_secs(2),
            tracked_keys: 256,
        }
    }
}

/// Which tiers a class uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Memory, then Redis.
    #[default]
    Tiered,
    /// Memory alone.
    Memory,
    /// Redis alone: nothing is kept in memory, so every instance sees one value.
    Redis,
    /// No tier: every request loads.
    None,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 4] = [Mode::Tiered, Mode::Memory, Mode::Redis, Mode::None];

    /// As configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Tiered => "tiered",
            Mode::Memory => "memory",
            Mode::Redis => "redis",
            Mode::None => "none",
        }
    }

    /// Whether memory keeps values.
    #[must_use]
    pub fn memory(self) -> bool {
        matches!(self, Mode::Tiered | Mode::Memory)
    }

    /// Whether Redis keeps values, where there is one.
    #[must_use]
    pub fn redis(self) -> bool {
        matches!(self, Mode::Tiered | Mode::Redis)
    }
}

/// How the entries of one class live.
#[derive(Clone, Debug)]
pub struct ClassSettings {
    /// Tiers. Default both.
    pub mode: Mode,
    /// How long a value is fresh. Default 60 s.
    pub ttl: Duration,
    /// How long "there is no such thing" is fresh. Default 10 s.
    pub negative_ttl: Duration,
    /// How long after that a value may still stand in when loading fails or is slow (fail-safe). Default 10 min.
    pub stale_for: Duration,
    /// Whether a hit makes a value fresh again for `ttl`, up to this age. Default none.
    pub sliding_until: Option<Duration>,
    /// With a stale value at hand: how long a caller waits for a new one. Default 200 ms.
    pub soft_timeout: Duration,
    /// With nothing at hand: how long a caller waits. The load itself goes on. Default 5 s.
    pub hard_timeout: Duration,
    /// The longest that a load may take. Default 30 s.
    pub load_timeout: Duration,
    /// After a failed load a stale value stands in this long without another attempt. Default 5 s.
    pub retry_after: Duration,
    /// Weight of early refreshes, β of XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede
    /// Prevention, VLDB 2015). 0 turns them off. Default 1.
    pub beta: f64,
    /// A hit after this share of `ttl` refreshes in the background. Default none.
    pub eager_after: Option<f64>,
    /// Values above this many bytes are compressed in Redis. Default 100 KiB.
    pub compress_over: usize,
    /// Values above this many bytes are answered but not kept. Default 8 MiB.
    pub value_max: usize,
}

impl Default for ClassSettings {
    fn default() -> Self {
        ClassSettings {
            mode: Mode::Tiered,
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(10),
            stale_for: Duration::from_secs(600),
            sliding_until: None,
            soft_timeout: Duration::from_millis(200),
            hard_timeout: Duration::from_secs(5),
            load_timeout: Duration::from_secs(30),
            retry_after: Duration::from_secs(5),
            beta: 1.0,
            eager_after: None,
            compress_over: 100 << 10,
            value_max: 8 << 20,
        }
    }
}
