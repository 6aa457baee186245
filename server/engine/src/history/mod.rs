//! History: five-second samples of the last hour in memory, minutes and hours in the state store, one way to ask.
//!
//! A sample goes into the ring and into the open minute of its target; a minute that is over waits for the store. While the
//! store is away minutes keep waiting (up to twelve hours of them), and answers include what waits: nothing collected is
//! lost or hidden.

mod minute;
mod ring;

use crate::{
    clock::Clock,
    store::{MinuteRow, Retention, Slot, StateStore, StoreError, grid, grid::Grid, lock},
};
use headroom_model::{
    MetricId, Sample, TargetId, Timestamp,
    metric::Kind,
    range::Resolved,
    series::{MAX_POINTS, Series},
};
use minute::OpenMinute;
use ring::Ring;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

const MINUTE_MS: i64 = 60_000;
/// Finest step answered from the ring.
const RING_STEP_MS: i64 = 5_000;
/// Minutes a target may wait for the store: twelve hours. Past that the oldest are given up, with a warning.
const PENDING_MINUTES: usize = 720;
/// Upkeep of the store comes once in so many flushes.
const UPKEEP_EVERY: u64 = 5;

/// Samples on their way into the store, and the way back as series.
pub struct History {
    store: Arc<dyn StateStore>,
    clock: Clock,
    retention: Retention,
    targets: Mutex<BTreeMap<TargetId, Recent>>,
    /// One flush at a time: two would write the same minutes twice.
    flushing: tokio::sync::Mutex<()>,
}

/// What of a target is in memory.
#[derive(Debug, Default)]
struct Recent {
    ring: Ring,
    open: Option<OpenMinute>,
    pending: VecDeque<MinuteRow>,
    pending_minutes: usize,
}

impl Recent {
    fn close_minute(&mut self) -> u64 {
        let Some(open) = self.open.take() else { return 0 };
        self.pending.extend(open.rows());
        self.pending_minutes += 1;
        let mut given_up = 0;
        while self.pending_minutes > PENDING_MINUTES {
            let Some(oldest) = self.pending.front().map(|row| row.at) else { break };
            while self.pending.front().is_some_and(|row| row.at == oldest) {
                self.pending.pop_front();
            }
            self.pending_minutes -= 1;
            given_up += 1;
        }
        given_up
    }

    /// What the store does not have yet.
    fn unwritten(&self) -> impl Iterator<Item = MinuteRow> + '_ {
        self.pending.iter().copied().chain(self.open.iter().flat_map(OpenMinute::rows))
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("retention", &self.retention).finish_non_exhaustive()
    }
}

