//! Reads that a replica may answer, and the guard that asks how far it is behind.
//!
//! The lag is measured, not believed: every second the guard notes the primary's position in its log and which position the
//! replica has replayed. The age of the newest position that is replayed is the lag: the replica has all that was written
//! before. No clock of either server takes part, and an idle primary is not mistaken for a replica that is behind.
//!
//! The replica is an offer: nobody waits for a place on it while the primary may have one, and a read that it fails is
//! repeated on the primary. The guard asks on one connection of its own, beside those of the readers.

use super::{Lane, Lease, PoolError, Pools, lane::LanePool, lock, session::Session};
use headroom_model::pool::ReplicaReport;
use sqlx::{PgConnection, Row};
use std::{
    collections::VecDeque,
    panic::Location,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long a server may take to tell its position, and the replica to give a reader its session.
const ANSWER: Duration = Duration::from_secs(1);
/// In so long a replica that keeps up has what the primary wrote just before; then it is asked once more.
const MOMENT: Duration = Duration::from_millis(200);
/// A finding that is older says nothing.
const FRESH: Duration = Duration::from_secs(4);
/// Positions that are remembered: a lag is known up to ten minutes, "more" beyond.
const POSITIONS: usize = 600;

/// What the guard found.
#[derive(Clone, Debug, PartialEq)]
enum Finding {
    /// Nothing yet.
    Unknown,
    /// So far behind.
    Behind { lag: Duration, bytes: f64 },
    /// It is not to be used.
    Unfit(String),
}

/// A replica of the target.
pub(super) struct Replica {
    pub(super) lane: Arc<LanePool>,
    address: String,
    max_lag: Duration,
    finding: Mutex<(Instant, Finding)>,
    /// When something was last invalidated: what follows must see what changed.
    changed: Mutex<Option<Instant>>,
    reads: AtomicU64,
    fallbacks: AtomicU64,
}

impl Replica {
    pub(super) fn new(lane: Arc<LanePool>, address: String, max_lag: Duration) -> Self {
        Replica {
            lane,
            address,
            max_lag,
            finding: Mutex::new((Instant::now(), Finding::Unknown)),
            changed: Mutex::new(None),
            reads: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
        }
    }

    /// Why reads do not go there now; none while they do.
    fn objection(&self) -> Option<String> {
        let (at, finding) = lock(&self.finding).clone();
        let millis = |time: Duration| time.as_millis();
        match finding {
            Finding::Unfit(reason) => Some(reason),
            _ if at.elapsed() > FRESH => Some("how far it is behind was not found out lately".to_owned()),
            Finding::Unknown => Some("how far it is behind is not known yet".to_owned()),
            Finding::Behind { lag, .. } if lag > self.max_lag => {
                Some(format!("{} ms behind the primary, used up to {} ms", millis(lag), millis(self.max_lag)))
            }
            Finding::Behind { .. } => {
                // A finding may be as old as FRESH. Two looks more: what a commit with synchronous_commit = off left to the
                // WAL writer is seen before it is in the log.
                let unsure = self.max_lag + FRESH + 2 * EVERY;
                let changed = lock(&self.changed).is_some_and(|at| at.elapsed() <= unsure);
                changed.then(|| "something was invalidated just now; it may not have the new rows yet".to_owned())
            }
        }
    }

    fn found(&self, finding: Finding) {
        *lock(&self.finding) = (Instant::now(), finding);
    }

    /// Whether it is in recovery, and up to where it has replayed; on the guard's `own` connection, since readers may have
    /// every other. One that broke is replaced.
    async fn replayed(&self, own: &mut Option<Session>) -> Result<(bool, f64), PoolError> {
        if let Some(mut session) = own.take().filter(|session| Instant::now() < session.replace_at) {
            if let Ok(answer) = position(&mut session.connection).await {
                *own = Some(session);
                return Ok(answer);
            }
            self.lane.doubts.raise();
        }
        let mut session = self.lane.open().await?;
        let answer = position(&mut session.connection).await.map_err(PoolError::Connect)?;
        *own = Some(session);
        Ok(answer)
    }

    pub(super) fn report(&self) -> ReplicaReport {
        let objection = self.objection();
        let (lag_ms, lag_bytes) = match &lock(&self.finding).1 {
            Finding::Behind { lag, bytes } => (Some(lag.as_secs_f64() * 1000.0), Some(*bytes)),
            Finding::Unknown | Finding::Unfit(_) => (None, None),
        };
        ReplicaReport {
            address: self.address.clone(),
            in_use: objection.is_none(),
            state: objection.unwrap_or_else(|| "close enough behind the primary".to_owned()),
            lag_ms,
            lag_bytes,
            max_lag_ms: u64::try_from(self.max_lag.as_millis()).unwrap_or(u64::MAX),
            reads: self.reads.load(Relaxed),
            fallbacks: self.fallbacks.load(Relaxed),
        }
    }
}

impl Pools {
    /// Lends a connection for a read that may be as old as the replica's bound: on the replica while that is close enough
    /// behind and has a place free, else on the primary in `lane`. Safe to cancel.
    ///
    /// # Errors
    /// As [`Pools::acquire`].
    #[track_caller]
    pub fn acquire_read(&self, lane: Lane) -> impl Future<Output = Result<Lease, PoolError>> + Send + '_ {
        let call_site = Location::caller();
        async move {
            if let Some(replica) = &self.replica {
                if replica.objection().is_none() {
                    match replica.lane.try_acquire(call_site, ANSWER).await {
                        Some(Ok(lease)) => {
                            replica.reads.fetch_add(1, Relaxed);
                            return Ok(lease);
                        }
                        Some(Err(_)) => replica.found(Finding::Unfit("it does not answer".to_owned())),
                        // Full, or closing: the primary has places of its own.
                        None => {}
                    }
                }
                replica.fallbacks.fetch_add(1, Relaxed);
            }
            self.lane(lane).acquire(call_site).await
        }
    }

    /// Whether a read that failed on a connection of [`Pools::acquire_read`] is to be repeated on one of [`Pools::acquire`]:
    /// it ran on the replica, and it was the replica that failed, not the statement. One that went away is left alone until
    /// the guard has seen it again.
    #[must_use]
    pub fn repeats_on_primary(&self, lease: &Lease, error: &sqlx::Error) -> bool {
        let Some(replica) = self.replica.as_ref().filter(|_| lease.lane() == Lane::Replica) else { return false };
        match Fault::of(error) {
            Some(Fault::Conflict) => {}
            Some(Fault::Gone) => replica.found(Finding::Unfit("it does not answer".to_owned())),
            None => return false,
        }
        replica.fallbacks.fetch_add(1, Relaxed);
        true
    }

    /// The lane in which readers of datasets find no connection free now: they wait in the data lane, or the replica that is
    /// read from has lent all it has.
    #[must_use]
    pub fn crowded(&self) -> Option<Lane> {
        let is_full = |replica: &Replica| replica.lane.is_full() && replica.objection().is_none();
        if self.waiting(Lane::Data) > 0 {
            Some(Lane::Data)
        } else {
            self.replica.as_ref().is_some_and(is_full).then_some(Lane::Replica)
        }
    }

    /// Something was invalidated: until a replica must have it, reads go to the primary.
    pub fn note_change(&self) {
        if let Some(replica) = &self.replica {
            *lock(&replica.changed) = Some(Instant::now());
        }
    }

    /// Watches how far the replica is behind until stopped or closed; ends at once where there is none.
    pub async fn guard_replica(&self, stop: CancellationToken) {
        let Some(replica) = &self.replica else { return };
        let (mut positions, mut own) = (Positions::default(), None);
        let guard = async {
            loop {
                replica.found(self.compare(replica, &mut positions, &mut own).await);
                sleep(EVERY).await;
            }
        };
        replica.lane.stop.run_until_cancelled(stop.run_until_cancelled(guard)).await;
        if let Some(session) = own {
            session.close().await;
        }
    }

    async fn compare(&self, replica: &Replica, positions: &mut Positions, own: &mut Option<Session>) -> Finding {
        // A primary that does not answer adds no position; what the replica has grows old.
        if let Ok(Ok((at, position))) = timeout(ANSWER, self.written()).await {
            positions.note(at, position);
        }
        let look = async {
            let answer = replica.replayed(own).await?;
            if positions.are_replayed(answer.1) {
                return Ok(answer);
            }
            sleep(MOMENT).await;
            replica.replayed(own).await
        };
        match timeout(ANSWER, look).await {
            Ok(Ok((true, replayed))) => match positions.lag(Instant::now(), replayed) {
                Some(Lag { time, is_least: true, .. }) if time <= replica.max_lag => Finding::Unknown,
                Some(Lag { time, bytes, .. }) => Finding::Behind { lag: time, bytes },
                None => Finding::Unfit("the primary does not tell its position".to_owned()),
            },
            Ok(Ok((false, _))) => Finding::Unfit("it is no replica: it accepts writes".to_owned()),
            Ok(Err::<_, PoolError>(_)) | Err(_) => {
                replica.lane.doubts.raise();
                Finding::Unfit("it does not answer".to_owned())
            }
        }
    }

    /// Up to where the primary has written, and a time before which all that was written lies before that.
    async fn written(&self) -> Result<(Instant, f64), PoolError> {
        let mut lease = self.acquire(Lane::Interactive).await?.purpose("replica guard");
        let at = Instant::now();
        match position(&mut lease).await {
            Ok((_, position)) => Ok((at, position)),
            Err(error) => {
                lease.discard();
                Err(PoolError::Connect(error))
            }
        }
    }
}

