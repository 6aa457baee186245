//! The work of a flight: Redis, the lease, the load, and keeping what it brought.

use super::{
    CacheError, Cacheable, FLIGHTS_MAX, LoadFailure, Loaded, Mode, Origin,
    class::Class,
    entry::{Entry, Standing},
    flight::{Flight, Progress, Stripe, Ticket},
    inner::{ClassState, Inner},
    key::Key,
    remote::{Claim, Lease, Lost},
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
/// So often Redis may have another value than the one just read, before this instance loads for itself.
const CHANGES_MAX: u32 = 3;

/// A loader, ready to run once.
pub(super) type Loader<V> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded<V>, LoadFailure>> + Send>;

type Outcome<V> = Result<(Arc<Entry<V>>, Origin), CacheError>;

/// What a flight needs; it owns all of it, so that it outlives its callers. It is counted and found by its key until it
/// is dropped, whether it came to its end, panicked, or its task was given up.
pub(super) struct Fill<V: Cacheable> {
    inner: Arc<Inner<V>>,
    class: Arc<ClassState>,
    key: Key,
    counters: Vec<Arc<Counter>>,
    ticket: Arc<Ticket>,
    progress: watch::Sender<Progress<V>>,
    /// The best value at hand: past its time, to be verified, or (when refreshing) still fresh.
    older: Option<Arc<Entry<V>>>,
    /// What is loaded again before its time is over. Apart from `older`, which may turn out to be another.
    refreshed: Option<Arc<Entry<V>>>,
    /// How it ended, for those who wait.
    outcome: Option<Outcome<V>>,
}

/// What memory has when a flight begins.
pub(super) enum Older<V> {
    /// A value past its time, one to be verified, or none.
    Expired(Option<Arc<Entry<V>>>),
    /// A fresh one that is loaded again before its time; whoever asks has won [`Entry::begin_refresh`].
    Refreshed(Arc<Entry<V>>),
}

/// How far Redis helped.
enum Ground<V> {
    /// There is an answer.
    Answer(Arc<Entry<V>>, Origin),
    /// Load, and store under this lease.
    Lease(Lease),
    /// Load for this instance alone.
    Alone,
}

/// What one question to Redis brought.
enum Asked<V> {
    /// All that is needed.
    Settled(Ground<V>),
    /// Another instance loads.
    Theirs,
    /// Another value stands there than the one just read.
    Changed,
}

impl<V: Cacheable> Drop for Fill<V> {
    fn drop(&mut self) {
        if let Some(entry) = &self.refreshed {
            entry.end_refresh();
        }
        self.inner.flights.stripe(self.key.as_ref()).end(&self.key, &self.ticket);
        self.inner.under_way.fetch_sub(1, Relaxed);
        // Without an outcome those who wait see that the channel is closed.
        if let Some(outcome) = self.outcome.take() {
            self.progress.send_replace(Progress::Done(outcome));
        }
    }
}

impl<V: Cacheable> Fill<V> {
    /// A flight for a key, entered in the stripe that the caller has locked. None: too many are under way. It must be
    /// run or dropped after the lock is released, for its end takes the lock.
    pub fn begin(
        class: &Class<V>,
        stripe: &mut Stripe<V>,
        key: &Key,
        counters: Vec<Arc<Counter>>,
        older: Older<V>,
    ) -> Option<(Self, Flight<V>)> {
        let inner = &class.inner;
        let room = |under_way| (under_way < FLIGHTS_MAX).then_some(under_way + 1);
        inner.under_way.fetch_update(Relaxed, Relaxed, room).ok()?;
        let ticket = Arc::new(Ticket::new(&counters));
        let (progress, flight) = Flight::new(ticket.clone());
        stripe.begin(key.clone(), flight.clone());
        let (older, refreshed) = match older {
            Older::Expired(older) => (older, None),
            Older::Refreshed(entry) => (Some(entry.clone()), Some(entry)),
        };
        let fill = Fill {
            inner: inner.clone(),
            class: class.state.clone(),
            key: key.clone(),
            counters,
            ticket,
            progress,
            older,
            refreshed,
            outcome: None,
        };
        Some((fill, flight))
    }

    /// Runs to its end, or until the cache stops.
    pub async fn run(mut self, load: Loader<V>) {
        let stop = self.inner.stop.clone();
        let outcome = stop.run_until_cancelled(self.work(load)).await;
        self.outcome = Some(outcome.unwrap_or(Err(CacheError::Stopped)));
    }

    async fn work(&mut self, load: Loader<V>) -> Outcome<V> {
        let lease = match self.ground().await {
            Ground::Answer(entry, origin) => return Ok((entry, origin)),
            Ground::Lease(lease) => Some(lease),
            Ground::Alone => None,
        };
        // The versions before the load: whatever is invalidated from here on makes the entry invalid.
        let dependencies: Box<[Dependency]> = self.counters.iter().map(Dependency::now).collect();
        // Likewise: what is missed on the backplane from here on makes the entry suspect.
        let checked = self.inner.generation.load(Relaxed);
        let begun = Instant::now();
        match self.load_under(lease.as_ref(), load).await {
            Ok(loaded) => {
                let micros = self.class.stats.loaded(begun.elapsed());
                let entry = self.inner.make(&self.class, &self.key.text, loaded, micros, dependencies, checked);
                self.store(&entry, lease).await;
                Ok((entry, Origin::Load))
            }
            Err(error) => {
                add(&self.class.stats.counters.load_errors, 1);
                self.release(lease);
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
        let mut changes = 0;
        loop {
            match self.ask().await {
                Ok(Asked::Settled(ground)) => return ground,
                // The newer value is there to be read; one that cannot be read and not be removed never will be.
                Ok(Asked::Changed) if changes < CHANGES_MAX => changes += 1,
                Ok(Asked::Changed) => return Ground::Alone,
                Ok(Asked::Theirs) if Instant::now() >= deadline => return Ground::Alone,
                Ok(Asked::Theirs) => {
                    await_word(&mut filled, &self.key, (Instant::now() + look).min(deadline)).await;
                    look = (look * 2).min(LOOK_MAX);
                }
                Err(Lost(_)) => return self.without_redis(),
            }
        }
    }

    /// One question to Redis.
    async fn ask(&mut self) -> Result<Asked<V>, Lost> {
        let (inner, class) = (&self.inner, &self.class);
        if !class.settings.mode.redis() {
            // Values are this instance's own, versions are everybody's.
            if let Some(remote) = &inner.remote {
                remote.refresh(&self.counters).await?;
            }
            return Ok(Asked::Settled(Ground::Alone));
        }
        let found = inner.read(class, &self.key.text, &self.counters).await?;
        if let Some(entry) = found.entry {
            let now = inner.time.now();
            let same = self.older.as_ref().filter(|older| older.id == entry.id);
            match (inner.standing(class, &entry, now), same) {
                // Still what is to be refreshed.
                (Standing::Fresh, Some(_)) if self.refreshed.is_some() => {}
                // Memory was right all along; only its being right was in doubt.
                (Standing::Fresh, Some(older)) if inner.standing(class, older, now) == Standing::Fresh => {
                    older.confirm(entry.checked());
                    return Ok(Asked::Settled(Ground::Answer(older.clone(), Origin::Memory)));
                }
                (Standing::Fresh, _) => {
                    self.keep(&entry);
                    return Ok(Asked::Settled(Ground::Answer(entry, Origin::Redis)));
                }
                (standing, None) => {
                    if standing == Standing::Stale {
                        self.progress.send_replace(Progress::Working { stale: Some(entry.clone()) });
                    }
                    // A refresh that fails leaves a fresh value where it is.
                    if self.refreshed.is_none() || !self.has_fresh(now) {
                        self.older = Some(entry);
                    }
                }
                (_, Some(_)) => {}
            }
        } else if self.older.as_ref().is_some_and(|entry| inner.is_suspect(entry)) {
            // Redis does not have what memory had: invalidated, perhaps, while nobody here listened.
            self.older = None;
        }
        let Some(remote) = &inner.remote else { return Ok(Asked::Settled(Ground::Alone)) };
        let lease = Lease::new(&self.counters);
        let claim = remote.claim(&class.names, &self.key.text, &lease, found.id).await;
        let claim = match claim {
            Ok(claim) => claim,
            Err(lost) => {
                // Redis may have granted it all the same.
                self.release(Some(lease));
                return Err(lost);
            }
        };
        Ok(match (claim, &self.refreshed) {
            (Claim::Ours, _) => Asked::Settled(Ground::Lease(lease)),
            // Another instance refreshes it already.
            (Claim::Theirs, Some(entry)) if self.leave() => {
                Asked::Settled(Ground::Answer(entry.clone(), Origin::Memory))
            }
            (Claim::Theirs, _) => Asked::Theirs,
            (Claim::Changed, _) => Asked::Changed,
        })
    }

    /// Whether the value at hand needs neither loading nor verifying.
    fn has_fresh(&self, now: u64) -> bool {
        self.older.as_ref().is_some_and(|older| {
            self.inner.standing(&self.class, older, now) == Standing::Fresh && !self.inner.is_suspect(older)
        })
    }

    /// Ends a refresh that nobody waits for, so that nobody can join it any more. False where somebody has: for them the
    /// value at hand is not good enough.
    fn leave(&self) -> bool {
        let mut stripe = self.inner.flights.stripe(self.key.as_ref());
        let leaves = !self.ticket.is_awaited();
        if leaves {
            stripe.end(&self.key, &self.ticket);
        }
        leaves
    }

    /// Redis does not answer: a value that was only to be verified is as good as it was, anything else is loaded here.
    fn without_redis(&self) -> Ground<V> {
        let usable = self.older.as_ref().filter(|entry| {
            self.refreshed.is_none()
                && self.inner.standing(&self.class, entry, self.inner.time.now()) == Standing::Fresh
        });
        usable.map_or(Ground::Alone, |entry| Ground::Answer(entry.clone(), Origin::Memory))
    }

    /// Loads, and renews the lease meanwhile.
    async fn load_under(&self, lease: Option<&Lease>, load: Loader<V>) -> Result<Loaded<V>, CacheError> {
        let (Some(lease), Some(remote)) = (lease, &self.inner.remote) else { return self.load(load).await };
        let renew = async || -> Infallible {
            let mut ticks = interval(self.inner.settings.lease / 3);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if matches!(remote.renew(&self.class.names, &self.key.text, lease).await, Ok(false)) {
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
    async fn store(&self, entry: &Arc<Entry<V>>, lease: Option<Lease>) {
        if self.class.settings.mode == Mode::None || self.inner.is_oversized(&self.class, entry) {
            self.release(lease);
            return;
        }
        if let Some(lease) = lease {
            match self.inner.write(&self.class, &self.key, entry, &lease).await {
                Ok(true) => {}
                Ok(false) => {
                    // The lease is gone: the key was invalidated, or the load took longer than the lease.
                    add(&self.class.stats.counters.discarded, 1);
                    return;
                }
                // Memory goes on alone.
                Err(Lost(_)) => self.release(Some(lease)),
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
    fn release(&self, lease: Option<Lease>) {
        let Some(lease) = lease else { return };
        let (inner, class, key) = (self.inner.clone(), self.class.clone(), self.key.clone());
        self.inner.tasks.spawn(async move {
            if let Some(remote) = &inner.remote {
                // If this is lost the lease runs out by itself.
                let _ = remote.release(&class.names, &class.name, &key.text, &lease).await;
            }
        });
    }

    /// The older value where a load failed.
    fn stand_in(&self) -> Option<Arc<Entry<V>>> {
        let now = self.inner.time.now();
        let retry_after = self.class.settings.retry_after;
        self.refreshed.iter().for_each(|entry| entry.failed(now, retry_after));
        let entry = self.older.as_ref()?;
        if self.inner.standing(&self.class, entry, now) == Standing::Gone {
            return None;
        }
        entry.failed(now, retry_after);
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
