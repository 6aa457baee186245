//! How often a sign-in may be tried: a token bucket for each name, one for each address, and one for all.
//!
//! Every attempt takes from all three before the password is looked at, so attempts side by side gain nothing; a success
//! gives back. One address alone cannot use up what all have together. Whoever signed in from an address lately has a few
//! attempts of its own there, so that neither guessing at its name nor guessing at any keeps it out. Someone else who is
//! guessed at on purpose waits, for a minute at most an attempt.

use headroom_model::Timestamp;
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
};

/// Attempts a name has, and how long until one of them comes back.
const NAME: Limit = Limit { attempts: 5, refill_ms: 60_000 };
/// The same for an address. Everyone behind a proxy has one address.
const PEER: Limit = Limit { attempts: 15, refill_ms: 6_000 };
/// The same for all together: what guessing across names is slowed to, and what bounds the hashing.
const ALL: Limit = Limit { attempts: 30, refill_ms: 2_000 };
/// The same for a name at an address from which it signed in lately, when the others are used up.
const REGULAR: Limit = Limit { attempts: 3, refill_ms: 60_000 };
/// Names and addresses remembered at most, each. `ALL` lets fewer than 200 through before the first has its attempts back
/// and is forgotten.
const REMEMBERED: usize = 1024;
/// Who signed in lately, at most; the one whose sign-in is the longest ago gives way.
const REGULARS: usize = 256;
/// Between two mentions of attempts that were held up.
const TELL_MS: u128 = 60_000;

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

/// Buckets that are not full, by whom they belong to.
#[derive(Debug)]
struct Buckets<K> {
    limit: Limit,
    taken: HashMap<K, Bucket>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(limit: Limit) -> Self {
        Buckets { limit, taken: HashMap::new() }
    }

    fn refill(&mut self, now: Timestamp) {
        self.taken.retain(|_, bucket| {
            bucket.refill(now);
            bucket.missing_ms > 0
        });
    }

    fn wait_ms(&self, key: &K) -> i64 {
        match self.taken.get(key) {
            Some(bucket) => bucket.wait_ms(self.limit),
            None if self.taken.len() >= REMEMBERED => ALL.refill_ms,
            None => 0,
        }
    }

    fn take(&mut self, key: K, now: Timestamp) {
        self.taken.entry(key).or_insert(Bucket::full(now)).take(self.limit);
    }
}

/// A name at an address.
type Regular = (String, Option<IpAddr>);

/// Counts attempts.
#[derive(Debug)]
pub struct Throttle {
    all: Bucket,
    names: Buckets<String>,
    peers: Buckets<IpAddr>,
    /// The latest sign-in last.
    regulars: Vec<(Regular, Bucket)>,
    held_up: u64,
    told_at: Option<Timestamp>,
}

impl Throttle {
    pub fn new(now: Timestamp) -> Self {
        Throttle {
            all: Bucket::full(now),
            names: Buckets::new(NAME),
            peers: Buckets::new(PEER),
            regulars: Vec::new(),
            held_up: 0,
            told_at: None,
        }
    }

    /// Takes an attempt; `name` is none where the text cannot be a name, `peer` where the address is not known.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn attempt(&mut self, name: Option<&str>, peer: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        self.all.refill(now);
        self.names.refill(now);
        self.peers.refill(now);
        let (name, peer) = (name.map(str::to_owned), peer.map(network));
        let waits = [
            self.all.wait_ms(ALL),
            name.as_ref().map_or(0, |name| self.names.wait_ms(name)),
            peer.as_ref().map_or(0, |peer| self.peers.wait_ms(peer)),
        ];
        let wait_ms = waits.into_iter().max().unwrap_or(0);
        if wait_ms > 0 {
            let wait_ms = name.map_or(wait_ms, |name| wait_ms.min(self.attempt_as_regular(&(name, peer), now)));
            if wait_ms == 0 {
                return Ok(());
            }
            self.held_up += 1;
            return Err(wait_ms.unsigned_abs().div_ceil(1000));
        }
        self.all.take(ALL);
        if let Some(name) = name {
            self.names.take(name, now);
        }
        if let Some(peer) = peer {
            self.peers.take(peer, now);
        }
        Ok(())
    }

    /// Takes an attempt of someone who signed in from here lately; answers the milliseconds to wait.
    fn attempt_as_regular(&mut self, who: &Regular, now: Timestamp) -> i64 {
        let Some((_, bucket)) = self.regulars.iter_mut().find(|(regular, _)| regular == who) else { return i64::MAX };
        bucket.refill(now);
        let wait_ms = bucket.wait_ms(REGULAR);
        if wait_ms == 0 {
            bucket.take(REGULAR);
        }
        wait_ms
    }

    /// A sign-in succeeded: its name has all attempts again, its own attempt does not count, and it is known here.
    pub fn succeeded(&mut self, name: &str, peer: Option<IpAddr>, now: Timestamp) {
        let peer = peer.map(network);
        self.names.taken.remove(name);
        self.all.give_back(ALL);
        if let Some(bucket) = peer.and_then(|peer| self.peers.taken.get_mut(&peer)) {
            bucket.give_back(PEER);
        }
        let who = (name.to_owned(), peer);
        self.regulars.retain(|(regular, _)| *regular != who);
        if self.regulars.len() >= REGULARS {
            self.regulars.remove(0);
        }
        self.regulars.push((who, Bucket::full(now)));
    }

    /// How many attempts were held up since this was last told, at most once a minute.
    pub fn tell(&mut self, now: Timestamp) -> Option<u64> {
        if self.told_at.is_some_and(|at| now.since(at).as_millis() < TELL_MS) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.held_up))
    }
}

