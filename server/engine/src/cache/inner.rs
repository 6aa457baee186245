//! What a cache is made of, and what its handles and tasks share: counters, memory, and the way to Redis and back.

use super::{
    CacheSettings, Cacheable, ClassSettings, Loaded,
    entry::{Entry, Made, Standing, Time, millis},
    envelope::Envelope,
    flight::Flights,
    key::{Key, KeyRef},
    memory::Memory,
    recovery::Recovery,
    remote::{Found, Lease, Lost, Names, Remote, Write},
    stats::{Stats, add},
    versions::{Counter, Dependency, Versions, tag_counter},
};
use crate::clock::Clock;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) struct Inner<V: Cacheable> {
    pub settings: CacheSettings,
    pub classes: RwLock<Vec<Arc<ClassState>>>,
    pub memory: Memory<V>,
    pub versions: Versions,
    /// The counter of the whole cache.
    pub all: Arc<Counter>,
    pub flights: Flights<V>,
    pub under_way: AtomicUsize,
    pub loads: Semaphore,
    pub remote: Option<Remote>,
    pub recovery: Recovery,
    /// Resynchronisations: entries that were right at an earlier one are verified before they are answered again.
    pub generation: AtomicU64,
    /// Keys that other instances have filled, for those who wait.
    pub filled: broadcast::Sender<Key>,
    pub time: Arc<Time>,
    pub clock: Clock,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

impl<V: Cacheable> Drop for Inner<V> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) struct ClassState {
    pub id: u32,
    pub name: Arc<str>,
    pub settings: ClassSettings,
    pub counter: Arc<Counter>,
    pub names: Names,
    pub stats: Arc<Stats>,
}

impl<V: Cacheable> Inner<V> {
    pub fn class(&self, name: &str) -> Option<Arc<ClassState>> {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        classes.iter().find(|class| *class.name == *name).cloned()
    }

    /// The counters an entry with these tags depends on.
    pub fn counters(&self, class: &ClassState, tags: &[&str]) -> Vec<Arc<Counter>> {
        let own = [self.all.clone(), class.counter.clone()];
        own.into_iter().chain(tags.iter().map(|tag| self.versions.counter(&tag_counter(tag)))).collect()
    }

