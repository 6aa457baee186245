//! One console a state store. Two would write every event twice, add up the same minutes, and each take the operations of
//! the other for left behind.

use crate::{
    console::ConsoleError,
    store::{StateStore, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a console is taken to live without another sign: what one that was killed keeps its successor waiting.
const TERM: Duration = Duration::from_secs(10);
/// Between two signs.
const KEEP_EVERY: Duration = Duration::from_secs(3);
/// Between two attempts to take what another console holds.
const RETRY: Duration = Duration::from_millis(250);

/// The right to write into a state store.
pub(crate) struct Lease {
    store: Arc<dyn StateStore>,
    holder: Uuid,
    lost: CancellationToken,
}

impl Lease {
    /// Takes the store. One that was held by a console that was killed comes free within [`TERM`]; so does one whose
    /// console is just stopping.
    pub async fn take(store: Arc<dyn StateStore>) -> Result<Self, ConsoleError> {
        let lease = Lease { store, holder: Uuid::now_v7(), lost: CancellationToken::new() };
        let end = Instant::now() + TERM + KEEP_EVERY;
        let mut waits = false;
        while !lease.hold().await? {
            if Instant::now() >= end {
                return Err(ConsoleError::Held);
            }
            if !waits {
                tracing::warn!("another console holds the state store; waiting for it to end");
                waits = true;
            }
            sleep(RETRY).await;
        }
        Ok(lease)
    }

    async fn hold(&self) -> Result<bool, StoreError> {
        self.store.hold(self.holder, TERM).await
    }

    /// Keeps the store until told to stop. Whoever takes over after that finds it free within [`TERM`], or at once after
    /// [`Lease::release`].
    pub async fn keep(&self, stop: CancellationToken) {
        let mut ticks = interval(KEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.hold().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("another console has taken the state store over");
                    self.lost.cancel();
                    return;
                }
                Err(error) => tracing::debug!(%error, "the state store did not take a sign of life"),
            }
        }
    }

    /// Returns when another console has taken the store over.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives the store free.
    pub async fn release(&self) {
        if let Err(error) = self.store.release(self.holder).await {
            tracing::debug!(%error, "the state store was not given free; its lease runs out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[tokio::test]
    async fn a_second_console_waits_and_takes_over_what_was_given_free() {
        let store = store::open("sqlite::memory:").await.unwrap();
        let first = Lease::take(store.clone()).await.unwrap();
        let second = tokio::spawn(Lease::take(store.clone()));
        assert!(first.hold().await.unwrap(), "the holder keeps it");
        assert!(!store.hold(Uuid::now_v7(), TERM).await.unwrap());
        first.release().await;
        let second = second.await.unwrap().unwrap();
        // The first one comes back from wherever it was.
        first.keep(CancellationToken::new()).await;
        first.lost().await;
        assert!(second.hold().await.unwrap());
    }
}