/// What one visitor can choose from: a single IPv4 address, or an IPv6 network of 64 bits.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        single => single,
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
            assert_eq!(throttle.attempt(Some("ann"), None, START), Ok(()));
        }
        assert_eq!(throttle.attempt(Some("ann"), None, START), Err(60));
        assert_eq!(throttle.attempt(Some("ben"), None, START), Ok(()), "others are not held up");
        assert_eq!(throttle.attempt(Some("ann"), None, START.plus_millis(59_000)), Err(1));
        assert_eq!(throttle.attempt(Some("ann"), None, START.plus_millis(60_000)), Ok(()));
        assert_eq!(throttle.attempt(Some("ann"), None, START.plus_millis(60_000)), Err(60));
        throttle.succeeded("ann", None, START.plus_millis(60_000));
        assert_eq!(throttle.attempt(Some("ann"), None, START.plus_millis(60_000)), Ok(()));
    }

    #[test]
    fn all_names_together_are_limited_too() {
        let mut throttle = Throttle::new(START);
        for i in 0..30 {
            assert_eq!(throttle.attempt(Some(&format!("name-{i}")), None, START), Ok(()));
        }
        assert_eq!(throttle.attempt(Some("ann"), None, START), Err(2));
        assert_eq!(throttle.attempt(None, None, START), Err(2));
        assert_eq!(throttle.attempt(None, None, START.plus_millis(2_000)), Ok(()));
    }

    #[test]
    fn one_address_holds_nobody_else_up() {
        let mut throttle = Throttle::new(START);
        let (here, there) = ("203.0.113.9".parse().unwrap(), "198.51.100.7".parse().unwrap());
        let held_up = (0..1000).filter(|i| throttle.attempt(Some(&format!("name-{i}")), Some(here), START).is_err());
        assert_eq!(held_up.count(), 1000 - 15);
        assert_eq!(throttle.attempt(Some("ann"), Some(there), START), Ok(()));
        assert_eq!(throttle.attempt(Some("ann"), Some(here), START), Err(6));
        assert_eq!((throttle.tell(START), throttle.tell(START)), (Some(1000 - 15 + 1), None));
    }

    #[test]
    fn who_signed_in_lately_is_let_in_where_it_did() {
        let mut throttle = Throttle::new(START);
        let home = "2001:db8:1:2::1".parse().unwrap();
        throttle.attempt(Some("ann"), Some(home), START).unwrap();
        throttle.succeeded("ann", Some(home), START);
        while throttle.attempt(Some("ann"), Some("203.0.113.9".parse().unwrap()), START).is_ok() {}
        let mut other = 0_u32;
        while throttle.attempt(Some("ben"), None, START).is_ok()
            || throttle.attempt(Some(&format!("name-{other}")), None, START).is_ok()
        {
            other += 1;
        }
        let neighbour = Some("2001:db8:1:2::99".parse().unwrap());
        let let_in = (0..10).filter(|_| throttle.attempt(Some("ann"), neighbour, START).is_ok());
        assert_eq!(let_in.count(), 3);
        assert!(throttle.attempt(Some("ben"), neighbour, START).is_err(), "a name that did not sign in there");
        let elsewhere = Some("2001:db8:1:3::1".parse().unwrap());
        assert!(throttle.attempt(Some("ann"), elsewhere, START).is_err());
    }

    #[test]
    fn who_signed_in_lately_is_remembered_within_bounds() {
        let mut throttle = Throttle::new(START);
        for i in 0..2 * REGULARS {
            throttle.succeeded(&format!("name-{i}"), None, START);
        }
        assert_eq!(throttle.regulars.len(), REGULARS);
        assert_eq!(throttle.regulars[0].0.0, format!("name-{REGULARS}"));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut throttle = Throttle::new(START);
        for _ in 0..5 {
            throttle.attempt(Some("ann"), None, START).unwrap();
        }
        assert!(throttle.attempt(Some("ann"), None, START.plus_millis(-600_000)).is_err());
    }

    #[test]
    fn names_are_forgotten_once_they_have_all_attempts() {
        let mut throttle = Throttle::new(START);
        let mut most = 0;
        for i in 0..5_000_i64 {
            let _ = throttle.attempt(Some(&format!("name-{i}")), None, START.plus_millis(i * 500));
            most = most.max(throttle.names.taken.len());
        }
        assert!((30..200).contains(&most), "{most}");
    }
}