impl History {
    /// A history over a store.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Clock, retention: Retention) -> Self {
        History { store, clock, retention, targets: Mutex::default(), flushing: tokio::sync::Mutex::default() }
    }

    /// Takes a sample in: ring and minute. Never waits; bounded. A sample that is older than the open minute counts to it.
    pub fn observe(&self, sample: &Sample) {
        let mut targets = lock(&self.targets);
        let recent = targets.entry(sample.target.clone()).or_default();
        recent.ring.push(sample);
        let minute = sample.at.floor_to(MINUTE_MS);
        if recent.open.as_ref().is_some_and(|open| open.at() < minute) {
            let given_up = recent.close_minute();
            if given_up > 0 {
                tracing::warn!(target = %sample.target, given_up, "the state store is away for too long: minutes of history are lost");
            }
        }
        recent.open.get_or_insert_with(|| OpenMinute::new(minute)).add(sample);
    }

    /// Series of at most [`MAX_POINTS`] slots: from memory where the range lies in the last hour, else from the store
    /// joined with the minutes not yet written.
    ///
    /// # Errors
    /// The store does not answer and memory does not cover the range.
    pub async fn series(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        range: Resolved,
    ) -> Result<Vec<Series>, StoreError> {
        self.series_within(target, metrics, range, MAX_POINTS).await
    }

    /// As [`History::series`], with at most `max_points` slots; more than [`MAX_POINTS`] are never made.
    ///
    /// # Errors
    /// The store does not answer and memory does not cover the range.
    pub async fn series_within(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        range: Resolved,
        max_points: usize,
    ) -> Result<Vec<Series>, StoreError> {
        let max_points = max_points.clamp(1, MAX_POINTS);
        let ring_starts = lock(&self.targets).get(target).and_then(|recent| recent.ring.starts());
        if let Some(starts) = ring_starts
            && range.millis() <= ring::SPAN_MS
            && (starts <= range.from.plus_millis(2 * RING_STEP_MS) || !self.reaches_before(target, starts).await)
        {
            let grid = Grid::over(range, RING_STEP_MS, max_points);
            let targets = lock(&self.targets);
            let slots = |metric| targets.get(target).map_or_else(Vec::new, |recent| recent.ring.slots(metric, grid));
            return Ok(metrics.iter().map(|metric| grid.series(*metric, &slots(*metric))).collect());
        }
        let mut all = self.store.series(target, metrics, range, max_points).await?;
        let unwritten: Vec<MinuteRow> =
            lock(&self.targets).get(target).map_or_else(Vec::new, |recent| recent.unwritten().collect());
        for series in &mut all {
            join(series, &unwritten);
        }
        Ok(all)
    }

    /// Whether the store holds anything before the ring begins; a store that does not answer holds nothing now.
    async fn reaches_before(&self, target: &TargetId, ring_starts: Timestamp) -> bool {
        let starts = self.store.history_starts(target).await.ok().flatten();
        starts.is_some_and(|starts| starts < ring_starts.floor_to(MINUTE_MS))
    }

    /// When the history of a target starts.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn starts(&self, target: &TargetId) -> Result<Option<Timestamp>, StoreError> {
        let stored = self.store.history_starts(target).await?;
        let in_memory = lock(&self.targets).get(target).and_then(|recent| recent.ring.starts());
        Ok(stored.into_iter().chain(in_memory).min())
    }

    /// Writes what is pending. Complete minutes only, unless `all`. Safe to cancel between targets: a minute is either
    /// still pending or written.
    ///
    /// # Errors
    /// The store does not answer; what could not be written stays pending.
    pub async fn flush(&self, all: bool) -> Result<(), StoreError> {
        let _one = self.flushing.lock().await;
        let this_minute = self.clock.now().floor_to(MINUTE_MS);
        let names: Vec<TargetId> = lock(&self.targets).keys().cloned().collect();
        for name in names {
            let rows: Vec<MinuteRow> = {
                let mut targets = lock(&self.targets);
                let Some(recent) = targets.get_mut(&name) else { continue };
                if all || recent.open.as_ref().is_some_and(|open| open.at() < this_minute) {
                    recent.close_minute();
                }
                recent.pending.iter().copied().collect()
            };
            let Some(newest) = rows.last().map(|row| row.at) else { continue };
            // Until it is written a row stays pending, so that it shows in answers; while it is written, an answer may
            // for a moment see it in both places. Rows are removed by their minute: more may have come meanwhile.
            self.store.merge_minutes(&name, &rows).await?;
            if let Some(recent) = lock(&self.targets).get_mut(&name) {
                recent.pending.retain(|row| row.at > newest);
                recent.pending_minutes = minute::count(&recent.pending);
            }
        }
        Ok(())
    }

    /// Flushes every minute and keeps the store within its retention, until told to stop; then flushes all.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = interval(Duration::from_millis(MINUTE_MS as u64));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round: u64 = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.flush(false).await {
                tracing::warn!(%error, "history waits for the state store");
                continue;
            }
            if round.is_multiple_of(UPKEEP_EVERY)
                && let Err(error) = self.store.upkeep(self.clock.now(), self.retention).await
            {
                tracing::warn!(%error, "upkeep of the state store failed");
            }
            round += 1;
        }
        if let Err(error) = self.flush(true).await {
            tracing::error!(%error, "the newest minutes of history could not be written");
        }
    }
}

/// Adds minutes that are not written yet to a stored series. A slot that has stored minutes too is joined by weight,
/// which the slot's own width gives: both parts are means over their minutes.
fn join(series: &mut Series, unwritten: &[MinuteRow]) {
    let grid = Grid { from: series.from, step_ms: series.step_ms, len: series.avg.len() };
    let mut slots: Vec<Slot> = Vec::new();
    for row in unwritten.iter().filter(|row| row.metric == series.metric) {
        if let Some(slot) = grid.slot(row.at) {
            let slot = i64::try_from(slot).unwrap_or(i64::MAX);
            grid::add(&mut slots, Slot { slot, sum: row.sum, min: row.min, max: row.max, count: row.count.into() });
        }
    }
    let fresh = grid.series(series.metric, &slots);
    let kind = series.metric.metric().kind;
    for (i, slot) in slots.iter().filter_map(|slot| usize::try_from(slot.slot).ok().map(|i| (i, slot))) {
        let Some(new) = fresh.avg[i] else { continue };
        series.avg[i] = Some(match (series.avg[i], kind) {
            (None, _) => new,
            (Some(old), Kind::Delta) => old + new,
            (Some(old), Kind::Gauge) => weighted(old, new, slot.count, series.step_ms),
        });
        series.min[i] = merged(series.min[i], fresh.min[i], f64::min);
        series.max[i] = merged(series.max[i], fresh.max[i], f64::max);
    }
}

/// Mean of a slot's stored part and its `fresh` new measurements, five seconds each.
fn weighted(old: f64, new: f64, fresh: i64, step_ms: i64) -> f64 {
    let share = (fresh as f64 * RING_STEP_MS as f64 / step_ms as f64).clamp(0.0, 1.0);
    old * (1.0 - share) + new * share
}

fn merged(old: Option<f64>, new: Option<f64>, pick: fn(f64, f64) -> f64) -> Option<f64> {
    match (old, new) {
        (Some(old), Some(new)) => Some(pick(old, new)),
        (one, other) => one.or(other),
    }
}
