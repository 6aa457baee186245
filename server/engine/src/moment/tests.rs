//! Minutes over real stores, also one that goes away.

use super::*;
use crate::{
    collect::{DatasetFigures, Session, Spending, StatementSpend},
    store,
};
use headroom_model::{
    MetricId, Sample,
    moment::{MAX_STATEMENTS, MAX_WAITERS, Part},
};
use headroom_sandbox::{Binaries, Postgres, PostgresOptions};
use std::sync::atomic::{AtomicI64, Ordering};

const NOON: Timestamp = Timestamp(1_795_089_600_000);

fn orders() -> TargetId {
    TargetId("orders".into())
}

fn reading(at: Timestamp) -> Observation {
    let figures = [(MetricId::SessionsActive, 0.0), (MetricId::LocksHeld, 0.0)].into();
    let spending = Spending { interval: Duration::from_secs(5), statements: Vec::new(), calls: 0, time_ms: 0.0 };
    Observation { spending: Ok(spending), ..Observation::bare(Sample { target: orders(), at, figures }, "") }
}

fn session(pid: i32, state: &str, wait: Option<(&str, &str)>, blocked_by: &[i32], waited_ms: f64) -> Session {
    Session {
        wait_kind: wait.map(|(kind, _)| kind.into()),
        wait_event: wait.map(|(_, event)| event.into()),
        lock_wait_ms: (!blocked_by.is_empty()).then_some(waited_ms),
        blocked_by: blocked_by.to_vec(),
        statement: format!("UPDATE orders SET state = ? /* {pid} */"),
        ..Session::sample(pid, state, 9, NOON)
    }
}

fn spend(query_id: i64, calls: u64, time_ms: f64) -> StatementSpend {
    StatementSpend { query_id, text: Some(format!("SELECT {query_id}").into()), calls, time_ms, rows: calls * 2 }
}

/// Five readings of a busy minute, five seconds apart.
fn busy(minute: Timestamp) -> Vec<Observation> {
    (0..5)
        .map(|i| {
            let mut seen = reading(minute.plus_millis(i * 5_000));
            let statements: Vec<_> = (1..=30).map(|id| spend(id, 2, id as f64)).collect();
            let time_ms = statements.iter().map(|one| one.time_ms).sum();
            seen.spending = Ok(Spending { interval: Duration::from_secs(5), statements, calls: 60, time_ms });
            seen.sessions = vec![
                session(1, "idle in transaction", Some(("Client", "ClientRead")), &[], 0.0),
                session(2, "active", Some(("Lock", "transactionid")), &[1], 1000.0 * i as f64),
                session(3, "active", Some(("Lock", "transactionid")), &[2], 500.0),
                session(4, "active", None, &[], 0.0),
            ];
            seen.datasets = vec![DatasetFigures {
                name: "top".into(),
                lookups: 10,
                hits: 8,
                stale: 0,
                loads: 2,
                load_errors: 0,
                evicted: 0,
                oversized: 0,
                poison: 0,
                load_ms: Some(4.0),
            }];
            seen
        })
        .collect()
}

fn fold(readings: &[Observation]) -> MinuteRecord {
    let mut minute = Minute::new(readings[0].sample.at.floor_to(MINUTE_MS));
    readings.iter().for_each(|reading| minute.add(reading));
    minute.record()
}

#[test]
fn a_minute_adds_up_what_its_readings_saw() {
    let record = fold(&busy(NOON));
    assert_eq!((record.at, record.readings), (NOON, 5));
    let totals = record.totals.unwrap();
    assert_eq!((totals.calls, totals.total_ms), (300, 5.0 * 465.0));
    assert_eq!(record.statements.len(), MAX_STATEMENTS);
    let first = &record.statements[0];
    assert_eq!((first.query_id.as_str(), first.text.as_deref()), ("30", Some("SELECT 30")));
    assert_eq!((first.calls, first.total_ms, first.rows, first.mean_ms()), (10, 150.0, 20, 15.0));
    assert_eq!(first.share, 0.0645);

    // Only what is active waits; what is idle in a transaction is counted as a state.
    let waits: Vec<_> = record.waits.iter().map(|wait| (wait.name(), wait.seen)).collect();
    assert_eq!(waits, [("Lock: transactionid".to_owned(), 10), ("Running, not waiting".to_owned(), 5)]);
    assert!((record.waits.iter().map(|wait| wait.share).sum::<f64>() - 1.0).abs() < 1e-3);
    let states: Vec<_> = record.states.iter().map(|state| (state.state.as_str(), state.mean, state.most)).collect();
    assert_eq!(states, [("active", 3.0, 3), ("idle in transaction", 1.0, 1)]);
    assert_eq!(record.running.len(), 3);
    assert_eq!((record.running[0].seen, record.running[0].longest_ms), (5, 29_000.0));

    let [tree] = record.locks.as_slice() else { panic!("{:?}", record.locks) };
    assert_eq!((tree.root.pid, tree.root.waits_for, tree.waiters_total, tree.seen), (1, None, 2, 5));
    let waiters: Vec<_> = tree.waiters.iter().map(|one| (one.pid, one.waits_for, one.waited_ms)).collect();
    assert_eq!(waiters, [(2, Some(1), Some(4000.0)), (3, Some(2), Some(500.0))]);
    assert_eq!(tree.longest_ms, Some(4000.0));

    let dataset = &record.datasets[0];
    assert_eq!((dataset.lookups, dataset.misses(), dataset.loads, dataset.load_ms), (50, 10, 10, 40.0));
    assert!(record.coverage.iter().all(|part| (part.readings, part.missed) == (5, 0)), "{:?}", record.coverage);
}

