//! What ran in each minute: statements, waits, sessions, locks and datasets, folded from what the collector reads anyway.
//!
//! A reader of the spine like the others: [`Moments::observe`] folds a reading into its minute and never waits. A minute
//! that has ended becomes one compressed document of a few kilobytes, which stays an hour in memory and goes to the store
//! with the same promises as the minutes of history: while the store is away a day of them waits, and writing one twice
//! changes nothing. Bounded by the lists of [`headroom_model::moment`]; literals are gone before anything comes here.

mod minute;
#[cfg(test)]
mod tests;
mod view;

use crate::{
    clock::Clock,
    collect::{COLLECT_BUDGET, Observation},
    history::LAST_FLUSH,
    store::{HOUR_MS, MINUTE_MS, MomentRow, StateStore, StoreError},
};
use headroom_model::{TargetId, Timestamp, moment::MinuteRecord, range::Resolved};
use minute::Minute;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks for ended minutes, and between two attempts to reach a store that is away.
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// Minutes a target waits with at most: a day without a state store. About 5 MB.
const MOST_PENDING: usize = 24 * 60;
/// Minutes written in one transaction.
const BATCH_MINUTES: usize = 20;
/// Records read at once: a day of them.
const MOST_RECORDS: u32 = 24 * 60;
/// A document is never longer; what claims to be was not made here.
const MOST_BYTES: usize = 1 << 20;

/// What ran, on its way into the store and back.
pub struct Moments {
    store: Arc<dyn StateStore>,
    clock: Clock,
    tracks: Mutex<HashMap<TargetId, Track>>,
}

/// What is known of one target.
#[derive(Debug, Default)]
struct Track {
    open: Option<Minute>,
    /// Ended minutes: those of the last hour, and those that the store does not have yet.
    ended: BTreeMap<Timestamp, Ended>,
}

#[derive(Debug)]
struct Ended {
    readings: u32,
    body: Arc<[u8]>,
    is_written: bool,
}

impl Track {
    /// Takes a reading in; answers the minute that had to go because the store has been away for too long.
    fn observe(&mut self, observation: &Observation) -> Option<Timestamp> {
        let at = observation.sample.at.floor_to(MINUTE_MS);
        let dropped = if self.open.as_ref().is_some_and(|open| open.at != at) { self.end() } else { None };
        self.open.get_or_insert_with(|| Minute::new(at)).add(observation);
        dropped
    }

    /// Ends the open minute.
    fn end(&mut self) -> Option<Timestamp> {
        let minute = self.open.take()?;
        let known = self.ended.get(&minute.at).map_or(0, |known| known.readings);
        // A clock that was set back opens a minute again: what was seen longer stays, as in the store.
        if minute.readings > known
            && let Ok(body) = encode(&minute.record())
        {
            self.ended.insert(minute.at, Ended { readings: minute.readings, body, is_written: false });
        }
        let oldest = minute.at.plus_millis(-HOUR_MS);
        self.ended.retain(|at, ended| !ended.is_written || *at >= oldest);
        let waiting = self.ended.values().filter(|ended| !ended.is_written).count();
        if waiting <= MOST_PENDING {
            return None;
        }
        let oldest = self.ended.iter().find(|(_, ended)| !ended.is_written).map(|(at, _)| *at)?;
        self.ended.remove(&oldest);
        Some(oldest)
    }

    fn batch(&self) -> Vec<MomentRow> {
        let waiting = self.ended.iter().filter(|(_, ended)| !ended.is_written);
        let row = |(at, ended): (&Timestamp, &Ended)| MomentRow {
            at: *at,
            readings: ended.readings,
            body: ended.body.clone(),
        };
        waiting.take(BATCH_MINUTES).map(row).collect()
    }

    fn written(&mut self, rows: &[MomentRow]) {
        for row in rows {
            // A minute that was opened again meanwhile and seen longer is another document.
            if let Some(ended) = self.ended.get_mut(&row.at).filter(|ended| ended.readings == row.readings) {
                ended.is_written = true;
            }
        }
    }
}

/// What memory knows of a minute.
enum Remembered {
    /// The minute runs; what was seen so far.
    Open(Box<MinuteRecord>),
    /// The minute has ended.
    Ended(Arc<[u8]>),
}

