//! Connection lanes against a real server.

mod support;

use headroom_engine::{
    cache::{CacheSettings, ClassSettings, Hit},
    clock::Clock,
    dataset::{Ask, DatasetConfig, Datasets, Page, Parameter, ParameterKind},
    pool::{Lane, Lease, PoolError, PoolProfile, Pools, ReplicaConfig},
    target::{Target, TargetConfig},
};
use headroom_model::pool::{LaneReport, ReplicaReport};
use headroom_sandbox::{
    Binaries, Postgres, PostgresOptions,
    test::{TestDatabase, database, on_each_postgres},
};
use sqlx::{Connection, Row};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};
use support::target;
use tokio_util::sync::CancellationToken;

fn profile() -> PoolProfile {
    PoolProfile {
        interactive_max: 2,
        acquire_timeout: Duration::from_millis(2500),
        leak_after: Duration::from_millis(200),
        ..PoolProfile::default()
    }
}

/// Sessions of the lanes of this database, by state.
async fn sessions(database: &TestDatabase, state: &str) -> i64 {
    let mut connection = database.connect().await.expect("the sandbox answers");
    sqlx::query(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'headroom/%' AND state LIKE $1",
    )
    .bind(state)
    .fetch_one(&mut connection)
    .await
    .and_then(|row| row.try_get(0))
    .expect("the activity can be read")
}