#[test]
fn what_was_not_measured_is_said_and_not_zero() {
    let mut down = reading(NOON);
    down.postgres_error = Some("PostgreSQL at 127.0.0.1:5432 refuses connections".into());
    down.sample.figures.clear();
    down.spending = Err("PostgreSQL did not answer.".into());
    let mut reset = reading(NOON.plus_millis(5_000));
    reset.spending = Err("Statement statistics were reset in between.".into());
    let mut late = reading(NOON.plus_millis(10_000));
    late.spending = late.spending.map(|spending| Spending { interval: Duration::from_secs(95), ..spending });
    let record = fold(&[down, reset, late]);
    assert_eq!(record.totals, None);
    assert!(!record.has(Part::Statements) && record.has(Part::Sessions));
    let statements = record.coverage_of(Part::Statements).unwrap();
    assert_eq!((statements.readings, statements.missed), (0, 3));
    assert!(statements.reason.as_deref().unwrap().contains("refuses connections"), "{statements:?}");
    let sessions = record.coverage_of(Part::Sessions).unwrap();
    assert_eq!((sessions.readings, sessions.missed), (2, 1));
    let late = fold(&[{
        let mut late = reading(NOON);
        late.spending = late.spending.map(|spending| Spending { interval: Duration::from_secs(95), ..spending });
        late
    }]);
    assert!(late.coverage_of(Part::Statements).unwrap().reason.as_deref().unwrap().contains("95 s ago"));
}

#[test]
fn lists_are_bounded_and_texts_are_cut() {
    let mut crowd = reading(NOON);
    crowd.sessions =
        (2..200).map(|pid| session(pid, "active", Some(("Lock", "tuple")), &[1], f64::from(pid))).collect();
    crowd.sessions.push(Session { statement: "x".repeat(3_000), ..session(1, "active", None, &[], 0.0) });
    let record = fold(&[crowd]);
    let tree = &record.locks[0];
    assert_eq!((tree.waiters.len(), tree.waiters_total, tree.longest_ms), (MAX_WAITERS, 198, Some(199.0)));
    assert_eq!(tree.root.text.chars().count(), 500);
    assert!(tree.root.text.ends_with('…'));
    assert_eq!(record.running.len(), 10);
    // Who blocks may be no client session.
    let mut prepared = reading(NOON);
    prepared.sessions = vec![session(9, "active", Some(("Lock", "tuple")), &[0], 10.0)];
    assert_eq!(fold(&[prepared]).locks[0].root.state, "prepared transaction");
}

/// What a minute costs: printed by `cargo test moment -- --nocapture`.
#[test]
fn a_record_is_small_and_reads_back() {
    let mut readings = busy(NOON);
    for seen in &mut readings {
        let long =
            "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = $1";
        if let Ok(spending) = &mut seen.spending {
            for one in &mut spending.statements {
                one.text =
                    Some(format!("{long} AND o.shard_{} > $2 ORDER BY o.placed_at DESC LIMIT $3", one.query_id).into());
            }
        }
    }
    let begun = std::time::Instant::now();
    let record = fold(&readings);
    let folded = begun.elapsed();
    let begun = std::time::Instant::now();
    let body = encode(&record).unwrap();
    let packed = begun.elapsed();
    println!("moment: {} bytes, folded in {folded:?}, packed in {packed:?}", body.len());
    assert_eq!(decode(&body).unwrap(), record);
    assert!(body.len() < 4_000, "{} bytes", body.len());
    assert!(matches!(decode(b"nonsense"), Err(StoreError::Unreadable { .. })));
}