    /// Raises a counter here at once and in Redis, or later where Redis is lost.
    pub async fn bump(&self, counter: &Arc<Counter>) -> bool {
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

    /// Drops a key from memory; a load of it that is under way will not be kept.
    pub fn forget(&self, class: &ClassState, key: &str) {
        let key = KeyRef { class: class.id, text: key };
        let mut stripe = self.flights.stripe(key);
        stripe.void(key);
        self.memory.invalidate(&key);
    }

    /// How much longer values are fresh while Redis is lost: instances cannot share their loads, so each loads less.
    pub fn stretch(&self, class: &ClassState, entry: &Entry<V>) -> u64 {
        let lost = class.settings.mode.redis() && self.remote.as_ref().is_some_and(|remote| remote.breaker.is_open());
        if lost { entry.ttl } else { 0 }
    }

    /// Keeps an entry in memory. The stripe of its key is locked by the caller, so that nothing is invalidated between
    /// the decision and this.
    pub fn keep(&self, key: Key, entry: Arc<Entry<V>>) {
        self.memory.insert(key, entry);
    }

    pub fn standing(&self, class: &ClassState, entry: &Entry<V>, now: u64) -> Standing {
        entry.standing(now, self.stretch(class, entry))
    }

    /// Whether an entry must be compared with Redis before it is answered: messages may have been missed since.
    pub fn is_suspect(&self, entry: &Entry<V>) -> bool {
        entry.checked() < self.generation.load(Relaxed)
    }

    pub fn is_oversized(&self, class: &ClassState, entry: &Entry<V>) -> bool {
        let too_large = entry.value.as_ref().is_some_and(|value| value.weight() > class.settings.value_max);
        if too_large {
            add(&class.stats.counters.oversized, 1);
        }
        too_large
    }

    /// An entry of what was just loaded or set, right as of the resynchronisation `checked`.
    pub fn make(
        &self,
        class: &ClassState,
        key: &str,
        loaded: Loaded<V>,
        load_micros: u32,
        dependencies: Box<[Dependency]>,
        checked: u64,
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
                dead: now + millis(fresh_at_most.saturating_add(stale_for)),
                ttl: millis(ttl),
                load_micros,
                dependencies,
                checked,
                stats: class.stats.clone(),
            },
            key,
        ))
    }

    /// Writes an entry to Redis under a lease. False when it was not stored.
    pub async fn write(&self, class: &ClassState, key: &Key, entry: &Entry<V>, lease: &Lease) -> Result<bool, Lost> {
        let Some(remote) = self.remote.as_ref().filter(|_| class.settings.mode.redis()) else { return Ok(false) };
        let stored = remote.put(&[self.outgoing(class, key, entry, Some(lease))]).await?;
        Ok(stored == [true])
    }

    /// Writes entries to Redis, whatever stands there. Answers for each whether it is stored: where Redis did not answer,
    /// all may be and none is known to be.
    pub async fn write_many(&self, class: &ClassState, entries: &[(Key, Arc<Entry<V>>)]) -> Vec<bool> {
        let nothing = vec![false; entries.len()];
        let Some(remote) = self.remote.as_ref().filter(|_| class.settings.mode.redis()) else { return nothing };
        let writes: Vec<_> = entries.iter().map(|(key, entry)| self.outgoing(class, key, entry, None)).collect();
        remote.put(&writes).await.unwrap_or(nothing)
    }

    /// An entry as Redis gets it.
    fn outgoing<'a>(
        &self,
        class: &'a ClassState,
        key: &'a Key,
        entry: &Entry<V>,
        lease: Option<&'a Lease>,
    ) -> Write<'a> {
        let life_ms = entry.dead.saturating_sub(entry.born).max(1);
        let envelope = Envelope {
            id: entry.id,
            payload: entry.value.as_ref().map(V::encode),
            ttl_ms: entry.ttl,
            life_ms,
            load_micros: entry.load_micros,
            loaded_at_ms: u64::try_from(self.clock.now().0).unwrap_or(0),
            versions: entry.dependencies.iter().map(|it| (it.counter.name.to_string(), it.version)).collect(),
        };
        let (value, packed) = envelope.encode(class.settings.compress_over);
        if packed.stored < packed.raw {
            add(&class.stats.counters.packed_from, packed.raw as u64);
            add(&class.stats.counters.packed_to, packed.stored as u64);
        }
        Write { names: &class.names, class: &class.name, key: &key.text, lease, value, life_ms }
    }

    /// What Redis has for a key. The counters learn what Redis says.
    pub async fn read(&self, class: &ClassState, key: &str, counters: &[Arc<Counter>]) -> Result<Reading<V>, Lost> {
        let read = self.read_many(class, &[key], counters).await?;
        Ok(read.into_iter().next().unwrap_or(Reading { id: None, entry: None }))
    }

    /// What Redis has for keys, each in its place. The counters learn what Redis says.
    pub async fn read_many(
        &self,
        class: &ClassState,
        keys: &[&str],
        counters: &[Arc<Counter>],
    ) -> Result<Vec<Reading<V>>, Lost> {
        let nothing = || Reading { id: None, entry: None };
        let Some(remote) = self.remote.as_ref().filter(|_| class.settings.mode.redis()) else {
            return Ok(keys.iter().map(|_| nothing()).collect());
        };
        let names: Vec<String> = keys.iter().map(|key| class.names.entry(key)).collect();
        // Taken before the question: a resynchronisation meanwhile makes the answers suspect.
        let generation = self.generation.load(Relaxed);
        let begun = Instant::now();
        let found = remote.read(&names, counters).await?;
        class.stats.redis_read(begun.elapsed());
        let mut opened = Vec::with_capacity(found.len());
        for (name, found) in names.iter().zip(found) {
            opened.push(match found {
                Some(found) => self.open(class, remote, name, found).await,
                None => None,
            });
        }
        let unknown: Vec<_> = {
            let dependencies = opened.iter().flatten().flat_map(|opened| &opened.dependencies);
            let unknown = dependencies.filter(|it| !it.counter.is_known()).map(|it| it.counter.clone());
            unknown.map(|counter| (counter.name.clone(), counter)).collect::<BTreeMap<_, _>>().into_values().collect()
        };
        remote.refresh(&unknown).await?;
        let opened = keys.iter().zip(opened);
        Ok(opened.map(|(key, it)| it.map_or_else(nothing, |it| self.check(class, key, it, generation))).collect())
    }

    /// Opens what Redis has under a name. What cannot be read, or would stay there for ever, no cache has written: it is
    /// removed and counted.
    async fn open(&self, class: &ClassState, remote: &Remote, name: &str, found: Found) -> Option<Opened<V>> {
        let opened = found.left_ms.and_then(|left_ms| {
            // A copy of an envelope may not exceed the class's bound by more than its own bookkeeping.
            let envelope = Envelope::decode(found.bytes.clone(), class.settings.value_max).ok()?;
            let value = match &envelope.payload {
                Some(payload) => Some(V::decode(payload.clone())?),
                None => None,
            };
            let versions = envelope.versions.iter();
            let dependencies =
                versions.map(|(name, version)| Dependency::at(self.versions.counter(name), *version)).collect();
            Some(Opened { envelope, value, dependencies, left_ms })
        });
        if opened.is_none() {
            add(&class.stats.counters.poison, 1);
            // Somebody else may have repaired it by now: only these very bytes are removed.
            let _ = remote.remove_poison(name, &found.bytes).await;
        }
        opened
    }

    /// Whether what was opened may be used. Its counters are known by now.
    fn check(&self, class: &ClassState, key: &str, opened: Opened<V>, generation: u64) -> Reading<V> {
        let Opened { envelope, value, dependencies, left_ms } = opened;
        let id = Some(envelope.id);
        if self.is_pending(class, key, &dependencies) {
            return Reading { id, entry: None };
        }
        let now = self.time.now();
        let born = now.saturating_sub(envelope.life_ms.saturating_sub(left_ms));
        let entry = Arc::new(Entry::new(
            Made {
                value,
                id: envelope.id,
                born,
                expires: born.saturating_add(envelope.ttl_ms),
                dead: now.saturating_add(left_ms),
                ttl: envelope.ttl_ms,
                load_micros: envelope.load_micros,
                dependencies,
                checked: generation,
                stats: class.stats.clone(),
            },
            key,
        ));
        let valid = entry.standing(now, 0) != Standing::Gone;
        Reading { id, entry: valid.then_some(entry) }
    }
}

/// An envelope that could be read, not compared with the versions yet.
struct Opened<V> {
    envelope: Envelope,
    value: Option<V>,
    dependencies: Box<[Dependency]>,
    left_ms: u64,
}

/// What Redis has for a key.
pub(super) struct Reading<V> {
    /// The version of the value that stands there, valid or not.
    pub id: Option<u64>,
    /// The entry, if it is valid; it may be past its time.
    pub entry: Option<Arc<Entry<V>>>,
}