/// Waits until `check` holds; fails after five seconds.
async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !check().await {
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn lane(pools: &Pools, lane: Lane) -> LaneReport {
    pools.snapshot().into_iter().find(|snapshot| snapshot.lane == lane.name()).expect("every lane has a snapshot")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_queues_times_out_and_names_its_holders() {
    let database = database().await.unwrap();
    let target = target(&database.url(), None, profile());
    let first = target.pools.acquire(Lane::Interactive).await.unwrap();
    let line = line!() - 1;
    let second = target.pools.acquire(Lane::Interactive).await.unwrap();
    let holders = target.pools.holders();
    assert_eq!((holders.len(), holders[0].lane), (2, Lane::Interactive));
    assert_eq!((holders[0].call_site.line(), holders[0].call_site.file()), (line, file!()));

    let waiter = tokio::spawn({
        let target = Arc::clone(&target);
        async move { target.pools.acquire(Lane::Interactive).await.map(drop) }
    });
    eventually("a waiter is seen", async || lane(&target.pools, Lane::Interactive).waiting == 1).await;
    // Other lanes are not held up.
    target.pools.acquire(Lane::Monitor).await.unwrap();
    let refused = waiter.await.unwrap().unwrap_err();
    assert!(matches!(refused, PoolError::Timeout { lane: "interactive", in_use: 2, max: 2, .. }), "{refused}");
    let snapshot = lane(&target.pools, Lane::Interactive);
    assert_eq!((snapshot.in_use, snapshot.waiting, snapshot.timeouts, snapshot.leaks), (2, 0, 1, 2));
    let waited = target.pools.take_wait_p95().unwrap();
    assert!((2490.0..8000.0).contains(&waited), "{waited}");
    assert_eq!(target.pools.take_wait_p95(), None);

    drop((first, second));
    eventually("both come back", async || lane(&target.pools, Lane::Interactive).idle == 2).await;
    let snapshot = lane(&target.pools, Lane::Interactive);
    assert_eq!((snapshot.in_use, snapshot.leaks), (0, 0));
    target.pools.reset_statistics();
    assert_eq!(
        (lane(&target.pools, Lane::Interactive).acquired, lane(&target.pools, Lane::Interactive).timeouts),
        (0, 0)
    );
    target.pools.close().await;
    assert!(matches!(target.pools.acquire(Lane::Interactive).await, Err(PoolError::Closed)));
    eventually("the server sees them go", async || sessions(&database, "%").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_inherits_a_transaction() {
    on_each_postgres(async |database| {
        let target = target(&database.url(), None, profile());
        // Left open on purpose: in SQL, by a dropped guard, and aborted.
        for leave_open in ["BEGIN; SELECT 1", "BEGIN; SELECT 1/0"] {
            let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
            let _fails_when_aborted = sqlx::raw_sql(leave_open).execute(&mut *lease).await;
        }
        let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
        drop(lease.begin().await.unwrap());
        drop(lease);
        eventually("no session is left in a transaction", async || {
            lane(&target.pools, Lane::Interactive).in_use == 0 && sessions(&database, "idle in transaction%").await == 0
        })
        .await;
        for _ in 0..2 {
            assert!(is_clean(&mut target.pools.acquire(Lane::Interactive).await.unwrap()).await);
        }
        target.pools.close().await;
    })
    .await;
}

/// Whether it is outside any transaction, in the simple protocol.
async fn is_clean(lease: &mut Lease) -> bool {
    let row = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(&mut **lease).await;
    row.and_then(|row| row.try_get(0)).expect("the server tells the time")
}

/// Drops `work` where it has to wait, after so many waits; a time would hit the same few places again and again.
async fn cut(work: impl Future, mut waits: u64) {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Pending if waits > 0 => {
            waits -= 1;
            Poll::Pending
        }
        _ => Poll::Ready(()),
    })
    .await;
}

/// The server got BEGIN, and nobody read its answer: sqlx knows of no transaction (sqlx#4393).
#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_was_cancelled_half_way_is_not_inherited() {
    on_each_postgres(async |database| {
        let target = target(&database.url(), None, PoolProfile { interactive_max: 1, ..profile() });
        for _ in 0..20 {
            let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
            cut(lease.begin(), 0).await;
            drop(lease);
            assert!(is_clean(&mut target.pools.acquire(Lane::Interactive).await.unwrap()).await);
        }
        target.pools.close().await;
    })
    .await;
}

/// sqlx 0.9.0's own pool leaves sessions in a transaction here (sqlx#4393).
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_cancelled_acquires_and_begins_leaves_nothing_behind() {
    let database = database().await.unwrap();
    let target = target(&database.url(), None, PoolProfile { interactive_max: 4, ..PoolProfile::default() });
    // Opened before: a session takes more waits to open than a worker gets.
    let ready = futures::future::try_join_all((0..4).map(|_| target.pools.acquire(Lane::Interactive))).await.unwrap();
    drop(ready);
    let (inherited, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut storm = tokio::task::JoinSet::new();
    for worker in 0..8_u64 {
        let (target, inherited, begun) = (Arc::clone(&target), Arc::clone(&inherited), Arc::clone(&begun));
        storm.spawn(async move {
            for round in 0..250 {
                let work = async {
                    let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
                    // Left open, it would end with the next one's: the end of the storm does not tell.
                    inherited.fetch_add(u64::from(!is_clean(&mut lease).await), Relaxed);
                    let mut transaction = lease.begin().await.unwrap();
                    begun.fetch_add(1, Relaxed);
                    sqlx::query("SELECT 1").execute(&mut *transaction).await.unwrap();
                };
                // Cut at a different point each time: in the queue, between the messages of BEGIN, in the statement.
                cut(work, (worker + round) % 8).await;
            }
        });
    }
    storm.join_all().await;
    assert_eq!(inherited.load(Relaxed), 0, "transactions that the next caller got");
    assert!(begun.load(Relaxed) > 0, "the storm never came as far as a transaction");
    eventually("all come back clean", async || {
        let snapshot = lane(&target.pools, Lane::Interactive);
        snapshot.in_use == 0 && snapshot.waiting == 0 && sessions(&database, "idle in transaction%").await == 0
    })
    .await;
    // Every place is still there: as many as the lane holds can be lent at once.
    let leases = futures::future::try_join_all((0..4).map(|_| target.pools.acquire(Lane::Interactive))).await.unwrap();
    assert_eq!(lane(&target.pools, Lane::Interactive).in_use, 4);
    drop(leases);
    target.pools.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_carry_their_lane_and_its_limits_and_do_not_live_forever() {
    let database = database().await.unwrap();
    let short = PoolProfile { idle_timeout: Duration::from_millis(200), ..PoolProfile::default() };
    let target = target(&database.url(), None, short);
    let mut lease = target.pools.acquire(Lane::Monitor).await.unwrap();
    let row = sqlx::query(
        "SELECT current_setting('application_name'), current_setting('statement_timeout'),
            current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')",
    )
    .fetch_one(&mut *lease)
    .await
    .unwrap();
    let settings: Vec<String> = (0..4).map(|i| row.try_get(i).unwrap()).collect();
    assert_eq!(settings, ["headroom/monitor", "5s", "100ms", "1min"]);
    drop(lease);
    eventually("the idle connection is closed", async || {
        lane(&target.pools, Lane::Monitor).idle == 0 && sessions(&database, "%").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_reported_at_once_and_in_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = target(&format!("postgres://app:hunter2@127.0.0.1:{free}/shop"), None, PoolProfile::default());
    let asked = Instant::now();
    let error = gone.pools.acquire(Lane::Interactive).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(gone.explain(&error), format!("PostgreSQL at 127.0.0.1:{free} refuses connections"));

    let database = database().await.unwrap();
    let wrong = database.url().replacen("://postgres:", "://postgres:wrong", 1);
    let wrong = target(&wrong, None, PoolProfile::default());
    let error = wrong.pools.acquire(Lane::Interactive).await.unwrap_err();
    assert!(wrong.explain(&error).ends_with("refuses the password"), "{}", wrong.explain(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_keeps_sessions_ready_and_checks_them() {
    let database = database().await.unwrap();
    let profile = PoolProfile {
        interactive_min: 2,
        idle_timeout: Duration::from_millis(200),
        health_every: Duration::from_millis(200),
        ..PoolProfile::default()
    };
    let target = target(&database.url(), None, profile);
    target.pools.warm_up();
    eventually("two are ready before anyone asks", async || lane(&target.pools, Lane::Interactive).idle == 2).await;
    assert_eq!(lane(&target.pools, Lane::Monitor).idle, 0);
    // Far beyond the idle timeout they are there still, and were asked whether they live.
    eventually("they are checked", async || lane(&target.pools, Lane::Interactive).health_checks >= 4).await;
    assert_eq!(lane(&target.pools, Lane::Interactive).creation.count, 2);
    // What breaks is noticed without a caller and replaced.
    let mut connection = database.connect().await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'headroom/%'")
        .execute(&mut connection)
        .await
        .unwrap();
    eventually("the broken ones are replaced", async || {
        let now = lane(&target.pools, Lane::Interactive);
        now.health_failures == 2 && now.idle == 2
    })
    .await;
    target.pools.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_changes_its_size_while_connections_are_lent() {
    let database = database().await.unwrap();
    let target = target(&database.url(), None, PoolProfile { interactive_max: 3, ..profile() });
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(target.pools.acquire(Lane::Interactive).await.unwrap());
    }
    target.pools.resize(Lane::Interactive, 1);
    assert_eq!(lane(&target.pools, Lane::Interactive).max, 1);
    drop(leases.pop());
    // Two are lent of one: a place comes free only once both are back.
    assert!(matches!(target.pools.acquire(Lane::Interactive).await, Err(PoolError::Timeout { in_use: 2, max: 1, .. })));
    drop(leases);
    let only = target.pools.acquire(Lane::Interactive).await.unwrap();
    let snapshot = lane(&target.pools, Lane::Interactive);
    assert_eq!((snapshot.in_use, snapshot.idle), (1, 0), "surplus sessions are closed");
    target.pools.resize(Lane::Interactive, 4);
    let more = futures::future::try_join_all((0..3).map(|_| target.pools.acquire(Lane::Interactive))).await.unwrap();
    assert_eq!(lane(&target.pools, Lane::Interactive).in_use, 4);
    drop((only, more));
    target.pools.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_served_again_after_the_server_returns() {
    let found = Binaries::find().unwrap();
    for installation in found.all_postgres() {
        let mut server = Postgres::start(PostgresOptions::of(installation)).await.unwrap();
        let target = target(&server.url("postgres"), None, profile());
        let leases = futures::future::try_join_all((0..2).map(|_| target.pools.acquire(Lane::Interactive))).await;
        drop(leases.unwrap());
        let lent = target.pools.acquire(Lane::Batch).await.unwrap();
        server.kill().await;
        let refused = target.pools.acquire(Lane::Monitor).await.unwrap_err();
        assert!(matches!(refused, PoolError::Connect(_)), "{refused}");
        server.restart().await.unwrap();
        // Without a single error: what broke meanwhile is noticed before it is lent.
        for _ in 0..4 {
            let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *lease).await.unwrap();
        }
        drop(lent);
        let mut lease = target.pools.acquire(Lane::Batch).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *lease).await.unwrap();
        drop(lease);
        target.pools.close().await;
        server.stop().await;
    }
}

/// A target with a replica that is close behind, watched by its guard.
struct Pair {
    primary: Postgres,
    replica: Postgres,
    config: TargetConfig,
    target: Arc<Target>,
    stop: CancellationToken,
    guard: tokio::task::JoinHandle<()>,
}

impl Pair {
    async fn start(options: PostgresOptions, pool: PoolProfile) -> Self {
        let primary = Postgres::start(options).await.expect("a server starts");
        let replica = primary.start_replica().await.expect("a replica starts");
        let config = TargetConfig {
            replica: Some(ReplicaConfig { url: replica.url("postgres"), max_lag: Duration::from_secs(2) }),
            ..support::config(&primary.url("postgres"), None, pool)
        };
        let target = Arc::new(Target::new(&config).expect("the connection string can be read"));
        let stop = CancellationToken::new();
        let guard = tokio::spawn({
            let (target, stop) = (Arc::clone(&target), stop.clone());
            async move { target.pools.guard_replica(stop).await }
        });
        let pair = Pair { primary, replica, config, target, stop, guard };
        pair.is_read().await;
        pair
    }

    fn state(&self) -> ReplicaReport {
        self.target.pools.replica().expect("one is configured")
    }

    async fn is_read(&self) {
        // After an invalidation it may take max_lag and six seconds more.
        let end = Instant::now() + Duration::from_secs(30);
        while !self.state().in_use {
            assert!(Instant::now() < end, "the replica is not read: {:?}", self.state());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.guard.await.expect("the guard ends");
        self.target.pools.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_replica_is_not_waited_for() {
    let pair = Pair::start(PostgresOptions::default(), PoolProfile { data_max: 2, ..profile() }).await;
    let pools = &pair.target.pools;
    assert_eq!(pools.crowded(), None);
    let held = [pools.acquire(Lane::Replica).await.unwrap(), pools.acquire(Lane::Replica).await.unwrap()];
    // Past the time for which a finding counts: the guard goes on looking, without a place of the readers'.
    tokio::time::sleep(Duration::from_secs(5)).await;
    eventually("full, and well", async || pools.crowded() == Some(Lane::Replica) && pair.state().in_use).await;
    let before = pair.state();
    let asked = Instant::now();
    let mut lease = pools.acquire_read(Lane::Data).await.unwrap();
    assert!(!in_recovery(&mut lease).await && lease.lane() == Lane::Data);
    assert!(asked.elapsed() < Duration::from_secs(1), "the acquire timeout is 2.5 s: {:?}", asked.elapsed());
    assert_eq!((pair.state().reads, pair.state().fallbacks), (before.reads, before.fallbacks + 1));
    assert_eq!(lane(pools, Lane::Replica).timeouts, 0);
    drop((lease, held));
    eventually("the places come back", async || pools.crowded().is_none()).await;
    pair.is_read().await;
    let lease = pools.acquire_read(Lane::Data).await.unwrap();
    assert_eq!(lease.lane(), Lane::Replica);
    drop(lease);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_the_replica_fails_is_repeated_on_the_primary_once() {
    for installation in Binaries::find().unwrap().all_postgres() {
        let pair = Pair::start(PostgresOptions::of(installation), PoolProfile::default()).await;
        let mut writer = pair.primary.connect("postgres").await.unwrap();
        let mut there = pair.replica.connect("postgres").await.unwrap();
        sqlx::raw_sql("CREATE TABLE news (id int PRIMARY KEY); INSERT INTO news VALUES (1)")
            .execute(&mut writer)
            .await
            .unwrap();
        eventually("the replica has the table", async || {
            sqlx::query("SELECT FROM news WHERE id = 1").fetch_optional(&mut there).await.is_ok_and(|row| row.is_some())
        })
        .await;
        for setting in ["ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()"] {
            sqlx::query(setting).execute(&mut there).await.unwrap();
        }
        // Only the replica sleeps; the row says who answered.
        let sql = "SELECT id, pg_is_in_recovery() AS there, \
                   CASE WHEN pg_is_in_recovery() THEN pg_sleep(15)::text END AS slept FROM news WHERE id > :least";
        let definition = DatasetConfig {
            name: "news".into(),
            target: pair.target.id.clone(),
            sql: sql.into(),
            parameters: vec![Parameter {
                name: "least".into(),
                kind: ParameterKind::Integer,
                default: Some("0".into()),
                min: None,
                max: None,
                values: Vec::new(),
            }],
            cache: ClassSettings {
                soft_timeout: Duration::from_secs(30),
                hard_timeout: Duration::from_secs(30),
                beta: 0.0,
                ..ClassSettings::default()
            },
            tags: Vec::new(),
            warmup: None,
            warm: Vec::new(),
            key: Vec::new(),
            tables: vec!["public.news".into()],
            per_user: false,
            count: false,
        };
        let targets = [(pair.config.clone(), Arc::clone(&pair.target))];
        let settings = CacheSettings::default();
        let datasets = Datasets::start(vec![definition], &targets, &settings, &Clock::system()).unwrap();
        datasets.settled(&pair.target.id).await;
        let dataset = datasets.get("news").unwrap().clone();
        dataset.prepare().await.unwrap();
        let least = |least: i32| Ask { arguments: vec![("least".into(), least.to_string())], ..Ask::default() };
        let read = |at: i32| {
            let (dataset, ask) = (dataset.clone(), least(at));
            tokio::spawn(
                async move { tokio::time::timeout(Duration::from_secs(10), dataset.page(&ask)).await.unwrap() },
            )
        };
        let sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

        // A conflict with what is replayed: the server takes the lock away from the reader (SQLSTATE 40001).
        pair.is_read().await;
        let before = pair.state();
        let page = read(0);
        eventually("the replica reads", async || {
            sqlx::query_scalar(sleeps).fetch_one(&mut there).await.is_ok_and(|sleeps: bool| sleeps)
        })
        .await;
        sqlx::raw_sql("BEGIN; LOCK TABLE news IN ACCESS EXCLUSIVE MODE; COMMIT").execute(&mut writer).await.unwrap();
        let answered = page.await.unwrap().unwrap();
        assert!(body(&answered).contains("\"there\":false"), "{}", body(&answered));
        assert_eq!(pair.state().fallbacks, before.fallbacks + 1);
        assert!(pair.state().in_use, "it is well: {:?}", pair.state());

        // The session ends (57P01): the replica is left alone until the guard has seen it again.
        pair.is_read().await;
        let page = read(-1);
        eventually("the replica reads", async || {
            sqlx::query_scalar(sleeps).fetch_one(&mut there).await.is_ok_and(|sleeps: bool| sleeps)
        })
        .await;
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            .execute(&mut there)
            .await
            .unwrap();
        let answered = page.await.unwrap().unwrap();
        assert!(body(&answered).contains("\"there\":false"), "{}", body(&answered));

        // What is wrong with the statement is wrong everywhere.
        pair.is_read().await;
        let mut lease = pair.target.pools.acquire_read(Lane::Data).await.unwrap();
        assert_eq!(lease.lane(), Lane::Replica);
        let wrong = sqlx::query("SELECT 1 / (SELECT 0)").execute(&mut *lease).await.unwrap_err();
        assert!(!pair.target.pools.repeats_on_primary(&lease, &wrong), "{wrong}");
        let gone = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let on_primary = pair.target.pools.acquire(Lane::Data).await.unwrap();
        assert!(!pair.target.pools.repeats_on_primary(&on_primary, &gone), "once");
        assert!(pair.target.pools.repeats_on_primary(&lease, &gone) && !pair.state().in_use);
        drop((lease, on_primary));
        datasets.shutdown().await;
        pair.end().await;
    }
}

fn body(hit: &Hit<Page>) -> String {
    let page = hit.value().expect("a page is never absent");
    String::from_utf8_lossy(page.body()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_to_the_replica_while_it_is_close_behind() {
    for installation in Binaries::find().unwrap().all_postgres() {
        let primary = Postgres::start(PostgresOptions::of(installation)).await.unwrap();
        let replica = primary.start_replica().await.unwrap();
        let config = TargetConfig {
            replica: Some(ReplicaConfig { url: replica.url("postgres"), max_lag: Duration::from_secs(2) }),
            ..support::config(&primary.url("postgres"), None, profile())
        };
        let target = Arc::new(Target::new(&config).unwrap());
        // Before anything is known of the lag, reads stay on the primary.
        let mut lease = target.pools.acquire_read(Lane::Data).await.unwrap();
        assert!(!in_recovery(&mut lease).await);
        drop(lease);
        let stop = CancellationToken::new();
        let guard = tokio::spawn({
            let (target, stop) = (Arc::clone(&target), stop.clone());
            async move { target.pools.guard_replica(stop).await }
        });
        let state = || target.pools.replica().unwrap();
        eventually("it is found close enough", async || state().in_use).await;
        let mut lease = target.pools.acquire_read(Lane::Data).await.unwrap();
        assert!(in_recovery(&mut lease).await);
        drop(lease);
        assert_eq!((state().reads, state().fallbacks), (1, 1));

        // A replica that stops replaying is left alone once it is too far behind, and used again when it has caught up.
        let mut admin = replica.connect("postgres").await.unwrap();
        sqlx::query("SELECT pg_wal_replay_pause()").execute(&mut admin).await.unwrap();
        let mut writer = primary.connect("postgres").await.unwrap();
        sqlx::query("CREATE TABLE news (id int)").execute(&mut writer).await.unwrap();
        eventually("it is too far behind", async || !state().in_use).await;
        assert!(state().state.contains("behind the primary") && state().lag_ms.unwrap() > 2000.0, "{:?}", state());
        let mut lease = target.pools.acquire_read(Lane::Data).await.unwrap();
        assert!(!in_recovery(&mut lease).await);
        drop(lease);
        sqlx::query("SELECT pg_wal_replay_resume()").execute(&mut admin).await.unwrap();
        eventually("it has caught up", async || state().in_use).await;

        // What was invalidated may not have arrived there.
        target.pools.note_change();
        assert!(state().state.contains("invalidated"), "{:?}", state());
        let mut lease = target.pools.acquire_read(Lane::Data).await.unwrap();
        assert!(!in_recovery(&mut lease).await);
        drop(lease);
        stop.cancel();
        guard.await.unwrap();
        target.pools.close().await;
    }
}

async fn in_recovery(lease: &mut Lease) -> bool {
    let row = sqlx::query("SELECT pg_is_in_recovery()").fetch_one(&mut **lease).await;
    row.and_then(|row| row.try_get(0)).expect("the server says whether it is in recovery")
}
