//! The keys that were missed lately, in bounded memory.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Misses that are remembered; the oldest gives way.
const KEPT: usize = 1_024;

/// A ring of misses with their times.
#[derive(Debug, Default)]
pub(super) struct Misses(Mutex<VecDeque<(Arc<str>, Instant)>>);

impl Misses {
    /// Remembers a miss. Never waits: where another thread writes just now, this one is let go.
    pub fn note(&self, key: &str) {
        self.note_at(key, Instant::now());
    }

    fn note_at(&self, key: &str, at: Instant) {
        let Ok(mut ring) = self.0.try_lock() else { return };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back((key.into(), at));
    }

    /// Keys missed in the last so long, newest first, each once.
    pub fn recent(&self, within: Duration, limit: usize) -> Vec<Arc<str>> {
        self.recent_at(within, limit, Instant::now())
    }

    fn recent_at(&self, within: Duration, limit: usize, now: Instant) -> Vec<Arc<str>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        let young = ring.iter().rev().take_while(|(_, at)| now.saturating_duration_since(*at) <= within);
        young.filter(|(key, _)| seen.insert(key.clone())).map(|(key, _)| key.clone()).take(limit).collect()
    }

    pub fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_lately_newest_first_and_once() {
        let (misses, start) = (Misses::default(), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        for (minute, key) in [(0, "a"), (10, "b"), (20, "c"), (30, "b")] {
            misses.note_at(key, at(minute));
        }
        let recent = |minutes: u64, limit| -> Vec<String> {
            let keys = misses.recent_at(Duration::from_secs(60 * minutes), limit, at(35));
            keys.iter().map(ToString::to_string).collect()
        };
        assert_eq!(recent(30, 10), ["b", "c"]);
        assert_eq!(recent(60, 10), ["b", "c", "a"]);
        assert_eq!(recent(60, 1), ["b"]);
        (0..2 * KEPT).for_each(|n| misses.note_at(&n.to_string(), at(35)));
        assert_eq!(recent(60, usize::MAX).len(), KEPT);
        misses.reset();
        assert!(recent(60, 10).is_empty());
    }
}