struct Bench {
    moments: Moments,
    now: Arc<AtomicI64>,
}

impl Bench {
    fn over(store: Arc<dyn StateStore>) -> Self {
        let now = Arc::new(AtomicI64::new(NOON.0));
        let told = now.clone();
        let clock = Clock::from_fn(move || Timestamp(told.load(Ordering::SeqCst)));
        Bench { moments: Moments::new(store, clock), now }
    }

    /// A reading every five seconds for so many minutes.
    fn watch(&self, minutes: std::ops::Range<i64>) {
        for second in (minutes.start * 60..minutes.end * 60).step_by(5) {
            let at = NOON.plus_millis(second * 1000);
            self.moments.observe(&reading(at));
            self.now.store(at.0, Ordering::SeqCst);
        }
    }

    async fn readings(&self, minute: i64) -> Option<u64> {
        let at = NOON.plus_millis(minute * MINUTE_MS);
        self.moments.record(&orders(), at).await.unwrap().map(|record| record.readings)
    }
}

#[tokio::test]
async fn a_minute_goes_from_memory_into_the_store_once() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let bench = Bench::over(store.clone());
    bench.watch(0..90);
    assert_eq!((bench.readings(0).await, bench.readings(89).await), (Some(12), Some(12)));
    bench.moments.flush(false).await.unwrap();
    // The last minute still runs.
    assert_eq!(store.moments_size().await.unwrap().minutes, 89);
    bench.moments.flush(false).await.unwrap();
    bench.moments.flush(true).await.unwrap();
    assert_eq!(store.moments_size().await.unwrap().minutes, 90);
    assert_eq!(
        (bench.readings(0).await, bench.readings(89).await, bench.readings(90).await),
        (Some(12), Some(12), None)
    );
    // Another console reads what this one wrote, and one that began within a minute does not shorten it.
    let next = Bench::over(store.clone());
    assert_eq!(next.readings(89).await, Some(12));
    next.moments.observe(&reading(NOON.plus_millis(89 * MINUTE_MS + 58_000)));
    next.moments.flush(true).await.unwrap();
    assert_eq!(Bench::over(store).readings(89).await, Some(12));
}

#[tokio::test]
async fn the_nearest_minute_is_found_on_both_sides() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let bench = Bench::over(store);
    let nearest = async |minute: i64| {
        let at = NOON.plus_millis(minute * MINUTE_MS);
        let around = bench.moments.nearest(&orders(), at).await.unwrap();
        around.nearest(at).map(|found| (found.0 - NOON.0) / MINUTE_MS)
    };
    assert_eq!(nearest(5).await, None);
    bench.watch(0..10);
    bench.moments.flush(true).await.unwrap();
    bench.watch(30..40);
    assert_eq!(
        (nearest(-5).await, nearest(12).await, nearest(25).await, nearest(70).await),
        (Some(0), Some(9), Some(30), Some(39))
    );
}

#[tokio::test]
async fn minutes_wait_for_a_store_that_is_away() {
    let found = Binaries::find().unwrap();
    let mut server = Postgres::start(PostgresOptions::of(found.postgres().unwrap())).await.unwrap();
    server.create_database("state").await.unwrap();
    let bench = Bench::over(store::open(&server.url("state")).await.unwrap());
    bench.watch(0..3);
    bench.moments.flush(false).await.unwrap();
    server.stop().await;
    bench.watch(3..8);
    assert!(bench.moments.flush(false).await.is_err());
    assert_eq!(bench.readings(4).await, Some(12), "memory answers meanwhile");
    server.restart().await.unwrap();
    bench.moments.flush(false).await.unwrap();
    let stored = Bench::over(store::open(&server.url("state")).await.unwrap());
    for minute in 0..7 {
        assert_eq!(stored.readings(minute).await, Some(12), "minute {minute}");
    }
}

#[tokio::test]
async fn what_waits_is_bounded_and_the_oldest_goes_first() {
    let mut track = Track::default();
    let most = MOST_PENDING as i64;
    for minute in 0..=most {
        assert_eq!(track.observe(&reading(NOON.plus_millis(minute * MINUTE_MS))), None);
    }
    assert_eq!(track.observe(&reading(NOON.plus_millis((most + 1) * MINUTE_MS))), Some(NOON));
    assert_eq!(track.batch().len(), BATCH_MINUTES);
    let rows: Vec<_> = std::iter::from_fn(|| {
        let rows = track.batch();
        track.written(&rows);
        (!rows.is_empty()).then_some(rows.len())
    })
    .collect();
    assert_eq!(rows.iter().sum::<usize>(), MOST_PENDING);
}
