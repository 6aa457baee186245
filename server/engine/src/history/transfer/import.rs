//! Bringing a past in: all of a file or nothing, without touching what was measured and without keeping a running console
//! from writing.
//!
//! The points go, a chunk at a time, into rows that nobody sees; at the end one statement shows them. Whoever is killed before
//! that leaves nothing behind but rows that upkeep clears away. It is safe beside a running console, which alone holds the
//! right to *measure* into a store: an import writes tables of its own, and one lock lets one import run at a time.

use super::{Entry, Fault, Format, Reader, Step, names::Names};
use crate::{
    clock::Clock,
    store::{
        Brought, HOUR_MS, MINUTE_MS, MinuteRow, NewImport, Retention, Rows, Staged, StateStore, StoreError, Tally,
        merge_into,
    },
};
use headroom_model::{
    MetricId, Timestamp,
    origin::{ImportReport, Skipped},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Points gathered before they are written: a transaction that keeps the writer for well below a tenth of a second.
const CHUNK: u64 = 4_000;
/// Stretches a target may have. Each costs every query a look.
pub const IMPORTS_MAX: usize = 100;
/// The newest minutes are left to the console that measures.
const MARGIN_MS: i64 = 2 * MINUTE_MS;
/// What the clocks of two machines may differ.
const AHEAD_MS: i64 = 5 * MINUTE_MS;
/// How long the lock outlives an import that was killed: what the next one waits at most.
const LOCK_TTL: Duration = Duration::from_secs(20);
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Counters followed at most.
const COUNTERS_MAX: usize = 10_000;
const LOCK: &str = "history/import";

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be imported.
    #[error("{0}; nothing was imported")]
    Fault(#[from] Fault),
    /// Somebody else imports, or was killed while importing a moment ago.
    #[error("another import is under way ({0}); try again in half a minute, or when that has ended")]
    Busy(String),
    /// There are too many stretches.
    #[error("{0} has {IMPORTS_MAX} imported stretches; remove one first")]
    TooMany(String),
    /// The lock was lost: the store did not answer for too long.
    #[error("the state store was away for too long; nothing was imported")]
    Lost,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An import that others are kept from.
struct Begun {
    id: i64,
    holder: Uuid,
    /// Keeps the lock, however slowly the file comes.
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// An import under way. One that is dropped before its end leaves nothing that shows.
pub struct Importer {
    store: Arc<dyn StateStore>,
    clock: Clock,
    what: NewImport,
    retention: Retention,
    /// None in a rehearsal, and at the end.
    begun: Option<Begun>,
    reader: Reader,
    sorter: Sorter,
}

impl Importer {
    /// Begins. A rehearsal writes nothing.
    ///
    /// # Errors
    /// Somebody else imports, there are too many stretches, or the store does not answer.
    pub async fn begin(
        store: Arc<dyn StateStore>,
        clock: Clock,
        what: NewImport,
        format: Option<Format>,
        retention: Retention,
        rehearsal: bool,
    ) -> Result<Self, ImportError> {
        let begun = if rehearsal { None } else { Some(begin(&store, &what).await?) };
        let sorter = Sorter::new(&what, retention);
        Ok(Importer { store, clock, what, retention, begun, reader: Reader::new(format), sorter })
    }

    /// Takes the next piece of the file in.
    ///
    /// # Errors
    /// A line cannot be imported, or the store does not answer. Then only [`Importer::give_up`] is left to do.
    pub async fn feed(&mut self, piece: &[u8]) -> Result<(), ImportError> {
        self.reader.feed(piece, &mut |entry| self.sorter.take(&entry))?;
        if self.sorter.gathered >= CHUNK { self.write().await } else { Ok(()) }
    }

    /// The file is at its end: shows what was imported. A file without anything new leaves no stretch.
    ///
    /// # Errors
    /// As [`Importer::feed`]; nothing was imported then.
    pub async fn finish(mut self) -> Result<ImportReport, ImportError> {
        match self.complete().await {
            Ok(report) => Ok(report),
            Err(error) => {
                self.give_up().await;
                Err(error)
            }
        }
    }

    async fn complete(&mut self) -> Result<ImportReport, ImportError> {
        self.reader.finish(&mut |entry| self.sorter.take(&entry))?;
        self.write().await?;
        let sorter = &self.sorter;
        let report = ImportReport {
            target: self.what.target.clone(),
            dry_run: self.begun.is_none(),
            lines: self.reader.lines(),
            points: sorter.points,
            metrics: u32::try_from(sorter.metrics.len()).unwrap_or(u32::MAX),
            from: sorter.span.map(|(from, _)| from),
            to: sorter.span.map(|(_, to)| to),
            skipped: sorter.skipped,
            id: self.begun.as_ref().map(|begun| begun.id).filter(|_| sorter.span.is_some()),
        };
        let Some((id, holder)) = self.begun.as_ref().map(|begun| (begun.id, begun.holder)) else { return Ok(report) };
        match sorter.span {
            Some((from, to)) => {
                let brought = Brought { from, to, metrics: report.metrics, points: report.points };
                self.store.keep_import(id, brought).await?;
            }
            None => drop(self.store.drop_import(id).await?),
        }
        self.begun = None;
        // It is done: a lock that is not given back runs out.
        if let Err(error) = self.store.free_lock(LOCK, holder).await {
            tracing::debug!(%error, "the import's lock was not freed; it runs out");
        }
        Ok(report)
    }

    /// Ends without importing anything. What fails here is cleared away by upkeep.
    pub async fn give_up(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        if let Err(error) = self.store.drop_import(begun.id).await {
            tracing::debug!(%error, "an import that was given up is left to upkeep");
        }
        if let Err(error) = self.store.free_lock(LOCK, begun.holder).await {
            tracing::debug!(%error, "the import's lock was not freed; it runs out");
        }
    }

    /// Writes what was gathered, and leaves the store to others for a while.
    async fn write(&mut self) -> Result<(), ImportError> {
        let began = Instant::now();
        let chunk = self.sorter.cut();
        let staged = self.accept(chunk).await?;
        let Some(begun) = &self.begun else { return Ok(()) };
        if !self.store.renew_lock(LOCK, begun.holder, LOCK_TTL).await? {
            return Err(ImportError::Lost);
        }
        self.store.stage(begun.id, self.clock.now(), &staged).await?;
        // Between chunks the writer is free for at least a quarter of the time.
        tokio::time::sleep(began.elapsed() / 3).await;
        Ok(())
    }

    /// What of a chunk is new.
    async fn accept(&mut self, chunk: Chunk) -> Result<Staged, StoreError> {
        let mut staged = Staged::default();
        let minutes_from = self.retention.minutes_from(self.what.at);
        for (metric, points) in chunk {
            let mut hours = Known::default();
            if let (Some(from), Some(to)) = (points.first_hour(), points.last_hour()) {
                hours = self.known(metric, Rows::Hours, from, to.plus_millis(HOUR_MS)).await?;
            }
            let (mut minutes, mut in_hours) = (Known::default(), Known::default());
            let newest = points.minutes.keys().next_back();
            if let (Some(first), Some(last)) = (points.minutes.range(minutes_from..).map(|(at, _)| at).next(), newest) {
                let (from, to) = (first.floor_to(HOUR_MS), last.floor_to(HOUR_MS).plus_millis(HOUR_MS));
                minutes = self.known(metric, Rows::Minutes, from, to).await?;
                in_hours = minutes.hours();
            }
            // Whole hours first: their minutes add nothing to them.
            for (hour, (tally, points)) in points.hours {
                let Some(tally) = tally else { continue };
                match hours.of(hour) {
                    Some(measured) => self.sorter.skip(measured, points),
                    None => {
                        self.sorter.count(metric, hour, HOUR_MS, points);
                        self.sorter.whole.set(metric, hour);
                        staged.whole_hours.push(MinuteRow { metric, at: hour, tally });
                    }
                }
            }
            for (minute, (tally, points)) in points.minutes {
                let Some(tally) = tally else { continue };
                let hour = minute.floor_to(HOUR_MS);
                let there = if minute >= minutes_from {
                    // An hour that is known as a whole, without minutes, has nothing to add.
                    minutes.of(minute).or_else(|| hours.of(hour).filter(|_| in_hours.of(hour).is_none()))
                } else {
                    hours.of(hour)
                };
                if let Some(measured) = there {
                    self.sorter.skip(measured, points);
                    continue;
                }
                self.sorter.count(metric, minute, MINUTE_MS, points);
                if minute >= minutes_from {
                    staged.minutes.push(MinuteRow { metric, at: minute, tally });
                }
                if !self.sorter.whole.get(metric, hour) {
                    staged.hours.push(MinuteRow { metric, at: hour, tally });
                }
            }
        }
        Ok(staged)
    }

    async fn known(&self, metric: MetricId, rows: Rows, from: Timestamp, to: Timestamp) -> Result<Known, StoreError> {
        let mut known = Known::default();
        for (at, measured) in self.store.known(&self.what.target, metric, rows, from, to).await? {
            if measured {
                known.measured.insert(at)
            } else {
                known.imported.insert(at)
            };
        }
        Ok(known)
    }
}

async fn begin(store: &Arc<dyn StateStore>, what: &NewImport) -> Result<Begun, ImportError> {
    let holder = Uuid::now_v7();
    if store.take_lock(LOCK, holder, &what.actor, LOCK_TTL).await?.is_none() {
        let owner = store.lock(LOCK).await?.map_or_else(|| "somebody".to_owned(), |lock| lock.owner);
        return Err(ImportError::Busy(owner));
    }
    match begin_locked(&**store, what).await {
        Ok(id) => {
            let store = store.clone();
            // Ends with the import: `Begun` stops it.
            let keeper = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(KEEP_EVERY).await;
                    if let Err(error) = store.renew_lock(LOCK, holder, LOCK_TTL).await {
                        tracing::debug!(%error, "the import's lock was not renewed");
                    }
                }
            });
            Ok(Begun { id, holder, keeper })
        }
        Err(error) => {
            store.free_lock(LOCK, holder).await?;
            Err(error)
        }
    }
}

