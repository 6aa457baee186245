//! Keeps callers from waiting for a Redis that is known not to answer.
//!
//! A few failures in a row open it; then nobody asks until a pause is over, and one caller tries. The pause is drawn
//! from zero up to a bound that doubles (full jitter), so that instances do not come back all at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Failures in a row that open it.
const FAILURES: u32 = 3;
const PAUSE_FROM: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A probe that has not reported back after this is taken for lost.
const PROBE_LOST: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(in super::super) struct Breaker {
    /// Read at every call, like `failures`; the rest only once something failed.
    is_open: AtomicBool,
    failures: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pause: Duration,
    retry_at: Option<Instant>,
    /// Somebody tries at present.
    is_probing: bool,
    opened: u64,
}

impl Breaker {
    /// Whether this caller may ask. While open, true once for every pause that is over.
    pub fn allows(&self) -> bool {
        if !self.is_open.load(Relaxed) {
            return true;
        }
        let mut state = self.lock();
        let now = Instant::now();
        if state.retry_at.is_none_or(|at| now >= at) {
            state.retry_at = Some(now + PROBE_LOST);
            state.is_probing = true;
            return true;
        }
        false
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// How often it opened.
    pub fn opened(&self) -> u64 {
        self.lock().opened
    }

    /// Answers whether something had failed before.
    pub fn succeeded(&self) -> bool {
        let failed = self.is_open.load(Relaxed) || self.failures.load(Relaxed) > 0;
        if failed {
            let mut state = self.lock();
            self.failures.store(0, Relaxed);
            state.pause = Duration::ZERO;
            state.retry_at = None;
            state.is_probing = false;
            self.is_open.store(false, Relaxed);
        }
        failed
    }

    pub fn failed(&self) {
        let mut state = self.lock();
        if self.failures.fetch_add(1, Relaxed) + 1 < FAILURES {
            return;
        }
        // Many ask at once and fail at once: only the first opens it, and afterwards only a probe brings news.
        if self.is_open() && !state.is_probing {
            return;
        }
        state.is_probing = false;
        state.pause = (state.pause * 2).clamp(PAUSE_FROM, PAUSE_MAX);
        state.retry_at = Some(Instant::now() + state.pause.mul_f64(rand::random()));
        if !self.is_open.swap(true, Relaxed) {
            state.opened += 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed();
            breaker.failed();
            assert!(breaker.succeeded());
        }
        assert!(!breaker.succeeded());
        assert!(breaker.allows() && !breaker.is_open());
        (0..3).for_each(|_| breaker.failed());
        assert!(breaker.is_open());
        breaker.lock().retry_at = Some(Instant::now());
        assert_eq!((0..5).filter(|_| breaker.allows()).count(), 1, "one probe");
        breaker.succeeded();
        assert!(breaker.allows() && !breaker.is_open());
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn many_that_fail_at_once_are_one_failure() {
        let breaker = Breaker::default();
        (0..100).for_each(|_| breaker.failed());
        assert_eq!(breaker.lock().pause, PAUSE_FROM);
        breaker.lock().retry_at = Some(Instant::now());
        assert!(breaker.allows());
        (0..100).for_each(|_| breaker.failed());
        assert_eq!(breaker.lock().pause, 2 * PAUSE_FROM, "one probe, one step");
    }
}
