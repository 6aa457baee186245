//! The history of statements: what each did, by slots of a minute, ten minutes, an hour and a day.
//!
//! A reader of the spine like the others: [`StatementLog::observe`] folds a reading into its minute and never waits. An ended
//! minute becomes one compressed document; every ten minutes those of the ten are rolled up, and with them their hour and
//! their day, each made anew from the finer ones, so that rolling up twice changes nothing and a restart loses nothing that
//! was written. A document holds at most [`headroom_model::statements::MAX_IN_SLOT`] statements; texts, tags and roles stand apart, once a statement.
//! With every roll-up `news` looks for statements that came, went, or became slower.

mod estimate;
mod news;
mod pairs;
mod read;
mod slot;
mod step;
#[cfg(test)]
mod tests;
mod usual;
mod view;

pub(crate) use step::Step;

use crate::{
    clock::Clock,
    collect::{COLLECT_BUDGET, KnownText, Observation, StatementWork},
    history::LAST_FLUSH,
    spine::feed::Feed,
    store::{MINUTE_MS, SlotRow, StateStore, StatementText, StoreError},
};
use headroom_model::{
    TargetId, Timestamp,
    statements::{Regression, RowByRow, Tag},
};
use pairs::Pairs;
use read::Baselines;
use slot::Slot;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// A reading that covers more than this tells nothing about the slot it falls into.
const LONGEST_INTERVAL: Duration = Duration::from_secs(180);
/// Between two looks for ended minutes, and between two attempts to reach a store that is away.
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// Minutes a target waits with at most: two hours without a state store. About 10 MB where there are many statements.
const MOST_PENDING: usize = 120;
/// Minutes written in one transaction.
const BATCH_MINUTES: usize = 10;
/// Statements whose text is kept at hand until it is written.
const MOST_SEEN: usize = 2_000;
/// How long findings are told without a reading.
const TOLD_FOR_MS: i64 = 15 * MINUTE_MS;
const TEN_MINUTES_MS: i64 = 10 * MINUTE_MS;

/// The history of statements on its way into the store and back.
pub struct StatementLog {
    store: Arc<dyn StateStore>,
    clock: Clock,
    feed: Arc<Feed>,
    /// Names this process's part of a minute.
    part: Timestamp,
    tracks: Mutex<HashMap<TargetId, Track>>,
    baselines: Baselines,
}

/// What is known of one target.
#[derive(Debug, Default)]
struct Track {
    open: Option<(Timestamp, Slot)>,
    /// Ended minutes that the store does not have yet.
    ended: BTreeMap<Timestamp, Slot>,
    /// The newest minute that the store has from this process.
    written_to: Option<Timestamp>,
    seen: HashMap<i64, Seen>,
    /// Stretches of ten minutes that have minutes in the store and are to be rolled up.
    to_roll: BTreeSet<Timestamp>,
    /// Whether the store was asked for those that an earlier process left.
    knows_left_over: bool,
    pairs: Pairs,
    /// The newest reading.
    read_at: Option<Timestamp>,
    /// Statements that were slower than usual at the last roll-up.
    slower: HashMap<i64, Regression>,
}

/// A statement that is slower than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowerStatement {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Its text, where it was met since the start.
    pub text: Option<Arc<str>>,
    /// By how much, and since when.
    pub regression: Regression,
}

/// A statement met since the start.
#[derive(Clone, Debug)]
struct Seen {
    text: Option<Arc<str>>,
    tags: Arc<[Tag]>,
    roles: Vec<Arc<str>>,
    first_at: Timestamp,
    last_at: Timestamp,
    /// What was written last: the hour, and whether its text was known.
    written: Option<(Timestamp, bool)>,
}

impl Seen {
    fn is_due(&self) -> bool {
        self.written != Some((self.last_at, self.text.is_some()))
    }
}

