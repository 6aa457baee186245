//! What Redis must still be told: invalidations that were decided while it was lost.
//!
//! Bounded. When more keys wait than fit, the whole class is invalidated instead: too much is removed, never too little.

use super::versions::Counter;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

/// Keys that wait, all classes together.
const KEYS_MAX: usize = 10_000;

/// What waits for Redis.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    waiting: Mutex<Waiting>,
    /// Read where it is usually zero, without the lock.
    length: AtomicUsize,
    next: AtomicU64,
}

/// Invalidations, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    pub counters: HashMap<Arc<str>, Arc<Counter>>,
    /// By class and key; the number tells a later removal of the same key apart.
    pub keys: HashMap<(Arc<str>, Arc<str>), u64>,
    /// Classes with more keys than fit, numbered like keys.
    pub classes: HashMap<Arc<str>, u64>,
}

/// What Redis has heard of. With the number that it had when Redis was told: what was decided anew meanwhile stays.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    Counter(&'a Arc<str>),
    Class(&'a Arc<str>, u64),
    Key(&'a Arc<str>, &'a Arc<str>, u64),
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.counters.len() + self.keys.len() + self.classes.len()
    }
}

impl Recovery {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_length(&self, waiting: &Waiting) {
        self.length.store(waiting.len(), SeqCst);
    }

    pub fn bump(&self, counter: Arc<Counter>) {
        let mut waiting = self.lock();
        waiting.counters.insert(counter.name.clone(), counter);
        self.note_length(&waiting);
    }

    pub fn remove(&self, class: Arc<str>, key: Arc<str>) {
        let mut waiting = self.lock();
        let number = self.next.fetch_add(1, SeqCst);
        if let Some(of_class) = waiting.classes.get_mut(&class) {
            *of_class = number;
        } else if waiting.keys.len() < KEYS_MAX {
            waiting.keys.insert((class, key), number);
        } else {
            waiting.keys.retain(|(of, _), _| *of != class);
            waiting.classes.insert(class, number);
        }
        self.note_length(&waiting);
    }

    #[cfg(test)]
    pub fn overflow(&self, class: Arc<str>) {
        (0..=KEYS_MAX).for_each(|n| self.remove(class.clone(), n.to_string().into()));
    }

    /// Whether Redis must still be told to remove this key.
    pub fn holds(&self, class: &Arc<str>, key: &str) -> bool {
        self.len() > 0 && {
            let waiting = self.lock();
            waiting.classes.contains_key(class) || waiting.keys.contains_key(&(class.clone(), key.into()))
        }
    }

    /// What waits at present. Each is taken off by [`Recovery::done`] once Redis has it, not before: until then what
    /// Redis holds must not be used.
    pub fn waiting(&self) -> Waiting {
        self.lock().clone()
    }

    /// Redis has heard of it.
    pub fn done(&self, heard: Heard<'_>) {
        let mut waiting = self.lock();
        match heard {
            Heard::Counter(name) => {
                if waiting.counters.get(name).is_some_and(|counter| !counter.is_pending()) {
                    waiting.counters.remove(name);
                }
            }
            Heard::Class(name, number) => {
                if waiting.classes.get(name) == Some(&number) {
                    waiting.classes.remove(name);
                }
            }
            Heard::Key(class, key, number) => {
                let key = (class.clone(), key.clone());
                if waiting.keys.get(&key) == Some(&number) {
                    waiting.keys.remove(&key);
                }
            }
        }
        self.note_length(&waiting);
    }

    pub fn len(&self) -> usize {
        self.length.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_keys_than_fit_become_their_class() {
        let recovery = Recovery::default();
        recovery.overflow("prices".into());
        recovery.remove("stock".into(), "1".into());
        let waiting = recovery.waiting();
        assert_eq!((waiting.keys.len(), waiting.classes.len(), recovery.len()), (1, 1, 2));
        assert!(recovery.holds(&"prices".into(), "anything") && recovery.holds(&"stock".into(), "1"));
        // A key of a class that waits as a whole: Redis was told before it was decided.
        recovery.remove("prices".into(), "late".into());
        waiting.classes.iter().for_each(|(name, number)| recovery.done(Heard::Class(name, *number)));
        assert!(recovery.holds(&"prices".into(), "late"));
        let waiting = recovery.waiting();
        waiting.classes.iter().for_each(|(name, number)| recovery.done(Heard::Class(name, *number)));
        waiting.keys.iter().for_each(|((class, key), number)| recovery.done(Heard::Key(class, key, *number)));
        assert!(recovery.len() == 0 && !recovery.holds(&"stock".into(), "1"));
    }
}