impl Moments {
    /// Over a store.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Clock) -> Self {
        Moments { store, clock, tracks: Mutex::default() }
    }

    /// Takes a reading in. Never waits; bounded.
    pub fn observe(&self, observation: &Observation) {
        let target = &observation.sample.target;
        let dropped = {
            let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
            tracks.entry(target.clone()).or_default().observe(observation)
        };
        report_lost(target, dropped);
    }

    fn with<T>(&self, target: &TargetId, use_it: impl FnOnce(&mut Track) -> T) -> Option<T> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).get_mut(target).map(use_it)
    }

    fn remembered(&self, target: &TargetId, at: Timestamp) -> Option<Remembered> {
        self.with(target, |track| match &track.open {
            Some(open) if open.at == at => Some(Remembered::Open(Box::new(open.record()))),
            _ => track.ended.get(&at).map(|ended| Remembered::Ended(ended.body.clone())),
        })
        .flatten()
    }

    /// The record of the minute that starts at `at`, from memory or the store.
    ///
    /// # Errors
    /// Memory does not have it and the store did not answer, or what is stored cannot be read.
    pub async fn record(&self, target: &TargetId, at: Timestamp) -> Result<Option<MinuteRecord>, StoreError> {
        match self.remembered(target, at) {
            Some(Remembered::Open(record)) => Ok(Some(*record)),
            Some(Remembered::Ended(body)) => decode(&body).map(Some),
            None => self.store.moment(target, at).await?.map(|body| decode(&body)).transpose(),
        }
    }

    /// The records of the minutes of a range, oldest first: from the store, newer ones from memory. At most the newest day of
    /// it. Unpacking them takes some tenths of a second for a day, on the blocking pool.
    ///
    /// # Errors
    /// The store did not answer, or what is stored cannot be read.
    pub async fn records(&self, target: &TargetId, range: Resolved) -> Result<Vec<MinuteRecord>, StoreError> {
        let from = range.from.floor_to(MINUTE_MS);
        let stored = self.store.moments_between(target, from, range.to, MOST_RECORDS).await?;
        let is_in = |at: &Timestamp| *at >= from && *at < range.to;
        let remembered = self.with(target, |track| {
            let ended: Vec<(Timestamp, Arc<[u8]>)> =
                track.ended.iter().filter(|(at, _)| is_in(at)).map(|(at, ended)| (*at, ended.body.clone())).collect();
            (ended, track.open.as_ref().filter(|open| is_in(&open.at)).map(Minute::record))
        });
        let (ended, open) = remembered.unwrap_or_default();
        let unpack = move || {
            // What memory has was seen at least as long.
            let mut bodies: BTreeMap<Timestamp, Arc<[u8]>> =
                stored.into_iter().map(|(at, body)| (at, body.into())).collect();
            bodies.extend(ended);
            let mut records = bodies.into_values().map(|body| decode(&body)).collect::<Result<Vec<_>, _>>()?;
            records.extend(open);
            Ok(records)
        };
        let unreadable =
            |error: tokio::task::JoinError| StoreError::Unreadable { what: "minutes", cause: error.to_string() };
        tokio::task::spawn_blocking(unpack).await.map_err(unreadable)?
    }

    /// The minute nearest to `at` that has a record.
    async fn nearest(&self, target: &TargetId, at: Timestamp) -> Result<Around, StoreError> {
        let stored = self.store.moments_around(target, at).await?;
        let mut around = Around { before: stored.0, after: stored.1 };
        self.with(target, |track| {
            let open = track.open.as_ref().map(|open| open.at);
            for minute in track.ended.keys().copied().chain(open) {
                if minute <= at {
                    around.before = around.before.max(Some(minute));
                } else {
                    around.after = Some(around.after.map_or(minute, |after| after.min(minute)));
                }
            }
        });
        Ok(around)
    }

    /// Writes ended minutes; also the open one where `all` is wanted. Cancelling is safe.
    ///
    /// # Errors
    /// The store did not answer; what it has not confirmed waits.
    pub async fn flush(&self, all: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let targets: Vec<TargetId> =
            self.tracks.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for target in targets {
            let dropped = self.with(&target, |track| {
                // A collection that began in the minute may end after it.
                let late = i64::try_from(COLLECT_BUDGET.as_millis()).unwrap_or(i64::MAX);
                let has_ended = |open: &Minute| all || open.at.plus_millis(MINUTE_MS + late) <= now;
                if track.open.as_ref().is_some_and(has_ended) { track.end() } else { None }
            });
            report_lost(&target, dropped.flatten());
            loop {
                let rows = self.with(&target, |track| track.batch()).unwrap_or_default();
                if rows.is_empty() {
                    break;
                }
                self.store.save_moments(&target, &rows).await?;
                self.with(&target, |track| track.written(&rows));
            }
        }
        Ok(())
    }

    /// Flushes every quarter of a minute until told to stop; then flushes all, within two and a half seconds.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(self.flush(false)).await {
                // History says so once for both.
                Some(Err(error)) => tracing::debug!(%error, "what ran waits in memory"),
                Some(Ok(())) => {}
                None => break,
            }
        }
        match timeout(LAST_FLUSH, self.flush(true)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what ran in the newest minutes could not be written"),
            Err(_) => tracing::error!("what ran in the newest minutes could not be written in time"),
        }
    }
}

/// The nearest minutes that have a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Around {
    before: Option<Timestamp>,
    after: Option<Timestamp>,
}

impl Around {
    fn nearest(self, at: Timestamp) -> Option<Timestamp> {
        [self.before, self.after].into_iter().flatten().min_by_key(|minute| minute.0.abs_diff(at.0))
    }
}

fn report_lost(target: &TargetId, minute: Option<Timestamp>) {
    if let Some(minute) = minute {
        let minute = minute.to_rfc3339();
        tracing::error!(target_id = %target, %minute, "what ran in a minute is lost: no state store for a day");
    }
}

/// A record as the store keeps it.
fn encode(record: &MinuteRecord) -> io::Result<Arc<[u8]>> {
    let text = serde_json::to_vec(record)?;
    let body = zstd::bulk::compress(&text, zstd::DEFAULT_COMPRESSION_LEVEL);
    body.map(Into::into).inspect_err(|error| tracing::error!(%error, "what ran in a minute could not be packed"))
}

fn decode(body: &[u8]) -> Result<MinuteRecord, StoreError> {
    let unreadable = |cause: String| StoreError::Unreadable { what: "minute", cause };
    let text = zstd::bulk::decompress(body, MOST_BYTES).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
}
