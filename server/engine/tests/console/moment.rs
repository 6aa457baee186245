//! What ran, on a real server: a blocking pair, a slow statement and what sessions waited for stand in their minute.

use crate::support::{PATIENCE, id, start, until};
use headroom_engine::console::Console;
use headroom_model::{MetricId, moment::Moment};
use sqlx::Connection;
use std::time::{Duration, Instant};

const MINUTE_MS: i64 = 60_000;
const SECRET: &str = "4556-7375-8689-9855";

/// Waits until a minute since `from` shows what is wanted: a test may run across the end of one.
async fn shown(console: &Console, what: &str, wanted: impl Fn(&Moment) -> bool) -> Moment {
    let (begun, from) = (Instant::now(), console.clock.now().plus_millis(-MINUTE_MS));
    loop {
        let now = console.clock.now();
        let mut at = from;
        while at <= now {
            let moment = console.moment(&id("orders"), at).await.unwrap();
            if wanted(&moment) {
                return moment;
            }
            at = at.plus_millis(MINUTE_MS).floor_to(MINUTE_MS);
        }
        assert!(begun.elapsed() < PATIENCE, "{what} was never seen: {:#?}", console.moment(&id("orders"), now).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_minute_shows_who_blocked_whom_and_what_took_the_time() {
    let database = headroom_sandbox::test::database().await.unwrap();
    let mut holder = database.connect().await.unwrap();
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
        .execute(&mut holder)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE cards (id int PRIMARY KEY, number text); INSERT INTO cards VALUES (1, '')")
        .execute(&mut holder)
        .await
        .unwrap();
    let console = start(&[("orders", database.url(), None)]).await;
    until(&console, "orders", |update| update.figures.contains_key(&MetricId::Queries)).await;

    let holder_pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let held = format!("BEGIN; UPDATE cards SET number = '{SECRET}' WHERE id = 1");
    sqlx::raw_sql(sqlx::AssertSqlSafe(held)).execute(&mut holder).await.unwrap();
    let mut waiter = database.connect().await.unwrap();
    let waiter_pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut waiter).await.unwrap();
    let waiting = tokio::spawn(async move {
        let wanted = format!("UPDATE cards SET number = '{SECRET}' WHERE id = 1");
        sqlx::raw_sql(sqlx::AssertSqlSafe(wanted)).execute(&mut waiter).await.unwrap();
        waiter.close().await.unwrap();
    });
    let mut sleeper = database.connect().await.unwrap();
    sqlx::query("SELECT pg_sleep(1.2)").execute(&mut sleeper).await.unwrap();
    sleeper.close().await.unwrap();

    let blocked = shown(&console, "the blocking pair", |moment| {
        moment.record.as_ref().is_some_and(|record| record.locks.iter().any(|tree| tree.root.pid == holder_pid))
    })
    .await;
    let record = blocked.record.clone().unwrap();
    let tree = record.locks.iter().find(|tree| tree.root.pid == holder_pid).unwrap();
    assert_eq!((tree.root.waits_for, tree.root.state.as_str()), (None, "idle in transaction"));
    assert_eq!((tree.waiters[0].pid, tree.waiters[0].waits_for), (waiter_pid, Some(holder_pid)));
    assert_eq!(tree.waiters[0].text, "UPDATE cards SET number = ? WHERE id = ?");
    let lock = record.waits.iter().find(|wait| wait.kind.as_deref() == Some("Lock")).unwrap();
    assert!(lock.seen >= 1 && lock.share > 0.0 && lock.event.is_some(), "{lock:?}");
    assert!(record.running.iter().any(|one| one.text.starts_with("UPDATE cards")), "{:?}", record.running);
    assert!(record.states.iter().any(|state| state.state == "idle in transaction"), "{:?}", record.states);

    let slept = shown(&console, "the slow statement", |moment| {
        let statements = moment.record.as_ref().map_or(&[][..], |record| &record.statements);
        statements.iter().any(|one| one.text.as_deref() == Some("SELECT pg_sleep($1)"))
    })
    .await;
    let record = slept.record.clone().unwrap();
    let sleep = record.statements.iter().find(|one| one.text.as_deref() == Some("SELECT pg_sleep($1)")).unwrap();
    assert_eq!((sleep.calls, sleep.rows), (1, 1));
    assert!(sleep.total_ms >= 1200.0 && sleep.share > 0.5, "{sleep:?}");
    assert!(record.totals.unwrap().total_ms >= sleep.total_ms);

    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    waiting.await.unwrap();
    let written = serde_json::to_string(&[blocked, slept]).unwrap();
    assert!(!written.contains(SECRET), "{written}");
    // The console's own statements are not the application's.
    assert!(!written.contains("pg_stat_activity"), "{written}");

    // What was seen outlives the console.
    let at = console.clock.now();
    console.shutdown().await;
    let kept = console.store.moments_size().await.unwrap();
    assert!(kept.minutes >= 1 && kept.bytes > 0, "{kept:?}");
    assert!(console.store.moments_around(&id("orders"), at).await.unwrap().0.is_some());
}

#[tokio::test]
async fn an_outage_is_a_gap_with_its_reason() {
    let mut postgres = headroom_sandbox::Postgres::start(headroom_sandbox::PostgresOptions::default()).await.unwrap();
    let console = start(&[("orders", postgres.url("postgres"), None)]).await;
    until(&console, "orders", |update| update.figures.contains_key(&MetricId::Connections)).await;
    postgres.stop().await;
    let moment = shown(&console, "the outage", |moment| {
        let parts = moment.record.as_ref().map_or(&[][..], |record| &record.coverage);
        parts.iter().any(|part| part.reason.as_deref().is_some_and(|reason| reason.starts_with("PostgreSQL")))
    })
    .await;
    assert!(moment.record.is_some());
    shown(&console, "the event", |moment| {
        moment.events.iter().any(|event| event.event.title == "PostgreSQL does not answer")
    })
    .await;
    console.shutdown().await;
}
