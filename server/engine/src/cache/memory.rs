//! The first tier: entries in memory, bounded by their weight.
//!
//! moka decides what stays (W-TinyLFU: Einziger, Friedman, Manes, TinyLFU: A Highly Efficient Cache Admission Policy, ACM
//! ToS 2017) and when time is over. It records every read for that, at several times the cost of finding the entry. So hits
//! are found in an index beside it, which has exactly what moka has, and moka hears of one in sixteen: what is used more
//! often is still recorded more often.

use super::{
    entry::{Entry, Time},
    key::{Key, KeyRef},
    stats::add,
};
use hashbrown::HashTable;
use moka::{Equivalent, notification::RemovalCause};
use std::{
    hash::BuildHasher,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Locks that the index is spread over; readers share one.
const PARTS: usize = 64;
/// moka hears of one hit on an entry in so many, the first included. A power of two.
const RECORDED: u32 = 16;

/// Entries by key.
pub(super) struct Memory<V> {
    index: Arc<Index<V>>,
    policy: moka::sync::Cache<Key, Arc<Entry<V>>, foldhash::fast::RandomState>,
}

struct Index<V> {
    hasher: foldhash::fast::RandomState,
    parts: Box<[RwLock<Part<V>>]>,
}

type Part<V> = HashTable<(Key, Arc<Entry<V>>)>;

impl<V: Send + Sync + 'static> Memory<V> {
    pub fn new(name: &str, weight_max: u64, time: Arc<Time>) -> Self {
        let index = Arc::new(Index {
            hasher: foldhash::fast::RandomState::default(),
            parts: (0..PARTS).map(|_| RwLock::default()).collect(),
        });
        let listener = {
            let index = index.clone();
            move |key: Arc<Key>, entry: Arc<Entry<V>>, cause| {
                // Another entry of this key stands there already, or none: then there is nothing to take out.
                index.remove(key.as_ref().as_ref(), |there| Arc::ptr_eq(there, &entry));
                left(&entry, cause);
            }
        };
        let policy = moka::sync::Cache::builder()
            .name(name)
            .max_capacity(weight_max)
            .weigher(|_, entry: &Arc<Entry<V>>| entry.weight)
            .expire_after(Life(time))
            .eviction_listener(listener)
            .build_with_hasher(foldhash::fast::RandomState::default());
        Memory { index, policy }
    }

    /// An entry, which may be past its time or invalid.
    pub fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Entry<V>>> {
        let found = self.index.get(*key);
        if found.as_ref().is_none_or(|entry| entry.hits.load(Relaxed) % RECORDED == 0) {
            let _ = self.policy.get(key);
        }
        found
    }

    /// Keeps an entry. Two of one key at a time are kept apart by whoever calls.
    pub fn insert(&self, key: Key, entry: Arc<Entry<V>>) {
        let stats = &entry.stats;
        stats.memory_entries.fetch_add(1, Relaxed);
        stats.memory_bytes.fetch_add(u64::from(entry.weight), Relaxed);
        // First the index: should moka let the entry go at once, the listener finds it there.
        self.index.insert(key.clone(), entry.clone());
        self.policy.insert(key, entry);
    }

    pub fn invalidate(&self, key: &KeyRef<'_>) {
        self.index.remove(*key, |_| true);
        self.policy.invalidate(key);
    }

    pub fn iter(&self) -> impl Iterator<Item = (Arc<Key>, Arc<Entry<V>>)> + '_ {
        self.policy.iter()
    }

    /// Does what is due: entries over the bound and those whose time is over leave.
    pub fn run_pending_tasks(&self) {
        self.policy.run_pending_tasks();
    }

    pub fn weighted_size(&self) -> u64 {
        self.policy.weighted_size()
    }
}

impl<V> Index<V> {
    fn read(&self, hash: u64) -> RwLockReadGuard<'_, Part<V>> {
        self.part(hash).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, hash: u64) -> RwLockWriteGuard<'_, Part<V>> {
        self.part(hash).write().unwrap_or_else(PoisonError::into_inner)
    }

    /// By bits in the middle: a table uses those at both ends.
    fn part(&self, hash: u64) -> &RwLock<Part<V>> {
        &self.parts[(hash >> 32) as usize % PARTS]
    }

    fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry<V>>> {
        let hash = self.hasher.hash_one(key);
        self.read(hash).find(hash, |(there, _)| key.equivalent(there)).map(|(_, entry)| entry.clone())
    }

    fn insert(&self, key: Key, entry: Arc<Entry<V>>) {
        let hash = self.hasher.hash_one(&key);
        let mut part = self.write(hash);
        let replaced = match part.find_mut(hash, |(there, _)| *there == key) {
            Some((_, there)) => Some(std::mem::replace(there, entry)),
            None => {
                part.insert_unique(hash, (key, entry), |(key, _)| self.hasher.hash_one(key));
                None
            }
        };
        // A value may take long to drop; not under the lock.
        drop(part);
        drop(replaced);
    }

    fn remove(&self, key: KeyRef<'_>, matches: impl Fn(&Arc<Entry<V>>) -> bool) {
        let hash = self.hasher.hash_one(key);
        let mut part = self.write(hash);
        let found = part.find_entry(hash, |(there, entry)| key.equivalent(there) && matches(entry));
        let removed = found.ok().map(|found| found.remove().0);
        drop(part);
        drop(removed);
    }
}

