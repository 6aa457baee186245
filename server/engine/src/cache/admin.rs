//! What operators see and do: statistics, keys by pattern, one key in detail.

use super::{
    Cache, Cacheable, Class, KEY_MAX,
    entry::Standing,
    key::KeyRef,
    remote::{INDEX_MAX, Lost},
    versions::{Counter, tag_counter},
};
use headroom_model::cache::{ClassReport, RedisTier};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Keys read from an index at once.
const PAGE: usize = 1_000;

/// How a key was used lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: Arc<str>,
    /// Accesses since the statistics were reset; for the hottest keys an estimate that is never too low.
    pub accesses: u64,
    /// The estimate may be too high by this much.
    pub error: u64,
    /// Hits among them.
    pub hits: u64,
    /// What it takes in memory, if it is there.
    pub bytes: Option<u64>,
    /// How long it stays fresh, if it is in memory.
    pub fresh_for: Option<Duration>,
}

/// One tier's copy of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierUse {
    /// Bytes it takes.
    pub bytes: u64,
    /// Time since it was loaded.
    pub age: Duration,
    /// How long it stays fresh; zero for one past its time.
    pub fresh_for: Duration,
    /// How long it may stand in after that.
    pub usable_for: Duration,
}

/// How a tag is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagUse {
    /// Keys in memory that carry it.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Answers with entries that carry it, since the statistics were reset.
    pub hits: u64,
    /// Requests for such entries that ended in a load.
    pub misses: u64,
    /// How often it was invalidated, as far as this instance knows.
    pub invalidations: u64,
}

/// One key in detail.
#[derive(Clone, Debug)]
pub struct Inspected<V> {
    /// Its copy in memory.
    pub memory: Option<TierUse>,
    /// Its copy in Redis.
    pub redis: Option<TierUse>,
    /// Why Redis could not be asked.
    pub redis_problem: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Hits on the copy in memory.
    pub hits: u32,
    /// How long loading it took.
    pub load_time: Duration,
    /// The value; the outer none says that no tier has the key, the inner that it is known not to exist.
    pub value: Option<Option<V>>,
}

/// A part of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group<'a> {
    /// All of it.
    All,
    /// A class.
    Class(&'a str),
    /// What carries a tag.
    Tag(&'a str),
}

/// A moment of a cache's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl<V: Cacheable> Cache<V> {
    /// Now. What was loaded before it can be told from what came after.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.inner.time.now())
    }

    /// Keys and bytes in memory that may still be answered, of what a group names; with a mark, only what was loaded
    /// before it.
    #[must_use]
    pub fn holds(&self, group: Group<'_>, before: Option<Mark>) -> (u64, u64) {
        let now = self.inner.time.now();
        let class = match group {
            Group::Class(name) => self.inner.class(name).map(|class| class.id),
            Group::All | Group::Tag(_) => None,
        };
        let tag = if let Group::Tag(tag) = group { tag_counter(tag) } else { String::new() };
        let belongs = |key: &super::key::Key, entry: &super::entry::Entry<V>| match group {
            Group::All => true,
            Group::Class(_) => Some(key.class) == class,
            Group::Tag(_) => entry.dependencies.iter().any(|it| *it.counter.name == *tag),
        };
        let live = self.inner.memory.iter().filter(|(key, entry)| {
            before.is_none_or(|mark| entry.born < mark.0)
                && belongs(key, entry)
                && !matches!(entry.standing(now, 0), Standing::Gone | Standing::Outdated)
        });
        live.fold((0, 0), |(keys, bytes), (_, entry)| (keys + 1, bytes + u64::from(entry.weight)))
    }

    /// What one key takes in memory, if it may still be answered; with a mark, only if it was loaded before it.
    #[must_use]
    pub fn holds_key(&self, class: &str, key: &str, before: Option<Mark>) -> Option<u32> {
        let class = self.inner.class(class)?.id;
        let entry = self.inner.memory.get(&KeyRef { class, text: key })?;
        if before.is_some_and(|mark| entry.born >= mark.0) {
            return None;
        }
        (entry.standing(self.inner.time.now(), 0) != Standing::Gone).then_some(entry.weight)
    }

    /// Redis as this cache finds it; none where it has one tier.
    #[must_use]
    pub fn redis(&self) -> Option<RedisTier> {
        let inner = &self.inner;
        let remote = inner.remote.as_ref()?;
        let problem = remote.problem();
        Some(RedisTier {
            answers: problem.is_none() && !remote.breaker.is_open(),
            listens: remote.listens(),
            problem: problem.as_ref().map(|problem| problem.words.clone()),
            problem_for_ms: problem.map(|problem| problem.since.elapsed().as_secs_f64() * 1000.0),
            breaker_opened: remote.breaker.opened(),
            resynchronised: inner.generation.load(Relaxed).saturating_sub(1),
            waiting: inner.recovery.len() as u64,
        })
    }

    /// Bytes in memory and the most there may be.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        (self.inner.memory.weighted_size(), self.inner.settings.memory_max)
    }

    /// Tags of what is in memory: what each one's invalidation would touch here, and how its entries are used. Accesses
    /// are counted one in [`ClassReport::sampled_every`] of the entry's class, so that a hit in memory stays cheap, and
    /// scaled up. A tag that nothing here uses any more is forgotten in time, and so is what it counted.
    #[must_use]
    pub fn tags(&self) -> BTreeMap<String, TagUse> {
        let mut tags: BTreeMap<Arc<str>, (Arc<Counter>, TagUse)> = BTreeMap::new();
        let now = self.inner.time.now();
        for (_, entry) in self.inner.memory.iter().filter(|(_, entry)| entry.standing(now, 0) != Standing::Gone) {
            for counter in entry.dependencies.iter().map(|it| &it.counter).filter(|counter| counter.tag().is_some()) {
                let (_, tag) = tags.entry(counter.name.clone()).or_insert_with(|| (counter.clone(), TagUse::default()));
                tag.keys += 1;
                tag.bytes += u64::from(entry.weight);
            }
        }
        let of = |(counter, tag): (Arc<Counter>, TagUse)| {
            let (hits, misses) = counter.accesses();
            let name = counter.tag()?.to_owned();
            Some((name, TagUse { hits, misses, invalidations: counter.bumps(), ..tag }))
        };
        tags.into_values().filter_map(of).collect()
    }

    /// Starts a new epoch of all counters, those of the tags too. Entries stay.
    pub fn reset_statistics(&self) {
        self.classes().iter().for_each(Class::reset_statistics);
        self.inner.versions.all().iter().for_each(|counter| counter.reset_accesses());
    }
}

