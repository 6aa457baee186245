//! Reading without loading.

use super::{Cacheable, Class, Hit, Origin, entry::Standing, key::KeyRef, stats::add};

/// Keys that Redis is asked for at once.
const BATCH: usize = 500;

impl<V: Cacheable> Class<V> {
    /// The value of a key if a tier has it; nothing is loaded. A hit counts for the tags of its entry; a miss for none, for
    /// what is not there has no tags.
    pub async fn get(&self, key: &str) -> Option<Hit<V>> {
        let mut hit = self.in_memory(key);
        if hit.is_none() {
            hit = self.in_redis(&[key]).await.pop().flatten();
        }
        self.count(key, hit.as_ref());
        hit
    }

    /// [`Class::get`] for many keys: one round trip to Redis for every 500 that memory does not have (in a Cluster one for
    /// each, some at a time, for each key lies on a node of its own). Answers stand in the order of the keys.
    pub async fn get_many(&self, keys: &[&str]) -> Vec<Option<Hit<V>>> {
        let mut hits: Vec<_> = keys.iter().map(|key| self.in_memory(key)).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|at| hits[*at].is_none()).collect();
        for batch in missing.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(|at| keys[*at]).collect();
            for (at, hit) in batch.iter().zip(self.in_redis(&names).await) {
                hits[*at] = hit;
            }
        }
        for (key, hit) in keys.iter().zip(&hits) {
            self.count(key, hit.as_ref());
        }
        hits
    }

    fn count(&self, key: &str, hit: Option<&Hit<V>>) {
        let stats = &self.state.stats;
        match hit {
            Some(hit) if hit.origin == Origin::Memory => self.count_hit(key, &hit.entry, &stats.counters.hits_memory),
            Some(hit) => self.count_hit(key, &hit.entry, &stats.counters.hits_redis),
            None => {
                add(&stats.counters.misses, 1);
                stats.keys.touch(key, false);
            }
        }
    }

    fn in_memory(&self, key: &str) -> Option<Hit<V>> {
        let (inner, class) = (&self.inner, &self.state);
        if !class.settings.mode.memory() {
            return None;
        }
        let entry = inner.memory.get(&KeyRef { class: class.id, text: key })?;
        let now = inner.time.now();
        let answers = inner.standing(class, &entry, now) == Standing::Fresh && !inner.is_suspect(&entry);
        answers.then_some(Hit { entry, origin: Origin::Memory, now })
    }

    /// What Redis has of some keys, fresh; memory keeps it.
    async fn in_redis(&self, keys: &[&str]) -> Vec<Option<Hit<V>>> {
        let (inner, class) = (&self.inner, &self.state);
        let keyed = |text| KeyRef { class: class.id, text };
        // Whatever is written or invalidated from here on makes an answer one that must not be kept.
        let epochs: Vec<u64> = keys.iter().map(|key| inner.flights.stripe(keyed(key)).epoch).collect();
        let Ok(readings) = inner.read_many(class, keys, &inner.counters(class, &[])).await else {
            return keys.iter().map(|_| None).collect();
        };
        let now = inner.time.now();
        let hits = keys.iter().zip(epochs).zip(readings).map(|((key, epoch), reading)| {
            let entry = reading.entry.filter(|entry| inner.standing(class, entry, now) == Standing::Fresh)?;
            let key = keyed(key);
            let stripe = inner.flights.stripe(key);
            if class.settings.mode.memory() && stripe.epoch == epoch {
                inner.keep(key.to_key(), entry.clone());
            }
            drop(stripe);
            Some(Hit { entry, origin: Origin::Redis, now })
        });
        hits.collect()
    }
}
