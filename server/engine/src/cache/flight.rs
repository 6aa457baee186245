//! Single flight: however many ask for a missing key, one loads it.
//!
//! A flight is a task of its own. Callers wait for it and may go away; it goes on, so that a cancelled request never
//! leaves the others without an answer. Invalidating a key voids its flight: those who wait already get the value, but
//! it is not kept, and whoever asks afterwards starts another.

use super::{
    CacheError, Origin,
    entry::Entry,
    key::{Key, KeyRef},
    versions::Counter,
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tokio::sync::watch;

/// Locks that flights and writes are spread over.
const STRIPES: usize = 256;

/// What a flight has to say.
pub(super) enum Progress<V> {
    /// It works; this older value came to hand meanwhile.
    Working { stale: Option<Arc<Entry<V>>> },
    /// It ended.
    Done(Result<(Arc<Entry<V>>, Origin), CacheError>),
}

/// A load under way.
pub(super) struct Flight<V> {
    pub progress: watch::Receiver<Progress<V>>,
    pub ticket: Arc<Ticket>,
}

impl<V> Clone for Flight<V> {
    fn clone(&self) -> Self {
        Flight { progress: self.progress.clone(), ticket: self.ticket.clone() }
    }
}

/// What a flight must not outlive.
#[derive(Debug)]
pub(super) struct Ticket {
    void: AtomicBool,
    /// Somebody waits; set and read under the lock of the key's stripe.
    awaited: AtomicBool,
    /// Counters of the entry to be, and the invalidations noticed when the flight began.
    seen: Vec<(Arc<Counter>, u64)>,
}

impl Ticket {
    pub fn new(counters: &[Arc<Counter>]) -> Self {
        let seen = counters.iter().map(|counter| (counter.clone(), counter.bumps())).collect();
        Ticket { void: AtomicBool::new(false), awaited: AtomicBool::new(false), seen }
    }

    /// The counters of the entry to be.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.seen.iter().map(|(counter, _)| &**counter)
    }

    pub fn is_awaited(&self) -> bool {
        self.awaited.load(SeqCst)
    }

    /// Whether nothing was invalidated since it began.
    pub fn holds(&self) -> bool {
        !self.void.load(SeqCst) && self.seen.iter().all(|(counter, bumps)| counter.bumps() == *bumps)
    }
}

/// One part of the keys: loads under way, and how often one of its keys was written or invalidated.
pub(super) struct Stripe<V> {
    flights: HashMap<Key, Flight<V>>,
    pub epoch: u64,
}

impl<V> Stripe<V> {
    /// Voids the load of a key: what it brings will not be kept.
    pub fn void(&mut self, key: KeyRef<'_>) {
        self.epoch += 1;
        if let Some(flight) = self.flights.remove(&key.to_key()) {
            flight.ticket.void.store(true, SeqCst);
        }
    }

    /// Joins the load of a key, if one is under way that a caller who comes now may wait for.
    pub fn join(&self, key: &Key) -> Option<Flight<V>> {
        let flight = self.flights.get(key).filter(|flight| flight.ticket.holds()).cloned()?;
        flight.ticket.awaited.store(true, SeqCst);
        Some(flight)
    }

    /// Whether a load of a key is under way that a caller who comes now may wait for.
    pub fn is_loading(&self, key: &Key) -> bool {
        self.flights.get(key).is_some_and(|flight| flight.ticket.holds())
    }

    pub fn begin(&mut self, key: Key, flight: Flight<V>) {
        self.flights.insert(key, flight);
    }

    /// The load ended; another of the same key may have begun since.
    pub fn end(&mut self, key: &Key, ticket: &Arc<Ticket>) {
        if self.flights.get(key).is_some_and(|flight| Arc::ptr_eq(&flight.ticket, ticket)) {
            self.flights.remove(key);
        }
    }
}

/// All loads under way. Bounded by the callers: each waits for one, and refreshes are one a key.
pub(super) struct Flights<V> {
    stripes: Box<[Mutex<Stripe<V>>]>,
    hasher: RandomState,
}

impl<V> Flights<V> {
    pub fn new() -> Self {
        let stripe = || Mutex::new(Stripe { flights: HashMap::new(), epoch: 0 });
        Flights { stripes: (0..STRIPES).map(|_| stripe()).collect(), hasher: RandomState::new() }
    }

    /// The part that a key belongs to. What is decided under its lock (keep or void) is decided once.
    pub fn stripe(&self, key: KeyRef<'_>) -> MutexGuard<'_, Stripe<V>> {
        self.lock(self.place(key))
    }

    /// Which part a key belongs to, for those who have many keys; below [`STRIPES`].
    pub fn place(&self, key: KeyRef<'_>) -> usize {
        self.hasher.hash_one(key) as usize % STRIPES
    }

    /// A part by its place.
    pub fn lock(&self, place: usize) -> MutexGuard<'_, Stripe<V>> {
        self.stripes[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Flight<V> {
    pub fn new(ticket: Arc<Ticket>) -> (watch::Sender<Progress<V>>, Self) {
        let (sender, progress) = watch::channel(Progress::Working { stale: None });
        (sender, Flight { progress, ticket })
    }
}
