//! One sample, every reader.

use crate::support::{PATIENCE, config, id, start, until};
use headroom_engine::{
    clock::Clock,
    console::{Console, ConsoleError},
    exposition::exposition,
    store,
};
use headroom_model::{MetricId, range::Resolved, target::Reach};
use headroom_sandbox::test;
use std::{
    io::Write,
    process::{Command, Stdio},
};

#[tokio::test]
async fn a_sample_reaches_every_reader() {
    let (database, redis) = (test::database().await.unwrap(), test::redis().await.unwrap());
    let console = start(&[("orders", database.url(), Some(redis.url()))]).await;
    // Before anything was measured nothing is claimed.
    let before = console.latest(&id("orders")).unwrap();
    assert!(before.health.score.is_none() || before.target.sampled_at.is_some());

    let update = until(&console, "orders", |update| update.figures.contains_key(&MetricId::RedisMemory)).await;
    assert!(update.target.postgres.is_up() && update.target.redis.is_up());
    assert_eq!(
        update.target.postgres_version.as_deref().map(|v| v.split('.').next().unwrap().parse()),
        Some(Ok(database.major()))
    );
    assert_eq!(update.target.sampled_at, Some(update.at));

    // Health adds up, and its score is a figure like any other.
    let lost: u32 = update.health.deductions.iter().map(|d| u32::from(d.points)).sum();
    let score = update.health.score.unwrap();
    assert_eq!(u32::from(score) + lost, 100);
    assert_eq!(update.figures[&MetricId::HealthScore], f64::from(score));

    // History.
    let range = Resolved { from: update.at.plus_millis(-60_000), to: update.at.plus_millis(5_000), live: true };
    let metrics = [MetricId::HealthScore, MetricId::Connections];
    let series = console.history.series(&id("orders"), &metrics, range).await.unwrap();
    assert!(series.iter().all(|series| series.summary().is_some()), "{series:#?}");

    // Exposition, as Prometheus reads it.
    let text = exposition(&console);
    assert!(text.contains("headroom_database_up{target=\"orders\"} 1\n"), "{text}");
    if let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    tokio::time::timeout(PATIENCE, console.shutdown()).await.unwrap();
}

#[tokio::test]
async fn one_target_down_says_nothing_about_another() {
    let database = test::database().await.unwrap();
    // Nothing listens on port 1.
    let nowhere = "postgres://nobody:swordfish@127.0.0.1:1/none".to_owned();
    let console = start(&[("gone", nowhere, None), ("orders", database.url(), None)]).await;
    let up = until(&console, "orders", |update| update.target.postgres.is_up()).await;
    assert_eq!(up.target.redis, Reach::Absent);
    let down = until(&console, "gone", |update| matches!(update.target.postgres, Reach::Down { .. })).await;
    assert!(down.health.score.is_some_and(|score| score < 50));
    let said = serde_json::to_string(&*down).unwrap();
    assert!(!said.contains("swordfish"), "{said}");
    assert_eq!(console.default_target(), &id("gone"));
    assert_eq!(console.targets().len(), 2);

    let begun = std::time::Instant::now();
    console.shutdown().await;
    assert!(begun.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_configuration_without_sense_is_refused() {
    let refused = async |targets: &[(&str, String, Option<String>)]| {
        let store = store::open("sqlite::memory:").await.unwrap();
        match Console::start(config(targets), store, Clock::system()).await {
            Ok(_) => panic!("accepted"),
            Err(error) => error,
        }
    };
    assert!(matches!(refused(&[]).await, ConsoleError::Config(_)));
    let url = || "postgres://a:swordfish@127.0.0.1/b".to_owned();
    let twice = refused(&[("orders", url(), None), ("orders", url(), None)]).await;
    assert!(twice.to_string().contains("\"orders\""));
    let wrong = refused(&[("orders", "postgres://a:swordfish@[::1/b".to_owned(), None)]).await.to_string();
    assert!(wrong.contains("orders") && !wrong.contains("swordfish"), "{wrong}");
}
