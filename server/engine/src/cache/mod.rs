//! The two-tier cache: memory (moka) before Redis.
//!
//! A [`Cache`] holds values of one type in named classes. [`Class::get_or_load`] answers from memory, else from Redis,
//! else by one load, however many ask. Values past their time stand in while loading is slow or fails (fail-safe). Tags,
//! classes and the whole cache are invalidated by versions, keys by name, on all instances.
//!
//! Redis lost means that memory goes on alone; nothing fails. What was invalidated meanwhile is made good when it is back.

mod admin;
mod entry;
mod envelope;
mod fill;
mod flight;
mod keeper;
mod key;
mod recovery;
mod remote;
mod settings;
mod sketch;
mod stats;
mod value;
mod versions;

#[cfg(test)]
mod tests;

pub use admin::{Group, Inspected, KeyUse, Mark, TierUse};
pub use remote::servers::{Servers, ServersError};
pub use settings::{CacheSettings, ClassSettings, Mode};
pub use value::{Cacheable, Json};

use crate::clock::Clock;
use entry::{Entry, Made, Standing, Time, millis};
use fill::Fill;
use flight::{Flight, Flights, Progress, Ticket};
use key::{Key, KeyRef};
use moka::notification::RemovalCause;
use recovery::Recovery;
use remote::{Names, Remote, Write};
use stats::{Stats, add};
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, broadcast},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use versions::{Counter, Dependency, Versions, class_counter, tag_counter};

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

struct Inner<V: Cacheable> {
    settings: CacheSettings,
    classes: RwLock<Vec<Arc<ClassState>>>,
    memory: moka::sync::Cache<Key, Arc<Entry<V>>, foldhash::fast::RandomState>,
    versions: Versions,
    /// The counter of the whole cache.
    all: Arc<Counter>,
    flights: Flights<V>,
    under_way: AtomicUsize,
    loads: Semaphore,
    remote: Option<Remote>,
    recovery: Recovery,
    /// Resynchronisations: entries that were right at an earlier one are verified before they are answered again.
    generation: AtomicU64,
    /// Keys that other instances have filled, for those who wait.
    filled: broadcast::Sender<Key>,
    time: Arc<Time>,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<V: Cacheable> Drop for Inner<V> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct ClassState {
    id: u32,
    name: Arc<str>,
    settings: ClassSettings,
    counter: Arc<Counter>,
    names: Names,
    stats: Arc<Stats>,
}

/// One class of a cache: its handle for reading and writing.
pub struct Class<V: Cacheable> {
    inner: Arc<Inner<V>>,
    state: Arc<ClassState>,
}

impl<V: Cacheable> Clone for Class<V> {
    fn clone(&self) -> Self {
        Class { inner: self.inner.clone(), state: self.state.clone() }
    }
}

impl<V: Cacheable> fmt::Debug for Class<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Class").field("name", &self.state.name).finish_non_exhaustive()
    }
}

/// Moves the end of an entry's life into moka's timers.
struct Life(Arc<Time>);

impl<V> moka::Expiry<Key, Arc<Entry<V>>> for Life {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry<V>>, _: std::time::Instant) -> Option<Duration> {
        Some(Duration::from_millis(entry.dead.saturating_sub(self.0.now())))
    }

    fn expire_after_update(
        &self,
        key: &Key,
        entry: &Arc<Entry<V>>,
        at: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, entry, at)
    }
}

