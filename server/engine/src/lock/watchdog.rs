//! Keeps one lock until it is given free or lost.

use super::Backing;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Attempts that fit into what is left of a lease, at least.
const ATTEMPTS: u32 = 10;
/// How long giving a lock free may take.
const FREE: Duration = Duration::from_secs(2);

pub(super) struct Watchdog {
    pub backing: Arc<dyn Backing>,
    pub name: String,
    pub id: Uuid,
    pub ttl: Duration,
    /// Also when the runtime drops the task, begun or not: work under the lock must not outlive who keeps it.
    pub lost: DropGuard,
    pub done: CancellationToken,
}

/// Until when a lease that was asked for at a moment holds for certain.
fn valid_until(asked_at: Instant, ttl: Duration) -> Instant {
    let drift = ttl / 100 + Duration::from_millis(2);
    asked_at + ttl.saturating_sub(drift)
}

impl Watchdog {
    /// Runs until the lock is given free (answers whether that worked) or lost.
    pub async fn run(self, asked_at: Instant) -> bool {
        let kept = self.done.clone().run_until_cancelled(self.keep(asked_at)).await;
        if kept.is_some() {
            return false;
        }
        let Watchdog { backing, name, id, lost, .. } = self;
        lost.disarm();
        matches!(timeout(FREE, backing.free(&name, id)).await, Ok(Ok(true)))
    }

    /// Returns when the lock is lost.
    async fn keep(&self, asked_at: Instant) {
        let mut valid = valid_until(asked_at, self.ttl);
        let mut next = asked_at + self.ttl / 3;
        loop {
            sleep_until(next.min(valid)).await;
            let asked = Instant::now();
            if asked >= valid {
                tracing::warn!(lock = self.name, "a lock could not be renewed in time");
                return;
            }
            match timeout_at(valid, self.backing.renew(&self.name, self.id, self.ttl)).await {
                Ok(Ok(true)) => {
                    valid = valid_until(asked, self.ttl);
                    next = asked + self.ttl / 3;
                }
                Ok(Ok(false)) => {
                    tracing::warn!(lock = self.name, "a lock is another's now");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::debug!(lock = self.name, %error, "a lock was not renewed");
                    next = Instant::now() + self.ttl / (3 * ATTEMPTS);
                }
                Err(_) => {}
            }
        }
    }
}
