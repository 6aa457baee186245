//! What active sessions wait for, looked at every second: a collection every five would miss most of what is short.
//!
//! A look is one statement that answers a row a wait event, not a row a session. It keeps out of the way: it takes a
//! connection only while another stays free for signs of life, spends at most a fiftieth of its time on the server, and
//! comes less often while looks fail. Its statement carries the console's mark, so its cost is in `self.target_load`.

use super::findings::Findings;
use crate::{
    pool::{Lane, Lease},
    target::Target,
};
use headroom_model::MetricId;
use sqlx::Row;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(1);
/// A look is followed by a pause of at least so many times its own length.
const PAUSE_SHARE: u32 = 50;
/// Failures double the pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// Different wait events followed between two readings. PostgreSQL knows some 250.
const MOST_EVENTS: usize = 500;

/// wait_event_type and wait_event; none and none for sessions that run.
pub type WaitName = (Option<String>, Option<String>);

/// Active sessions by what they wait for, over some looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitTally {
    /// Looks that saw all sessions.
    pub looks: u32,
    /// Sightings by wait, once a session and look.
    pub seen: BTreeMap<WaitName, u64>,
}

impl WaitTally {
    fn add(&mut self, rows: Vec<(WaitName, u64)>) {
        self.looks = self.looks.saturating_add(1);
        for (wait, count) in rows {
            if self.seen.len() < MOST_EVENTS || self.seen.contains_key(&wait) {
                *self.seen.entry(wait).or_default() += count;
            }
        }
    }

    /// Active sessions of each class, mean over the looks.
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
    pub(super) fn figures(&self, findings: &mut Findings) {
        let looks = f64::from(self.looks.max(1));
        let mut classes: BTreeMap<MetricId, u64> = CLASSES.into_iter().map(|metric| (metric, 0)).collect();
        for ((kind, _), count) in &self.seen {
            *classes.entry(class(kind.as_deref())).or_default() += count;
        }
        for (metric, count) in classes {
            findings.set(metric, count as f64 / looks);
        }
    }
}

/// The figures of the classes of waits, in the order they are shown.
pub(crate) const CLASSES: [MetricId; 6] = [
    MetricId::WaitsRunning,
    MetricId::WaitsIo,
    MetricId::WaitsLock,
    MetricId::WaitsLwlock,
    MetricId::WaitsClient,
    MetricId::WaitsOther,
];

fn class(kind: Option<&str>) -> MetricId {
    match kind {
        None => MetricId::WaitsRunning,
        Some("IO") => MetricId::WaitsIo,
        Some("Lock") => MetricId::WaitsLock,
        Some("LWLock") => MetricId::WaitsLwlock,
        Some("Client") => MetricId::WaitsClient,
        Some(_) => MetricId::WaitsOther,
    }
}

/// What looks have counted since the last reading. One writer, one reader.
#[derive(Debug, Default)]
pub struct Waits(Mutex<WaitTally>);

impl Waits {
    /// What was counted since the last time; none where no look saw all sessions.
    pub(super) fn take(&self) -> Option<WaitTally> {
        let tally = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (tally.looks > 0).then_some(tally)
    }

    fn add(&self, rows: Vec<(WaitName, u64)>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(rows);
    }
}

/// Why a look counted nothing.
#[derive(Debug)]
enum Missed {
    /// The lane is in use; the next look comes as usual.
    Busy,
    /// The server hides sessions, does not answer, or takes too long.
    Failed,
}

/// Looks at one target until told to stop.
#[derive(Debug)]
pub struct WaitSampler {
    target: Arc<Target>,
    waits: Arc<Waits>,
    every: Duration,
    failures: u32,
}

impl WaitSampler {
    /// A sampler that looks `every` so often and counts into `waits`.
    #[must_use]
    pub fn new(target: Arc<Target>, waits: Arc<Waits>, every: Duration) -> Self {
        WaitSampler { target, waits, every, failures: 0 }
    }

