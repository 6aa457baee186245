//! Versions: what makes whole groups of entries invalid at once, without a clock and without a scan.
//!
//! Every tag, every class and the cache as a whole has one counter. An entry keeps the versions that stood *before* its
//! loader started and is valid while all of them still stand. Invalidating a group is one increment, however many entries
//! it has. Redis holds the truth; each instance keeps the counters of its own entries and hears of changes by
//! [`super::remote::backplane`].

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// Tags that start with this are soft: their change makes entries stale, so that a value from before it may still stand
/// in while loading *fails*. Others remove.
pub(super) const SOFT: &str = "table:";
/// The counter of the whole cache.
pub(super) const ALL: &str = "*";
/// Counters not used by any entry are dropped when the table has grown to this, and at every doubling.
const PRUNE_FROM: usize = 4096;

/// The name of a class's counter.
pub(super) fn class_counter(class: &str) -> String {
    format!("c:{class}")
}

/// The name of a tag's counter.
pub(super) fn tag_counter(tag: &str) -> String {
    format!("t:{tag}")
}

/// The tag that a counter's name stands for.
fn tag_of(counter: &str) -> Option<&str> {
    counter.strip_prefix("t:")
}

/// One counter as this instance knows it.
///
/// The version is Redis's alone. What this instance decides takes effect here by `decided`, at once and also while Redis is
/// lost: a guess at the next version could be the number that Redis gives to somebody else's invalidation.
#[derive(Debug)]
pub(super) struct Counter {
    pub name: Arc<str>,
    pub soft: bool,
    /// 0 while Redis was not asked yet.
    version: AtomicU64,
    /// Invalidations decided here.
    decided: AtomicU64,
    /// How many of those Redis has.
    told: AtomicU64,
    /// Invalidations noticed here, whoever decided them. Learning a version for the first time is none.
    bumps: AtomicU64,
    /// Answers with entries of this tag, and loads of such: sampled, as [`Counter::accessed`] says.
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Counter {
    fn new(name: Arc<str>, version: u64) -> Self {
        let soft = tag_of(&name).is_some_and(|tag| tag.starts_with(SOFT));
        let zero = || AtomicU64::new(0);
        Counter {
            name,
            soft,
            version: AtomicU64::new(version),
            decided: zero(),
            told: zero(),
            bumps: zero(),
            hits: zero(),
            misses: zero(),
        }
    }

    /// The tag it stands for; none for a class and for the whole cache.
    pub fn tag(&self) -> Option<&str> {
        tag_of(&self.name)
    }

    /// Notes a sampled access that stands for `weight` of them.
    pub fn accessed(&self, hit: bool, weight: u64) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(weight, Relaxed);
    }

    /// Hits and misses since the statistics were reset, or since the counter came into use.
    pub fn accesses(&self) -> (u64, u64) {
        (self.hits.load(Relaxed), self.misses.load(Relaxed))
    }

    pub fn reset_accesses(&self) {
        self.hits.store(0, Relaxed);
        self.misses.store(0, Relaxed);
    }

    pub fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    pub fn is_known(&self) -> bool {
        self.version() != 0
    }

    pub fn bumps(&self) -> u64 {
        self.bumps.load(SeqCst)
    }

    /// Takes over what Redis says. Versions only rise, so a late answer never undoes a newer one.
    pub fn learn(&self, version: u64) {
        let before = self.version.fetch_max(version, SeqCst);
        if before != 0 && version > before {
            self.bumps.fetch_add(1, SeqCst);
        }
    }

    /// An invalidation decided here; answers its number, for [`Counter::tell`].
    pub fn bump(&self) -> u64 {
        let number = self.decided.fetch_add(1, SeqCst) + 1;
        self.bumps.fetch_add(1, SeqCst);
        number
    }

    /// Invalidations decided here so far.
    pub fn decided(&self) -> u64 {
        self.decided.load(SeqCst)
    }