fn left<V>(_: Arc<Key>, entry: Arc<Entry<V>>, cause: RemovalCause) {
    let stats = &entry.stats;
    stats.memory_entries.fetch_sub(1, Relaxed);
    stats.memory_bytes.fetch_sub(u64::from(entry.weight), Relaxed);
    match cause {
        RemovalCause::Expired => add(&stats.counters.expired, 1),
        RemovalCause::Size => add(&stats.counters.evicted, 1),
        RemovalCause::Explicit => add(&stats.counters.invalidated, 1),
        RemovalCause::Replaced => {}
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
        let memory = moka::sync::Cache::builder()
            .name(&settings.space)
            .max_capacity(settings.memory_max)
            .weigher(|_, entry: &Arc<Entry<V>>| entry.weight)
            .expire_after(Life(time.clone()))
            .eviction_listener(left)
            .build_with_hasher(foldhash::fast::RandomState::default());
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

impl<V: Cacheable> Inner<V> {
    fn class(&self, name: &str) -> Option<Arc<ClassState>> {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        classes.iter().find(|class| *class.name == *name).cloned()
    }

    /// The counters an entry with these tags depends on.
    fn counters(&self, class: &ClassState, tags: &[&str]) -> Vec<Arc<Counter>> {
        let own = [self.all.clone(), class.counter.clone()];
        own.into_iter().chain(tags.iter().map(|tag| self.versions.counter(&tag_counter(tag)))).collect()
    }

    /// Raises a counter here at once and in Redis, or later where Redis is lost.
    async fn bump(&self, counter: &Arc<Counter>) -> bool {
        counter.bump();
        let Some(remote) = &self.remote else { return true };
        let done = remote.bump(counter).await.is_ok();
        if !done {
            self.recovery.bump(counter.clone());
        }
        done
    }

    /// Whether what Redis holds for a key, or under these counters, was invalidated here without Redis knowing yet.
    fn is_pending(&self, class: &ClassState, key: &str, counters: &[Dependency]) -> bool {
        counters.iter().any(|it| it.counter.is_pending()) || self.recovery.holds(&class.name, key)
    }

    /// What another instance decided about a key.
    fn forget(&self, class: &ClassState, key: &str) {
        let key = KeyRef { class: class.id, text: key };
        let mut stripe = self.flights.stripe(key);
        stripe.void(key);
        self.memory.invalidate(&key);
    }

    /// How much longer values are fresh while Redis is lost: instances cannot share their loads, so each loads less.
    fn stretch(&self, class: &ClassState, entry: &Entry<V>) -> u64 {
        let lost = class.settings.mode.redis() && self.remote.as_ref().is_some_and(|remote| remote.breaker.is_open());
        if lost { entry.ttl } else { 0 }
    }

    /// Keeps an entry in memory. The stripe of its key is locked by the caller, so that nothing is invalidated between
    /// the decision and this.
    fn keep(&self, key: Key, entry: Arc<Entry<V>>) {
        entry.stats.memory_entries.fetch_add(1, Relaxed);
        entry.stats.memory_bytes.fetch_add(u64::from(entry.weight), Relaxed);
        self.memory.insert(key, entry);
    }

    fn standing(&self, class: &ClassState, entry: &Entry<V>, now: u64) -> Standing {
        entry.standing(now, self.stretch(class, entry))
    }

    /// Whether an entry must be compared with Redis before it is answered: messages may have been missed since.
    fn is_suspect(&self, entry: &Entry<V>) -> bool {
        entry.checked() < self.generation.load(Relaxed)
    }
}

impl<V: Cacheable> Class<V> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &ClassSettings {
        &self.state.settings
    }

    /// The value of a key: from memory, else from Redis, else by `load`. One load runs however many callers and
    /// instances ask; it goes on when a caller goes away. `tags` name groups that the entry belongs to; they must be the
    /// same at every call for one key.
    ///
    /// Cancel-safe: dropping the future leaves the load running.
    ///
    /// # Errors
    /// The load failed, or took longer than the class allows, and no older value may stand in.
    pub async fn get_or_load<F, L>(&self, key: &str, tags: &[&str], load: F) -> Result<Hit<V>, CacheError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        let (inner, class) = (&*self.inner, &*self.state);
        let counters = &class.stats.counters;
        let mut older = None;
        if class.settings.mode.memory()
            && let Some(entry) = inner.memory.get(&KeyRef { class: class.id, text: key })
        {
            let now = inner.time.now();
            match inner.standing(class, &entry, now) {
                Standing::Fresh if !inner.is_suspect(&entry) => {
                    self.count_hit(key, &entry, &counters.hits_memory);
                    if let Some(until) = class.settings.sliding_until {
                        self.slide(key, &entry, now, until);
                    } else if entry.due_early(now, &class.settings) && entry.begin_refresh() {
                        self.refresh(key, tags, &entry, load);
                    }
                    return Ok(Hit { entry, origin: Origin::Memory, now });
                }
                Standing::Stale if !entry.may_retry(now) => {
                    self.count_hit(key, &entry, &counters.hits_stale);
                    return Ok(Hit { entry, origin: Origin::Stale, now });
                }
                Standing::Gone => {}
                Standing::Fresh | Standing::Stale | Standing::Outdated => older = Some(entry),
            }
        }
        self.get_slowly(key, tags, older, load).await
    }

    fn count_hit(&self, key: &str, entry: &Entry<V>, counter: &AtomicU64) {
        add(counter, 1);
        if entry.value.is_none() {
            add(&self.state.stats.counters.hits_negative, 1);
        }
        entry.hits.fetch_add(1, Relaxed);
        self.state.stats.keys.touch(key, true);
    }

    fn slide(&self, key: &str, entry: &Arc<Entry<V>>, now: u64, until: Duration) {
        if !entry.slide(now, until) || !self.state.settings.mode.redis() || self.inner.remote.is_none() {
            return;
        }
        // Redis is told in the background, at most eight times a TTL; the entry's whole life there is fixed by `dead`.
        let (inner, name, life) = (self.inner.clone(), self.state.names.entry(key), entry.dead - now);
        self.inner.tasks.spawn(async move {
            if let Some(remote) = &inner.remote {
                // What is lost here is an early end in Redis alone.
                let _ = remote.extend(&name, life).await;
            }
        });
    }

    fn check(key: &str, tags: &[&str]) -> Result<(), CacheError> {
        if key.len() > KEY_MAX {
            return Err(CacheError::Key("a key has at most 1024 bytes"));
        }
        if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.is_empty() || tag.len() > 256 || tag.contains('\n')) {
            return Err(CacheError::Key("an entry has at most 62 tags, of 1 to 256 bytes without line feeds"));
        }
        Ok(())
    }

    async fn get_slowly<F, L>(
        &self,
        key: &str,
        tags: &[&str],
        older: Option<Arc<Entry<V>>>,
        load: F,
    ) -> Result<Hit<V>, CacheError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        Self::check(key, tags)?;
        let (inner, class) = (&self.inner, &self.state);
        let begun = Instant::now();
        let counters = inner.counters(class, tags);
        let key = KeyRef { class: class.id, text: key }.to_key();
        let (flight, joined) = {
            let mut stripe = inner.flights.stripe(key.as_ref());
            match stripe.current(&key) {
                Some(flight) if class.settings.mode != Mode::None => (flight, true),
                _ => {
                    if let Some(hit) = self.filled_meanwhile(&key, older.as_ref()) {
                        return Ok(hit);
                    }
                    if inner.under_way.load(Relaxed) >= FLIGHTS_MAX {
                        return Err(CacheError::Busy);
                    }
                    let ticket = Arc::new(Ticket::new(&counters));
                    let (progress, flight) = Flight::new(ticket.clone());
                    stripe.begin(key.clone(), flight.clone());
                    let fill = Fill {
                        inner: inner.clone(),
                        class: class.clone(),
                        key: key.clone(),
                        counters,
                        ticket,
                        progress,
                        older: older.clone(),
                        refresh: false,
                    };
                    inner.tasks.spawn(fill.run(Box::new(|| Box::pin(load()))));
                    (flight, false)
                }
            }
        };
        let stats = &class.stats;
        if joined {
            add(&stats.counters.joined, 1);
        }
        let older = older.filter(|entry| inner.standing(class, entry, inner.time.now()) == Standing::Stale);
        let outcome = self.wait(flight, older, begun).await;
        match &outcome {
            Ok(hit) => {
                let counter = match hit.origin {
                    Origin::Memory => &stats.counters.hits_memory,
                    Origin::Redis => &stats.counters.hits_redis,
                    Origin::Stale => &stats.counters.hits_stale,
                    Origin::Load => &stats.counters.misses,
                };
                add(counter, 1);
                if hit.value().is_none() && hit.origin != Origin::Load {
                    add(&stats.counters.hits_negative, 1);
                }
                hit.entry.hits.fetch_add(1, Relaxed);
                stats.keys.touch(&key.text, hit.origin != Origin::Load);
            }
            Err(error) => {
                add(&stats.counters.misses, 1);
                if matches!(error, CacheError::Timeout(_)) {
                    add(&stats.counters.timeouts, 1);
                }
                stats.keys.touch(&key.text, false);
            }
        }
        outcome
    }

    /// Between the look into memory and the lock, another's load may have ended.
    fn filled_meanwhile(&self, key: &Key, older: Option<&Arc<Entry<V>>>) -> Option<Hit<V>> {
        if !self.state.settings.mode.memory() {
            return None;
        }
        let entry = self.inner.memory.get(&key.as_ref())?;
        let now = self.inner.time.now();
        let is_new = older.is_none_or(|older| !Arc::ptr_eq(older, &entry));
        let fresh = is_new
            && self.inner.standing(&self.state, &entry, now) == Standing::Fresh
            && !self.inner.is_suspect(&entry);
        fresh.then(|| {
            self.count_hit(&key.text, &entry, &self.state.stats.counters.hits_memory);
            Hit { entry, origin: Origin::Memory, now }
        })
    }

    async fn wait(
        &self,
        mut flight: Flight<V>,
        mut older: Option<Arc<Entry<V>>>,
        begun: Instant,
    ) -> Result<Hit<V>, CacheError> {
        let settings = &self.state.settings;
        let (soft, hard) = (begun + settings.soft_timeout, begun + settings.hard_timeout);
        loop {
            match &*flight.progress.borrow_and_update() {
                Progress::Done(Ok((entry, origin))) => {
                    return Ok(Hit { entry: entry.clone(), origin: *origin, now: self.inner.time.now() });
                }
                Progress::Done(Err(error)) => return Err(error.clone()),
                Progress::Working { stale } => {
                    if older.is_none() {
                        older.clone_from(stale);
                    }
                }
            }
            let until = if older.is_some() { soft.min(hard) } else { hard };
            match tokio::time::timeout_at(until, flight.progress.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(self.ended()),
                Err(_) => {
                    let Some(entry) = older else { return Err(CacheError::Timeout(settings.hard_timeout)) };
                    return Ok(Hit { entry, origin: Origin::Stale, now: self.inner.time.now() });
                }
            }
        }
    }

    /// A flight that ends without a word was stopped with the cache, or its own code panicked.
    fn ended(&self) -> CacheError {
        if self.inner.stop.is_cancelled() { CacheError::Stopped } else { CacheError::Panicked }
    }

    /// Loads a fresh entry again in the background. The caller has won [`Entry::begin_refresh`].
    fn refresh<F, L>(&self, key: &str, tags: &[&str], entry: &Arc<Entry<V>>, load: F)
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        let (inner, class) = (&self.inner, &self.state);
        if inner.under_way.load(Relaxed) >= FLIGHTS_MAX || Self::check(key, tags).is_err() {
            entry.end_refresh();
            return;
        }
        let counters = inner.counters(class, tags);
        let key = KeyRef { class: class.id, text: key }.to_key();
        let ticket = Arc::new(Ticket::new(&counters));
        let (progress, flight) = Flight::new(ticket.clone());
        {
            let mut stripe = inner.flights.stripe(key.as_ref());
            if stripe.current(&key).is_some() {
                entry.end_refresh();
                return;
            }
            stripe.begin(key.clone(), flight);
        }
        add(&class.stats.counters.refreshes, 1);
        let fill = Fill {
            inner: inner.clone(),
            class: class.clone(),
            key,
            counters,
            ticket,
            progress,
            older: Some(entry.clone()),
            refresh: true,
        };
        inner.tasks.spawn(fill.run(Box::new(|| Box::pin(load()))));
    }

    /// The value of a key if a tier has it; nothing is loaded.
    pub async fn get(&self, key: &str) -> Option<Hit<V>> {
        let (inner, class) = (&self.inner, &self.state);
        let hit = self.peek(key).await;
        let counters = &class.stats.counters;
        match &hit {
            Some(hit) => {
                let counter = if hit.origin == Origin::Memory { &counters.hits_memory } else { &counters.hits_redis };
                self.count_hit(key, &hit.entry, counter);
            }
            None => {
                add(&counters.misses, 1);
                inner.note_miss(class, key);
            }
        }
        hit
    }

    async fn peek(&self, key: &str) -> Option<Hit<V>> {
        let (inner, class) = (&self.inner, &self.state);
        if class.settings.mode.memory()
            && let Some(entry) = inner.memory.get(&KeyRef { class: class.id, text: key })
        {
            let now = inner.time.now();
            if inner.standing(class, &entry, now) == Standing::Fresh && !inner.is_suspect(&entry) {
                return Some(Hit { entry, origin: Origin::Memory, now });
            }
        }
        let ticket = Ticket::new(&inner.counters(class, &[]));
        let entry = inner.read(class, key, &inner.counters(class, &[])).await.ok()?.entry?;
        if inner.standing(class, &entry, inner.time.now()) != Standing::Fresh {
            return None;
        }
        let key = KeyRef { class: class.id, text: key }.to_key();
        let stripe = inner.flights.stripe(key.as_ref());
        if class.settings.mode.memory() && ticket.holds() {
            inner.keep(key, entry.clone());
        }
        drop(stripe);
        Some(Hit { entry, origin: Origin::Redis, now: inner.time.now() })
    }

    /// [`Class::get`] for many keys, a few at a time; answers stand in the order of the keys.
    pub async fn get_many(&self, keys: &[&str]) -> Vec<Option<Hit<V>>> {
        use futures::StreamExt;
        futures::stream::iter(keys).map(|key| self.get(key)).buffered(32).collect().await
    }

    /// Stores a value (none: "there is no such thing") in both tiers and has the other instances drop theirs. A load of
    /// this key that is under way will not be kept. True when Redis has it; where Redis is lost its old value is removed
    /// when it is back.
    ///
    /// # Errors
    /// The key is too long or there are too many tags.
    pub async fn set(&self, key: &str, tags: &[&str], value: Loaded<V>) -> Result<bool, CacheError> {
        Self::check(key, tags)?;
        let (inner, class) = (&self.inner, &self.state);
        let counters = inner.counters(class, tags);
        if let Some(remote) = &inner.remote {
            let unknown: Vec<_> = counters.iter().filter(|counter| !counter.is_known()).cloned().collect();
            // Without an answer they stay unknown, and what is stored then ends when Redis is back.
            let _ = remote.refresh(&unknown).await;
        }
        let key = KeyRef { class: class.id, text: key }.to_key();
        let epoch = {
            let mut stripe = inner.flights.stripe(key.as_ref());
            stripe.void(key.as_ref());
            stripe.epoch
        };
        let dependencies = counters.iter().map(Dependency::now).collect();
        let entry = inner.make(class, &key.text, value, 0, dependencies);
        let too_large = inner.is_oversized(class, &entry);
        let written = !too_large && inner.write(class, &key, &entry, None).await.unwrap_or(false);
        if too_large {
            self.invalidate(&key.text).await;
            return Ok(false);
        }
        if !written && inner.remote.is_some() && class.settings.mode.redis() {
            inner.recovery.remove(class.name.clone(), key.text.clone());
        }
        let mut stripe = inner.flights.stripe(key.as_ref());
        let undisturbed = stripe.epoch == epoch;
        // Whoever asked Redis in between may have found the old value there.
        stripe.void(key.as_ref());
        if class.settings.mode.memory() {
            if undisturbed {
                inner.keep(key.clone(), entry);
            } else {
                inner.memory.invalidate(&key.as_ref());
            }
        }
        drop(stripe);
        Ok(written)
    }

    /// [`Class::set`] for many keys, a few at a time. Answers how many Redis has.
    ///
    /// # Errors
    /// A key is too long or there are too many tags; the others are stored.
    pub async fn set_many(&self, values: Vec<(String, Loaded<V>)>, tags: &[&str]) -> Result<usize, CacheError> {
        use futures::StreamExt;
        let stored: Vec<_> = futures::stream::iter(values)
            .map(|(key, value)| async move { self.set(&key, tags, value).await })
            .buffer_unordered(32)
            .collect()
            .await;
        stored.into_iter().try_fold(0, |sum, stored| Ok(sum + usize::from(stored?)))
    }

    /// Write-through: `write` changes the origin, then the value it answers is stored. Where `write` fails nothing is
    /// stored, and the key is invalidated, for nobody knows how far it came.
    ///
    /// # Errors
    /// As `write` says, or as [`Class::set`].
    pub async fn write_through<W>(&self, key: &str, tags: &[&str], write: W) -> Result<V, CacheError>
    where
        W: Future<Output = Result<V, LoadFailure>>,
    {
        Self::check(key, tags)?;
        match write.await {
            Ok(value) => {
                self.set(key, tags, Loaded::value(value.clone())).await?;
                Ok(value)
            }
            Err(failure) => {
                self.invalidate(key).await;
                Err(CacheError::Load(failure))
            }
        }
    }

    /// Removes a key on all instances; a load of it that is under way will not be kept. True when Redis has it too.
    pub async fn invalidate(&self, key: &str) -> bool {
        let (inner, class) = (&self.inner, &self.state);
        inner.forget(class, key);
        let Some(remote) = &inner.remote else { return true };
        let removed = remote.remove(&class.names, &class.name, key).await.is_ok();
        if !removed {
            inner.recovery.remove(class.name.clone(), key.into());
        }
        // Whoever asked Redis in between may have found the old value there.
        inner.forget(class, key);
        removed
    }

    /// Invalidates the whole class, on all instances. True when Redis has it too.
    pub async fn clear(&self) -> bool {
        self.inner.bump(&self.state.counter).await
    }
}