async fn begin_locked(store: &dyn StateStore, what: &NewImport) -> Result<i64, ImportError> {
    if store.origins(Some(&what.target)).await?.len() >= IMPORTS_MAX {
        return Err(ImportError::TooMany(what.target.to_string()));
    }
    Ok(store.begin_import(what).await?)
}

/// Moments that have a row already.
#[derive(Debug, Default)]
struct Known {
    measured: HashSet<Timestamp>,
    imported: HashSet<Timestamp>,
}

impl Known {
    /// Whether there is a row, and whether it was measured.
    fn of(&self, at: Timestamp) -> Option<bool> {
        if self.measured.contains(&at) { Some(true) } else { self.imported.contains(&at).then_some(false) }
    }

    fn hours(&self) -> Known {
        let hours = |of: &HashSet<Timestamp>| of.iter().map(|at| at.floor_to(HOUR_MS)).collect();
        Known { measured: hours(&self.measured), imported: hours(&self.imported) }
    }
}

/// Points of one metric: what was measured, and how many lines say so.
#[derive(Debug, Default)]
struct Points {
    minutes: BTreeMap<Timestamp, (Option<Tally>, u64)>,
    hours: BTreeMap<Timestamp, (Option<Tally>, u64)>,
}

impl Points {
    fn first_hour(&self) -> Option<Timestamp> {
        let minute = self.minutes.keys().next().map(|at| at.floor_to(HOUR_MS));
        minute.into_iter().chain(self.hours.keys().next().copied()).min()
    }