/// How a replica fails a read that the primary can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It stopped the statement to go on replaying.
    Conflict,
    /// It went away.
    Gone,
}

impl Fault {
    fn of(error: &sqlx::Error) -> Option<Fault> {
        match error {
            sqlx::Error::Database(refused) => match refused.code()?.as_ref() {
                // Readers there meet neither for another reason: nothing can be written, and SERIALIZABLE is refused.
                "40001" | "40P01" => Some(Fault::Conflict),
                "57P01" | "57P02" | "57P03" => Some(Fault::Gone),
                code if code.starts_with("08") => Some(Fault::Gone),
                _ => None,
            },
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Some(Fault::Gone),
            _ => None,
        }
    }
}

/// Whether the server is in recovery, and where in the log: written to on a primary, replayed up to on a replica.
async fn position(connection: &mut PgConnection) -> sqlx::Result<(bool, f64)> {
    let row = sqlx::query(
        "SELECT /* headroom */ pg_catalog.pg_is_in_recovery(), pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, '0/0')::float8",
    )
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Where the primary was when, oldest first.
#[derive(Debug, Default)]
struct Positions(VecDeque<(Instant, f64)>);

/// How far a replica is behind.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lag {
    time: Duration,
    bytes: f64,
    /// It lacks every position that is remembered, so it may be further behind than that.
    is_least: bool,
}