impl<V: Cacheable> Inner<V> {
    fn note_miss(&self, class: &ClassState, key: &str) {
        class.stats.keys.touch(key, false);
    }

    fn is_oversized(&self, class: &ClassState, entry: &Entry<V>) -> bool {
        let too_large = entry.value.as_ref().is_some_and(|value| value.weight() > class.settings.value_max);
        if too_large {
            add(&class.stats.counters.oversized, 1);
        }
        too_large
    }

    /// An entry of what was just loaded or set.
    fn make(
        &self,
        class: &ClassState,
        key: &str,
        loaded: Loaded<V>,
        load_micros: u32,
        dependencies: Box<[Dependency]>,
    ) -> Arc<Entry<V>> {
        let settings = &class.settings;
        let (default, stale_for) = match loaded.value {
            Some(_) => (settings.ttl, settings.stale_for),
            None => (settings.negative_ttl, Duration::ZERO),
        };
        let ttl = loaded.ttl.unwrap_or(default);
        let now = self.time.now();
        let fresh_at_most = settings.sliding_until.map_or(ttl, |until| until.max(ttl));
        Arc::new(Entry::new(
            Made {
                value: loaded.value,
                id: rand::random(),
                born: now,
                expires: now + millis(ttl),
                dead: now + millis(fresh_at_most + stale_for),
                ttl: millis(ttl),
                load_micros,
                dependencies,
                checked: self.generation.load(Relaxed),
                stats: class.stats.clone(),
            },
            key,
        ))
    }

