//! Operations over a real state store, with a clock that the test moves.

use super::*;
use crate::store::{self, EventQuery};
use headroom_model::{Timestamp, access::Proof, event::EventKind};
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{Notify, broadcast, mpsc};

const START: i64 = 1_795_098_728_250;

struct Bench {
    operations: Operations,
    store: Arc<dyn StateStore>,
    time: Arc<AtomicI64>,
    feed: broadcast::Receiver<Arc<LiveMessage>>,
    recorder: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

async fn bench() -> Bench {
    over(store::open("sqlite::memory:").await.unwrap()).await
}

async fn over(store: Arc<dyn StateStore>) -> Bench {
    let time = Arc::new(AtomicI64::new(START));
    let clock = {
        let time = time.clone();
        Clock::from_fn(move || Timestamp(time.load(Ordering::Relaxed)))
    };
    let (feed, recorder) = Feed::new(store.clone());
    let stop = CancellationToken::new();
    let recorder = tokio::spawn(recorder.run(stop.clone()));
    let operations = Operations::open(store.clone(), feed.clone(), clock).await.unwrap();
    Bench { operations, store, time, feed: feed.subscribe(), recorder, stop }
}

impl Bench {
    /// Waits until an operation is in a state, as the live feed tells it.
    async fn until(&mut self, id: &str, state: OperationState) -> Operation {
        let seen = async {
            loop {
                match self.feed.recv().await {
                    Ok(message) => {
                        if let LiveMessage::Operation(operation) = message.as_ref()
                            && operation.id == id
                            && operation.state == state
                        {
                            return operation.clone();
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => panic!("the feed ended"),
                }
            }
        };
        timeout(Duration::from_secs(20), seen).await.expect("the operation gets there")
    }

    /// Stops everything, so that all is written, and answers the titles of the timeline, oldest first.
    async fn finish(self) -> Vec<String> {
        self.operations.shutdown().await;
        self.stop.cancel();
        self.recorder.await.unwrap();
        let query = EventQuery { kinds: vec![EventKind::Operation], limit: 100, ..EventQuery::default() };
        let mut events = self.store.events(&query).await.unwrap();
        events.reverse();
        events.into_iter().map(|event| event.event.title).collect()
    }
}

fn actor(role: Role) -> Actor {
    Actor { name: "ada".into(), role, proof: Proof::Session }
}

fn spec(title: &str) -> OperationSpec {
    OperationSpec {
        kind: "cache.warm",
        title: title.into(),
        target: Some(TargetId("orders".into())),
        actor: actor(Role::Operator),
        cancel_role: Role::Operator,
        reason: Some("after the deploy".into()),
        unit: "keys",
    }
}

fn done() -> Result<Done, Failure> {
    Ok(Done { outcome: "100 keys".into(), effect: "100 keys found".into() })
}

#[tokio::test]
async fn an_operation_reports_ends_and_is_written_down() {
    let mut bench = bench().await;
    let (time, half) = (bench.time.clone(), Arc::new(Notify::new()));
    let go_on = half.clone();
    let queued = bench
        .operations
        .start(spec("Warm 100 keys"), move |context| async move {
            context.log("begun");
            time.store(START + 1_000, Ordering::Relaxed);
            context.progress(50, Some(100));
            go_on.notified().await;
            time.store(START + 2_000, Ordering::Relaxed);
            context.progress(100, Some(100));
            done()
        })
        .await
        .unwrap();
    assert_eq!(queued.state, OperationState::Queued);

    // Running is told twice: when it begins, and with its first progress.
    let halfway = loop {
        let operation = bench.until(&queued.id, OperationState::Running).await;
        if operation.progress.done == 50 {
            break operation;
        }
    };
    assert_eq!((halfway.progress.rate, halfway.progress.eta_ms), (Some(50.0), Some(1000)));
    half.notify_one();
    let ended = bench.until(&queued.id, OperationState::Succeeded).await;
    assert_eq!(ended.effect.as_deref(), Some("100 keys found"));
    assert_eq!(ended.finished_at, Some(Timestamp(START + 2_000)));
    assert_eq!(ended.log[0].text, "begun");

    let store = bench.store.clone();
    assert_eq!(bench.finish().await, ["Warm 100 keys started", "Warm 100 keys succeeded"]);
    assert_eq!(store.operations(None, 10).await.unwrap(), [ended]);
    let (audit, _) = store.audit(0, 10).await.unwrap();
    assert_eq!((audit[0].audit.action.as_str(), audit[0].audit.succeeded), ("cache.warm", true));
}

#[tokio::test]
async fn four_work_at_a_time_and_the_rest_waits() {
    let mut bench = bench().await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let go_on = Arc::new(Semaphore::new(0));
    let mut ids = Vec::new();
    for number in 0..6 {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        let work = move |_| async move {
            begun.send(number).unwrap();
            go_on.acquire().await.unwrap().forget();
            done()
        };
        ids.push(bench.operations.start(spec("Warm"), work).await.unwrap().id);
    }
    for _ in 0..CONCURRENT_MAX {
        begins.recv().await.unwrap();
    }
    let queued = bench.operations.list(None).iter().filter(|o| o.state == OperationState::Queued).count();
    assert_eq!(queued, 2);
    assert!(begins.try_recv().is_err());

    go_on.add_permits(6);
    let mut left: std::collections::BTreeSet<String> = ids.into_iter().collect();
    while let Some(id) = left.first().cloned() {
        if bench.operations.get(&id).unwrap().state == OperationState::Succeeded {
            left.remove(&id);
        } else {
            bench.until(&id, OperationState::Succeeded).await;
        }
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let bench = bench().await;
    let wait = |context: OperationContext| async move {
        context.cancelled.cancelled().await;
        Err(Failure("stopped".into()))
    };
    let mut refused = None;
    for _ in 0..CONCURRENT_MAX + QUEUE_MAX + 1 {
        refused = bench.operations.start(spec("Warm"), wait).await.err().or(refused);
    }
    assert!(matches!(refused, Some(OperationError::QueueFull { waiting: QUEUE_MAX })), "{refused:?}");
    bench.finish().await;
}

#[tokio::test]
async fn cancelling_ends_what_runs_and_what_waits() {
    let mut bench = bench().await;
    let wait = |context: OperationContext| async move {
        context.cancelled.cancelled().await;
        Err(Failure("Stopped after 7 keys; they stay.".into()))
    };
    let running = bench.operations.start(spec("Warm"), wait).await.unwrap();
    bench.until(&running.id, OperationState::Running).await;
    assert!(matches!(
        bench.operations.cancel(&running.id, &actor(Role::Viewer)),
        Err(OperationError::Forbidden(Role::Operator))
    ));
    bench.operations.cancel(&running.id, &actor(Role::Operator)).unwrap();
    let ended = bench.until(&running.id, OperationState::Cancelled).await;
    assert_eq!(ended.outcome.as_deref(), Some("Stopped after 7 keys; they stay."));
    assert!(matches!(bench.operations.cancel(&running.id, &actor(Role::Admin)), Err(OperationError::Ended)));

    let store = bench.store.clone();
    bench.finish().await;
    let (audit, _) = store.audit(0, 10).await.unwrap();
    assert!(audit.iter().any(|row| row.audit.action == "operation.cancel" && row.audit.actor == "ada"));
}

#[tokio::test]
async fn a_panic_fails_its_operation_alone() {
    let mut bench = bench().await;
    let broken = bench.operations.start(spec("Warm"), |_| async { panic!("a secret") }).await.unwrap();
    let ended = bench.until(&broken.id, OperationState::Failed).await;
    assert!(!ended.outcome.unwrap().contains("secret"));
    let fine = bench.operations.start(spec("Warm"), |_| async { done() }).await.unwrap();
    bench.until(&fine.id, OperationState::Succeeded).await;
    bench.finish().await;
}

#[tokio::test]
async fn progress_reaches_the_feed_at_most_four_times_a_second() {
    let mut bench = bench().await;
    let begun = std::time::Instant::now();
    let work = |context: OperationContext| async move {
        for done in 0..100_000 {
            context.progress(done, Some(100_000));
            if done % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        done()
    };
    let id = bench.operations.start(spec("Warm"), work).await.unwrap().id;
    let mut steps = 0;
    loop {
        if let LiveMessage::Operation(operation) = bench.feed.recv().await.unwrap().as_ref() {
            assert_eq!(operation.id, id);
            steps += 1;
            if operation.state.is_final() {
                assert_eq!(operation.progress.done, 99_999);
                break;
            }
        }
    }
    // Queued, running, the first step at once and the end, and four a second between.
    let most = 4 + (begun.elapsed().as_millis() / 250) as usize;
    assert!(steps <= most, "{steps} steps, at most {most}");
    bench.finish().await;
}

#[tokio::test]
async fn shutdown_ends_work_that_does_not_listen() {
    let mut bench = bench().await;
    let deaf = bench.operations.start(spec("Warm"), |_| std::future::pending()).await.unwrap();
    bench.until(&deaf.id, OperationState::Running).await;
    let store = bench.store.clone();
    let begun = std::time::Instant::now();
    bench.finish().await;
    assert!(begun.elapsed() < STOP_GRACE + END_GRACE + Duration::from_secs(1));
    let stored = store.operations(None, 1).await.unwrap().remove(0);
    assert_eq!(stored.state, OperationState::Failed);
    assert!(stored.outcome.unwrap().contains("console stopped"));
}

#[tokio::test]
async fn a_store_that_does_not_answer_delays_no_work_and_gets_the_end() {
    use sqlx::{Connection, SqliteConnection};
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/state.db", folder.path().display());
    let mut bench = over(store::open(&url).await.unwrap()).await;
    let mut writer = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    let begun = std::time::Instant::now();
    let operation = bench.operations.start(spec("Warm"), |_| async { done() }).await.unwrap();
    let ended = bench.until(&operation.id, OperationState::Succeeded).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    assert_eq!(bench.store.operations(None, 10).await.unwrap(), []);
    sqlx::raw_sql("ROLLBACK").execute(&mut writer).await.unwrap();
    let stored = async { while bench.store.operations(None, 10).await.unwrap() != [ended.clone()] {} };
    timeout(Duration::from_secs(20), stored).await.expect("the end is stored");
    bench.finish().await;
}

#[tokio::test]
async fn what_an_earlier_process_left_is_failed_at_the_start() {
    let first = bench().await;
    let store = first.store.clone();
    let mut left = first.operations.start(spec("Warm"), |_| async { done() }).await.unwrap();
    first.finish().await;
    left.state = OperationState::Running;
    left.id = uuid::Uuid::now_v7().to_string();
    store.save_operation(&left).await.unwrap();

    let second = over(store).await;
    assert_eq!(second.operations.get(&left.id).unwrap().state, OperationState::Failed);
    second.finish().await;
}
