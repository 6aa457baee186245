//! A server stops and comes back: shown within five seconds each, and true in the history.

use crate::support::{id, start, until};
use headroom_engine::{console::Console, store::EventQuery};
use headroom_model::{
    Band, MetricId,
    event::{Event, EventKind},
    live::LiveUpdate,
    range::Resolved,
    target::Reach,
};
use headroom_sandbox::{Postgres, PostgresOptions, Redis, RedisOptions};
use sqlx::Connection;
use std::time::{Duration, Instant};

const SHOWN_WITHIN: Duration = Duration::from_secs(5);

fn is_down(reach: &Reach) -> bool {
    matches!(reach, Reach::Down { .. })
}

/// Waits for events of a kind: they are stored just after they are shown to the health score.
async fn events(console: &Console, kind: EventKind) -> Vec<Event> {
    let mut feed = console.subscribe();
    let query = EventQuery { kinds: vec![kind], limit: 10, ..EventQuery::default() };
    loop {
        let events = console.store.events(&query).await.unwrap();
        if !events.is_empty() {
            return events;
        }
        let _message_or_lag = feed.recv().await;
    }
}

#[tokio::test]
async fn a_stopped_postgres_shows_within_five_seconds_and_so_does_its_return() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let console = start(&[("orders", postgres.url("postgres"), None)]).await;
    let before = until(&console, "orders", |update| update.figures.contains_key(&MetricId::Connections)).await;

    postgres.stop().await;
    let stopped = Instant::now();
    let down = until(&console, "orders", |update| is_down(&update.target.postgres)).await;
    assert!(stopped.elapsed() < SHOWN_WITHIN, "shown after {:?}", stopped.elapsed());
    assert_eq!(down.health.band(), Some(Band::Critical));
    assert!(down.health.deductions[0].cause.starts_with("PostgreSQL does not answer since "));
    assert!(down.issues.iter().any(|issue| issue.id == "postgres-down"), "{:#?}", down.issues);
    // What was last known stays, with its date.
    assert!(down.at >= before.at && down.at < down.health.at);
    assert!(down.figures.contains_key(&MetricId::Connections));
    assert_eq!(events(&console, EventKind::Outage).await.len(), 1);

    // The next sample tells the outage to the history: a zero, and a gap where nothing was measured.
    let later = until(&console, "orders", |update| update.health.at > down.health.at).await;
    assert!(is_down(&later.target.postgres));
    let sample = &console.observation(&id("orders")).unwrap().sample;
    assert_eq!(sample.get(MetricId::DatabaseUp), Some(0.0));
    assert_eq!(sample.get(MetricId::Connections), None);
    let range = Resolved { from: before.at.plus_millis(-5_000), to: later.health.at.plus_millis(5_000), live: true };
    let series = console.history.series(&id("orders"), &[MetricId::DatabaseUp], range).await.unwrap();
    assert_eq!(series[0].summary().map(|s| (s.min, s.max)), Some((0.0, 1.0)));

    postgres.restart().await.unwrap();
    let started = Instant::now();
    let up = until(&console, "orders", |update| update.target.postgres.is_up()).await;
    assert!(started.elapsed() < SHOWN_WITHIN, "shown after {:?}", started.elapsed());
    // An outage ends at once: no hold time keeps the score down.
    assert!(up.health.deductions.iter().all(|deduction| deduction.check != "postgres-down"));
    let recovery = events(&console, EventKind::Recovery).await;
    assert!(recovery[0].event.detail.as_deref().unwrap().starts_with("after "));
    let fresh = until(&console, "orders", |update| update.at > later.health.at).await;
    assert!(fresh.figures.contains_key(&MetricId::Connections));
    console.shutdown().await;
}

#[tokio::test]
async fn a_frozen_postgres_shows_within_five_seconds_and_so_does_its_return() {
    let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let console = start(&[("orders", postgres.url("postgres"), None)]).await;
    until(&console, "orders", |update| update.figures.contains_key(&MetricId::Connections)).await;

    postgres.pause();
    let frozen = Instant::now();
    until(&console, "orders", |update| is_down(&update.target.postgres)).await;
    assert!(frozen.elapsed() < SHOWN_WITHIN, "shown after {:?}", frozen.elapsed());

    postgres.resume();
    let woken = Instant::now();
    until(&console, "orders", |update| update.target.postgres.is_up()).await;
    assert!(woken.elapsed() < SHOWN_WITHIN, "shown after {:?}", woken.elapsed());
    console.shutdown().await;
}

/// Delays the collector's own reading of pg_stat_statements while `delay` says so.
const SLOW_DOWN: &str = "
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
    CREATE TABLE delay (seconds float8 NOT NULL);
    INSERT INTO delay VALUES (0);
    ALTER EXTENSION pg_stat_statements DROP FUNCTION pg_stat_statements(boolean);
    ALTER FUNCTION pg_stat_statements(boolean) RENAME TO undelayed;
    CREATE TABLE shape AS SELECT * FROM undelayed(false) LIMIT 0;
    CREATE FUNCTION pg_stat_statements(showtext boolean) RETURNS SETOF shape LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_sleep(seconds) FROM public.delay;
            RETURN QUERY SELECT * FROM public.undelayed(showtext);
        END $$;";

#[tokio::test]
async fn a_late_collection_loses_nothing() {
    let database = headroom_sandbox::test::database().await.unwrap();
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql(SLOW_DOWN).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("CREATE TABLE items (id int)").execute(&mut connection).await.unwrap();
    let console = start(&[("orders", database.url(), None)]).await;
    let written = |update: &LiveUpdate| update.figures.get(&MetricId::RowsWritten).copied();
    let quiet = until(&console, "orders", |update| written(update).is_some()).await;
    assert!(written(&quiet).unwrap() < 1000.0);

    // Longer than a collection may take before it counts as late, shorter than it takes at most.
    let write = "UPDATE delay SET seconds = 2; INSERT INTO items SELECT generate_series(1, 100000)";
    sqlx::raw_sql(write).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let late = until(&console, "orders", |update| written(update).is_some_and(|rate| rate > 1000.0)).await;
    assert!(late.target.postgres.is_up());
    assert!(late.figures[&MetricId::SelfCollectTime] >= 2000.0, "{:?}", late.figures);
    console.shutdown().await;
}

#[tokio::test]
async fn a_stopped_redis_costs_the_cache_and_nothing_else() {
    let postgres = headroom_sandbox::test::database().await.unwrap();
    let mut redis = Redis::start(RedisOptions::default()).await.unwrap();
    let console = start(&[("orders", postgres.url(), Some(redis.url(0)))]).await;
    until(&console, "orders", |update| update.target.redis.is_up()).await;

    redis.stop().await;
    let stopped = Instant::now();
    let down = until(&console, "orders", |update| is_down(&update.target.redis)).await;
    assert!(stopped.elapsed() < SHOWN_WITHIN, "shown after {:?}", stopped.elapsed());
    assert!(down.target.postgres.is_up());
    let cache = &down.health.components[1];
    assert_eq!(cache.score, Some(0));
    assert!(down.health.components[0].score > Some(0));

    redis.restart().await.unwrap();
    until(&console, "orders", |update| update.target.redis.is_up()).await;
    console.shutdown().await;
}
