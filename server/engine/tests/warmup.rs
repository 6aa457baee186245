//! Warmups of a console over real servers.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

use headroom_engine::{
    actions::{self, ActionError, Request},
    cache::{CacheSettings, ClassSettings, Mode, Origin, Servers},
    clock::Clock,
    collect::CollectSettings,
    console::{Console, ConsoleConfig},
    dataset::{Ask, Dataset, DatasetConfig, Parameter, ParameterKind, WarmupClass},
    health::HealthSettings,
    plans::PlanSettings,
    pool::{Lane, PoolProfile, ReplicaConfig},
    store::{self, Retention, StateStore},
    target::{CapacityLimits, TargetConfig},
    warmup::{Schedule, WarmupSettings},
};
use headroom_model::{
    Actor, Role, TargetId, Timestamp,
    access::Proof,
    operation::{Operation, OperationState},
    warmup::{WarmupStatus, WarmupStrategy},
};
use headroom_sandbox::{
    Postgres, PostgresOptions,
    test::{self, TestDatabase, TestRedis},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const SCHEMA: &str = "CREATE TABLE products (id bigint PRIMARY KEY, region text NOT NULL);
    INSERT INTO products SELECT n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END FROM generate_series(1, 100) AS n;
    CREATE TABLE gate (id int);
    INSERT INTO gate VALUES (1);";
const PATIENCE: Duration = Duration::from_secs(30);

fn id() -> TargetId {
    TargetId("orders".into())
}

fn dataset(name: &str, warmup: Option<WarmupClass>) -> DatasetConfig {
    DatasetConfig {
        name: name.into(),
        target: id(),
        sql: "SELECT id FROM products WHERE region = :region".into(),
        parameters: vec![Parameter {
            name: "region".into(),
            kind: ParameterKind::Text,
            default: Some("eu".into()),
            min: None,
            max: None,
            values: Vec::new(),
        }],
        cache: ClassSettings {
            ttl: Duration::from_secs(600),
            hard_timeout: Duration::from_secs(20),
            beta: 0.0,
            ..ClassSettings::default()
        },
        tags: Vec::new(),
        warmup,
        warm: Vec::new(),
        key: vec!["id".into()],
        tables: vec!["public.products".into()],
        per_user: false,
        count: false,
    }
}

/// One dataset a class, and one without.
fn datasets() -> Vec<DatasetConfig> {
    let us = vec![vec![("region".to_owned(), "us".to_owned())]];
    vec![
        DatasetConfig { warm: us, ..dataset("prices", Some(WarmupClass::Critical)) },
        dataset("catalogue", Some(WarmupClass::HighFrequency)),
        dataset("news", Some(WarmupClass::Recent)),
        dataset("archive", None),
    ]
}

struct Bench {
    database: TestDatabase,
    /// Channels of Redis are not kept apart by its databases: what another test clears would be cleared here.
    space: String,
    redis: Option<TestRedis>,
}

impl Bench {
    async fn new(with_redis: bool) -> Self {
        let database = test::database().await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut database.connect().await.unwrap()).await.unwrap();
        let redis = if with_redis { Some(test::redis().await.unwrap()) } else { None };
        Bench { database, space: format!("t{:x}", rand::random::<u64>()), redis }
    }

    fn config(&self, datasets: Vec<DatasetConfig>, warmup: WarmupSettings) -> ConsoleConfig {
        let mut config = config(self.database.url(), self.redis.as_ref().map(TestRedis::url), datasets, warmup);
        config.cache.space.clone_from(&self.space);
        config
    }

    async fn start(&self, datasets: Vec<DatasetConfig>) -> Arc<Console> {
        let store = store::open("sqlite::memory:").await.unwrap();
        start(self.config(datasets, WarmupSettings::default()), store, Clock::system()).await
    }
}