impl Track {
    /// Takes a reading in; answers the minute that had to go because the store has been away for too long.
    fn observe(&mut self, observation: &Observation) -> Option<Timestamp> {
        let workload = observation.workload.as_ref().filter(|workload| workload.interval <= LONGEST_INTERVAL)?;
        self.read_at = Some(observation.sample.at);
        let at = observation.sample.at.floor_to(MINUTE_MS);
        let lost = if self.open.as_ref().is_some_and(|(open, _)| *open != at) { self.end() } else { None };
        self.open.get_or_insert_with(|| (at, Slot::default())).1.add(workload);
        for one in &workload.statements {
            self.meet(one, at);
        }
        for KnownText { query_id, text, tags } in &workload.learned {
            if let Some(seen) = self.seen.get_mut(query_id) {
                (seen.text, seen.tags) = (Some(Arc::clone(text)), Arc::clone(tags));
            }
        }
        lost
    }

    fn meet(&mut self, one: &StatementWork, at: Timestamp) {
        let hour = at.floor_to(Step::Hour.millis());
        if self.seen.len() >= MOST_SEEN && !self.seen.contains_key(&one.query_id) {
            self.seen.retain(|_, seen| seen.is_due() || seen.last_at >= hour);
            if self.seen.len() >= MOST_SEEN {
                return;
            }
        }
        let seen = self.seen.entry(one.query_id).or_insert_with(|| Seen {
            text: None,
            tags: Arc::clone(&one.tags),
            roles: Vec::new(),
            first_at: at,
            last_at: hour,
            written: None,
        });
        if one.text.is_some() {
            (seen.text, seen.tags) = (one.text.clone(), Arc::clone(&one.tags));
        }
        seen.last_at = seen.last_at.max(hour);
        let new = one.roles.iter().filter(|role| !seen.roles.contains(role)).cloned().collect::<Vec<_>>();
        seen.roles.extend(new);
        seen.roles.truncate(headroom_model::statements::MAX_ROLES);
    }

    /// Ends the open minute.
    fn end(&mut self) -> Option<Timestamp> {
        let (at, slot) = self.open.take()?;
        let (seen, pairs) = (&self.seen, &mut self.pairs);
        pairs.observe(&slot, |id| seen.get(&id)?.text.clone());
        // A clock that was set back opens a minute again: what the store has of it stays.
        if self.written_to.is_some_and(|written| at <= written) {
            return None;
        }
        self.ended.entry(at).or_default().merge(&slot);
        if self.ended.len() <= MOST_PENDING {
            return None;
        }
        self.ended.pop_first().map(|(at, _)| at)
    }

    /// Whether what was found last is still told: without readings nobody knows whether it goes on.
    fn is_current(&self, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| at >= now.plus_millis(-TOLD_FOR_MS))
    }

    fn patterns(&self) -> Vec<RowByRow> {
        self.pairs.findings(|id| self.seen.get(&id)?.text.clone())
    }

    /// Minutes to write, and the statements in them whose text, roles or hour the store does not have.
    fn batch(&self, part: Timestamp) -> (Vec<SlotRow>, Vec<StatementText>) {
        let waiting = self.ended.iter().take(BATCH_MINUTES);
        let named: HashSet<i64> = waiting.clone().flat_map(|(_, slot)| slot.statements.keys().copied()).collect();
        let row = |(at, slot): (&Timestamp, &Slot)| {
            let body = slot.encode().inspect_err(|error| tracing::error!(%error, "statements could not be packed"));
            Some(SlotRow { step_ms: Step::Minute.millis(), at: *at, part, body: body.ok()? })
        };
        let text = |(id, seen): (&i64, &Seen)| StatementText {
            query_id: *id,
            text: seen.text.as_deref().map(str::to_owned),
            tags: seen.tags.to_vec(),
            roles: seen.roles.iter().map(|role| role.to_string()).collect(),
            first_at: seen.first_at,
            last_at: seen.last_at,
        };
        // Of what was written before only the text may have come later.
        let is_wanted = |id: &i64, seen: &Seen| seen.is_due() && (named.contains(id) || seen.written.is_some());
        let texts = self.seen.iter().filter(|(id, seen)| is_wanted(id, seen));
        (waiting.filter_map(row).collect(), texts.map(text).collect())
    }

    fn written(&mut self, minutes: &[SlotRow], texts: &[StatementText]) {
        for row in minutes {
            self.ended.remove(&row.at);
            self.written_to = self.written_to.max(Some(row.at));
            self.to_roll.insert(row.at.floor_to(TEN_MINUTES_MS));
        }
        for text in texts {
            if let Some(seen) = self.seen.get_mut(&text.query_id) {
                seen.written = Some((text.last_at, text.text.is_some()));
            }
        }
    }
}

