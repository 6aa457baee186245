//! History: samples of the last hour in memory, minutes and hours in the state store, one way to ask.
//!
//! A sample goes into a ring and into its minute at once; ended minutes are written every quarter of a minute. While
//! the store is away they are kept, a day long, and written when it is back: nothing collected is lost, and nothing counts
//! twice.

mod pending;
mod ring;
mod storage;
#[cfg(test)]
mod tests;
pub mod transfer;

use crate::{
    clock::Clock,
    store::{Grid, HOUR_MS, HistoryStart, MINUTE_MS, MinuteRow, Retention, StateStore, StoreError, Tally, Upkeep},
};
use headroom_model::{
    MetricId, Sample, TargetId, Timestamp,
    metric::Kind,
    origin::Origin,
    range::Resolved,
    series::{MAX_POINTS, Series},
    storage::{Pruned, Storage},
};
use pending::Pending;
use ring::Ring;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use storage::UpkeepLog;
use tokio::{
    sync::RwLock,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Between two looks for ended minutes, and between two attempts to reach a store that is away.
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// Upkeep runs once in so many flushes (a quarter of an hour), and every time while there is a backlog.
const FLUSHES_AN_UPKEEP: u32 = 60;
/// How long the last flush may take when the console stops.
pub(crate) const LAST_FLUSH: Duration = Duration::from_millis(2500);

/// Samples on their way into the store, and the way back as series.
pub struct History {
    store: Arc<dyn StateStore>,
    clock: Clock,
    retention: Retention,
    tracks: Mutex<HashMap<TargetId, Track>>,
    /// Held by a reader while it joins the store with what waits, and by a writer while minutes go from one to the other:
    /// nobody sees them twice or not at all.
    handover: RwLock<()>,
    upkeep: UpkeepLog,
}

/// What is kept of a target.
#[derive(Debug, Default)]
struct Track {
    ring: Ring,
    pending: Pending,
}

/// Hours of several metrics on one grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    grid: Grid,
    metrics: Vec<MetricId>,
    columns: Vec<Vec<Option<Tally>>>,
}

impl Hours {
    /// What was measured of a metric, one slot an hour; empty for one that was not asked for.
    #[must_use]
    pub fn of(&self, metric: MetricId) -> &[Option<Tally>] {
        let place = self.metrics.iter().position(|asked| *asked == metric);
        place.and_then(|place| self.columns.get(place)).map_or(&[], Vec::as_slice)
    }

    /// Start of a slot.
    #[must_use]
    pub fn start_of(&self, slot: usize) -> Timestamp {
        self.grid.start_of(slot)
    }
}

