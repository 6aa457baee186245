//! The year before the demo: generated, and marked as such, so that Trends and Capacity have something to show at once.
//!
//! Written in the background as an import is, but beside the lock that keeps imports apart, since nobody asked for it: hours
//! of a year first, which are there in seconds, then minutes of a month. Chunks are small and the writer rests between them, so that the console's own samples never wait.

mod plan;
mod shape;

use headroom_engine::{
    console::Console,
    store::{Brought, MinuteRow, NewImport, Staged, StoreError, Tally},
};
use headroom_model::{MetricId, TargetId, Timestamp, metric::Kind, origin::Origin, range::Resolved};
use plan::{DAY, HOUR, MINUTE, Plan};
use shape::FIGURES;
use sqlx::{Connection, PgConnection};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Days of minutes.
const MINUTES_DAYS: i64 = 30;
/// Between two points that make an hour.
const IN_AN_HOUR: i64 = 5 * MINUTE;
/// Rows written at once.
const CHUNK: usize = 4_000;
/// Where the points come from, as pages say.
const SOURCE: &str = "the demo";
/// How long to wait for figures to end at.
const FIGURES_WITHIN: Duration = Duration::from_secs(60);
/// Figures that must be there before the year can end at them.
const ANCHORS: [MetricId; 4] =
    [MetricId::DatabaseSize, MetricId::Queries, MetricId::Connections, MetricId::CacheHitRate];

/// Sizes of the loaded shop. The console measures sizes once a minute, so the first ones it has are of an empty database.
pub type Sizes = BTreeMap<MetricId, f64>;

/// Measures them, as the role that watches.
///
/// # Errors
/// The server cannot be reached or refuses the statement.
pub async fn sizes(url: &str) -> Result<Sizes, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let sql = "SELECT pg_database_size(current_database())::float8, \
                      (SELECT max(pg_total_relation_size(relid)) FROM pg_stat_user_tables)::float8, \
                      (SELECT sum(size) FROM pg_ls_waldir())::float8";
    let (database, table, wal): (f64, Option<f64>, Option<f64>) =
        sqlx::query_as(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    let known = [(MetricId::DatabaseSize, Some(database)), (MetricId::LargestTable, table), (MetricId::WalSize, wal)];
    Ok(known.into_iter().filter_map(|(metric, size)| Some((metric, size?))).collect())
}

/// The generated year of a demo.
pub struct Past {
    console: Arc<Console>,
    target: TargetId,
    plan: Plan,
    /// What there is of it already, in a data directory that was kept.
    there: Vec<Origin>,
}

impl Past {
    /// Begins: the events come first, so that they stand before those of the demo itself. None when all of it is there.
    ///
    /// # Errors
    /// The state store does not answer.
    pub async fn begin(console: Arc<Console>, seed: u64) -> Result<Option<Self>, StoreError> {
        let target = console.default_target().clone();
        let mut there = console.store.origins(Some(&target)).await?;
        there.retain(|origin| origin.generated);
        if there.len() >= 2 {
            return Ok(None);
        }
        // Measured is measured: the year ends before the first of it.
        let now = console.clock.now();
        let begins = console.store.history_start(&target).await?.minutes.unwrap_or(now);
        let end = there.first().map_or(begins.min(now), |origin| origin.to).floor_to(MINUTE);
        let past = Past { console, target, plan: Plan { end, seed }, there };
        if past.there.is_empty() {
            // Named by seed and number: a demo that was interrupted before its points were kept repeats none.
            for (number, event) in (0..).zip(past.plan.events(&past.target)) {
                past.console.store.add_event(Uuid::from_u64_pair(seed, number), &event).await?;
            }
        }
        Ok(Some(past))
    }

    /// Writes it, until told to stop. What was begun and not ended is cleared away like any import. `sizes` are those of the
    /// loaded shop.
    pub async fn write(self, sizes: Sizes, stop: CancellationToken) {
        if let Some(Err(error)) = stop.run_until_cancelled(self.run(&sizes)).await {
            tracing::warn!(%error, "the demo's past was not generated");
        }
    }