    fn last_hour(&self) -> Option<Timestamp> {
        let minute = self.minutes.keys().next_back().map(|at| at.floor_to(HOUR_MS));
        minute.into_iter().chain(self.hours.keys().next_back().copied()).max()
    }
}

type Chunk = BTreeMap<MetricId, Points>;

/// Makes of lines what the store takes.
struct Sorter {
    names: Names,
    now: Timestamp,
    hours_from: Timestamp,
    target: String,
    chunk: Chunk,
    gathered: u64,
    counters: HashMap<String, (Timestamp, f64)>,
    /// Hours that were told as a whole.
    whole: Seen,
    /// Minutes that were.
    minutes: Seen,
    points: u64,
    metrics: BTreeSet<MetricId>,
    span: Option<(Timestamp, Timestamp)>,
    skipped: Skipped,
}

impl Sorter {
    fn new(what: &NewImport, retention: Retention) -> Self {
        let hours_from = retention.hours_from(what.at);
        Sorter {
            names: Names::new(),
            now: what.at,
            hours_from,
            target: what.target.to_string(),
            chunk: Chunk::new(),
            gathered: 0,
            counters: HashMap::new(),
            whole: Seen { from: hours_from, step_ms: HOUR_MS, bits: HashMap::new() },
            minutes: Seen { from: hours_from, step_ms: MINUTE_MS, bits: HashMap::new() },
            points: 0,
            metrics: BTreeSet::new(),
            span: None,
            skipped: Skipped::default(),
        }
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let named = self.names.find(entry.name)?;
        if entry.at > self.now.plus_millis(AHEAD_MS) {
            return Err(format!("{} lies in the future; it is {}", entry.at.to_rfc3339(), self.now.to_rfc3339()));
        }
        if entry.target.is_some_and(|target| target != self.target) {
            self.skipped.other_target += 1;
            return Ok(());
        }
        let tally = if named.is_cumulative {
            match self.increase(entry)? {
                Some(increase) => Tally::of(increase / named.factor),
                None => return Ok(()),
            }
        } else if named.factor == 1.0 {
            entry.tally
        } else {
            let Tally { sum, min, max, count } = entry.tally;
            let factor = named.factor;
            Tally { sum: sum / factor, min: min / factor, max: max / factor, count }
        };
        let step_ms = if entry.step == Step::Hour { HOUR_MS } else { MINUTE_MS };
        let at = entry.at.floor_to(step_ms);
        if at.floor_to(HOUR_MS) < self.hours_from {
            self.skipped.too_old += 1;
        } else if entry.at > self.now.plus_millis(-MARGIN_MS) {
            self.skipped.too_new += 1;
        } else if entry.step == Step::Minute && !self.minutes.set(named.metric, at) {
            // Said before, as in exports put one after another.
            self.skipped.present += 1;
        } else {
            let points = self.chunk.entry(named.metric).or_default();
            self.gathered += 1;
            let is_hour = entry.step == Step::Hour;
            let column = if is_hour { &mut points.hours } else { &mut points.minutes };
            let (there, lines) = column.entry(at).or_default();
            if is_hour {
                // Said twice, the later line counts.
                *there = None;
            }
            merge_into(there, &tally);
            *lines += 1;
        }
        Ok(())
    }