impl<V: Cacheable> Class<V> {
    /// Its counters and levels.
    #[must_use]
    pub fn report(&self) -> ClassReport {
        let stats = &self.state.stats;
        ClassReport {
            class: self.state.name.to_string(),
            mode: self.state.settings.mode.as_str().to_owned(),
            ttl_ms: self.state.settings.ttl.as_secs_f64() * 1000.0,
            memory_keys: stats.memory_entries.load(Relaxed),
            memory_bytes: stats.memory_bytes.load(Relaxed),
            counters: stats.snapshot(),
            sampled_every: stats.keys.sampled_every(),
        }
    }

    /// Starts a new epoch of its counters. Entries stay, and so do the counters of tags, which other classes use too.
    pub fn reset_statistics(&self) {
        self.state.stats.reset();
    }

    /// The most used keys, most used first.
    #[must_use]
    pub fn hottest(&self, limit: usize) -> Vec<KeyUse> {
        let top = self.state.stats.keys.top(limit);
        top.into_iter()
            .map(|counted| {
                let entry = self.inner.memory.get(&KeyRef { class: self.state.id, text: &counted.key });
                let now = self.inner.time.now();
                KeyUse {
                    accesses: counted.count,
                    error: counted.error,
                    hits: counted.hits,
                    bytes: entry.as_ref().map(|entry| u64::from(entry.weight)),
                    fresh_for: entry.map(|entry| Duration::from_millis(entry.expires().saturating_sub(now))),
                    key: counted.key,
                }
            })
            .collect()
    }

    /// The least used keys in memory, least used first, oldest first among equals: what takes room for nothing.
    #[must_use]
    pub fn coldest(&self, limit: usize) -> Vec<KeyUse> {
        let now = self.inner.time.now();
        // The heap keeps no more than `limit`, however many entries there are.
        let mut coldest = std::collections::BinaryHeap::new();
        for (key, entry) in self.inner.memory.iter().filter(|(key, _)| key.class == self.state.id) {
            let hits = entry.hits.load(Relaxed);
            coldest.push((hits, entry.born, key.text.clone(), entry.weight, entry.expires()));
            if coldest.len() > limit {
                coldest.pop();
            }
        }
        let sorted = coldest.into_sorted_vec();
        sorted
            .into_iter()
            .map(|(hits, _, key, weight, expires)| KeyUse {
                key,
                accesses: u64::from(hits),
                error: 0,
                hits: u64::from(hits),
                bytes: Some(u64::from(weight)),
                fresh_for: Some(Duration::from_millis(expires.saturating_sub(now))),
            })
            .collect()
    }

