//! Loading before anyone asks.

use super::{
    CacheError, Cacheable, Class, LoadFailure, Loaded, Mode, Origin,
    entry::Standing,
    fill::{Fill, Older},
    flight::{Flight, Progress},
    key::KeyRef,
};
use std::{sync::Arc, time::Duration};

/// What warming a key found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// It was fresh already.
    Fresh,
    /// Redis had it; memory has it now.
    Copied,
    /// It was loaded.
    Loaded,
    /// Loading failed; an older value stands in.
    Stale,
}

impl<V: Cacheable> Class<V> {
    /// Whether memory would answer a key at once and without a load.
    #[must_use]
    pub fn is_fresh(&self, key: &str) -> bool {
        let (inner, class) = (&self.inner, &self.state);
        class.settings.mode.memory()
            && inner.memory.get(&KeyRef { class: class.id, text: key }).is_some_and(|entry| {
                inner.standing(class, &entry, inner.time.now()) == Standing::Fresh && !inner.is_suspect(&entry)
            })
    }

    /// Loads a key unless it is fresh, with the single flight and the lease of [`Class::get_or_load`], and waits for the
    /// end. Counts neither as a hit nor as a miss, and not as an access: a warm key is not a hot one. Without a tier
    /// ([`Mode::None`]) there is nothing to warm, and nothing is loaded.
    ///
    /// Cancel-safe: dropping the future leaves the load running.
    ///
    /// # Errors
    /// The load failed or took longer than the class allows, and no older value may stand in.
    pub async fn warm<F, L>(&self, key: &str, tags: &[&str], load: F) -> Result<Warmed, CacheError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        if self.state.settings.mode == Mode::None || self.is_fresh(key) {
            return Ok(Warmed::Fresh);
        }
        let mut flight = self.board(key, tags, load)?;
        loop {
            if let Progress::Done(outcome) = &*flight.progress.borrow_and_update() {
                return match outcome {
                    Ok((_, Origin::Memory)) => Ok(Warmed::Fresh),
                    // Where Redis is the only tier, that is all there can be.
                    Ok((_, Origin::Redis)) if !self.state.settings.mode.memory() => Ok(Warmed::Fresh),
                    Ok((_, Origin::Redis)) => Ok(Warmed::Copied),
                    Ok((_, Origin::Load)) => Ok(Warmed::Loaded),
                    Ok((_, Origin::Stale)) => Ok(Warmed::Stale),
                    Err(error) => Err(error.clone()),
                };
            }
            if flight.progress.changed().await.is_err() {
                return Err(self.ended());
            }
        }
    }

    /// The flight of a key: the one under way, or a new one.
    fn board<F, L>(&self, key: &str, tags: &[&str], load: F) -> Result<Flight<V>, CacheError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, LoadFailure>> + Send + 'static,
    {
        Self::check(key, tags)?;
        let (inner, class) = (&self.inner, &self.state);
        let counters = inner.counters(class, tags);
        let key = KeyRef { class: class.id, text: key }.to_key();
        let older = class.settings.mode.memory().then(|| inner.memory.get(&key.as_ref())).flatten();
        let mut stripe = inner.flights.stripe(key.as_ref());
        if let Some(flight) = stripe.join(&key) {
            return Ok(flight);
        }
        let begun = Fill::begin(self, &mut stripe, &key, counters, Older::Expired(older));
        drop(stripe);
        let (fill, flight) = begun.ok_or(CacheError::Busy)?;
        inner.tasks.spawn(fill.run(Box::new(|| Box::pin(load()))));
        Ok(flight)
    }

    /// Keys that were loaded because someone asked, in the last so long, newest first, each once, at most `limit`.
    #[must_use]
    pub fn recently_missed(&self, within: Duration, limit: usize) -> Vec<Arc<str>> {
        self.state.stats.keys.misses.recent(within, limit)
    }

    /// Mean time of a load in milliseconds, once there was one.
    #[must_use]
    pub fn mean_load_ms(&self) -> Option<f64> {
        self.state.stats.mean_load_micros().map(|micros| micros / 1000.0)
    }
}
