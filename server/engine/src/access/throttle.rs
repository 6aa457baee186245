//! How often a sign-in may be tried: a token bucket for each name, and one for all.
//!
//! Every attempt takes from both before the password is looked at, so attempts side by side gain nothing; a success
//! gives back. Someone who tries a name on purpose can keep its owner waiting, for a minute at most an attempt.

use headroom_model::Timestamp;
use std::collections::HashMap;

/// Attempts a name has, and how long until one of them comes back.
const NAME: Limit = Limit { attempts: 5, refill_ms: 60_000 };
/// The same for all names together: what guessing across names is slowed to, and what bounds the hashing.
const ALL: Limit = Limit { attempts: 30, refill_ms: 2_000 };
/// Names remembered at most. `ALL` lets fewer than 200 through before the first has its attempts back and is forgotten.
const NAMES: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Limit {
    attempts: i64,
    refill_ms: i64,
}

/// A token bucket, kept as the time it takes to fill up again: whole milliseconds never drift.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    missing_ms: i64,
    at: Timestamp,
}

impl Bucket {
    fn full(now: Timestamp) -> Self {
        Bucket { missing_ms: 0, at: now }
    }

    fn refill(&mut self, now: Timestamp) {
        // A clock that steps back refills nothing.
        let passed = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        self.missing_ms = self.missing_ms.saturating_sub(passed).max(0);
        self.at = now;
    }

    /// Milliseconds until an attempt is there; zero when one is.
    fn wait_ms(&self, limit: Limit) -> i64 {
        (self.missing_ms - (limit.attempts - 1) * limit.refill_ms).max(0)
    }

    fn take(&mut self, limit: Limit) {
        self.missing_ms += limit.refill_ms;
    }

    fn give_back(&mut self, limit: Limit) {
        self.missing_ms = (self.missing_ms - limit.refill_ms).max(0);
    }
}

/// Counts attempts.
#[derive(Debug)]
pub struct Throttle {
    all: Bucket,
    names: HashMap<String, Bucket>,
}

impl Throttle {
    pub fn new(now: Timestamp) -> Self {
        Throttle { all: Bucket::full(now), names: HashMap::new() }
    }

    /// Takes an attempt; `name` is none where the text cannot be a name.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn attempt(&mut self, name: Option<&str>, now: Timestamp) -> Result<(), u64> {
        self.all.refill(now);
        self.names.retain(|_, bucket| {
            bucket.refill(now);
            bucket.missing_ms > 0
        });
        let own = name.map(|name| (name, self.names.get(name).copied()));
        let mut wait_ms = self.all.wait_ms(ALL);
        match own {
            Some((_, Some(bucket))) => wait_ms = wait_ms.max(bucket.wait_ms(NAME)),
            Some((_, None)) if self.names.len() >= NAMES => wait_ms = wait_ms.max(ALL.refill_ms),
            _ => {}
        }
        if wait_ms > 0 {
            return Err(wait_ms.unsigned_abs().div_ceil(1000));
        }
        self.all.take(ALL);
        if let Some((name, bucket)) = own {
            let mut bucket = bucket.unwrap_or(Bucket::full(now));
            bucket.take(NAME);
            self.names.insert(name.to_owned(), bucket);
        }
        Ok(())
    }

    /// A sign-in succeeded: its name has all attempts again, and its own attempt does not count.
    pub fn succeeded(&mut self, name: &str) {
        self.names.remove(name);
        self.all.give_back(ALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_795_089_600_000);

    #[test]
    fn a_name_has_five_attempts_and_gets_one_a_minute() {
        let mut throttle = Throttle::new(START);
        for _ in 0..5 {
            assert_eq!(throttle.attempt(Some("ann"), START), Ok(()));
        }
        assert_eq!(throttle.attempt(Some("ann"), START), Err(60));
        assert_eq!(throttle.attempt(Some("ben"), START), Ok(()), "others are not held up");
        assert_eq!(throttle.attempt(Some("ann"), START.plus_millis(59_000)), Err(1));
        assert_eq!(throttle.attempt(Some("ann"), START.plus_millis(60_000)), Ok(()));
        assert_eq!(throttle.attempt(Some("ann"), START.plus_millis(60_000)), Err(60));
        throttle.succeeded("ann");
        assert_eq!(throttle.attempt(Some("ann"), START.plus_millis(60_000)), Ok(()));
    }

    #[test]
    fn all_names_together_are_limited_too() {
        let mut throttle = Throttle::new(START);
        for i in 0..30 {
            assert_eq!(throttle.attempt(Some(&format!("name-{i}")), START), Ok(()));
        }
        assert_eq!(throttle.attempt(Some("ann"), START), Err(2));
        assert_eq!(throttle.attempt(None, START), Err(2));
        assert_eq!(throttle.attempt(None, START.plus_millis(2_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut throttle = Throttle::new(START);
        for _ in 0..5 {
            throttle.attempt(Some("ann"), START).unwrap();
        }
        assert!(throttle.attempt(Some("ann"), START.plus_millis(-600_000)).is_err());
    }

    #[test]
    fn names_are_forgotten_once_they_have_all_attempts() {
        let mut throttle = Throttle::new(START);
        let mut most = 0;
        for i in 0..5_000_i64 {
            let _ = throttle.attempt(Some(&format!("name-{i}")), START.plus_millis(i * 500));
            most = most.max(throttle.names.len());
        }
        assert!((30..200).contains(&most), "{most}");
    }
}
