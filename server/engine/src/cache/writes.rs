//! Writing to a class, and invalidating.

use super::{CacheError, Cacheable, Class, LoadFailure, Loaded, entry::Entry, key::Key, versions::Dependency};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// Values that go to Redis at once.
const BATCH: usize = 500;

impl<V: Cacheable> Class<V> {
    /// Stores a value (none: "there is no such thing") in both tiers and has the other instances drop theirs. A load of
    /// this key that is under way will not be kept. True when Redis has it; where Redis is lost its old value is removed
    /// when it is back.
    ///
    /// # Errors
    /// The key is too long or there are too many tags.
    pub async fn set(&self, key: &str, tags: &[&str], value: Loaded<V>) -> Result<bool, CacheError> {
        Self::check(key, tags)?;
        let stored = self.store(vec![(key.into(), value)], tags).await;
        Ok(stored == 1)
    }

    /// [`Class::set`] for many keys: one round trip to Redis for every 500 (in a Cluster one for each key, some at a
    /// time, for each key lies on a node of its own). Of a key that comes twice the last value stands. Answers how many
    /// Redis has.
    ///
    /// # Errors
    /// A key is too long or there are too many tags; then nothing is stored.
    pub async fn set_many(&self, values: Vec<(String, Loaded<V>)>, tags: &[&str]) -> Result<usize, CacheError> {
        values.iter().try_for_each(|(key, _)| Self::check(key, tags))?;
        let mut values = values.into_iter().map(|(key, value)| (key.into(), value));
        let mut stored = 0;
        loop {
            let batch: Vec<(Arc<str>, _)> = values.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(stored);
            }
            stored += self.store(batch, tags).await;
        }
    }

    /// Stores values that go to Redis in one batch; answers how many it has.
    async fn store(&self, values: Vec<(Arc<str>, Loaded<V>)>, tags: &[&str]) -> usize {
        let (inner, class) = (&self.inner, &self.state);
        let counters = inner.counters(class, tags);
        if let Some(remote) = &inner.remote {
            let unknown: Vec<_> = counters.iter().filter(|counter| !counter.is_known()).cloned().collect();
            // Without an answer they stay unknown, and what is stored then ends when Redis is back.
            let _ = remote.refresh(&unknown).await;
        }
        let (mut fits, mut too_large) = (Vec::new(), Vec::new());
        let checked = inner.generation.load(Relaxed);
        for (text, value) in values {
            let dependencies = counters.iter().map(Dependency::now).collect();
            let entry = inner.make(class, &text, value, 0, dependencies, checked);
            let key = Key { class: class.id, text };
            if inner.is_oversized(class, &entry) { too_large.push(key) } else { fits.push((key, entry)) }
        }
        let stripes = self.void(&fits);
        let has_redis = inner.remote.is_some() && class.settings.mode.redis();
        let written = inner.write_many(class, &fits).await;
        let mut stored = 0;
        for ((key, _), written) in fits.iter().zip(&written) {
            if *written {
                stored += 1;
            } else if has_redis {
                inner.recovery.remove(class.name.clone(), key.text.clone());
            }
        }
        self.keep_written(fits, stripes);
        for key in too_large {
            self.invalidate(&key.text).await;
        }
        stored
    }

    /// Voids the loads of keys, and notes by stripe how many of its keys were written or invalidated so far.
    fn void(&self, entries: &[(Key, Arc<Entry<V>>)]) -> BTreeMap<usize, u64> {
        let flights = &self.inner.flights;
        let mut epochs = BTreeMap::new();
        for (key, _) in entries {
            let place = flights.place(key.as_ref());
            let mut stripe = flights.lock(place);
            let undisturbed = epochs.get(&place).is_none_or(|epoch| *epoch == stripe.epoch);
            stripe.void(key.as_ref());
            // What others do between two keys of this batch shows in the end: then the number no longer fits.
            if undisturbed {
                epochs.insert(place, stripe.epoch);
            }
        }
        epochs
    }

    /// Keeps what was written, where nothing was written or invalidated since [`Class::void`].
    fn keep_written(&self, entries: Vec<(Key, Arc<Entry<V>>)>, epochs: BTreeMap<usize, u64>) {
        let inner = &self.inner;
        let mut by_stripe: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (key, entry) in entries {
            by_stripe.entry(inner.flights.place(key.as_ref())).or_default().push((key, entry));
        }
        for (place, entries) in by_stripe {
            let mut stripe = inner.flights.lock(place);
            let undisturbed = epochs.get(&place) == Some(&stripe.epoch);
            for (key, entry) in entries {
                // Whoever asked Redis in between may have found the old value there.
                stripe.void(key.as_ref());
                if !self.state.settings.mode.memory() {
                    continue;
                }
                if undisturbed {
                    inner.keep(key, entry);
                } else {
                    inner.memory.invalidate(&key.as_ref());
                }
            }
        }
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
