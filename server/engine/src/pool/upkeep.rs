//! What a lane does without anyone asking: closes what is old, checks what is idle, opens what is to be kept ready.

use super::{lane::LanePool, lock, session::Session};
use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

/// How long an idle session may take to answer a check.
const ANSWER: Duration = Duration::from_secs(2);

impl LanePool {
    /// One task a lane, from its first session on or from its warm-up; it ends with the lane. What it does comes at once, then
    /// four times in the shorter of the idle timeout and the time between two checks.
    pub(super) fn start_upkeep(self: &Arc<Self>) {
        if self.has_upkeep.swap(true, Relaxed) {
            return;
        }
        let shorter = self.profile.idle_timeout.min(self.profile.health_every);
        let every = (shorter / 4).clamp(Duration::from_millis(50), Duration::from_secs(10));
        let (lane, stop) = (Arc::downgrade(self), self.stop.clone());
        self.tasks.spawn(async move {
            loop {
                let round = async {
                    let Some(lane) = Weak::upgrade(&lane) else { return false };
                    lane.close_expired().await;
                    lane.check_idle().await;
                    lane.fill().await;
                    true
                };
                // A session in its hands when the lane stops is dropped, which closes it.
                if stop.run_until_cancelled(round).await != Some(true)
                    || stop.run_until_cancelled(sleep(every)).await.is_none()
                {
                    return;
                }
            }
        });
    }

    /// Past their lifetime, or unused for long and more than are kept.
    async fn close_expired(&self) {
        let now = Instant::now();
        let old: Vec<Session> = {
            let mut idle = lock(&self.idle);
            let mut spare = (idle.len() + self.in_use() as usize).saturating_sub(self.min() as usize);
            let mut expired = |session: &mut Session| {
                let is_unused = now.duration_since(session.idle_since) >= self.profile.idle_timeout && spare > 0;
                let expired = now >= session.replace_at || is_unused;
                spare = spare.saturating_sub(usize::from(expired));
                expired
            };
            idle.extract_if(.., |session| expired(session)).collect()
        };
        for session in old {
            session.close().await;
        }
    }

    /// Asks idle sessions that nobody heard of for a while whether they still answer. Takes a place for each meanwhile, so that
    /// the lane never has more sessions than places, and gives way to callers.
    async fn check_idle(self: &Arc<Self>) {
        let is_due = |session: &Session| session.checked_at.elapsed() >= self.profile.health_every;
        loop {
            let Some(_place) = self.places.try_take() else { return };
            let due = {
                let mut idle = lock(&self.idle);
                idle.iter().position(is_due).map(|at| (at, idle.remove(at)))
            };
            let Some((at, mut session)) = due else { return };
            self.health_checks.fetch_add(1, Relaxed);
            if session.answers(ANSWER, &self.doubts).await {
                let mut idle = lock(&self.idle);
                // Where it was: what is seldom used grows old and is closed.
                let at = at.min(idle.len());
                idle.insert(at, session);
                if self.stop.is_cancelled() {
                    idle.clear();
                }
            } else {
                self.health_failures.fetch_add(1, Relaxed);
                self.doubts.raise();
                session.close().await;
            }
        }
    }

    /// Opens sessions until there are as many as are to be kept. A server that refuses is asked again in the next round.
    async fn fill(self: &Arc<Self>) {
        loop {
            let has = lock(&self.idle).len() + self.in_use() as usize;
            if has >= self.min() as usize {
                return;
            }
            let Some(_place) = self.places.try_take() else { return };
            match timeout(self.profile.acquire_timeout, self.open()).await {
                Ok(Ok(session)) => self.shelve(session, &Handle::current()),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}