    async fn run(&self, sizes: &Sizes) -> Result<(), StoreError> {
        let mut last = self.last().await?;
        last.extend(sizes);
        if self.there.is_empty() {
            self.bring(&last, self.plan.start(), HOUR).await?;
        }
        self.bring(&last, self.plan.end.plus_millis(-MINUTES_DAYS * DAY).floor_to(HOUR), MINUTE).await
    }

    /// What the year ends at: the first figures that were measured. A figure that is not measured has no past either.
    async fn last(&self) -> Result<BTreeMap<MetricId, f64>, StoreError> {
        let metrics: Vec<MetricId> = FIGURES.iter().map(|(metric, _)| *metric).collect();
        let began = Instant::now();
        loop {
            let range = Resolved { from: self.plan.end, to: self.console.clock.now().plus_millis(1), live: true };
            let series = self.console.history.series(&self.target, &metrics, range).await?;
            // The newest of the first ones: traffic needs a moment to get going.
            let last: BTreeMap<_, _> = series
                .iter()
                .filter_map(|series| {
                    let values: Vec<f64> = series.avg.iter().flatten().copied().collect();
                    let newest = &values[values.len().saturating_sub(3)..];
                    let is_count = series.metric.metric().kind == Kind::Delta;
                    let mean = newest.iter().sum::<f64>() / newest.len() as f64;
                    (!newest.is_empty()).then_some((series.metric, if is_count { 0.0 } else { mean }))
                })
                .collect();
            let is_whole = ANCHORS.iter().all(|metric| last.contains_key(metric));
            if is_whole || began.elapsed() > FIGURES_WITHIN {
                return Ok(last);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Generates all figures from a moment on, as whole hours or as minutes, and shows them together.
    async fn bring(&self, last: &BTreeMap<MetricId, f64>, from: Timestamp, step_ms: i64) -> Result<(), StoreError> {
        let (store, clock, end) = (&self.console.store, &self.console.clock, self.plan.end);
        let what = NewImport {
            target: self.target.clone(),
            source: SOURCE.to_owned(),
            generated: true,
            actor: "demo".to_owned(),
            at: clock.now(),
        };
        let import = store.begin_import(&what).await?;
        let (mut points, mut metrics) = (0, 0);
        for (metric, shape) in FIGURES {
            let Some(last) = last.get(metric) else { continue };
            metrics += 1;
            let mut at = from;
            while at < end {
                let began = Instant::now();
                let mut rows = Vec::with_capacity(CHUNK);
                while at < end && rows.len() < CHUNK {
                    let value = |at| shape::value(&self.plan, *metric, *shape, *last, at);
                    if let Some(tally) = self.tally(at, step_ms, value) {
                        rows.push(MinuteRow { metric: *metric, at, tally });
                    }
                    at = at.plus_millis(step_ms);
                }
                points += u64::try_from(rows.len()).unwrap_or(u64::MAX);
                let staged = if step_ms == HOUR {
                    Staged { whole_hours: rows, ..Staged::default() }
                } else {
                    Staged { minutes: rows, ..Staged::default() }
                };
                store.stage(import, clock.now(), &staged).await?;
                // A year is there in seconds; a month of minutes may take its time.
                sleep(began.elapsed() * if step_ms == HOUR { 1 } else { 3 }).await;
            }
        }
        if points == 0 {
            return store.drop_import(import).await.map(drop);
        }
        store.keep_import(import, Brought { from, to: end, metrics, points }).await
    }

    /// What is told of a minute or an hour; nothing where nothing was measured.
    fn tally(&self, at: Timestamp, step_ms: i64, value: impl Fn(Timestamp) -> f64) -> Option<Tally> {
        let every = if step_ms == HOUR { IN_AN_HOUR } else { MINUTE };
        let mut tally: Option<Tally> = None;
        let mut moment = at;
        while moment < at.plus_millis(step_ms).min(self.plan.end) {
            if !self.plan.is_gap(moment) {
                let of = Tally::of(value(moment));
                match &mut tally {
                    Some(tally) => tally.merge(&of),
                    None => tally = Some(of),
                }
            }
            moment = moment.plus_millis(every);
        }
        tally
    }
}
