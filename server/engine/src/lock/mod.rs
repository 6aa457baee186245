//! Named locks: one holder at a time, over all consoles that share the backing.
//!
//! A lock is a lease. It lasts for its TTL and is renewed at a third of it by a watchdog. When the watchdog cannot renew,
//! it retries until the lease may have run out as this process measures it (TTL, less the time since it was asked for, less
//! 1 % + 2 ms for clocks that run at different speeds; Redlock's validity, redis.io/docs "Distributed locks"), and then
//! cancels [`Lock::lost`]: work under a lock ends where that token does. A lost lock is never made anew.
//!
//! Every taking has a **fence**, a number that only rises. A process that was frozen past its lease does not notice before
//! it runs again; whoever must not be harmed by it compares fences and refuses the lower one (Kleppmann, How to do
//! distributed locking, 2016). Without that a lock saves double work and proves nothing.

mod redis;
mod store;
mod watchdog;

use crate::{
    cache::{Servers, ServersError},
    store::{StateStore, StoreError},
};
use async_trait::async_trait;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Longest words for an owner, in characters.
const OWNER_MAX: usize = 200;

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another holds it.
    #[error("{} holds the lock \"{name}\"", holder.owner)]
    Held {
        /// Which lock.
        name: String,
        /// Who.
        holder: Holder,
    },
    /// The backing does not answer, so nobody knows.
    #[error("the locks do not answer: {0}")]
    Unreachable(String),
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// In words.
    pub owner: String,
    /// The fence of this taking.
    pub fence: u64,
    /// How long it lasts without another sign.
    pub left: Duration,
}

/// A backing does not answer. The words hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Unanswered(error.to_string())
    }
}

/// Where locks are kept. Every step is one statement or script there, by its own clock.
#[async_trait]
trait Backing: Send + Sync + 'static {
    /// Takes what is free; none while another holds it.
    async fn take(&self, name: &str, id: Uuid, owner: &str, ttl: Duration) -> Result<Option<u64>, Unanswered>;
    /// False when it is no longer this taking's.
    async fn renew(&self, name: &str, id: Uuid, ttl: Duration) -> Result<bool, Unanswered>;
    /// False when it was no longer this taking's.
    async fn free(&self, name: &str, id: Uuid) -> Result<bool, Unanswered>;
    /// Who holds it.
    async fn holder(&self, name: &str) -> Result<Option<Holder>, Unanswered>;
}

/// Locks of one backing. Cheap to share.
#[derive(Clone)]
pub struct Locks {
    backing: Arc<dyn Backing>,
    kind: &'static str,
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Locks {
    /// Locks in Redis, below `space`: shared by all consoles that use this Redis. Nothing connects before it is asked to.
    /// An instance of Redis that is lost takes its locks with it, so they save double work; fences still rise, because
    /// they begin with the time.
    ///
    /// # Errors
    /// The address cannot be read.
    pub fn in_redis(servers: &Servers, space: &str) -> Result<Self, ServersError> {
        Ok(Locks { backing: Arc::new(redis::RedisLocks::new(servers, space)?), kind: "redis" })
    }

    /// Locks as rows of the state store.
    #[must_use]
    pub fn in_store(store: Arc<dyn StateStore>) -> Self {
        Locks { backing: Arc::new(store::StoreLocks(store)), kind: "store" }
    }

    /// Takes a lock that is free, for `ttl` at a time. `owner` tells people who holds it.
    ///
    /// Cancel-safe: a taking that nobody waits for any longer runs out by itself after `ttl`.
    ///
    /// # Errors
    /// Another holds it, or the backing does not answer.
    pub async fn take(&self, name: &str, owner: &str, ttl: Duration) -> Result<Lock, LockError> {
        let owner: String = owner.chars().filter(|c| !c.is_control()).take(OWNER_MAX).collect();
        let (id, asked_at) = (Uuid::now_v7(), Instant::now());
        let taken = match self.backing.take(name, id, &owner, ttl).await {
            Ok(taken) => taken,
            Err(Unanswered(reason)) => {
                // It may have been granted all the same: then it is given back, or runs out.
                let _ = tokio::time::timeout(ttl, self.backing.free(name, id)).await;
                return Err(LockError::Unreachable(reason));
            }
        };
        let Some(fence) = taken else {
            let holder = self.holder(name).await?;
            // Between the two questions it may have come free; the caller decides whether to ask again.
            let holder = holder.unwrap_or(Holder { owner: "Another".into(), fence: 0, left: Duration::ZERO });
            return Err(LockError::Held { name: name.to_owned(), holder });
        };
        Ok(Lock::watched(self.backing.clone(), name.to_owned(), id, fence, asked_at, ttl))
    }

    /// Who holds a lock; none while it is free.
    ///
    /// # Errors
    /// The backing does not answer.
    pub async fn holder(&self, name: &str) -> Result<Option<Holder>, LockError> {
        self.backing.holder(name).await.map_err(|Unanswered(reason)| LockError::Unreachable(reason))
    }
}

/// A lock that is held. Dropping it gives it free in the background, [`Lock::release`] waits for that.
#[derive(Debug)]
pub struct Lock {
    name: String,
    fence: u64,
    lost: CancellationToken,
    /// Tells the watchdog to give the lock free and end.
    done: CancellationToken,
    /// The one task of this lock.
    watchdog: TaskTracker,
    freed: Arc<AtomicBool>,
}

impl Lock {
    fn watched(
        backing: Arc<dyn Backing>,
        name: String,
        id: Uuid,
        fence: u64,
        asked_at: Instant,
        ttl: Duration,
    ) -> Self {
        let (lost, done) = (CancellationToken::new(), CancellationToken::new());
        let watchdog = watchdog::Watchdog {
            backing,
            name: name.clone(),
            id,
            ttl,
            lost: lost.clone().drop_guard(),
            done: done.clone(),
        };
        let (tasks, freed) = (TaskTracker::new(), Arc::new(AtomicBool::new(false)));
        let told = freed.clone();
        tasks.spawn(async move { told.store(watchdog.run(asked_at).await, Relaxed) });
        tasks.close();
        Lock { name, fence, lost, done, watchdog: tasks, freed }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fence of this taking.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Cancelled when the lock may be another's by now. Work under it ends soon after.
    #[must_use]
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives it free. False when it was lost before, or the backing does not answer; then it runs out by itself.
    ///
    /// Cancel-safe: it is given free whether or not anyone waits.
    pub async fn release(&self) -> bool {
        self.done.cancel();
        self.watchdog.wait().await;
        self.freed.load(Relaxed)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.done.cancel();
    }
}
