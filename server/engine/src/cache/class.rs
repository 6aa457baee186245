//! One class of a cache: reading, with single flight.

use super::{
    CacheError, Cacheable, ClassSettings, Hit, KEY_MAX, LoadFailure, Loaded, Mode, Origin, TAGS_MAX,
    entry::{Entry, Standing},
    fill::{Fill, Older},
    flight::{Flight, Progress},
    inner::{ClassState, Inner},
    key::{Key, KeyRef},
    stats::add,
    versions::Counter,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// What memory has that is too old to answer, and the loader back.
type Unanswered<V, F> = (Option<Arc<Entry<V>>>, F);

/// One class of a cache: its handle for reading and writing.
pub struct Class<V: Cacheable> {
    pub(super) inner: Arc<Inner<V>>,
    pub(super) state: Arc<ClassState>,
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
        match self.recall(key, tags, load) {
            Ok(hit) => Ok(hit),
            Err((older, load)) => self.get_slowly(key, tags, older, load).await,
        }
    }

    /// The value of a key where [`Class::get_or_load`] would answer from memory, counted and refreshed early as there.
    /// None counts for nothing.
    pub fn hit<F, L>(&self, key: &str, tags: &[&str], load: F) -> Option<Hit<V>>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        self.recall(key, tags, load).ok()
    }

    /// What memory answers.
    fn recall<F, L>(&self, key: &str, tags: &[&str], load: F) -> Result<Hit<V>, Unanswered<V, F>>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        let (inner, class) = (&*self.inner, &*self.state);
        let counters = &class.stats.counters;
        if !class.settings.mode.memory() {
            return Err((None, load));
        }
        let begun = class.stats.begin();
        let Some(entry) = inner.memory.get(&KeyRef { class: class.id, text: key }) else { return Err((None, load)) };
        let now = inner.time.now();
        match inner.standing(class, &entry, now) {
            Standing::Fresh if !inner.is_suspect(&entry) => {
                self.count_hit(key, &entry, &counters.hits_memory);
                if let Some(until) = class.settings.sliding_until {
                    entry.slide(now, until);
                } else if entry.due_early(now, inner.stretch(class, &entry), &class.settings) && entry.begin_refresh() {
                    self.refresh(key, tags, &entry, load);
                }
                class.stats.answered(begun);
                Ok(Hit { entry, origin: Origin::Memory, now })
            }
            Standing::Stale if !entry.may_retry(now) => {
                self.count_hit(key, &entry, &counters.hits_stale);
                Ok(Hit { entry, origin: Origin::Stale, now })
            }
            Standing::Gone => Err((None, load)),
            Standing::Fresh | Standing::Stale | Standing::Outdated => Err((Some(entry), load)),
        }
    }

    pub(super) fn count_hit(&self, key: &str, entry: &Entry<V>, counter: &AtomicU64) {
        add(counter, 1);
        if entry.value.is_none() {
            add(&self.state.stats.counters.hits_negative, 1);
        }
        entry.hits.fetch_add(1, Relaxed);
        let weight = self.state.stats.keys.touch(key, true);
        if weight > 0 {
            count_tags(entry.dependencies.iter().map(|it| &*it.counter), true, weight);
        }
    }

    pub(super) fn check(key: &str, tags: &[&str]) -> Result<(), CacheError> {
        if key.len() > KEY_MAX {
            return Err(CacheError::Key("a key has at most 1024 bytes"));
        }
        if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.is_empty() || tag.len() > KEY_MAX) {
            return Err(CacheError::Key("an entry has at most 62 tags, of 1 to 1024 bytes"));
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
        let stats = &class.stats;
        let is_stale = |entry: &Arc<Entry<V>>| inner.standing(class, entry, inner.time.now()) == Standing::Stale;
        let (fill, mut flight) = {
            let mut stripe = inner.flights.stripe(key.as_ref());
            let joined = if class.settings.mode == Mode::None { None } else { stripe.join(&key) };
            if let Some(flight) = joined {
                (None, flight)
            } else if let Some(hit) = self.filled_meanwhile(&key, older.as_ref()) {
                return Ok(hit);
            } else if let Some((fill, flight)) =
                Fill::begin(self, &mut stripe, &key, counters, Older::Expired(older.clone()))
            {
                (Some(fill), flight)
            } else {
                drop(stripe);
                return self.without_load(&key, older.filter(is_stale));
            }
        };
        match fill {
            Some(fill) => drop(inner.tasks.spawn(fill.run(Box::new(|| Box::pin(load()))))),
            None => add(&stats.counters.joined, 1),
        }
        let outcome = self.wait(&mut flight, older.filter(is_stale), begun).await;
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
                let is_hit = hit.origin != Origin::Load;
                count_tags(flight.ticket.counters(), is_hit, stats.keys.touch(&key.text, is_hit));
            }
            Err(error) => {
                add(&stats.counters.misses, 1);
                if matches!(error, CacheError::Timeout(_)) {
                    add(&stats.counters.timeouts, 1);
                }
                count_tags(flight.ticket.counters(), false, stats.keys.touch(&key.text, false));
            }
        }
        outcome
    }

    /// Too many loads wait already: a value past its time stands in.
    fn without_load(&self, key: &Key, stale: Option<Arc<Entry<V>>>) -> Result<Hit<V>, CacheError> {
        let stats = &self.state.stats;
        let Some(entry) = stale else {
            add(&stats.counters.misses, 1);
            stats.keys.touch(&key.text, false);
            return Err(CacheError::Busy);
        };
        self.count_hit(&key.text, &entry, &stats.counters.hits_stale);
        Ok(Hit { entry, origin: Origin::Stale, now: self.inner.time.now() })
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
        flight: &mut Flight<V>,
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
    pub(super) fn ended(&self) -> CacheError {
        if self.inner.stop.is_cancelled() { CacheError::Stopped } else { CacheError::Panicked }
    }

    /// Loads a fresh entry again in the background. The caller has won [`Entry::begin_refresh`].
    fn refresh<F, L>(&self, key: &str, tags: &[&str], entry: &Arc<Entry<V>>, load: F)
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        let (inner, class) = (&self.inner, &self.state);
        if Self::check(key, tags).is_err() {
            entry.end_refresh();
            return;
        }
        let counters = inner.counters(class, tags);
        let key = KeyRef { class: class.id, text: key }.to_key();
        let mut stripe = inner.flights.stripe(key.as_ref());
        let begun = if stripe.is_loading(&key) {
            None
        } else {
            Fill::begin(self, &mut stripe, &key, counters, Older::Refreshed(entry.clone()))
        };
        drop(stripe);
        let Some((fill, _)) = begun else {
            entry.end_refresh();
            return;
        };
        add(&class.stats.counters.refreshes, 1);
        inner.tasks.spawn(fill.run(Box::new(|| Box::pin(load()))));
    }
}

/// Counts an access for the tags among an entry's counters. Sampled like the accesses to keys, so that a hit stays cheap:
/// one that was not sampled has the weight 0, one that was stands for that many.
fn count_tags<'a>(counters: impl Iterator<Item = &'a Counter>, hit: bool, weight: u64) {
    if weight > 0 {
        counters.for_each(|counter| counter.accessed(hit, weight));
    }
}