    /// Writes an entry to Redis, under a lease where there is one. False when it was not stored.
    async fn write(
        &self,
        class: &ClassState,
        key: &Key,
        entry: &Entry<V>,
        token: Option<u64>,
    ) -> Result<bool, remote::Lost> {
        let Some(remote) = self.remote.as_ref().filter(|_| class.settings.mode.redis()) else { return Ok(false) };
        let life_ms = entry.dead.saturating_sub(entry.born).max(1);
        let envelope = envelope::Envelope {
            id: entry.id,
            payload: entry.value.as_ref().map(V::encode),
            ttl_ms: entry.ttl,
            life_ms,
            load_micros: entry.load_micros,
            loaded_at_ms: u64::try_from(self.clock.now().0).unwrap_or(0),
            versions: entry.dependencies.iter().map(|it| (it.counter.name.to_string(), it.version)).collect(),
        };
        let (bytes, packed) = envelope.encode(class.settings.compress_over);
        if packed.stored < packed.raw {
            add(&class.stats.counters.packed_from, packed.raw as u64);
            add(&class.stats.counters.packed_to, packed.stored as u64);
        }
        let write = Write { names: &class.names, class: &class.name, key: &key.text, token, value: &bytes, life_ms };
        remote.put(write).await
    }

    /// What Redis has for a key. The counters learn what Redis says.
    async fn read(&self, class: &ClassState, key: &str, counters: &[Arc<Counter>]) -> Result<Reading<V>, remote::Lost> {
        let nothing = Reading { id: None, entry: None };
        let Some(remote) = self.remote.as_ref().filter(|_| class.settings.mode.redis()) else { return Ok(nothing) };
        let name = class.names.entry(key);
        // Taken before the question: a resynchronisation meanwhile makes the answer suspect.
        let generation = self.generation.load(Relaxed);
        let Some(found) = remote.read(&name, counters).await? else { return Ok(nothing) };
        let bytes = found.bytes;
        // A copy of an envelope may not exceed the class's bound by more than its own bookkeeping.
        let opened = envelope::Envelope::decode(bytes.clone(), class.settings.value_max).ok().and_then(|envelope| {
            let value = envelope.payload.clone().map(V::decode);
            (!matches!(value, Some(None))).then_some((envelope, value.flatten()))
        });
        let Some((envelope, value)) = opened else {
            add(&class.stats.counters.poison, 1);
            // Somebody else may have repaired it by now: only these very bytes are removed.
            let _ = remote.remove_poison(&name, &bytes).await;
            return Ok(nothing);
        };
        let dependencies: Box<[Dependency]> = envelope
            .versions
            .iter()
            .map(|(name, version)| Dependency::at(self.versions.counter(name), *version))
            .collect();
        let unknown: Vec<_> =
            dependencies.iter().filter(|it| !it.counter.is_known()).map(|it| it.counter.clone()).collect();
        remote.refresh(&unknown).await?;
        if self.is_pending(class, key, &dependencies) {
            return Ok(Reading { id: Some(envelope.id), entry: None });
        }
        let now = self.time.now();
        let born = now.saturating_sub(envelope.life_ms.saturating_sub(found.left_ms));
        let entry = Arc::new(Entry::new(
            Made {
                value,
                id: envelope.id,
                born,
                expires: born + envelope.ttl_ms,
                dead: now + found.left_ms,
                ttl: envelope.ttl_ms,
                load_micros: envelope.load_micros,
                dependencies,
                checked: generation,
                stats: class.stats.clone(),
            },
            key,
        ));
        let valid = entry.standing(now, 0) != Standing::Gone;
        Ok(Reading { id: Some(entry.id), entry: valid.then_some(entry) })
    }
}

/// What Redis has for a key.
struct Reading<V> {
    /// The version of the value that stands there, valid or not.
    id: Option<u64>,
    /// The entry, if it is valid; it may be past its time.
    entry: Option<Arc<Entry<V>>>,
}