/// Moves the end of an entry's life into moka's timers.
struct Life(Arc<Time>);

impl<V> moka::Expiry<Key, Arc<Entry<V>>> for Life {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry<V>>, _: Instant) -> Option<Duration> {
        Some(Duration::from_millis(entry.dead.saturating_sub(self.0.now())))
    }

    fn expire_after_update(
        &self,
        key: &Key,
        entry: &Arc<Entry<V>>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, entry, at)
    }
}

/// Counts an entry that is in memory no longer.
fn left<V>(entry: &Entry<V>, cause: RemovalCause) {
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

#[cfg(test)]
mod tests {
    use super::{super::entry::Made, super::stats::Stats, *};
    use bytes::Bytes;
    use std::collections::BTreeSet;

    #[test]
    fn the_index_has_what_the_policy_has() {
        let time = Arc::new(Time::new());
        let memory = Memory::new("test", 200_000, time.clone());
        let stats = Arc::new(Stats::new(8));
        let key = |n: u64| Key { class: 0, text: n.to_string().into() };
        let entry = |n: u64, life_ms: u64| {
            let made = Made {
                value: Some(Bytes::from(vec![0; 100])),
                id: n,
                born: time.now(),
                expires: time.now() + life_ms,
                dead: time.now() + life_ms,
                ttl: life_ms,
                load_micros: 0,
                dependencies: [].into(),
                checked: 0,
                stats: stats.clone(),
            };
            Arc::new(Entry::new(made, "key"))
        };
        // More than fits, some of it twice, some of it taken out again, some of it over at once.
        for n in 0..5_000 {
            memory.insert(key(n % 3_000), entry(n, if n % 5 == 0 { 0 } else { 600_000 }));
            if n % 7 == 0 {
                memory.invalidate(&key(n % 3_000).as_ref());
                assert!(memory.get(&key(n % 3_000).as_ref()).is_none());
            }
        }
        let policy = || memory.iter().map(|(key, entry)| (key.text.clone(), entry.id)).collect::<BTreeSet<_>>();
        let index = || {
            let parts = memory.index.parts.iter().map(|part| part.read().unwrap());
            let part = |part: RwLockReadGuard<'_, Part<Bytes>>| {
                part.iter().map(|(key, entry)| (key.text.clone(), entry.id)).collect::<Vec<_>>()
            };
            parts.flat_map(part).collect::<BTreeSet<_>>()
        };
        // What is over at once leaves when moka's timers have come to it, about a second later.
        let begun = Instant::now();
        while index() != policy() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?} {:?}", index(), policy());
            std::thread::sleep(Duration::from_millis(20));
            memory.run_pending_tasks();
        }
        let kept = index().len() as u64;
        assert!(kept > 300 && memory.weighted_size() <= 200_000, "{kept}");
        assert_eq!(stats.memory_entries.load(Relaxed), kept);
    }

    #[test]
    fn what_is_used_stays_though_few_uses_are_recorded() {
        let time = Arc::new(Time::new());
        let memory = Memory::new("test", 400_000, time.clone());
        let stats = Arc::new(Stats::new(8));
        let insert = |n: u64| {
            let made = Made {
                value: Some(Bytes::from(vec![0; 100])),
                id: n,
                born: 0,
                expires: u64::MAX / 2,
                dead: time.now() + 600_000,
                ttl: 0,
                load_micros: 0,
                dependencies: [].into(),
                checked: 0,
                stats: stats.clone(),
            };
            memory.insert(Key { class: 0, text: n.to_string().into() }, Arc::new(Entry::new(made, "key")));
        };
        let use_it = |n: u64| {
            let text = n.to_string();
            let hit = memory.get(&KeyRef { class: 0, text: &text });
            if let Some(entry) = &hit {
                entry.hits.fetch_add(1, Relaxed);
            }
            hit.is_some()
        };
        // A hundred keys that are used all the time, and ten thousand that are used once.
        (0..100).for_each(insert);
        for n in 100..10_100 {
            insert(n);
            (0..100).for_each(|hot| _ = use_it(hot));
        }
        memory.run_pending_tasks();
        let hot = (0..100).filter(|n| use_it(*n)).count();
        assert!(hot >= 95, "{hot}");
    }
}
