//! The most used keys, in bounded memory.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams,
//! ICDT 2005): `capacity` keys are counted; a new key takes the place of the least counted one and inherits its count as
//! its error. Every key with more than total/capacity accesses is in the list. Accesses are sampled so that counting
//! stays cheap on a busy cache; a sampled access counts for as many as it stands for.

use super::misses::Misses;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// Samples a second that counting should cost at most; the sampling follows the traffic.
const SAMPLES_PER_SECOND: u64 = 2_000;
/// One access in at most this many is sampled.
const EVERY_MAX: u32 = 1 << 12;

/// A key and how often it was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub key: Arc<str>,
    pub count: u64,
    /// The count may be too high by this much.
    pub error: u64,
    /// Hits among them.
    pub hits: u64,
}

/// The most used keys of a class.
#[derive(Debug)]
pub(super) struct TopKeys {
    capacity: usize,
    counted: Mutex<HashMap<Arc<str>, Counted>>,
    /// Accesses since the last look at the traffic.
    accesses: AtomicU64,
    /// One in this many is sampled.
    every: AtomicU32,
    /// Every miss of the last while; a miss costs a load, so none is sampled away.
    pub misses: Misses,
}

impl TopKeys {
    pub fn new(capacity: usize) -> Self {
        let counted = Mutex::new(HashMap::with_capacity(capacity));
        TopKeys {
            capacity: capacity.max(1),
            counted,
            accesses: AtomicU64::new(0),
            every: AtomicU32::new(1),
            misses: Misses::default(),
        }
    }

    /// Counts an access. Never waits: where another thread counts just now, this access is let go. Answers how many
    /// accesses this one stands for, 0 where it was not sampled.
    pub fn touch(&self, key: &str, hit: bool) -> u64 {
        if !hit {
            self.misses.note(key);
        }
        let nth = self.accesses.fetch_add(1, Relaxed);
        let every = self.every.load(Relaxed);
        // The place in the sequence is no property of a key, so this samples without favour; powers of two divide fast.
        if nth & u64::from(every - 1) != 0 {
            return 0;
        }
        if let Ok(mut counted) = self.counted.try_lock() {
            count(&mut counted, self.capacity, key, u64::from(every), hit);
        }
        u64::from(every)
    }

    /// Adapts the sampling to the traffic; called about once a second.
    pub fn adapt(&self, seconds: f64) {
        let per_second = self.accesses.swap(0, Relaxed) as f64 / seconds.max(0.001);
        let wanted = (per_second / SAMPLES_PER_SECOND as f64).ceil().max(1.0) as u32;
        self.every.store(wanted.next_power_of_two().min(EVERY_MAX), Relaxed);
    }

    /// The most used keys, most used first.
    pub fn top(&self, limit: usize) -> Vec<Counted> {
        let mut keys: Vec<Counted> =
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        keys.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        keys.truncate(limit);
        keys
    }

    /// One access in so many is counted at present.
    pub fn sampled_every(&self) -> u32 {
        self.every.load(Relaxed)
    }

    pub fn reset(&self) {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.misses.reset();
    }
}

fn count(counted: &mut HashMap<Arc<str>, Counted>, capacity: usize, key: &str, by: u64, hit: bool) {
    let hits = if hit { by } else { 0 };
    if let Some(known) = counted.get_mut(key) {
        known.count += by;
        known.hits += hits;
        return;
    }
    let error = if counted.len() < capacity {
        0
    } else {
        // A pass over a few hundred keys, for a sampled access of a key that is not hot.
        let Some(least) = counted.values().min_by_key(|counted| counted.count).cloned() else { return };
        counted.remove(&least.key);
        least.count
    };
    let key: Arc<str> = key.into();
    counted.insert(key.clone(), Counted { key, count: error + by, error, hits });
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn finds_the_heavy_keys_of_a_skewed_stream() {
        let keys = TopKeys::new(64);
        let mut random = StdRng::seed_from_u64(1);
        let mut truth = HashMap::<u32, u64>::new();
        for _ in 0..200_000 {
            // Zipf-like: key k with a share of about 1/k².
            let key = (1.0 / random.random::<f64>().max(1e-6)) as u32;
            *truth.entry(key).or_default() += 1;
            keys.touch(&key.to_string(), true);
        }
        let top = keys.top(5);
        let names: Vec<_> = top.iter().map(|counted| counted.key.to_string()).collect();
        assert_eq!(names, ["1", "2", "3", "4", "5"]);
        for counted in &top {
            let real = truth[&counted.key.parse().unwrap()];
            assert!(counted.count >= real && counted.count - counted.error <= real, "{counted:?} {real}");
        }
        assert!(keys.top(usize::MAX).len() <= 64);
    }

    #[test]
    fn sampling_follows_the_traffic_and_keeps_the_scale() {
        let keys = TopKeys::new(8);
        (0..100_000).for_each(|_| _ = keys.touch("hot", true));
        keys.adapt(1.0);
        assert_eq!(keys.sampled_every(), 64);
        keys.reset();
        (0..64_000).for_each(|_| _ = keys.touch("hot", false));
        assert_eq!(keys.top(1)[0].count, 64_000);
        keys.adapt(60.0);
        assert_eq!(keys.sampled_every(), 1);
    }
}