    /// Redis has raised its version after invalidation `number` was decided.
    pub fn tell(&self, number: u64) {
        self.told.fetch_max(number, SeqCst);
    }

    /// Whether Redis does not know yet what was decided here: what it holds under this counter must not be used.
    pub fn is_pending(&self) -> bool {
        self.told.load(SeqCst) < self.decided()
    }
}

/// A counter and how it stood when an entry's load began.
#[derive(Clone, Debug)]
pub(super) struct Dependency {
    pub counter: Arc<Counter>,
    pub version: u64,
    decided: u64,
}

impl Dependency {
    pub fn now(counter: &Arc<Counter>) -> Self {
        Dependency { decided: counter.decided(), version: counter.version(), counter: counter.clone() }
    }

    /// What an envelope in Redis says.
    pub fn at(counter: Arc<Counter>, version: u64) -> Self {
        Dependency { decided: counter.decided(), version, counter }
    }

    pub fn holds(&self) -> bool {
        self.counter.version() == self.version && self.counter.decided() == self.decided
    }
}

/// The counters in use.
#[derive(Debug)]
pub(super) struct Versions {
    /// Bounded by the entries in memory, which are: see [`PRUNE_FROM`].
    table: RwLock<Table>,
    /// What a counter starts with: 0 (ask Redis), or 1 where there is no Redis.
    start: u64,
}

#[derive(Debug)]
struct Table {
    counters: HashMap<Arc<str>, Arc<Counter>>,
    prune_at: usize,
}

impl Versions {
    pub fn new(shared: bool) -> Self {
        let table = Table { counters: HashMap::new(), prune_at: PRUNE_FROM };
        Versions { table: RwLock::new(table), start: u64::from(!shared) }
    }

    /// The counter of a name, made if need be.
    pub fn counter(&self, name: &str) -> Arc<Counter> {
        if let Some(counter) = self.known(name) {
            return counter;
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.counters.len() >= table.prune_at {
            table.counters.retain(|_, counter| Arc::strong_count(counter) > 1);
            table.prune_at = (table.counters.len() * 2).max(PRUNE_FROM);
        }
        let name: Arc<str> = name.into();
        table.counters.entry(name.clone()).or_insert_with(|| Arc::new(Counter::new(name, self.start))).clone()
    }

    /// The counter of a name, if an entry here uses it.
    pub fn known(&self, name: &str) -> Option<Arc<Counter>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).counters.get(name).cloned()
    }

    /// Every counter.
    pub fn all(&self) -> Vec<Arc<Counter>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).counters.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_rise() {
        let versions = Versions::new(true);
        let counter = versions.counter("t:price");
        assert!(!counter.is_known());
        counter.learn(1_000);
        let entry = Dependency::now(&counter);
        assert_eq!(counter.bumps(), 0, "learning is no invalidation");
        let number = counter.bump();
        assert!(!entry.holds() && counter.is_pending());
        counter.learn(1_001);
        counter.tell(number);
        assert!(!counter.is_pending());
        counter.learn(1_000);
        assert_eq!((counter.version(), counter.bumps()), (1_001, 2));
    }

    #[test]
    fn tags_of_tables_are_soft() {
        let versions = Versions::new(false);
        assert!(versions.counter(&tag_counter("table:shop.products")).soft);
        assert!(!versions.counter(&tag_counter("price")).soft);
        assert!(!versions.counter(&class_counter("table:x")).soft);
    }

    #[test]
    fn unused_counters_go() {
        let versions = Versions::new(false);
        let held: Vec<_> = (0..100).map(|n| versions.counter(&format!("t:held{n}"))).collect();
        for n in 0..PRUNE_FROM * 3 {
            versions.counter(&format!("t:{n}"));
        }
        assert!(versions.all().len() <= PRUNE_FROM);
        assert!(held.iter().all(|counter| versions.known(&counter.name).is_some()));
    }
}
