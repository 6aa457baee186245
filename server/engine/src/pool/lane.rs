//! One lane: a queue of callers, a stack of idle sessions, a list of holders.

use super::{
    Doubts, Holder, Lane, Lease, PoolError, PoolProfile, Waits,
    holders::Holders,
    lock,
    meters::Meters,
    place::{Place, Places},
    session::Session,
};
use headroom_model::{Timestamp, pool::LaneReport};
use sqlx::postgres::PgConnectOptions;
use std::{
    panic::Location,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
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
    pub(super) lane: Lane,
    pub(super) application: Arc<str>,
    options: PgConnectOptions,
    pub(super) profile: PoolProfile,
    pub(super) places: Arc<Places>,
    /// Last in, first out: what is warm stays warm, what is surplus grows old. Bounded by the places.
    pub(super) idle: Mutex<Vec<Session>>,
    holders: Holders,
    waiting: AtomicU32,
    acquired: AtomicU64,
    timeouts: AtomicU64,
    returned_late: AtomicU64,
    pub(super) health_checks: AtomicU64,
    pub(super) health_failures: AtomicU64,
    meters: Meters,
    waits: Arc<Waits>,
    pub(super) doubts: Arc<Doubts>,
    pub(super) has_upkeep: AtomicBool,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
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
    pub(super) fn new(
        lane: Lane,
        options: &PgConnectOptions,
        profile: &PoolProfile,
        application: &Arc<str>,
        waits: &Arc<Waits>,
        doubts: &Arc<Doubts>,
    ) -> Arc<Self> {
        // A replica's sessions serve datasets like those of the data lane; what differs is where they lead.
        Arc::new(LanePool {
            lane,
            options: options.clone().application_name(&format!("{application}/{}", lane.name())),
            application: Arc::clone(application),
            profile: *profile,
            places: Places::new(profile.max(lane).max(1)),
            idle: Mutex::new(Vec::new()),
            holders: Holders::default(),
            waiting: AtomicU32::new(0),
            acquired: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            returned_late: AtomicU64::new(0),
            health_checks: AtomicU64::new(0),
            health_failures: AtomicU64::new(0),
            meters: Meters::default(),
            waits: Arc::clone(waits),
            doubts: Arc::clone(doubts),
            has_upkeep: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    pub(super) async fn acquire(self: &Arc<Self>, call_site: &'static Location<'static>) -> Result<Lease, PoolError> {
        let started = Instant::now();
        let outcome = timeout(self.profile.acquire_timeout, self.checkout()).await;
        let now = Instant::now();
        let waited = now.duration_since(started);
        self.waits.record(waited);
        match outcome {
            Ok(Ok((session, place))) => Ok(self.lend(session, place, call_site, waited, now)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.timed_out(waited)),
        }
    }

    /// As [`LanePool::acquire`], but nobody is waited for: none where every place is taken. Its session must be there
    /// `within` so long.
    pub(super) async fn try_acquire(
        self: &Arc<Self>,
        call_site: &'static Location<'static>,
        within: Duration,
    ) -> Option<Result<Lease, PoolError>> {
        let started = Instant::now();
        let place = self.places.try_take()?;
        let outcome = timeout(within, self.session()).await;
        let now = Instant::now();
        let waited = now.duration_since(started);
        Some(match outcome {
            Ok(Ok(session)) => {
                self.waits.record(waited);
                Ok(self.lend(session, place, call_site, waited, now))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.timed_out(waited)),
        })
    }

    fn lend(
        self: &Arc<Self>,
        session: Session,
        place: Place,
        call_site: &'static Location<'static>,
        waited: Duration,
        now: Instant,
    ) -> Lease {
        self.acquired.fetch_add(1, Relaxed);
        self.meters.acquired(waited, now);
        let holder = self.holders.add(call_site, session.pid, now);
        Lease::new(Arc::clone(self), session, place, holder, Handle::current())
    }

    fn timed_out(&self, waited: Duration) -> PoolError {
        self.timeouts.fetch_add(1, Relaxed);
        PoolError::Timeout { lane: self.lane.name(), waited, in_use: self.in_use(), max: self.places.max() }
    }

    /// A place and a session in it. Whatever was taken is given up when the caller stops waiting.
    async fn checkout(self: &Arc<Self>) -> Result<(Session, Place), PoolError> {
        let place = {
            let _waiter = Waiter::new(&self.waiting);
            self.places.take().await.ok_or(PoolError::Closed)?
        };
        Ok((self.session().await?, place))
    }

    /// A session that answers. The caller has a place for it.
    async fn session(self: &Arc<Self>) -> Result<Session, PoolError> {
        loop {
            let Some(mut session) = lock(&self.idle).pop() else { break };
            let now = Instant::now();
            if now >= session.replace_at {
                self.tasks.spawn(session.close());
            } else if (session.trusted_at == self.doubts.count()
                && now.duration_since(session.idle_since) < TRUSTED_FOR)
                || session.answers(self.profile.acquire_timeout / 2, &self.doubts).await
            {
                return Ok(session);
            } else {
                self.doubts.raise();
            }
        }
        self.open().await
    }

    /// Opens a session. The caller has a place for it.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Session, PoolError> {
        let began = Instant::now();
        let session = Session::open(&self.options, self.lane, self.profile.max_lifetime, &self.doubts).await;
        let session = session.map_err(|error| {
            self.doubts.raise();
            PoolError::Connect(error)
        })?;
        self.meters.created(began.elapsed());
        self.start_upkeep();
        Ok(session)
    }

    /// What a holder is for.
    pub(super) fn explain(&self, holder: u64, purpose: &str) {
        self.holders.explain(holder, purpose);
    }

    pub(super) fn expect_long(&self, holder: u64) {
        self.holders.expect_long(holder);
    }

    /// The lease is over: its holder is off the list.
    pub(super) fn let_go(&self, holder: u64) {
        if let Some(holding) = self.holders.remove(holder) {
            let now = Instant::now();
            self.meters.used(holding.since, now);
            if holding.is_leak(self.profile.leak_after) {
                self.returned_late.fetch_add(1, Relaxed);
            }
        }
    }

    /// Takes a session back. Its place stays taken until the session is known to be clean.
    pub(super) fn take_back(self: &Arc<Self>, mut session: Session, place: Place, state: Returned, runtime: &Handle) {
        session.idle_since = Instant::now();
        if state == Returned::Broken {
            self.doubts.raise();
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
                    session.checked_at = session.idle_since;
                    lane.shelve(session, &Handle::current());
                } else {
                    lane.doubts.raise();
                    session.close().await;
                }
                drop(place);
            },
            runtime,
        );
    }

    pub(super) fn shelve(&self, session: Session, runtime: &Handle) {
        let mut idle = lock(&self.idle);
        // Asked under the lock: `refuse` empties the shelf after it has raised the flag. After a smaller size was set, what
        // comes back beyond it is closed.
        if self.stop.is_cancelled() || idle.len() + self.in_use() as usize >= self.places.max() as usize {
            drop(idle);
            self.tasks.spawn_on(session.close(), runtime);
        } else {
            idle.push(session);
        }
    }

    /// So many connections from now on. Idle ones beyond that are closed; those lent out go when they come back.
    pub(super) fn resize(&self, max: u32) {
        self.places.resize(max);
        let room = max.saturating_sub(self.in_use()) as usize;
        let surplus: Vec<Session> = {
            let mut idle = lock(&self.idle);
            let surplus = idle.len().saturating_sub(room);
            idle.drain(..surplus).collect()
        };
        for session in surplus {
            self.tasks.spawn(session.close());
        }
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    pub(super) fn in_use(&self) -> u32 {
        self.holders.len()
    }

    /// Every connection is lent.
    pub(super) fn is_full(&self) -> bool {
        self.in_use() >= self.places.max()
    }

    pub(super) fn snapshot(&self) -> LaneReport {
        let [acquire, usage, creation] = self.meters.distributions();
        LaneReport {
            application: self.application.to_string(),
            lane: self.lane.name().to_owned(),
            in_use: self.in_use(),
            idle: u32::try_from(lock(&self.idle).len()).unwrap_or(u32::MAX),
            max: self.places.max(),
            configured_max: self.profile.max(self.lane),
            min: self.min(),
            waiting: self.waiting(),
            acquired: self.acquired.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            leaks: self.holders.held_longer_than(self.profile.leak_after),
            returned_late: self.returned_late.load(Relaxed),
            health_checks: self.health_checks.load(Relaxed),
            health_failures: self.health_failures.load(Relaxed),
            acquire,
            usage,
            creation,
            sizing: self.meters.sizing(Instant::now()),
        }
    }

    /// What is kept open: never more than may be lent.
    pub(super) fn min(&self) -> u32 {
        self.profile.min(self.lane).min(self.places.max())
    }

    pub(super) fn holders(&self, now: Timestamp) -> Vec<Holder> {
        self.holders.list().iter().map(|holding| Holder::new(self, holding, now)).collect()
    }

    /// Holders past the limit that were not told before.
    pub(super) fn take_leaks(&self, now: Timestamp) -> Vec<Holder> {
        let leaks = self.holders.take_leaks(self.profile.leak_after);
        leaks.iter().map(|holding| Holder::new(self, holding, now)).collect()
    }

    pub(super) fn reset_statistics(&self) {
        for counter in [&self.acquired, &self.timeouts, &self.returned_late, &self.health_checks, &self.health_failures]
        {
            counter.store(0, Relaxed);
        }
        self.meters.clear();
    }

    /// No new callers, nothing idle is kept. What was idle is dropped, which closes its socket.
    pub(super) fn refuse(&self) -> Vec<Session> {
        self.stop.cancel();
        self.places.close();
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
