//! History over real stores, also one that goes away.

use super::*;
use crate::store;
use headroom_model::sample::Figures;
use headroom_sandbox::{Binaries, Postgres, PostgresOptions};
use std::sync::atomic::{AtomicI64, Ordering};

const NOON: Timestamp = Timestamp(1_795_089_600_000);
struct Bench {
    history: Arc<History>,
    now: Arc<AtomicI64>,
}

impl Bench {
    fn over(store: Arc<dyn StateStore>) -> Self {
        let now = Arc::new(AtomicI64::new(NOON.0));
        let told = now.clone();
        let clock = Clock::from_fn(move || Timestamp(told.load(Ordering::SeqCst)));
        Bench { history: Arc::new(History::new(store, clock, Retention::default())), now }
    }

    async fn new() -> Self {
        Bench::over(store::open("sqlite::memory:").await.unwrap())
    }

    /// Samples every five seconds for so many minutes; each counts one deadlock and reports its minute.
    fn watch(&self, minutes: std::ops::Range<i64>) {
        for second in (minutes.start * 60..minutes.end * 60).step_by(5) {
            let at = NOON.plus_millis(second * 1000);
            let figures = Figures::from([
                (MetricId::Deadlocks, 1.0),
                (MetricId::Connections, (second / 60) as f64),
                (MetricId::RedisKeys, f64::NAN),
            ]);
            self.history.observe(&Sample { target: orders(), at, figures });
            self.now.store(at.0, Ordering::SeqCst);
        }
    }

    async fn series(&self, metric: MetricId, minutes: std::ops::Range<i64>) -> Series {
        let (from, to) = (NOON.plus_millis(minutes.start * MINUTE_MS), NOON.plus_millis(minutes.end * MINUTE_MS));
        let range = Resolved { from, to, live: false };
        self.history.series(&orders(), &[metric], range).await.unwrap().remove(0)
    }

    async fn deadlocks(&self, minutes: std::ops::Range<i64>) -> f64 {
        self.series(MetricId::Deadlocks, minutes).await.avg.iter().flatten().sum()
    }
}

fn orders() -> TargetId {
    TargetId("orders".into())
}

#[tokio::test]
async fn the_last_hour_comes_from_memory_in_full() {
    let bench = Bench::new().await;
    bench.watch(0..30);
    let series = bench.series(MetricId::Connections, 10..20).await;
    assert_eq!((series.step_ms, series.avg.len()), (5_000, 120));
    assert_eq!((series.avg[0], series.avg[119]), (Some(10.0), Some(19.0)));
    // Not a number was not measured.
    assert!(bench.series(MetricId::RedisKeys, 0..30).await.avg.iter().all(Option::is_none));
    // Memory holds all there is, so a longer range is fine too; before the start there is a gap.
    let longer = bench.series(MetricId::Connections, -300..60).await;
    assert_eq!((longer.step_ms, longer.avg[0]), (15_000, None));
    assert_eq!(longer.avg.iter().flatten().count(), 120);
}

#[tokio::test]
async fn a_caller_may_want_fewer_points() {
    let bench = Bench::new().await;
    bench.watch(0..30);
    let range = Resolved { from: NOON, to: NOON.plus_millis(30 * MINUTE_MS), live: false };
    let within = async |points| {
        bench.history.series_within(&orders(), &[MetricId::Deadlocks], range, points).await.unwrap().remove(0)
    };
    let coarse = within(6).await;
    assert_eq!((coarse.step_ms, coarse.avg), (5 * MINUTE_MS, vec![Some(60.0); 6]));
    assert_eq!(within(usize::MAX).await.avg.len(), 360);
    assert_eq!(within(0).await.avg, [Some(180.0), Some(180.0)]);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_between_memory_and_store() {
    let bench = Bench::new().await;
    bench.watch(0..150);
    for all in [false, false, true, true] {
        bench.history.flush(all).await.unwrap();
        assert_eq!(bench.deadlocks(0..150).await, 1800.0);
        // An hour's step reads the hours.
        assert_eq!(bench.deadlocks(0..90 * 24 * 60).await, 1800.0);
    }
    let series = bench.series(MetricId::Connections, 0..150).await;
    assert_eq!((series.step_ms, series.avg.len()), (MINUTE_MS, 150));
    assert_eq!((series.avg[149], series.min[149], series.max[149]), (Some(149.0), Some(149.0), Some(149.0)));
    assert_eq!(bench.history.starts(&orders()).await.unwrap(), Some(NOON));
}

#[tokio::test]
async fn a_restarted_console_joins_what_was_stored() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let first = Bench::over(store.clone());
    first.watch(0..5);
    first.history.flush(true).await.unwrap();
    let second = Bench::over(store);
    second.watch(7..10);
    let series = second.series(MetricId::Connections, 0..10).await;
    let expected: Vec<_> = (0..10).map(|i| Some(i as f64).filter(|i| *i < 5.0 || *i >= 7.0)).collect();
    assert_eq!((series.step_ms, series.avg), (MINUTE_MS, expected));
    assert_eq!(second.series(MetricId::Connections, 7..10).await.step_ms, 5_000);
    assert_eq!(second.series(MetricId::Queries, 0..10).await.avg, vec![None; 10]);
}