impl History {
    /// A history over a store.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Clock, retention: Retention) -> Self {
        History {
            store,
            clock,
            retention,
            tracks: Mutex::default(),
            handover: RwLock::new(()),
            upkeep: UpkeepLog::default(),
        }
    }

    /// Takes a sample in: ring and minute. Never waits; bounded.
    pub fn observe(&self, sample: &Sample) {
        let dropped = {
            let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
            let track = tracks.entry(sample.target.clone()).or_default();
            track.ring.push(sample);
            track.pending.add(sample)
        };
        if let Some(minute) = dropped {
            let minute = minute.to_rfc3339();
            tracing::error!(target_id = %sample.target, %minute, "a minute of history is lost: no state store for a day");
        }
    }

    fn with<T>(&self, target: &TargetId, use_it: impl FnOnce(&mut Track) -> T) -> Option<T> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).get_mut(target).map(use_it)
    }

    /// Series of at most [`MAX_POINTS`] slots, one a metric in the order asked, all on the same grid: from memory where
    /// memory holds all that is known of the range, else from the store joined with the minutes not yet written.
    ///
    /// The grid is the finest that fits. Minutes answer where they reach back to the start of the range, or to within an
    /// hour of it, and hours where only they do. Cancelling is safe.
    ///
    /// # Errors
    /// The store did not answer and memory does not hold the range.
    pub async fn series(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        range: Resolved,
    ) -> Result<Vec<Series>, StoreError> {
        self.series_within(target, metrics, range, MAX_POINTS).await
    }

    /// As [`History::series`], with at most `max_points` slots, two at least; more than [`MAX_POINTS`] are never made.
    ///
    /// # Errors
    /// The store did not answer and memory does not hold the range.
    pub async fn series_within(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        range: Resolved,
        max_points: usize,
    ) -> Result<Vec<Series>, StoreError> {
        let max_points = max_points.min(MAX_POINTS);
        let span = self.with(target, |track| track.ring.span().map(|span| (span, track.ring.cadence_ms()))).flatten();
        if let Some(((oldest, _), cadence_ms)) = span
            && oldest <= range.from.plus_millis(cadence_ms)
        {
            return Ok(self.recent(target, metrics, range, max_points));
        }
        let start = self.start(target).await;
        if let Some(((oldest, newest), _)) = span {
            let only_memory = match &start {
                Ok(start) => {
                    // Generated points do not take the detail away from what is measured.
                    let is_short = range.millis() <= HOUR_MS && range.to > oldest;
                    let begins = if is_short { start.measured } else { start.earliest() };
                    begins.is_none_or(|at| at >= oldest.floor_to(MINUTE_MS))
                }
                // Better the part of the last hour that memory holds than nothing.
                Err(_) => range.from >= newest.plus_millis(-HOUR_MS),
            };
            if only_memory {
                return Ok(self.recent(target, metrics, range, max_points));
            }
        }
        let grid = Grid::covering(range, max_points, finest_stored(&start?, range.from));
        let columns = self.tallies(target, metrics, &grid).await?;
        Ok(metrics.iter().zip(columns).map(|(metric, column)| series(*metric, &grid, &column)).collect())
    }

    /// What was measured in each slot of a grid of minutes, hours, or multiples of them: one column a metric, what is not
    /// written yet included.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn tallies(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        grid: &Grid,
    ) -> Result<Vec<Vec<Option<Tally>>>, StoreError> {
        let _steady = self.handover.read().await;
        let mut columns = self.store.tallies(target, metrics, grid).await?;
        self.with(target, |track| {
            for (metric, column) in metrics.iter().zip(&mut columns) {
                track.pending.merge_into(*metric, grid, column);
            }
        });
        Ok(columns)
    }

    /// The ended hours of a range, however many: what is kept joined with what is not written yet. For computations; charts
    /// ask [`History::series`].
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn hours(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Hours, StoreError> {
        let (from, to) = (from.floor_to(HOUR_MS), to.floor_to(HOUR_MS));
        let slots = usize::try_from((to.0 - from.0) / HOUR_MS).unwrap_or(0);
        let grid = Grid { from, step_ms: HOUR_MS, slots };
        let columns = self.tallies(target, metrics, &grid).await?;
        Ok(Hours { grid, metrics: metrics.to_vec(), columns })
    }

    fn recent(&self, target: &TargetId, metrics: &[MetricId], range: Resolved, max_points: usize) -> Vec<Series> {
        let read = |track: &mut Track| {
            let grid = Grid::covering(range, max_points, track.ring.finest_ms());
            metrics.iter().map(|metric| series(*metric, &grid, &track.ring.tallies(*metric, &grid))).collect()
        };
        self.with(target, read).unwrap_or_default()
    }

    /// When the history of a target starts.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn starts(&self, target: &TargetId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.start(target).await?.earliest())
    }

    /// Where the history of a target begins, with what is not written yet.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn start(&self, target: &TargetId) -> Result<HistoryStart, StoreError> {
        let mut start = self.store.history_start(target).await?;
        if let Some(pending) = self.with(target, |track| track.pending.start()).flatten() {
            for begins in [&mut start.minutes, &mut start.measured] {
                *begins = Some(begins.map_or(pending, |at| at.min(pending)));
            }
        }
        Ok(start)
    }

    /// Writes what is pending. Complete minutes only, unless `all`. Cancelling is safe: what got no answer is sent again,
    /// and counts once.
    ///
    /// # Errors
    /// The store did not answer; what it has not confirmed stays pending.
    pub async fn flush(&self, all: bool) -> Result<(), StoreError> {
        let end = if all { Timestamp(i64::MAX) } else { self.clock.now() };
        let targets: Vec<TargetId> =
            self.tracks.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for target in targets {
            while let Some(batch) = self.with(&target, |track| track.pending.next_batch(end)).flatten() {
                let _alone = self.handover.write().await;
                self.store.merge_minutes(batch.id, &target, &batch.rows).await?;
                self.with(&target, |track| track.pending.written(batch.id));
            }
        }
        Ok(())
    }

    /// One round of upkeep.
    async fn prune(&self) -> Result<Upkeep, StoreError> {
        let began = Instant::now();
        let done = self.store.upkeep(self.clock.now(), self.retention).await?;
        let at = self.clock.now();
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        let wait = if done.unfinished { FLUSH_EVERY } else { FLUSH_EVERY * (FLUSHES_AN_UPKEEP + 1) };
        let next_at = at.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let unfinished = done.unfinished;
        self.upkeep.pruned(Pruned { at, rows: done.rows_pruned, took_ms, unfinished }, next_at);
        Ok(done)
    }

    /// What history takes, how long it is kept, and what pruning did.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn storage(&self, targets: impl IntoIterator<Item = TargetId>) -> Result<Storage, StoreError> {
        self.upkeep.tell(self, targets).await
    }

    /// What of a target's history in a range was not measured here, oldest first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn origins(&self, target: &TargetId, range: Resolved) -> Result<Vec<Origin>, StoreError> {
        let mut origins = self.store.origins(Some(target)).await?;
        origins.retain(|origin| origin.touches(range.from, range.to));
        Ok(origins)
    }

    /// How long history is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Flushes every quarter of a minute and keeps the store within its retention, until told to stop; then flushes all,
    /// within two and a half seconds.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_away = false;
        let mut flushes_to_upkeep = 0_u32;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(outcome) = stop.run_until_cancelled(self.flush(false)).await else { break };
            match outcome {
                Err(error) if !is_away => {
                    tracing::warn!(%error, "the state store is away: history waits in memory");
                    is_away = true;
                }
                Ok(()) if is_away => {
                    tracing::info!("the state store is back: history is written");
                    is_away = false;
                }
                _ => {}
            }
            if is_away || flushes_to_upkeep > 0 {
                flushes_to_upkeep = flushes_to_upkeep.saturating_sub(1);
                continue;
            }
            let Some(upkeep) = stop.run_until_cancelled(self.prune()).await else { break };
            match upkeep {
                Ok(done) if done.unfinished => {}
                Ok(_) => {
                    flushes_to_upkeep = FLUSHES_AN_UPKEEP;
                    let count = self.upkeep.count(&*self.store, self.clock.now());
                    if stop.run_until_cancelled(count).await.is_none() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "history was not pruned");
                    flushes_to_upkeep = FLUSHES_AN_UPKEEP;
                }
            }
        }
        match timeout(LAST_FLUSH, self.flush(true)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the newest minutes of history could not be written"),
            Err(_) => tracing::error!("the newest minutes of history could not be written in time"),
        }
    }
}