impl Positions {
    fn note(&mut self, at: Instant, position: f64) {
        // A primary that was restored begins anew.
        if self.0.back().is_some_and(|(_, last)| position < *last) {
            self.0.clear();
        }
        if self.0.len() == POSITIONS {
            self.0.pop_front();
        }
        self.0.push_back((at, position));
    }

    fn are_replayed(&self, replayed: f64) -> bool {
        self.0.back().is_none_or(|(_, newest)| *newest <= replayed)
    }

    /// How long ago the primary was where the replica is at least, and how many bytes lie between. Not the age of what it
    /// lacks: where nothing was noted for a while, that began in between. None while the primary's present position is not
    /// known.
    fn lag(&self, now: Instant, replayed: f64) -> Option<Lag> {
        let (newest_at, newest) = *self.0.back()?;
        if now.duration_since(newest_at) > FRESH {
            return None;
        }
        let reached = self.0.iter().rev().find(|(_, position)| *position <= replayed);
        let (at, _) = reached.or(self.0.front())?;
        Some(Lag { time: now.duration_since(*at), bytes: (newest - replayed).max(0.0), is_least: reached.is_none() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions, when they were noted, and a moment as so many seconds.
    fn noted(positions: &[(u64, f64)]) -> (Positions, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let at = move |secs| start + Duration::from_secs(secs);
        let mut all = Positions::default();
        positions.iter().for_each(|(secs, position)| all.note(at(*secs), *position));
        (all, at)
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with what may be none")]
    fn behind(secs: u64, bytes: f64) -> Option<Lag> {
        Some(Lag { time: Duration::from_secs(secs), bytes, is_least: false })
    }

    #[test]
    fn the_lag_is_the_age_of_the_newest_position_that_is_replayed() {
        let (nothing, at) = noted(&[]);
        assert_eq!(nothing.lag(at(0), 0.0), None);
        let (mut positions, at) = noted(&[(0, 100.0), (1, 200.0), (2, 300.0), (3, 400.0)]);
        assert_eq!(positions.lag(at(3), 400.0), behind(0, 0.0));
        assert_eq!(positions.lag(at(3), 500.0), behind(0, 0.0), "ahead of what was noted");
        assert_eq!(positions.lag(at(3), 250.0), behind(2, 150.0));
        let least = Lag { is_least: true, ..behind(3, 350.0).unwrap() };
        assert_eq!(positions.lag(at(3), 50.0), Some(least), "it has nothing that was noted");
        assert!(positions.are_replayed(400.0) && !positions.are_replayed(399.0));
        // An idle primary: the position stays, and so does a replica that has it all.
        positions.note(at(30), 400.0);
        assert_eq!(positions.lag(at(30), 400.0), behind(0, 0.0));
        assert_eq!(positions.lag(at(33), 400.0), behind(3, 0.0), "what came since is not known");
        assert_eq!(positions.lag(at(40), 400.0), None, "the primary has not answered for long");
        positions.note(at(41), 50.0);
        assert_eq!(positions.lag(at(41), 60.0), behind(0, 0.0));
    }

    /// For nine seconds the primary did not answer. What the replica lacks may have been written at their beginning.
    #[test]
    fn a_gap_counts_from_its_beginning() {
        let (positions, at) = noted(&[(0, 100.0), (1, 200.0), (10, 300.0), (11, 300.0)]);
        assert_eq!(positions.lag(at(11), 299.0), behind(10, 1.0));
        assert_eq!(positions.lag(at(11), 300.0), behind(0, 0.0));
    }
}