impl StatementLog {
    /// Over a store; what is new is told on the feed.
    pub(crate) fn new(store: Arc<dyn StateStore>, clock: Clock, feed: Arc<Feed>) -> Self {
        let part = clock.now();
        StatementLog { store, clock, feed, part, tracks: Mutex::default(), baselines: Baselines::default() }
    }

    /// Takes a reading in. Never waits; bounded.
    pub fn observe(&self, observation: &Observation) {
        let target = &observation.sample.target;
        let lost = {
            let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
            tracks.entry(target.clone()).or_default().observe(observation)
        };
        report_lost(target, lost);
    }

    /// Rows fetched one by one, as the last ten minutes show it. None once readings have stayed away for a quarter of an hour.
    #[must_use]
    pub fn patterns(&self, target: &TargetId) -> Vec<RowByRow> {
        let now = self.clock.now();
        self.with(target, |track| if track.is_current(now) { track.patterns() } else { Vec::new() }).unwrap_or_default()
    }

    /// Statements that were slower than usual at the last roll-up, by how much, most first. None once readings have stayed
    /// away for a quarter of an hour.
    #[must_use]
    pub fn slower(&self, target: &TargetId) -> Vec<SlowerStatement> {
        let now = self.clock.now();
        let found = self.with(target, |track| {
            if !track.is_current(now) {
                return Vec::new();
            }
            let text = |id: &i64| track.seen.get(id).and_then(|seen| seen.text.clone());
            let slower = track.slower.iter();
            slower
                .map(|(id, one)| SlowerStatement { query_id: *id, text: text(id), regression: *one })
                .collect::<Vec<_>>()
        });
        let mut found = found.unwrap_or_default();
        found.sort_by(|a, b| b.regression.factor().total_cmp(&a.regression.factor()).then(a.query_id.cmp(&b.query_id)));
        found
    }