#[tokio::test]
async fn hours_answer_where_minutes_are_gone() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let bench = Bench::over(store.clone());
    bench.watch(0..60);
    bench.history.flush(true).await.unwrap();
    let month = 31 * 24 * 60;
    store.upkeep(NOON.plus_millis(month * MINUTE_MS), Retention::default()).await.unwrap();
    let later = Bench::over(store);
    let series = later.series(MetricId::Connections, 0..120).await;
    assert_eq!((series.step_ms, series.avg), (HOUR_MS, vec![Some(29.5), None]));
    // The same once newer minutes are there.
    later.watch(month..month + 1);
    assert_eq!(later.series(MetricId::Connections, 0..60).await.avg, [Some(29.5)]);
}

#[tokio::test]
async fn a_part_of_an_hour_before_the_minutes_does_not_cost_the_minutes() {
    let bench = Bench::new().await;
    let old = Timestamp(NOON.0 - 200 * 24 * HOUR_MS);
    bench.history.observe(&Sample {
        target: orders(),
        at: old,
        figures: Figures::from([(MetricId::Connections, 1.0)]),
    });
    bench.history.flush(true).await.unwrap();
    bench.history.store.upkeep(NOON, Retention::default()).await.unwrap();
    bench.watch(5..45);
    bench.history.flush(true).await.unwrap();
    assert_eq!(bench.series(MetricId::Connections, -15..45).await.step_ms, MINUTE_MS);
    assert_eq!(bench.series(MetricId::Connections, -60..45).await.step_ms, HOUR_MS, "an hour lies before the minutes");
    assert_eq!(bench.series(MetricId::Connections, -55..45).await.step_ms, HOUR_MS, "just an hour");
    assert_eq!(bench.series(MetricId::Connections, -54..45).await.step_ms, MINUTE_MS, "not quite");
}

#[tokio::test]
async fn readers_beside_writers_always_see_everything_once() {
    let bench = Bench::new().await;
    bench.watch(0..180);
    let history = bench.history.clone();
    let writer = tokio::spawn(async move { history.flush(true).await.unwrap() });
    while !writer.is_finished() {
        assert_eq!(bench.deadlocks(0..180).await, 2160.0);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_flush_that_nobody_waits_for_counts_once() {
    let bench = Bench::new().await;
    bench.watch(0..90);
    for patience_us in [0, 50, 200, 1000, 3000] {
        let _cut_off = timeout(Duration::from_micros(patience_us), bench.history.flush(true)).await;
    }
    bench.history.flush(true).await.unwrap();
    assert_eq!(bench.deadlocks(0..90).await, 1080.0);
}

#[tokio::test]
async fn what_is_collected_while_the_store_is_away_is_written_when_it_is_back() {
    let found = Binaries::find().unwrap();
    let mut server = Postgres::start(PostgresOptions::of(found.postgres().unwrap())).await.unwrap();
    server.create_database("state").await.unwrap();
    let bench = Bench::over(store::open(&server.url("state")).await.unwrap());
    bench.watch(0..70);
    bench.history.flush(false).await.unwrap();
    // Not killed: a temporary server of the sandbox does not wait for its disk.
    server.stop().await;
    bench.watch(70..140);
    bench.history.flush(false).await.unwrap_err();
    // The last hour is in memory; what lies before needs the store.
    assert_eq!(bench.deadlocks(90..140).await, 600.0);
    let before = Resolved { from: NOON, to: NOON.plus_millis(90 * MINUTE_MS), live: false };
    bench.history.series(&orders(), &[MetricId::Deadlocks], before).await.unwrap_err();

    server.restart().await.unwrap();
    bench.history.flush(true).await.unwrap();
    assert_eq!(bench.deadlocks(0..140).await, 1680.0);
}

#[tokio::test]
async fn stopping_writes_what_is_pending() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let bench = Bench::over(store.clone());
    bench.watch(0..3);
    let stop = CancellationToken::new();
    stop.cancel();
    bench.history.run(stop).await;
    let start = store.history_start(&orders()).await.unwrap();
    assert_eq!(start.minutes, Some(NOON));
    let after = Bench::over(store);
    assert_eq!(after.deadlocks(0..3).await, 36.0);
}
