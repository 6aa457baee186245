//! One lane: a queue of callers, a stack of idle sessions, a list of holders.

use super::{Holder, Lane, LaneSnapshot, Lease, PoolError, PoolProfile, Waits, lock, session::Session};
use headroom_model::Timestamp;
use sqlx::postgres::PgConnectOptions;
use std::{
    collections::BTreeMap,
    panic::Location,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A session that was idle for less is lent without asking whether it still answers (as HikariCP does).
const TRUSTED_FOR: Duration = Duration::from_millis(500);

/// How long closing a lane waits for connections that are still lent out.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// In which state a lease ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    /// Nobody sent anything.
    Untouched,
    /// Statements ran; a transaction may be open.
    Used,
    /// Not worth keeping.
    Broken,
}

pub(super) struct LanePool {
    lane: Lane,
    options: PgConnectOptions,
    max: u32,
    profile: PoolProfile,
    permits: Arc<Semaphore>,
    /// Last in, first out: what is warm stays warm, what is surplus grows old. Bounded by the permits.
    idle: Mutex<Vec<Session>>,
    holders: Mutex<BTreeMap<u64, (&'static Location<'static>, Instant)>>,
    next_holder: AtomicU64,
    waiting: AtomicU32,
    acquired: AtomicU64,
    timeouts: AtomicU64,
    waits: Arc<Waits>,
    reaping: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Counts a caller while it queues, also when it gives up.
struct Waiter<'a>(&'a AtomicU32);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Relaxed);
        Waiter(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl LanePool {
    pub(super) fn new(lane: Lane, options: PgConnectOptions, profile: &PoolProfile, waits: Arc<Waits>) -> Arc<Self> {
        let max = profile.max(lane).max(1);
        Arc::new(LanePool {
            lane,
            options,
            max,
            profile: *profile,
            permits: Arc::new(Semaphore::new(max as usize)),
            idle: Mutex::new(Vec::new()),
            holders: Mutex::new(BTreeMap::new()),
            next_holder: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            acquired: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            waits,
            reaping: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    pub(super) async fn acquire(self: &Arc<Self>, call_site: &'static Location<'static>) -> Result<Lease, PoolError> {
        let started = Instant::now();
        let outcome = timeout(self.profile.acquire_timeout, self.checkout()).await;
        let waited = started.elapsed();
        self.waits.record(waited);
        match outcome {
            Ok(Ok((session, permit))) => {
                self.acquired.fetch_add(1, Relaxed);
                let holder = self.next_holder.fetch_add(1, Relaxed);
                lock(&self.holders).insert(holder, (call_site, Instant::now()));
                Ok(Lease::new(Arc::clone(self), session, permit, holder, Handle::current()))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.timeouts.fetch_add(1, Relaxed);
                Err(PoolError::Timeout { lane: self.lane.name(), waited, in_use: self.in_use(), max: self.max })
            }
        }
    }

    /// A place and a session in it. Whatever was taken is given up when the caller stops waiting.
    async fn checkout(self: &Arc<Self>) -> Result<(Session, OwnedSemaphorePermit), PoolError> {
        let permit = {
            let _waiter = Waiter::new(&self.waiting);
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| PoolError::Closed)?
        };
        loop {
            let Some(mut session) = lock(&self.idle).pop() else { break };
            let now = Instant::now();
            if self.expired(&session, now) {
                self.tasks.spawn(session.close());
            } else if (session.trusted && now.duration_since(session.idle_since) < TRUSTED_FOR)
                || session.answers(self.profile.acquire_timeout / 2).await
            {
                session.trusted = true;
                return Ok((session, permit));
            }
            self.distrust_idle();
        }
        let session =
            Session::open(&self.options, self.lane, self.profile.max_lifetime).await.map_err(PoolError::Connect)?;
        self.start_reaper();
        Ok((session, permit))
    }

    fn expired(&self, session: &Session, now: Instant) -> bool {
        now >= session.replace_at || now.duration_since(session.idle_since) >= self.profile.idle_timeout
    }

    /// The lease is over: its holder is off the list.
    pub(super) fn let_go(&self, holder: u64) {
        lock(&self.holders).remove(&holder);
    }

    /// Takes a session back. Its place stays taken until the session is known to be clean.
    pub(super) fn take_back(
        self: &Arc<Self>,
        mut session: Session,
        permit: OwnedSemaphorePermit,
        state: Returned,
        runtime: &Handle,
    ) {
        session.idle_since = Instant::now();
        if state == Returned::Broken {
            self.distrust_idle();
        }
        if state == Returned::Untouched && !self.stop.is_cancelled() {
            self.shelve(session, runtime);
            return;
        }
        let lane = Arc::clone(self);
        self.tasks.spawn_on(
            async move {
                let keep = state == Returned::Used && Instant::now() < session.replace_at && session.tidy().await;
                if keep {
                    session.idle_since = Instant::now();
                    lane.shelve(session, &Handle::current());
                } else {
                    lane.distrust_idle();
                    session.close().await;
                }
                drop(permit);
            },
            runtime,
        );
    }

    /// One session broke: perhaps the server went away, so the others are asked before they are lent.
    fn distrust_idle(&self) {
        for session in lock(&self.idle).iter_mut() {
            session.trusted = false;
        }
    }

    fn shelve(&self, session: Session, runtime: &Handle) {
        let mut idle = lock(&self.idle);
        // Asked under the lock: `refuse` empties the shelf after it has raised the flag.
        if self.stop.is_cancelled() {
            drop(idle);
            self.tasks.spawn_on(session.close(), runtime);
        } else {
            idle.push(session);
        }
    }

    /// Closes idle sessions that are too old, without anyone asking. One task a lane, from its first session on; it ends
    /// with the lane.
    fn start_reaper(self: &Arc<Self>) {
        if self.reaping.swap(true, Relaxed) {
            return;
        }
        let every = (self.profile.idle_timeout / 4).clamp(Duration::from_millis(50), Duration::from_secs(30));
        let (lane, stop) = (Arc::downgrade(self), self.stop.clone());
        self.tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
                let Some(old) = Weak::upgrade(&lane).map(|lane| lane.take_expired()) else { break };
                for session in old {
                    session.close().await;
                }
            }
        });
    }

    fn take_expired(&self) -> Vec<Session> {
        let now = Instant::now();
        lock(&self.idle).extract_if(.., |session| self.expired(session, now)).collect()
    }

    fn in_use(&self) -> u32 {
        u32::try_from(lock(&self.holders).len()).unwrap_or(u32::MAX)
    }

    pub(super) fn snapshot(&self) -> LaneSnapshot {
        let leaks = lock(&self.holders).values().filter(|(_, since)| since.elapsed() > self.profile.leak_after).count();
        LaneSnapshot {
            lane: self.lane,
            in_use: self.in_use(),
            idle: u32::try_from(lock(&self.idle).len()).unwrap_or(u32::MAX),
            max: self.max,
            waiting: self.waiting.load(Relaxed),
            acquired: self.acquired.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            leaks: u32::try_from(leaks).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn holders(&self, now: Timestamp) -> Vec<Holder> {
        lock(&self.holders)
            .values()
            .map(|(call_site, since)| Holder {
                lane: self.lane,
                call_site,
                since: now.plus_millis(-i64::try_from(since.elapsed().as_millis()).unwrap_or(0)),
            })
            .collect()
    }

    pub(super) fn reset_statistics(&self) {
        self.acquired.store(0, Relaxed);
        self.timeouts.store(0, Relaxed);
    }

    /// No new callers, nothing idle is kept. What was idle is dropped, which closes its socket.
    pub(super) fn refuse(&self) -> Vec<Session> {
        self.stop.cancel();
        self.permits.close();
        self.tasks.close();
        std::mem::take(&mut *lock(&self.idle))
    }

    pub(super) async fn close(&self) {
        let idle = self.refuse();
        let drain = async {
            futures::future::join_all(idle.into_iter().map(Session::close)).await;
            while self.in_use() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.tasks.wait().await;
        };
        if timeout(DRAIN_TIMEOUT, drain).await.is_err() {
            tracing::warn!(lane = self.lane.name(), lent_out = self.in_use(), "closed while connections are lent out");
        }
    }
}
