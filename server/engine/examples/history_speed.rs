//! How fast history is read back: fills both stores with thirty days of minutes and twenty-five months of hours of every
//! metric of some targets, and times what pages ask for: eight metrics of one target at once, with their start, the
//! stretches that were imported, and the JSON of the answer.
//!
//! `cargo run --release -p headroom-engine --example history_speed [targets]` prints one JSON object.

use anyhow::{Context, Result};
use headroom_engine::{
    clock::Clock,
    history::History,
    store::{self, HOUR_MS, MINUTE_MS, MinuteRow, Retention, StateStore, Tally},
};
use headroom_model::{MetricId, TargetId, Timestamp, metric::CATALOGUE, range::Resolved};
use serde_json::{Value, json};
use std::{sync::Arc, time::Instant};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_795_089_600_000);
const DAY_MS: i64 = 24 * HOUR_MS;
/// Days of minutes and, below, of hours: what is kept by default.
const MINUTES_DAYS: i64 = 30;
const HOURS_DAYS: i64 = 762;
/// Charts of Trends.
const METRICS: usize = 8;
/// Times each question is asked, each time of other metrics or another range.
const ROUNDS: i64 = 60;
/// One row a step up to `$3`, `$4` in all, of one target and one metric, with values that are no whole numbers.
const FILL: [&str; 2] = [
    "INSERT INTO minutes (target, metric, at, total, lowest, highest, samples) \
     WITH RECURSIVE step (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM step WHERE i < $4) \
     SELECT $1, $2, $3 + (i - $4 - 1) * 60000, i * 1.37, i * 0.11, i * 0.23, 12 FROM step",
    "INSERT INTO hours (target, metric, at, total, lowest, highest, samples) \
     WITH RECURSIVE step (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM step WHERE i < $4) \
     SELECT $1, $2, $3 + (i - $4 - 1) * 3600000, i * 1.37, i * 0.11, i * 0.23, 720 FROM step",
];

const FILL_BY_TIME: &str = "INSERT INTO hours (target, metric, at, total, lowest, highest, samples) \
     WITH RECURSIVE step (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM step WHERE i < $2) \
     SELECT t.id, m.id, $1 + (i - $2 - 1) * 3600000, i * 1.37, i * 0.11, i * 0.23, 720 \
     FROM step CROSS JOIN targets t CROSS JOIN metrics m ORDER BY i, t.id, m.id";

#[tokio::main]
async fn main() -> Result<()> {
    let targets = std::env::args().nth(1).map_or(Ok(3), |count| count.parse()).context("how many targets")?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}/state.db", folder.path().display());
    let state = store::open(&url).await?;
    name(&*state, targets).await?;
    let pool = sqlx::SqlitePool::connect(&url).await?;
    for (target, metric) in pairs(targets) {
        for (sql, rows) in FILL.into_iter().zip([MINUTES_DAYS * 24 * 60, HOURS_DAYS * 24]) {
            sqlx::query(sql).bind(target).bind(metric).bind(NOW.0).bind(rows).execute(&pool).await?;
        }
    }
    pool.close().await;
    let mut stores = vec![measure(state).await?];

    let database = headroom_sandbox::test::database().await?;
    let url = database.url();
    let state = store::open(&url).await?;
    name(&*state, targets).await?;
    let options = url.parse::<sqlx::postgres::PgConnectOptions>()?.options([("search_path", "headroom")]);
    let pool = sqlx::PgPool::connect_with(options).await?;
    for (target, metric) in pairs(targets) {
        let rows = MINUTES_DAYS * 24 * 60;
        sqlx::query(FILL[0]).bind(target).bind(metric).bind(NOW.0).bind(rows).execute(&pool).await?;
    }
    // In order of time, as they come: a metric's hours lie scattered over the table.
    sqlx::query(FILL_BY_TIME).bind(NOW.0).bind(HOURS_DAYS * 24).execute(&pool).await?;
    // What autovacuum does in the days this stands for.
    sqlx::query("VACUUM ANALYZE minutes").execute(&pool).await?;
    sqlx::query("VACUUM ANALYZE hours").execute(&pool).await?;
    stores.push(measure(state).await?);
    let rows = targets * i64::try_from(CATALOGUE.len())? * (MINUTES_DAYS * 24 * 60 + HOURS_DAYS * 24);
    println!(
        "{}",
        json!({"targets": targets, "catalogue": CATALOGUE.len(), "metrics": METRICS, "rounds": ROUNDS, "rows": rows, "stores": stores})
    );
    Ok(())
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

