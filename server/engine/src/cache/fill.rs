//! The work of a flight: Redis, the lease, the load, and keeping what it brought.

use super::{
    CacheError, Cacheable, ClassState, Inner, LoadFailure, Loaded, Mode, Origin,
    entry::{Entry, Standing},
    flight::{Progress, Ticket},
    key::Key,
    remote::{Claim, Lost},
    stats::add,
    versions::{Counter, Dependency},
};
use futures::future::BoxFuture;
use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, interval, timeout, timeout_at},
};

/// Whoever waits for another instance looks again after this at the latest, should the word that it is done be lost.
const LOOK_FROM: Duration = Duration::from_millis(10);
const LOOK_MAX: Duration = Duration::from_millis(250);

/// A loader, ready to run once.
pub(super) type Loader<V> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded<V>, LoadFailure>> + Send>;

type Outcome<V> = Result<(Arc<Entry<V>>, Origin), CacheError>;

/// What a flight needs; it owns all of it, so that it outlives its callers.
pub(super) struct Fill<V: Cacheable> {
    pub inner: Arc<Inner<V>>,
    pub class: Arc<ClassState>,
    pub key: Key,
    pub counters: Vec<Arc<Counter>>,
    pub ticket: Arc<Ticket>,
    pub progress: watch::Sender<Progress<V>>,
    /// What memory had: past its time, to be verified, or (when refreshing) still fresh.
    pub older: Option<Arc<Entry<V>>>,
    /// Whether this happens before its time, with nobody waiting.
    pub refresh: bool,
}

/// How far Redis helped.
enum Ground<V> {
    /// It has the answer.
    Answer(Arc<Entry<V>>, Origin),
    /// Load, and store under this lease.
    Lease(u64),
    /// Load for this instance alone.
    Alone,
    /// Another instance refreshes it already.
    Leave,
}

impl<V: Cacheable> Fill<V> {
    /// Runs to its end, or until the cache stops.
    pub async fn run(mut self, load: Loader<V>) {
        self.inner.under_way.fetch_add(1, Relaxed);
        let stop = self.inner.stop.clone();
        let outcome = stop.run_until_cancelled(self.work(load)).await.unwrap_or(Err(CacheError::Stopped));
        if self.refresh
            && let Some(entry) = &self.older
        {
            entry.end_refresh();
        }
        self.inner.flights.stripe(self.key.as_ref()).end(&self.key, &self.ticket);
        self.inner.under_way.fetch_sub(1, Relaxed);
        self.progress.send_replace(Progress::Done(outcome));
    }

    async fn work(&mut self, load: Loader<V>) -> Outcome<V> {
        let token = match self.ground().await {
            Ground::Answer(entry, origin) => return Ok((entry, origin)),
            Ground::Leave => return self.older.clone().map(|entry| (entry, Origin::Memory)).ok_or(CacheError::Stopped),
            Ground::Lease(token) => Some(token),
            Ground::Alone => None,
        };
        // The versions before the load: whatever is invalidated from here on makes the entry invalid.
        let dependencies: Box<[Dependency]> = self.counters.iter().map(Dependency::now).collect();
        let begun = Instant::now();
        match self.load_under(token, load).await {
            Ok(loaded) => {
                let micros = self.class.stats.loaded(begun.elapsed());
                let entry = self.inner.make(&self.class, &self.key.text, loaded, micros, dependencies);
                self.store(&entry, token).await;
                Ok((entry, Origin::Load))
            }
            Err(error) => {
                add(&self.class.stats.counters.load_errors, 1);
                self.release(token);
                self.stand_in().map(|entry| (entry, Origin::Stale)).ok_or(error)
            }
        }
    }

    /// Asks Redis for the value, then for the lease; waits while another instance loads.
    async fn ground(&mut self) -> Ground<V> {
        if self.inner.remote.is_none() || self.class.settings.mode == Mode::None {
            return Ground::Alone;
        }
        // Heard from before the question on, so that no word is missed between the two.
        let mut filled = self.inner.filled.subscribe();
        let deadline = Instant::now() + self.class.settings.load_timeout;
        let mut look = LOOK_FROM;
        loop {
            match self.ask().await {
                Ok(Some(ground)) => return ground,
                Ok(None) if Instant::now() >= deadline => return Ground::Alone,
                Ok(None) => {
                    await_word(&mut filled, &self.key, (Instant::now() + look).min(deadline)).await;
                    look = (look * 2).min(LOOK_MAX);
                }
                Err(Lost(_)) => return self.without_redis(),
            }
        }
    }

    /// One question to Redis. None: another instance loads.
    async fn ask(&mut self) -> Result<Option<Ground<V>>, Lost> {
        let (inner, class) = (&self.inner, &self.class);
        if !class.settings.mode.redis() {
            // Values are this instance's own, versions are everybody's.
            if let Some(remote) = &inner.remote {
                remote.refresh(&self.counters).await?;
            }
            return Ok(Some(Ground::Alone));
        }
        let found = inner.read(class, &self.key.text, &self.counters).await?;
        if let Some(entry) = found.entry {
            let now = inner.time.now();
            let same = self.older.as_ref().filter(|older| older.id == entry.id);
            match (inner.standing(class, &entry, now), same) {
                // Still what is to be refreshed.
                (Standing::Fresh, Some(_)) if self.refresh => {}
                // Memory was right all along; only its being right was in doubt.
                (Standing::Fresh, Some(older)) if inner.standing(class, older, now) == Standing::Fresh => {
                    older.confirm(entry.checked());
                    return Ok(Some(Ground::Answer(older.clone(), Origin::Memory)));
                }
                (Standing::Fresh, _) => {
                    self.keep(&entry);
                    return Ok(Some(Ground::Answer(entry, Origin::Redis)));
                }
                (standing, None) => {
                    if standing == Standing::Stale {
                        self.progress.send_replace(Progress::Working { stale: Some(entry.clone()) });
                    }
                    self.older = Some(entry);
                }
                (_, Some(_)) => {}
            }
        } else if self.older.as_ref().is_some_and(|entry| inner.is_suspect(entry)) {
            // Redis does not have what memory had: invalidated, perhaps, while nobody here listened.
            self.older = None;
        }
        let Some(remote) = &inner.remote else { return Ok(Some(Ground::Alone)) };
        let token = rand::random();
        let claim = remote.claim(&class.names, &self.key.text, token, found.id).await;
        if claim.is_err() {
            // Redis may have granted it all the same.
            self.release(Some(token));
        }
        match claim? {
            Claim::Ours => Ok(Some(Ground::Lease(token))),
            Claim::Theirs if self.refresh => Ok(Some(Ground::Leave)),
            Claim::Theirs | Claim::Changed => Ok(None),
        }
    }