    fn with<T>(&self, target: &TargetId, use_it: impl FnOnce(&mut Track) -> T) -> Option<T> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).get_mut(target).map(use_it)
    }

    /// Writes ended minutes, also the open one where `all` is wanted, and rolls up what has ended. Cancelling is safe.
    ///
    /// # Errors
    /// The store did not answer; what it has not confirmed waits.
    pub async fn flush(&self, all: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        // A collection that began in a minute may end after it.
        let late = i64::try_from(COLLECT_BUDGET.as_millis()).unwrap_or(i64::MAX);
        let targets: Vec<TargetId> =
            self.tracks.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for target in targets {
            let lost = self.with(&target, |track| {
                let has_ended = |open: &(Timestamp, Slot)| all || open.0.plus_millis(MINUTE_MS + late) <= now;
                if track.open.as_ref().is_some_and(has_ended) { track.end() } else { None }
            });
            report_lost(&target, lost.flatten());
            loop {
                let (minutes, texts) = self.with(&target, |track| track.batch(self.part)).unwrap_or_default();
                if minutes.is_empty() {
                    break;
                }
                self.store.save_statements(&target, &minutes, &texts).await?;
                self.with(&target, |track| track.written(&minutes, &texts));
            }
            if !all {
                self.roll_up(&target, now.plus_millis(-late - MINUTE_MS)).await?;
            }
        }
        Ok(())
    }

    /// Rolls up every stretch of ten minutes that has ended by `now`.
    async fn roll_up(&self, target: &TargetId, now: Timestamp) -> Result<(), StoreError> {
        if self.with(target, |track| !track.knows_left_over).unwrap_or(false) {
            let waiting = self.left_over(target).await?;
            self.with(target, |track| {
                track.to_roll.extend(waiting);
                track.knows_left_over = true;
            });
        }
        let due = |track: &mut Track| -> Vec<Timestamp> {
            let ended = |at: &&Timestamp| at.plus_millis(TEN_MINUTES_MS) <= now;
            track.to_roll.iter().take_while(ended).copied().collect()
        };
        for at in self.with(target, due).unwrap_or_default() {
            let minutes = self.stored(target, Step::Minute, (at, at.plus_millis(TEN_MINUTES_MS))).await?;
            if !minutes.is_empty() {
                self.roll(target, Step::TenMinutes, at, minutes).await?;
                for step in [Step::Hour, Step::Day] {
                    let finer = if step == Step::Hour { Step::TenMinutes } else { Step::Hour };
                    let start = at.floor_to(step.millis());
                    let parts = self.stored(target, finer, (start, start.plus_millis(step.millis()))).await?;
                    self.roll(target, step, start, parts).await?;
                }
                let news = self.news(target, at).await?;
                for event in news {
                    self.feed.mark_soon(event);
                }
            }
            self.with(target, |track| track.to_roll.remove(&at));
        }
        Ok(())
    }

    /// Makes one slot of finer ones.
    async fn roll(
        &self,
        target: &TargetId,
        step: Step,
        at: Timestamp,
        parts: Vec<(Timestamp, Slot)>,
    ) -> Result<(), StoreError> {
        let whole = tokio::task::spawn_blocking(move || {
            let mut whole = Slot::default();
            for (_, part) in &parts {
                whole.merge(part);
            }
            whole.encode()
        });
        match whole.await {
            Ok(Ok(body)) => {
                let row = SlotRow { step_ms: step.millis(), at, part: Timestamp(0), body };
                self.store.save_statements(target, &[row], &[]).await
            }
            failed => {
                tracing::error!(?failed, %target, "statements could not be rolled up");
                Ok(())
            }
        }
    }

    /// Stretches of ten minutes of which an earlier process wrote minutes and rolled up none or not all.
    async fn left_over(&self, target: &TargetId) -> Result<Vec<Timestamp>, StoreError> {
        let Some((first, last)) = self.store.statement_span(target, Step::Minute.millis()).await? else {
            return Ok(Vec::new());
        };
        let rolled = self.store.statement_span(target, Step::TenMinutes.millis()).await?;
        // The newest one may have been written before its end.
        let from = rolled.map_or(first, |(_, newest)| newest.max(first)).floor_to(TEN_MINUTES_MS);
        let count = (last.0 - from.0).max(0) / TEN_MINUTES_MS + 1;
        Ok((0..count).map(|n| from.plus_millis(n * TEN_MINUTES_MS)).collect())
    }

    /// Flushes every quarter of a minute until told to stop; then writes all, within two and a half seconds.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(self.flush(false)).await {
                // History says so once for all.
                Some(Err(error)) => tracing::debug!(%error, "statements wait in memory"),
                Some(Ok(())) => {}
                None => break,
            }
        }
        match timeout(LAST_FLUSH, self.flush(true)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the newest minutes of statements could not be written"),
            Err(_) => tracing::error!("the newest minutes of statements could not be written in time"),
        }
    }
}

fn report_lost(target: &TargetId, minute: Option<Timestamp>) {
    if let Some(minute) = minute {
        let minute = minute.to_rfc3339();
        tracing::error!(target_id = %target, %minute, "a minute of statements is lost: no state store for two hours");
    }
}