async fn measure(state: Arc<dyn StateStore>) -> Result<Value> {
    let backend = state.backend();
    let bytes = state.size_bytes().await?;
    let history = History::new(state.clone(), Clock::from_fn(|| NOW), Retention::default());
    let mut queries = Vec::new();
    for (words, days) in [("7 days", 7), ("30 days", MINUTES_DAYS), ("25 months", HOURS_DAYS)] {
        let mut times = Vec::new();
        let mut points = 0;
        for round in 0..ROUNDS {
            // 7 days lie anywhere in the thirty, each time of other metrics and another target.
            let reach = if days == 7 { MINUTES_DAYS - days } else { 0 };
            let to = NOW.plus_millis(-reach * DAY_MS * round / ROUNDS);
            let range = Resolved { from: to.plus_millis(-days * DAY_MS), to, live: false };
            let asked: Vec<MetricId> = (0..METRICS)
                .map(|at| CATALOGUE[(usize::try_from(round).unwrap_or(0) * METRICS + at) % CATALOGUE.len()].id)
                .collect();
            let whose = target(round % 3 + 1);
            let began = Instant::now();
            let (series, starts, origins) = tokio::try_join!(
                history.series(&whose, &asked, range),
                history.starts(&whose),
                history.origins(&whose, range)
            )?;
            let answer = serde_json::to_vec(&(&series, starts, origins))?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            anyhow::ensure!(!answer.is_empty(), "an answer without a byte");
            points = series.iter().map(|series| series.avg.iter().flatten().count()).max().unwrap_or(0);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        queries.push(json!({"range": words, "points": points, "p50Ms": at(50), "p95Ms": at(95), "mostMs": at(100)}));
        eprintln!("{backend}: {words}: p50 {:.1} ms, p95 {:.1} ms, {points} points", at(50), at(95));
    }
    let began = Instant::now();
    name(&*state, 1).await?;
    let merge_ms = began.elapsed().as_secs_f64() * 1000.0;
    // A day without a console: what has left its retention meanwhile is pruned in rounds.
    let (mut rows, mut rounds, mut longest_ms) = (0, 0, 0.0_f64);
    let began = Instant::now();
    loop {
        let round = Instant::now();
        let done = state.upkeep(NOW.plus_millis(DAY_MS + MINUTE_MS), Retention::default()).await?;
        longest_ms = longest_ms.max(round.elapsed().as_secs_f64() * 1000.0);
        (rows, rounds) = (rows + done.rows_pruned, rounds + 1);
        if !done.unfinished {
            break;
        }
    }
    let pruned_ms = began.elapsed().as_secs_f64() * 1000.0;
    let round = Instant::now();
    state.upkeep(NOW.plus_millis(DAY_MS + MINUTE_MS), Retention::default()).await?;
    let idle_ms = round.elapsed().as_secs_f64() * 1000.0;
    let began = Instant::now();
    state.row_counts().await?;
    let count_ms = began.elapsed().as_secs_f64() * 1000.0;
    eprintln!(
        "{backend}: {bytes} bytes, pruned {rows} rows in {pruned_ms:.0} ms, nothing to prune {idle_ms:.1} ms, counted in {count_ms:.0} ms"
    );
    Ok(json!({
        "backend": backend, "bytes": bytes, "queries": queries, "mergeMs": merge_ms,
        "pruned": {"rows": rows, "rounds": rounds, "ms": pruned_ms, "longestRoundMs": longest_ms, "idleMs": idle_ms},
        "countMs": count_ms,
    }))
}