    /// Redis does not answer: a value that was only to be verified is as good as it was, anything else is loaded here.
    fn without_redis(&self) -> Ground<V> {
        let usable = self.older.as_ref().filter(|entry| {
            !self.refresh && self.inner.standing(&self.class, entry, self.inner.time.now()) == Standing::Fresh
        });
        usable.map_or(Ground::Alone, |entry| Ground::Answer(entry.clone(), Origin::Memory))
    }

    /// Loads, and renews the lease meanwhile.
    async fn load_under(&self, token: Option<u64>, load: Loader<V>) -> Result<Loaded<V>, CacheError> {
        let (Some(token), Some(remote)) = (token, &self.inner.remote) else { return self.load(load).await };
        let renew = async || -> Infallible {
            let mut ticks = interval(self.inner.settings.lease / 3);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if matches!(remote.renew(&self.class.names, &self.key.text, token).await, Ok(false)) {
                    // Invalidated meanwhile: there is nothing left to keep, and storing will notice.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            loaded = self.load(load) => loaded,
            never = renew() => match never {},
        }
    }

    async fn load(&self, load: Loader<V>) -> Result<Loaded<V>, CacheError> {
        let limit = self.class.settings.load_timeout;
        let work = async {
            let _turn = self.inner.loads.acquire().await.map_err(|_| CacheError::Stopped)?;
            // A task of its own: a panic ends the load, not the flight.
            let mut task = AbortOnDrop(tokio::spawn(load()));
            match (&mut task.0).await {
                Ok(Ok(loaded)) => Ok(loaded),
                Ok(Err(failure)) => Err(CacheError::Load(failure)),
                Err(_) => Err(CacheError::Panicked),
            }
        };
        timeout(limit, work).await.unwrap_or(Err(CacheError::LoadTimeout(limit)))
    }

    /// Keeps what was loaded, unless something was invalidated meanwhile: Redis first, then memory.
    async fn store(&self, entry: &Arc<Entry<V>>, token: Option<u64>) {
        if self.class.settings.mode == Mode::None || self.inner.is_oversized(&self.class, entry) {
            self.release(token);
            return;
        }
        if let Some(token) = token {
            match self.inner.write(&self.class, &self.key, entry, Some(token)).await {
                Ok(true) => {}
                Ok(false) => {
                    // The lease is gone: the key was invalidated, or the load took longer than the lease.
                    add(&self.class.stats.counters.discarded, 1);
                    return;
                }
                // Memory goes on alone.
                Err(Lost(_)) => self.release(Some(token)),
            }
        }
        if !self.keep(entry) {
            add(&self.class.stats.counters.discarded, 1);
        }
    }

    /// Keeps an entry in memory if nothing was invalidated since the flight began.
    fn keep(&self, entry: &Arc<Entry<V>>) -> bool {
        if !self.class.settings.mode.memory() {
            return true;
        }
        let stripe = self.inner.flights.stripe(self.key.as_ref());
        let holds = self.ticket.holds();
        if holds {
            self.inner.keep(self.key.clone(), entry.clone());
        }
        drop(stripe);
        holds
    }

    /// Gives the lease up so that others need not wait for it to run out.
    fn release(&self, token: Option<u64>) {
        let Some(token) = token else { return };
        let (inner, class, key) = (self.inner.clone(), self.class.clone(), self.key.clone());
        self.inner.tasks.spawn(async move {
            if let Some(remote) = &inner.remote {
                // If this is lost the lease runs out by itself.
                let _ = remote.release(&class.names, &class.name, &key.text, token).await;
            }
        });
    }

    /// The older value where a load failed.
    fn stand_in(&self) -> Option<Arc<Entry<V>>> {
        let now = self.inner.time.now();
        let entry = self.older.as_ref()?;
        if self.inner.standing(&self.class, entry, now) == Standing::Gone {
            return None;
        }
        entry.failed(now, self.class.settings.retry_after);
        self.keep_older(entry);
        Some(entry.clone())
    }

    /// A value that came from Redis past its time is kept too, so that the pause between attempts holds.
    fn keep_older(&self, entry: &Arc<Entry<V>>) {
        let in_memory = self.inner.memory.get(&self.key.as_ref());
        if !in_memory.is_some_and(|there| Arc::ptr_eq(&there, entry)) {
            self.keep(entry);
        }
    }
}

/// Waits for the word that a key was filled, at most until then.
async fn await_word(filled: &mut broadcast::Receiver<Key>, key: &Key, until: Instant) {
    let word = async {
        loop {
            match filled.recv().await {
                Ok(filled) if filled == *key => return,
                Ok(_) => {}
                // Too many words to hear them all: look.
                Err(_) => return,
            }
        }
    };
    // Being told and giving up waiting lead to the same look.
    let _ = timeout_at(until, word).await;
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
