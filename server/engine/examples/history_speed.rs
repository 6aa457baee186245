//! How fast history is read back: fills both backends with thirty days of minutes and twenty-five months of hours of every
//! metric of three targets, and times what pages ask for.
//!
//! `cargo run --release -p headroom-engine --example history_speed [targets]`

use anyhow::{Context, Result};
use headroom_engine::{
    clock::Clock,
    history::History,
    store::{self, HOUR_MS, MINUTE_MS, MinuteRow, Retention, StateStore, Tally},
};
use headroom_model::{MetricId, TargetId, Timestamp, metric::CATALOGUE, range::Resolved};
use std::{sync::Arc, time::Instant};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_795_089_600_000);
const DAY_MS: i64 = 24 * HOUR_MS;
/// Times each question is asked; the median counts.
const ROUNDS: usize = 7;
/// One row a step up to `$3`, `$4` in all, of one target and one metric, with values that are no whole numbers.
const FILL: [&str; 2] = [
    "INSERT INTO minutes (target, metric, at, total, lowest, highest, newest, samples) \
     WITH RECURSIVE step (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM step WHERE i < $4) \
     SELECT $1, $2, $3 + (i - $4 - 1) * 60000, i * 1.37, i * 0.11, i * 0.23, i * 0.17, 12 FROM step",
    "INSERT INTO hours (target, metric, at, total, lowest, highest, newest, samples) \
     WITH RECURSIVE step (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM step WHERE i < $4) \
     SELECT $1, $2, $3 + (i - $4 - 1) * 3600000, i * 1.37, i * 0.11, i * 0.23, i * 0.17, 720 FROM step",
];

#[tokio::main]
async fn main() -> Result<()> {
    let targets = std::env::args().nth(1).map_or(Ok(3), |count| count.parse()).context("how many targets")?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}/state.db", folder.path().display());
    let state = store::open(&url).await?;
    name(&*state, targets).await?;
    let pool = sqlx::SqlitePool::connect(&url).await?;
    let began = Instant::now();
    for (target, metric) in pairs(targets) {
        for (sql, rows) in FILL.into_iter().zip([30 * 24 * 60_i64, 762 * 24]) {
            sqlx::query(sql).bind(target).bind(metric).bind(NOW.0).bind(rows).execute(&pool).await?;
        }
    }
    println!("sqlite: filled in {:.0?}", began.elapsed());
    measure(state).await?;

    let database = headroom_sandbox::test::database().await?;
    let url = database.url();
    let state = store::open(&url).await?;
    name(&*state, targets).await?;
    let options = url.parse::<sqlx::postgres::PgConnectOptions>()?.options([("search_path", "headroom")]);
    let pool = sqlx::PgPool::connect_with(options).await?;
    let began = Instant::now();
    for (target, metric) in pairs(targets) {
        for (sql, rows) in FILL.into_iter().zip([30 * 24 * 60_i64, 762 * 24]) {
            sqlx::query(sql).bind(target).bind(metric).bind(NOW.0).bind(rows).execute(&pool).await?;
        }
    }
    // What autovacuum does in the days this stands for.
    sqlx::query("VACUUM ANALYZE minutes").execute(&pool).await?;
    sqlx::query("VACUUM ANALYZE hours").execute(&pool).await?;
    println!("postgres: filled in {:.0?}", began.elapsed());
    measure(state).await
}

/// Numbers of targets and metrics: both are given from 1 on, in the order they are first stored.
fn pairs(targets: i64) -> impl Iterator<Item = (i64, i64)> {
    let metrics = i64::try_from(CATALOGUE.len()).unwrap_or(i64::MAX);
    (1..=targets).flat_map(move |target| (1..=metrics).map(move |metric| (target, metric)))
}

fn target(number: i64) -> TargetId {
    TargetId(format!("target-{number}"))
}

/// Lets the store give every target and every metric its number.
async fn name(state: &dyn StateStore, targets: i64) -> Result<()> {
    for number in 1..=targets {
        let row = |metric: MetricId| MinuteRow { metric, at: NOW, tally: Tally::of(1.0) };
        let rows: Vec<_> = CATALOGUE.iter().map(|metric| row(metric.id)).collect();
        state.merge_minutes(Uuid::now_v7(), &target(number), &rows).await?;
    }
    Ok(())
}

async fn measure(state: Arc<dyn StateStore>) -> Result<()> {
    println!("{}: {:.0} MB", state.backend(), state.size_bytes().await? as f64 / 1e6);
    let history = History::new(state.clone(), Clock::from_fn(|| NOW), Retention::default());
    for (words, days) in [("6 hours", 0), ("7 days", 7), ("30 days", 30), ("25 months", 762)] {
        let length = if days == 0 { 6 * HOUR_MS } else { days * DAY_MS };
        let range = Resolved { from: NOW.plus_millis(-length), to: NOW, live: true };
        for metrics in [1, 12] {
            let asked: Vec<_> = CATALOGUE.iter().take(metrics).map(|metric| metric.id).collect();
            let mut times = Vec::new();
            let mut points = 0;
            for _ in 0..ROUNDS {
                let began = Instant::now();
                let series = history.series(&target(1), &asked, range).await?;
                times.push(began.elapsed());
                points = series[0].avg.iter().flatten().count();
            }
            times.sort_unstable();
            println!("  {words}, {metrics} metrics, {points} points each: {:.1?}", times[ROUNDS / 2]);
        }
    }
    let began = Instant::now();
    name(&*state, 1).await?;
    println!("  merging a minute of every metric: {:.1?}", began.elapsed());
    let began = Instant::now();
    let upkeep = state.upkeep(NOW.plus_millis(MINUTE_MS), Retention::default()).await?;
    println!("  upkeep ({} rows): {:.1?}", upkeep.rows_pruned, began.elapsed());
    Ok(())
}
