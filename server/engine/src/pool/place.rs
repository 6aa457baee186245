//! The places of a lane: so many connections may be lent out at once, and that number may change while they are.

use super::lock;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places. Callers queue for them, first come, first served.
pub(super) struct Places {
    semaphore: Arc<Semaphore>,
    max: AtomicU32,
    /// Places that are taken and no longer exist: each goes when its holder gives it back.
    debt: AtomicU32,
    resizing: Mutex<()>,
}

/// One place, taken. Given back when dropped.
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(max: u32) -> Arc<Self> {
        Arc::new(Places {
            semaphore: Arc::new(Semaphore::new(max as usize)),
            max: AtomicU32::new(max),
            debt: AtomicU32::new(0),
            resizing: Mutex::new(()),
        })
    }

    pub(super) fn max(&self) -> u32 {
        self.max.load(Relaxed)
    }

    /// Waits for a place; none once the places are closed.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.semaphore).acquire_owned().await.ok()?;
        Some(Place { permit: Some(permit), places: Arc::clone(self) })
    }

    /// A place that is free now and that nobody waits for.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.semaphore).try_acquire_owned().ok()?;
        Some(Place { permit: Some(permit), places: Arc::clone(self) })
    }

    /// So many places from now on. Those lent out beyond that are gone once they are given back.
    pub(super) fn resize(&self, max: u32) {
        let _one_at_a_time = lock(&self.resizing);
        let before = self.max.swap(max, Relaxed);
        if max > before {
            let grow = max - before;
            let owed = self.debt.swap(0, Relaxed);
            self.debt.fetch_add(owed.saturating_sub(grow), Relaxed);
            self.semaphore.add_permits(grow.saturating_sub(owed) as usize);
        } else {
            self.debt.fetch_add(before - max, Relaxed);
        }
        // What is free goes at once. The debt is raised first: whoever gives back meanwhile pays too.
        let due = self.debt.swap(0, Relaxed);
        let paid = self.semaphore.forget_permits(due as usize);
        self.debt.fetch_add(due - u32::try_from(paid).unwrap_or(due), Relaxed);
    }

    pub(super) fn close(&self) {
        self.semaphore.close();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let owes = self.places.debt.fetch_update(Relaxed, Relaxed, |debt| debt.checked_sub(1)).is_ok();
        if let Some(permit) = self.permit.take().filter(|_| owes) {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that are free, taken.
    fn all(places: &Arc<Places>) -> Vec<Place> {
        (0..10).map_while(|_| places.try_take()).collect()
    }

    #[test]
    fn places_come_at_once_and_go_when_they_are_given_back() {
        let places = Places::new(3);
        let held = all(&places);
        assert_eq!(held.len(), 3);
        places.resize(1);
        assert_eq!(places.max(), 1);
        // Two are owed; a growth pays one of them instead of adding a place.
        places.resize(2);
        assert!(places.try_take().is_none());
        drop(held);
        let held = all(&places);
        assert_eq!(held.len(), 2);
        places.resize(5);
        assert_eq!(all(&places).len(), 3);
        drop(held);
        places.resize(1);
        assert_eq!(all(&places).len(), 1);
    }
}