    /// What a counter counted since its line before; nothing at its first. One that fell began again.
    fn increase(&mut self, entry: &Entry<'_>) -> Result<Option<f64>, String> {
        let value = entry.tally.sum;
        let Some((at, before)) = self.counters.get_mut(entry.series) else {
            if self.counters.len() == COUNTERS_MAX {
                return Err(format!("more than {COUNTERS_MAX} counters"));
            }
            self.counters.insert(entry.series.to_owned(), (entry.at, value));
            return Ok(None);
        };
        if entry.at <= *at {
            return Err(format!("{} is a counter and its lines are not in order of time", entry.name));
        }
        let increase = if value < *before { value } else { value - *before };
        (*at, *before) = (entry.at, value);
        Ok(Some(increase))
    }

    fn cut(&mut self) -> Chunk {
        self.gathered = 0;
        std::mem::take(&mut self.chunk)
    }

    fn skip(&mut self, measured: bool, points: u64) {
        if measured {
            self.skipped.measured += points;
        } else {
            self.skipped.present += points;
        }
    }

    fn count(&mut self, metric: MetricId, at: Timestamp, step_ms: i64, points: u64) {
        self.points += points;
        self.metrics.insert(metric);
        let end = at.plus_millis(step_ms);
        let (from, to) = self.span.unwrap_or((at, end));
        self.span = Some((from.min(at), to.max(end)));
    }
}

/// One bit a step and metric: of 25 months, 2 KB a metric for hours, 140 KB for minutes.
struct Seen {
    from: Timestamp,
    step_ms: i64,
    bits: HashMap<MetricId, Vec<u64>>,
}

impl Seen {
    fn place(&self, at: Timestamp) -> Option<(usize, u64)> {
        let index = usize::try_from((at.0 - self.from.0).div_euclid(self.step_ms)).ok()?;
        Some((index / 64, 1 << (index % 64)))
    }

    /// Whether it was not there before.
    fn set(&mut self, metric: MetricId, at: Timestamp) -> bool {
        let Some((word, bit)) = self.place(at) else { return true };
        let bits = self.bits.entry(metric).or_default();
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let is_new = bits[word] & bit == 0;
        bits[word] |= bit;
        is_new
    }

    fn get(&self, metric: MetricId, at: Timestamp) -> bool {
        let Some((word, bit)) = self.place(at) else { return false };
        self.bits.get(&metric).and_then(|bits| bits.get(word)).is_some_and(|bits| bits & bit > 0)
    }
}