/// The finest step that tells what the store knows of a range from its start on: minutes, unless an hour or more of it lies
/// before them. For less, all minutes of the range would be too much to give up.
fn finest_stored(start: &HistoryStart, from: Timestamp) -> i64 {
    match (start.minutes, start.hours) {
        // An hour's row is dated to its beginning, also where the first measurement came later.
        (Some(minutes), Some(hours)) if hours < minutes.floor_to(HOUR_MS) && from.plus_millis(HOUR_MS) <= minutes => {
            HOUR_MS
        }
        (None, Some(_)) => HOUR_MS,
        _ => MINUTE_MS,
    }
}

/// What a sample measured. A figure that is not finite counts as not measured.
fn measured(sample: &Sample) -> impl Iterator<Item = (MetricId, f64)> {
    sample.figures.iter().map(|(metric, value)| (*metric, *value)).filter(|(_, value)| value.is_finite())
}

fn series(metric: MetricId, grid: &Grid, slots: &[Option<Tally>]) -> Series {
    let column = |read: fn(&Tally) -> f64| slots.iter().map(|slot| slot.as_ref().map(read)).collect();
    Series {
        metric,
        from: grid.from,
        step_ms: grid.step_ms,
        avg: match metric.metric().kind {
            Kind::Gauge => column(Tally::mean),
            Kind::Delta => column(|tally| tally.sum),
        },
        min: column(|tally| tally.min),
        max: column(|tally| tally.max),
    }
}