    /// One key in detail. Neither counted as an access nor kept from ending.
    pub async fn inspect(&self, key: &str) -> Inspected<V> {
        let (inner, class) = (&self.inner, &self.state);
        let now = inner.time.now();
        let tier = |entry: &super::entry::Entry<V>, bytes: u64| TierUse {
            bytes,
            age: Duration::from_millis(now.saturating_sub(entry.born)),
            fresh_for: Duration::from_millis(entry.expires().saturating_sub(now)),
            usable_for: Duration::from_millis(entry.dead.saturating_sub(entry.expires().max(now))),
        };
        let memory = inner
            .memory
            .get(&KeyRef { class: class.id, text: key })
            .filter(|entry| entry.standing(now, 0) != Standing::Gone);
        let mut problem = None;
        let mut redis = None;
        let mut there = None;
        if let Some(remote) = inner.remote.as_ref().filter(|_| class.settings.mode.redis()) {
            let look = async {
                let length = remote.measure(&class.names.entry(key)).await?;
                let reading = inner.read(class, key, &inner.counters(class, &[])).await?;
                Ok::<_, Lost>((length, reading.entry))
            };
            match look.await {
                Ok((length, entry)) => {
                    redis = length.zip(entry.as_ref()).map(|((bytes, _), entry)| tier(entry, bytes));
                    there = entry;
                }
                Err(lost) => problem = Some(lost.to_string()),
            }
        }
        let any = memory.as_ref().or(there.as_ref());
        Inspected {
            tags: any.map_or_else(Vec::new, |entry| {
                let names = entry.dependencies.iter().filter_map(|it| it.counter.tag());
                names.map(str::to_owned).collect()
            }),
            hits: memory.as_ref().map_or(0, |entry| entry.hits.load(Relaxed)),
            load_time: Duration::from_micros(any.map_or(0, |entry| u64::from(entry.load_micros))),
            value: any.map(|entry| entry.value.clone()),
            memory: memory.as_ref().map(|entry| tier(entry, u64::from(entry.weight))),
            redis,
            redis_problem: problem,
        }
    }

    /// Keys of this class that match a pattern (`*` any characters, `?` one), in memory and in Redis's index, each once,
    /// sorted, at most `limit`; and whether there are more. Redis is read a page at a time and never scanned.
    ///
    /// # Errors
    /// Redis does not answer: what it holds is unknown, so nothing is answered.
    pub async fn keys(&self, pattern: &str, limit: usize) -> Result<(Vec<String>, bool), String> {
        let now = self.inner.time.now();
        let mut keys = std::collections::BTreeSet::new();
        let mut more = false;
        let mut add = |key: &str| {
            if matches(pattern, key) && !keys.contains(key) {
                if keys.len() < limit {
                    keys.insert(key.to_owned());
                } else {
                    more = true;
                }
            }
        };
        for (key, entry) in self.inner.memory.iter().filter(|(key, _)| key.class == self.state.id) {
            if entry.standing(now, 0) != Standing::Gone {
                add(&key.text);
            }
        }
        if let Some(remote) = self.inner.remote.as_ref().filter(|_| self.state.settings.mode.redis()) {
            let lost = |lost: Lost| lost.to_string();
            let length = remote.tidy_index(&self.state.names).await.map_err(lost)?;
            let mut offset = 0;
            while offset < length.min(INDEX_MAX) {
                let page = remote.indexed(&self.state.names, offset, PAGE).await.map_err(lost)?;
                if page.is_empty() {
                    break;
                }
                offset += page.len() as u64;
                page.iter().for_each(|key| add(key));
            }
        }
        Ok((keys.into_iter().collect(), more))
    }

    /// Keys of this class in Redis, by its index; none where there is no Redis or it does not answer. Entries that were
    /// invalidated by version count until they end.
    pub async fn redis_keys(&self) -> Option<u64> {
        let remote = self.inner.remote.as_ref().filter(|_| self.state.settings.mode.redis())?;
        remote.tidy_index(&self.state.names).await.ok()
    }
}

/// Whether a key matches a pattern: `*` is any characters, `?` exactly one. Linear in the key for each `*`; no pattern
/// makes it explode.
fn matches(pattern: &str, key: &str) -> bool {
    debug_assert!(key.len() <= KEY_MAX);
    let (pattern, key): (Vec<char>, Vec<char>) = (pattern.chars().collect(), key.chars().collect());
    let (mut p, mut k) = (0, 0);
    // Where the last star stands, and how much of the key it has taken.
    let mut star: Option<(usize, usize)> = None;
    while k < key.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, k));
                p += 1;
            }
            Some(c) if *c == '?' || *c == key[k] => {
                p += 1;
                k += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, k) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, key, expected) in [
            ("price:v2:eu:*", "price:v2:eu:sku-1", true),
            ("price:v2:eu:*", "price:v2:us:sku-1", false),
            ("*", "", true),
            ("?", "é", true),
            ("?", "", false),
            ("a*b*c", "a-bb-b-c", true),
            ("a*b*c", "a-bb-b-", false),
            ("*:sku-??", "x:sku-12", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
        }
        // Would take ages if it were tried by backtracking through every star.
        assert!(!matches(&format!("{}b", "a*".repeat(30)), &"a".repeat(1000)));
    }
}