fn config(
    database_url: String,
    redis_url: Option<String>,
    datasets: Vec<DatasetConfig>,
    warmup: WarmupSettings,
) -> ConsoleConfig {
    let redis = redis_url.map(Servers::Single);
    ConsoleConfig {
        targets: vec![TargetConfig {
            id: id(),
            database_url,
            replica: None,
            redis,
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        }],
        collect: CollectSettings { live_every: Duration::from_secs(1), ..CollectSettings::default() },
        health: HealthSettings::default(),
        retention: Retention::default(),
        // Patience for a busy machine: what is shared must not be loaded twice for want of it.
        cache: CacheSettings { redis_timeout: Duration::from_secs(2), ..CacheSettings::default() },
        datasets,
        warmup,
        plans: PlanSettings::default(),
    }
}

async fn start(config: ConsoleConfig, store: Arc<dyn StateStore>, clock: Clock) -> Arc<Console> {
    Console::start(config, store, clock).await.unwrap()
}

fn request(name: &str) -> Request {
    let actor = Actor { name: name.into(), role: Role::Operator, proof: Proof::Session };
    Request { actor, origin: None, reason: Some("release".into()) }
}

fn region(name: &str) -> Ask {
    Ask { arguments: vec![("region".into(), name.into())], ..Ask::default() }
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ended(console: &Console, operation: &Operation) -> Operation {
    let mut found = operation.clone();
    eventually("the end of a warmup", async || {
        found = console.operations.get(&operation.id).unwrap();
        found.state.is_final()
    })
    .await;
    found
}

async fn status(console: &Console) -> WarmupStatus {
    console.warmup_status(&id()).await.unwrap()
}

async fn warm(console: &Arc<Console>, strategy: WarmupStrategy) -> Operation {
    let operation = actions::warm(console, &id(), strategy, &request("ada")).await.unwrap();
    ended(console, &operation).await
}

async fn read(dataset: &Arc<Dataset>, ask: &Ask) -> Origin {
    dataset.page(ask).await.unwrap().origin
}

/// What memory would answer at once.
fn fresh(console: &Console) -> Vec<String> {
    let keys = ["region=eu#p1,50", "region=us#p1,50", "region=hot#p1,50", "region=cold#p1,50"];
    let all = console.datasets.list().flat_map(|dataset| {
        let of = keys.iter().filter(|key| dataset.class().is_fresh(key));
        of.map(|key| format!("{} {}", dataset.name(), &key[7..key.len() - 6]))
    });
    all.collect()
}

#[tokio::test]
async fn each_strategy_loads_what_it_says() {
    for (strategy, expected) in [
        (WarmupStrategy::CriticalOnly, vec!["prices eu", "prices us"]),
        (WarmupStrategy::HighFrequency, vec!["archive hot", "catalogue eu", "prices eu", "prices us"]),
        (WarmupStrategy::RecentData, vec!["archive hot", "archive cold", "news eu", "prices eu", "prices us"]),
        (WarmupStrategy::BySavings, vec!["archive hot", "prices eu", "prices us"]),
        (
            WarmupStrategy::Comprehensive,
            vec!["archive eu", "archive hot", "archive cold", "catalogue eu", "news eu", "prices eu", "prices us"],
        ),
    ] {
        let bench = Bench::new(true).await;
        let console = bench.start(datasets()).await;
        let archive = console.datasets.get("archive").unwrap().clone();
        for _ in 0..5 {
            read(&archive, &region("hot")).await;
        }
        if matches!(strategy, WarmupStrategy::RecentData | WarmupStrategy::Comprehensive) {
            read(&archive, &region("cold")).await;
        }
        console.datasets.cache(&id()).unwrap().clear().await;
        assert_eq!(fresh(&console), [""; 0]);
        let before = console.cache_report(&id()).unwrap().counters;

        let preview = actions::preview_warmup(&console, &id(), strategy).await.unwrap();
        assert_eq!((preview.keys, preview.to_load), (expected.len() as u64, expected.len() as u64), "{preview:?}");
        assert_eq!(preview.datasets[0].dataset, "prices", "critical comes first: {preview:?}");
        let operation = warm(&console, strategy).await;
        assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
        let n = expected.len();
        let keys = headroom_model::format::counted(n as u64, "key");
        assert_eq!(operation.effect, Some(format!("{n} of {keys} fresh in the cache now")));
        assert_eq!((operation.progress.done, operation.progress.total), (n as u64, Some(n as u64)));
        let mut found = fresh(&console);
        let mut expected = expected;
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{strategy:?}");
        // Warming is no use: hits, misses and hot keys are what they were.
        let after = console.cache_report(&id()).unwrap().counters;
        assert_eq!((after.hits(), after.misses), (before.hits(), before.misses));
        let again = warm(&console, strategy).await;
        assert_eq!(again.outcome, Some(format!("Keys: 0 loaded, 0 copied from Redis, {n} were fresh, 0 failed.")));
        assert_eq!(read(&archive, &region("eu")).await == Origin::Memory, strategy == WarmupStrategy::Comprehensive);
        console.shutdown().await;
    }
}

#[tokio::test]
async fn what_saves_most_time_is_loaded_first() {
    let bench = Bench::new(false).await;
    let slow = DatasetConfig {
        sql: "SELECT 1 AS id FROM pg_sleep(1.5) WHERE :region <> ''".into(),
        key: Vec::new(),
        ..dataset("slow", None)
    };
    let console = bench.start(vec![slow, dataset("quick", None)]).await;
    let (slow, quick) = (console.datasets.get("slow").unwrap().clone(), console.datasets.get("quick").unwrap().clone());
    read(&slow, &region("a")).await;
    for _ in 0..4 {
        read(&quick, &region("a")).await;
    }
    let order = async |strategy| {
        let preview = actions::preview_warmup(&console, &id(), strategy).await.unwrap();
        preview.datasets.into_iter().map(|share| share.dataset).collect::<Vec<_>>()
    };
    assert_eq!(order(WarmupStrategy::HighFrequency).await, ["quick", "slow"]);
    assert_eq!(order(WarmupStrategy::BySavings).await, ["slow", "quick"]);
    console.datasets.cache(&id()).unwrap().clear().await;
    let preview = actions::preview_warmup(&console, &id(), WarmupStrategy::BySavings).await.unwrap();
    assert!(preview.estimated_ms.unwrap() >= 750.0, "two at a time: {preview:?}");
    console.shutdown().await;
}

/// A dataset with 41 keys, whose loads wait while someone locks the gate.
fn gated(name: &str) -> DatasetConfig {
    let sql = "SELECT 1 AS id FROM pg_sleep(0.05) WHERE :region <> '' AND EXISTS (SELECT FROM gate)";
    let warm = (0..40).map(|n| vec![("region".to_owned(), format!("r{n}"))]).collect();
    DatasetConfig {
        sql: sql.into(),
        key: Vec::new(),
        warm,
        cache: ClassSettings { mode: Mode::Tiered, ttl: Duration::from_secs(600), ..ClassSettings::default() },
        ..dataset(name, Some(WarmupClass::Critical))
    }
}

#[tokio::test]
async fn one_runs_at_a_time_over_two_consoles_and_can_be_stopped() {
    let bench = Bench::new(true).await;
    let (a, b) = (bench.start(vec![gated("slow")]).await, bench.start(vec![gated("slow")]).await);
    // Whoever reads the gate waits for this lock.
    let mut locker = bench.database.connect().await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE gate").execute(&mut locker).await.unwrap();
    let running = actions::warm(&a, &id(), WarmupStrategy::CriticalOnly, &request("ada")).await.unwrap();
    eventually("it runs", async || status(&a).await.running.is_some_and(|run| run.operation.started_at.is_some()))
        .await;
    for console in [&a, &b] {
        let refused = actions::warm(console, &id(), WarmupStrategy::BySavings, &request("bob")).await.unwrap_err();
        assert!(matches!(&refused, ActionError::Conflict(reason) if reason.contains("ada")), "{refused}");
    }
    let (here, there) = (status(&a).await, status(&b).await);
    let run = here.running.unwrap();
    assert_eq!((run.strategy, run.datasets[0].keys, here.elsewhere), (WarmupStrategy::CriticalOnly, 41, None));
    assert!(there.running.is_none() && there.elsewhere.unwrap().starts_with("ada"), "the other one knows who");
    a.operations.cancel(&running.id, &request("bob").actor).unwrap();
    let stopped = ended(&a, &running).await;
    assert_eq!(stopped.state, OperationState::Cancelled);
    assert!(stopped.outcome.as_ref().unwrap().contains("It was stopped; 4"), "{stopped:?}");
    drop(locker);
    // Free again at once, at the other one; what the first has loaded by then is copied.
    let second = warm(&b, WarmupStrategy::CriticalOnly).await;
    assert_eq!(second.state, OperationState::Succeeded, "{second:?}");
    let third = warm(&a, WarmupStrategy::CriticalOnly).await;
    assert!(third.outcome.as_ref().unwrap().starts_with("Keys: 0 loaded"), "{third:?}");
    assert!(a.datasets.get("slow").unwrap().class().is_fresh("region=r39#p1,50"));
    let history = status(&a).await.history;
    assert_eq!(history.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [third.id.as_str(), &running.id]);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn a_key_that_fails_is_tried_again_and_told_when_it_keeps_failing() {
    let bench = Bench::new(false).await;
    let failing = |name: &str, divisor: &str| DatasetConfig {
        sql: format!("SELECT 1 / ({divisor}) AS id WHERE :region <> ''"),
        key: Vec::new(),
        ..dataset(name, Some(WarmupClass::Critical))
    };
    let console = bench.start(vec![failing("always", "SELECT count(*) FROM products WHERE id < 0")]).await;
    let failed = warm(&console, WarmupStrategy::CriticalOnly).await;
    assert_eq!(failed.state, OperationState::Failed, "{failed:?}");
    assert!(failed.outcome.as_ref().unwrap().contains("No key could be loaded"), "{failed:?}");
    assert!(failed.log.iter().any(|line| line.text.contains("22012")), "{failed:?}");
    assert_eq!(console.cache_report(&id()).unwrap().counters.load_errors, 3, "one attempt and two more");
    console.shutdown().await;

    // The first attempt leaves a lock behind, which outlives its transaction and which the second one finds.
    let once = "CASE WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())) THEN 1 WHEN pg_try_advisory_lock(7) THEN 0 END";
    let console = bench.start(vec![failing("once", once)]).await;
    let mended = warm(&console, WarmupStrategy::CriticalOnly).await;
    assert_eq!(mended.outcome.unwrap(), "Keys: 1 loaded, 0 copied from Redis, 0 were fresh, 0 failed.");
    assert_eq!(console.cache_report(&id()).unwrap().counters.load_errors, 1);
    console.shutdown().await;
}

#[tokio::test]
async fn it_waits_while_readers_wait_and_while_the_database_is_away() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&mut postgres.connect("shop").await.unwrap()).await.unwrap();
    let mut config = config(postgres.url("shop"), None, vec![gated("slow")], WarmupSettings::default());
    config.targets[0].pool = PoolProfile { data_max: 1, ..PoolProfile::default() };
    let console = start(config, store::open("sqlite::memory:").await.unwrap(), Clock::system()).await;
    let pools = &console.target(&id()).unwrap().pools;
    let held = pools.acquire(Lane::Data).await.unwrap();
    let operation = {
        let waiting = pools.acquire(Lane::Data);
        tokio::pin!(waiting);
        // The reader is in the queue once it was polled.
        assert!(futures::poll!(&mut waiting).is_pending());
        let operation = actions::warm(&console, &id(), WarmupStrategy::CriticalOnly, &request("ada")).await.unwrap();
        let why = async || status(&console).await.running.and_then(|run| run.yields_because);
        eventually("it yields", async || why().await.is_some_and(|why| why.contains("requests wait"))).await;
        assert_eq!(console.operations.get(&operation.id).unwrap().progress.done, 0);
        operation
    };
    drop(held);
    eventually("it goes on", async || console.operations.get(&operation.id).unwrap().progress.done > 0).await;
    postgres.stop().await;
    let why = async || status(&console).await.running.and_then(|run| run.yields_because);
    eventually("it pauses", async || why().await.is_some_and(|why| why.contains("PostgreSQL does not answer"))).await;
    postgres.restart().await.unwrap();
    let done = ended(&console, &operation).await;
    assert_eq!(done.state, OperationState::Succeeded, "{done:?}");
    assert!(done.log.iter().any(|line| line.text == "at full speed again"), "{done:?}");
    console.shutdown().await;
}