    /// Looks until `stop`. A look under way is dropped with its connection.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = self.every;
        while stop.run_until_cancelled(sleep(pause)).await.is_some() {
            let Some(next) = stop.run_until_cancelled(self.look()).await else { break };
            pause = next;
        }
    }

    /// Looks once; answers how long to wait before the next look.
    pub async fn look(&mut self) -> Duration {
        let mut took = Duration::ZERO;
        match self.read().await {
            Ok((rows, answered_in)) => {
                self.failures = 0;
                self.waits.add(rows);
                took = answered_in;
            }
            Err(Missed::Busy) => {}
            Err(Missed::Failed) => self.failures = self.failures.saturating_add(1).min(16),
        }
        let backed_off = self.every.saturating_mul(2_u32.pow(self.failures)).min(LONGEST_PAUSE.max(self.every));
        // Opening a connection is no load that comes again with each look, so only the statement counts.
        backed_off.max(took.saturating_mul(PAUSE_SHARE).min(LONGEST_PAUSE)).saturating_sub(took)
    }

    /// What is seen, and how long the server took to answer.
    async fn read(&self) -> Result<(Vec<(WaitName, u64)>, Duration), Missed> {
        let pools = &self.target.pools;
        if pools.in_use(Lane::Monitor) + 2 > pools.size(Lane::Monitor) {
            return Err(Missed::Busy);
        }
        let look = async {
            let mut lease = pools.acquire(Lane::Monitor).await.map_err(|_| Missed::Failed)?;
            let asked = Instant::now();
            match rows(&mut lease).await {
                Ok(rows) => Ok((rows.ok_or(Missed::Failed)?, asked.elapsed())),
                Err(error) => {
                    tracing::debug!(target_id = %self.target.id, %error, "waits were not seen");
                    lease.discard();
                    Err(Missed::Failed)
                }
            }
        };
        timeout(PATIENCE, look).await.unwrap_or(Err(Missed::Failed))
    }
}

/// Active client sessions by wait event; none where the server hides some. Collectors are left out.
async fn rows(lease: &mut Lease) -> sqlx::Result<Option<Vec<(WaitName, u64)>>> {
    let rows = sqlx::query(
        "SELECT /* headroom */ wait_event_type, wait_event, count(*)::int8, backend_type IS NULL
         FROM pg_catalog.pg_stat_activity
         WHERE (backend_type = 'client backend' AND state IN ('active', 'fastpath function call')
                AND NOT (usename = current_user AND application_name = 'headroom/monitor'))
            OR (backend_type IS NULL AND query = '<insufficient privilege>')
         GROUP BY 1, 2, 4",
    )
    .fetch_all(&mut **lease)
    .await?;
    let mut waits = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<bool, _>(3)? {
            return Ok(None);
        }
        let count = u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
        waits.push(((row.try_get(0)?, row.try_get(1)?), count));
    }
    Ok(Some(waits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{TargetId, Timestamp};

    #[test]
    fn looks_become_means_and_are_taken_once() {
        let waits = Waits::default();
        assert_eq!(waits.take(), None);
        let io = (Some("IO".to_owned()), Some("DataFileRead".to_owned()));
        waits.add(vec![((None, None), 3), (io.clone(), 1)]);
        waits.add(vec![((None, None), 1)]);
        let tally = waits.take().unwrap();
        assert_eq!((tally.looks, tally.seen[&io], waits.take()), (2, 1, None));
        let mut findings = Findings::new(Timestamp(0), TargetId("orders".into()));
        tally.figures(&mut findings);
        assert_eq!(findings.figures[&MetricId::WaitsRunning], 2.0);
        assert_eq!(findings.figures[&MetricId::WaitsIo], 0.5);
        assert_eq!(findings.figures[&MetricId::WaitsLock], 0.0, "looked for and not seen is zero");
    }
}
