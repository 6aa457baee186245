//! What Redis must still be told: invalidations that were decided while it was lost.
//!
//! Bounded. When more keys wait than fit, the whole class is invalidated instead: too much is removed, never too little.

use super::versions::Counter;
use std::{
    collections::{HashMap, HashSet},
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
    /// Classes with more keys than fit.
    pub classes: HashSet<Arc<str>>,
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
        if waiting.classes.contains(&class) {
            return;
        }
        if waiting.keys.len() < KEYS_MAX {
            let number = self.next.fetch_add(1, SeqCst);
            waiting.keys.insert((class, key), number);
        } else {
            waiting.keys.retain(|(of, _), _| *of != class);
            waiting.classes.insert(class);
        }
        self.note_length(&waiting);
    }

    /// Whether Redis must still be told to remove this key.
    pub fn holds(&self, class: &Arc<str>, key: &str) -> bool {
        self.len() > 0 && {
            let waiting = self.lock();
            waiting.classes.contains(class) || waiting.keys.contains_key(&(class.clone(), key.into()))
        }
    }

    /// What waits at present. Each is taken off by [`Recovery::done`] once Redis has it, not before: until then what
    /// Redis holds must not be used.
    pub fn waiting(&self) -> Waiting {
        self.lock().clone()
    }

    /// Redis has heard of these. What was decided anew meanwhile stays.
    pub fn done(&self, heard: &Waiting) {
        let mut waiting = self.lock();
        waiting.counters.retain(|name, counter| counter.is_pending() || !heard.counters.contains_key(name));
        waiting.keys.retain(|key, number| heard.keys.get(key) != Some(number));
        waiting.classes.retain(|class| !heard.classes.contains(class));
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
        for n in 0..KEYS_MAX + 5 {
            recovery.remove("prices".into(), n.to_string().into());
        }
        recovery.remove("stock".into(), "1".into());
        let waiting = recovery.waiting();
        assert_eq!((waiting.keys.len(), waiting.classes.len(), recovery.len()), (1, 1, 2));
        assert!(recovery.holds(&"prices".into(), "anything") && recovery.holds(&"stock".into(), "1"));
        recovery.done(&waiting);
        assert!(recovery.len() == 0 && !recovery.holds(&"stock".into(), "1"));
    }
}