#[tokio::test]
async fn it_waits_while_readers_have_every_connection_to_the_replica() {
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    primary.create_database("shop").await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&mut primary.connect("shop").await.unwrap()).await.unwrap();
    let replica = primary.start_replica().await.unwrap();
    let prices = dataset("prices", Some(WarmupClass::Critical));
    let mut config = config(primary.url("shop"), None, vec![prices], WarmupSettings::default());
    config.targets[0].pool = PoolProfile { data_max: 1, ..PoolProfile::default() };
    let max_lag = Duration::from_secs(5);
    config.targets[0].replica = Some(ReplicaConfig { url: replica.url("shop"), max_lag });
    let console = start(config, store::open("sqlite::memory:").await.unwrap(), Clock::system()).await;
    console.datasets.settled(&id()).await;
    let pools = &console.target(&id()).unwrap().pools;
    eventually("the replica is read", async || pools.replica().unwrap().in_use).await;
    let held = pools.acquire(Lane::Replica).await.unwrap();
    let operation = actions::warm(&console, &id(), WarmupStrategy::CriticalOnly, &request("ada")).await.unwrap();
    let why = async || status(&console).await.running.and_then(|run| run.yields_because);
    eventually("it yields", async || why().await.is_some_and(|why| why.contains("connection to the replica"))).await;
    assert_eq!(console.operations.get(&operation.id).unwrap().progress.done, 0);
    drop(held);
    let done = ended(&console, &operation).await;
    assert_eq!(done.state, OperationState::Succeeded, "{done:?}");
    assert_eq!(done.progress.done, 1, "{done:?}");
    console.shutdown().await;
}

