//! The two-tier cache: memory (moka) before Redis.
//!
//! A [`Cache`] holds values of one type in named classes. [`Class::get_or_load`] answers from memory, else from Redis,
//! else by one load, however many ask. Values past their time stand in while loading is slow or fails (fail-safe). Tags,
//! classes and the whole cache are invalidated by versions, keys by name, on all instances.
//!
//! Redis lost means that memory goes on alone; nothing fails. What was invalidated meanwhile is made good when it is back.

mod admin;
mod class;
mod entry;
mod envelope;
mod fill;
mod flight;
mod inner;
mod keeper;
mod key;
mod memory;
mod misses;
mod reads;
mod recovery;
mod remote;
mod settings;
mod sketch;
mod stats;
mod value;
mod versions;
mod warm;
mod writes;

#[cfg(test)]
mod tests;

pub use admin::{Group, Inspected, KeyUse, Mark, TagUse, TierUse};
pub use class::Class;
pub use remote::servers::{ConnectError, Connection as RedisConnection, Pool as RedisPool, Servers, ServersError};
pub use settings::{CacheSettings, ClassSettings, Mode};
pub(crate) use stats::{ClassReading, Latencies, Percentiles, Tally};
pub use value::{Cacheable, Json};
pub use warm::Warmed;

use crate::clock::Clock;
use entry::{Entry, Time};
use flight::Flights;
use inner::{ClassState, Inner};
use memory::Memory;
use recovery::Recovery;
use remote::{Names, Remote};
use stats::Stats;
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use versions::{Versions, class_counter, tag_counter};

/// Longest key, in bytes.
pub const KEY_MAX: usize = 1024;
/// Most tags of one entry; the class and the cache itself are two more.
pub const TAGS_MAX: usize = envelope::TAGS_MAX - 2;
/// Loads that may be under way or waiting for their turn.
const FLIGHTS_MAX: usize = 10_000;

/// What a loader brings.
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    /// None: there is no such thing, and that is worth remembering.
    pub value: Option<V>,
    /// How long it is fresh, where that differs from its class.
    pub ttl: Option<Duration>,
}

impl<V> Loaded<V> {
    /// A value that lives as its class says.
    pub fn value(value: V) -> Self {
        Loaded { value: Some(value), ttl: None }
    }

    /// "There is no such thing."
    #[must_use]
    pub fn absent() -> Self {
        Loaded { value: None, ttl: None }
    }
}

/// Why a load failed, shared by everyone who waited for it.
pub type LoadFailure = Arc<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The loader failed and no older value may stand in.
    #[error("loading failed: {0}")]
    Load(LoadFailure),
    /// The load goes on, but the caller has waited long enough.
    #[error("no value within {0:?}; it is still being loaded")]
    Timeout(Duration),
    /// The load took longer than it may.
    #[error("loading took longer than {0:?} and was given up")]
    LoadTimeout(Duration),
    /// The loader panicked.
    #[error("the loader panicked")]
    Panicked,
    /// Too many loads wait already.
    #[error("{FLIGHTS_MAX} loads wait already")]
    Busy,
    /// The key is too long, or there are too many tags.
    #[error("{0}")]
    Key(&'static str),
    /// The cache is stopping.
    #[error("the cache is stopping")]
    Stopped,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Memory.
    Memory,
    /// Redis.
    Redis,
    /// It was loaded.
    Load,
    /// A value past its time, because loading is slow or failed.
    Stale,
}

/// An answer.
#[derive(Debug)]
pub struct Hit<V> {
    entry: Arc<Entry<V>>,
    /// Where it came from.
    pub origin: Origin,
    now: u64,
}

impl<V> Hit<V> {
    /// The value; none is the knowledge that there is no such thing.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.entry.value.as_ref()
    }

    /// Time since it was loaded.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.now.saturating_sub(self.entry.born))
    }

    /// How long it stays fresh; zero for one past its time.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        Duration::from_millis(self.entry.expires().saturating_sub(self.now))
    }

    /// Names this version of the value, the same on all instances.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.entry.id
    }
}

/// A cache. Its tasks stop with [`Cache::shutdown`], or when the last handle is dropped.
pub struct Cache<V: Cacheable> {
    inner: Arc<Inner<V>>,
}

impl<V: Cacheable> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Cache { inner: self.inner.clone() }
    }
}

impl<V: Cacheable> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("space", &self.inner.settings.space).finish_non_exhaustive()
    }
}

impl<V: Cacheable> Cache<V> {
    /// A cache with its tasks running; call it inside a runtime. Without `servers` it has one tier.
    ///
    /// # Errors
    /// The address of Redis cannot be read. Whether it answers shows later, and nothing fails if it does not.
    pub fn start(settings: CacheSettings, servers: Option<&Servers>, clock: Clock) -> Result<Self, ServersError> {
        let remote = servers.map(|servers| Remote::new(servers, &settings)).transpose()?;
        let time = Arc::new(Time::new());
        let memory = Memory::new(&settings.space, settings.memory_max, time.clone());
        let versions = Versions::new(remote.is_some());
        let all = versions.counter(versions::ALL);
        let inner = Arc::new(Inner {
            classes: RwLock::default(),
            memory,
            versions,
            all,
            flights: Flights::new(),
            under_way: AtomicUsize::new(0),
            loads: Semaphore::new(settings.loads_max.max(1)),
            remote,
            recovery: Recovery::default(),
            generation: AtomicU64::new(0),
            filled: broadcast::channel(1024).0,
            time,
            clock,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            settings,
        });
        keeper::start(&inner);
        Ok(Cache { inner })
    }

    /// A class of this cache, made on first use; settings are those of the first use.
    #[must_use]
    pub fn class(&self, name: &str, settings: ClassSettings) -> Class<V> {
        let mut classes = self.inner.classes.write().unwrap_or_else(PoisonError::into_inner);
        let known = classes.iter().find(|class| *class.name == *name).cloned();
        let state = known.unwrap_or_else(|| {
            let state = Arc::new(ClassState {
                id: u32::try_from(classes.len()).unwrap_or(u32::MAX),
                name: name.into(),
                settings,
                counter: self.inner.versions.counter(&class_counter(name)),
                names: Names::new(&self.inner.settings.space, name),
                stats: Arc::new(Stats::new(self.inner.settings.tracked_keys)),
            });
            classes.push(state.clone());
            state
        });
        Class { inner: self.inner.clone(), state }
    }

    /// Every class, in the order they were made.
    #[must_use]
    pub fn classes(&self) -> Vec<Class<V>> {
        let classes = self.inner.classes.read().unwrap_or_else(PoisonError::into_inner);
        classes.iter().map(|state| Class { inner: self.inner.clone(), state: state.clone() }).collect()
    }

    /// Invalidates whatever carries a tag, in all classes and on all instances. True when Redis has it too; otherwise
    /// this instance acts at once and Redis follows when it is back.
    pub async fn invalidate_tag(&self, tag: &str) -> bool {
        let counter = self.inner.versions.counter(&tag_counter(tag));
        self.inner.bump(&counter).await
    }

    /// Invalidates everything, on all instances. The answer is that of [`Cache::invalidate_tag`].
    pub async fn clear(&self) -> bool {
        self.inner.bump(&self.inner.all).await
    }

    /// Stops the tasks, loads under way included, and waits for them; bounded by 3 s.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(Duration::from_secs(3), self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(space = self.inner.settings.space, "the cache's tasks did not stop in time");
        }
    }
}
