//! Who holds the connections of a lane, and which of them hold one for too long.

use super::lock;
use std::{
    collections::BTreeMap,
    panic::Location,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// One connection that is lent out.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) call_site: &'static Location<'static>,
    pub(super) since: Instant,
    pub(super) pid: Option<i32>,
    /// The unit of work in which it was taken.
    pub(super) span: Option<&'static str>,
    /// What for, as its taker says.
    pub(super) purpose: Option<Arc<str>>,
    /// It is known to take long and has an end of its own: no leak.
    pub(super) is_long: bool,
    /// Told as a leak.
    pub(super) is_reported: bool,
}

impl Holding {
    /// Whether it is held for longer than `limit`, and not for long work.
    pub(super) fn is_leak(&self, limit: Duration) -> bool {
        !self.is_long && self.since.elapsed() > limit
    }
}

/// The list, oldest first. Bounded by the places of the lane.
#[derive(Default)]
pub(super) struct Holders(Mutex<(u64, BTreeMap<u64, Holding>)>);

impl Holders {
    pub(super) fn add(&self, call_site: &'static Location<'static>, pid: Option<i32>, since: Instant) -> u64 {
        let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
        let holding = Holding { call_site, since, pid, span, purpose: None, is_long: false, is_reported: false };
        let (next, list) = &mut *lock(&self.0);
        let number = *next;
        *next += 1;
        list.insert(number, holding);
        number
    }

    pub(super) fn explain(&self, number: u64, purpose: &str) {
        if let Some(holding) = lock(&self.0).1.get_mut(&number) {
            holding.purpose = Some(purpose.into());
        }
    }

    pub(super) fn expect_long(&self, number: u64) {
        if let Some(holding) = lock(&self.0).1.get_mut(&number) {
            holding.is_long = true;
        }
    }

    pub(super) fn remove(&self, number: u64) -> Option<Holding> {
        lock(&self.0).1.remove(&number)
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(lock(&self.0).1.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn held_longer_than(&self, limit: Duration) -> u32 {
        let leaks = lock(&self.0).1.values().filter(|holding| holding.is_leak(limit)).count();
        u32::try_from(leaks).unwrap_or(u32::MAX)
    }

    /// Those held longer than `limit` that were not told before.
    pub(super) fn take_leaks(&self, limit: Duration) -> Vec<Holding> {
        let mut list = lock(&self.0);
        let new = list.1.values_mut().filter(|holding| !holding.is_reported && holding.is_leak(limit));
        new.map(|holding| {
            holding.is_reported = true;
            holding.clone()
        })
        .collect()
    }

    pub(super) fn list(&self) -> Vec<Holding> {
        lock(&self.0).1.values().cloned().collect()
    }
}