#[tokio::test]
async fn at_the_start_and_by_the_schedule_and_what_was_hot_before() {
    let bench = Bench::new(false).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/state.db", folder.path().display());
    let settings = WarmupSettings { at_start: Some(WarmupStrategy::HighFrequency), ..WarmupSettings::default() };
    let first = start(
        bench.config(vec![dataset("archive", None)], settings.clone()),
        store::open(&url).await.unwrap(),
        Clock::system(),
    )
    .await;
    eventually("the warmup of the start", async || status(&first).await.history.len() == 1).await;
    assert_eq!(status(&first).await.history[0].actor, "start");
    let archive = first.datasets.get("archive").unwrap().clone();
    for _ in 0..4 {
        read(&archive, &region("hot")).await;
    }
    first.shutdown().await;

    // Another process, a schedule, and a clock that a test moves: 2026-11-19T05:59:00Z.
    let at = Arc::new(AtomicI64::new(1_795_067_940_000));
    let told = at.clone();
    let clock = Clock::from_fn(move || Timestamp(told.load(SeqCst)));
    let schedule = Some(Schedule::new("0 6 * * *", WarmupStrategy::HighFrequency).unwrap());
    let second = start(
        bench.config(vec![dataset("archive", None)], WarmupSettings { schedule, ..WarmupSettings::default() }),
        store::open(&url).await.unwrap(),
        clock,
    )
    .await;
    eventually("the schedule is known", async || status(&second).await.schedule.is_some()).await;
    let schedule = status(&second).await.schedule.unwrap();
    assert_eq!((schedule.cron.as_str(), schedule.next.to_rfc3339().as_str()), ("0 6 * * *", "2026-11-19T06:00:00Z"));
    assert_eq!(status(&second).await.history.len(), 1, "the earlier process's");
    at.fetch_add(90_000, SeqCst);
    eventually("the warmup of the schedule", async || status(&second).await.history.len() == 2).await;
    let ran = status(&second).await;
    assert_eq!((ran.history[0].actor.as_str(), ran.history[0].state), ("schedule", OperationState::Succeeded));
    assert_eq!(ran.schedule.unwrap().next.to_rfc3339(), "2026-11-20T06:00:00Z");
    assert!(second.datasets.get("archive").unwrap().class().is_fresh("region=hot#p1,50"), "remembered");
    second.shutdown().await;
}
