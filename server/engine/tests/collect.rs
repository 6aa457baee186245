//! Collectors against real servers: figures agree with what SQL and INFO say, and nothing is invented.

mod support;

use headroom_engine::{
    cache::Servers,
    clock::Clock,
    collect::{CollectSettings, Collector, Observation, ProcessCollector, Pulse, Session, WaitSampler, Waits},
    pool::PoolProfile,
    requests::RequestStats,
    target::Target,
};
use headroom_model::{MetricId, event::EventKind, metric::CATALOGUE, sample::Figures};
use headroom_sandbox::{
    Binaries, Postgres, PostgresOptions, Redis, RedisOptions,
    test::{TestDatabase, on_each_postgres, redis},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use support::target;

fn collector(target: &Arc<Target>) -> Collector {
    let settings = CollectSettings { heavy_every: Duration::from_millis(100), ..CollectSettings::default() };
    Collector::new(Arc::clone(target), Clock::system(), settings)
}

fn watch(database: &TestDatabase) -> Collector {
    collector(&target(&database.url(), None, PoolProfile::default()))
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn number(connection: &mut PgConnection, sql: &str) -> f64 {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT ({sql})::float8"))).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Runs SQL on a connection of its own and ends it.
async fn run_apart(server: &Postgres, database: &str, sql: &str) {
    let mut connection = server.connect(database).await.expect("the sandbox answers");
    run(&mut connection, sql).await;
    end(server, connection).await;
}

/// Waits until `check` holds, a minute at most.
async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ends a connection and waits until its backend is gone: by then it has published its statistics.
async fn end(server: &Postgres, mut connection: PgConnection) {
    let pid = number(&mut connection, "pg_backend_pid()").await;
    connection.close().await.expect("the sandbox answers");
    let mut observer = server.connect("postgres").await.expect("the sandbox answers");
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    eventually("the backend ends", async || number(&mut observer, &there).await == 0.0).await;
}

/// A temporary server of each version, for tests whose effect others would see.
async fn own_servers() -> Vec<Postgres> {
    let found = Binaries::find().expect("PostgreSQL is found");
    let options = found.all_postgres().into_iter().map(PostgresOptions::of);
    futures::future::try_join_all(options.map(Postgres::start)).await.expect("servers start")
}

fn figure(observation: &Observation, metric: MetricId) -> f64 {
    observation.sample.get(metric).unwrap_or_else(|| panic!("{metric} was not measured: {observation:#?}"))
}

fn has_event(observation: &Observation, kind: EventKind) -> bool {
    observation.events.iter().any(|event| event.kind == kind)
}

/// Every value must make sense by itself.
fn check_sane(observation: &Observation) {
    for (metric, value) in &observation.sample.figures {
        assert!(value.is_finite() && *value >= 0.0, "{metric} = {value}");
        if metric.metric().unit == headroom_model::metric::Unit::Percent && *metric != MetricId::ProcessCpu {
            assert!(*value <= 100.0 + 1e-9, "{metric} = {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_measured_and_agrees_with_the_servers() {
    on_each_postgres(async |database| {
        let cache = redis().await.unwrap();
        let target = target(&database.url(), Some(Servers::Single(cache.url())), PoolProfile::default());
        let waits = Arc::new(Waits::default());
        let mut sampler = WaitSampler::new(Arc::clone(&target), Arc::clone(&waits), Duration::from_secs(1));
        let mut collector = collector(&target).with_waits(waits);
        let requests = Arc::new(RequestStats::default());
        let mut process = ProcessCollector::start(Arc::clone(&requests));
        run_apart(
            database.server(),
            database.name(),
            "CREATE TABLE items (id int PRIMARY KEY, note text);
             INSERT INTO items SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i;
             CREATE SEQUENCE item_numbers MAXVALUE 1000; SELECT setval('item_numbers', 250);
             ANALYZE items;",
        )
        .await;
        let first_began = Instant::now();
        let first = collector.collect(&Figures::new()).await;
        let first_ended = Instant::now();
        assert_eq!((&first.postgres_error, &first.redis_error), (&None, &None));

        let mut connection = database.connect().await.unwrap();
        for id in 0..60 {
            sqlx::query("SELECT note FROM items WHERE id = $1").bind(id).execute(&mut connection).await.unwrap();
        }
        run(&mut connection, "UPDATE items SET note = 'y' WHERE id <= 5000").await;
        run(&mut connection, "SELECT pg_sleep(0.3)").await;
        end(database.server(), connection).await;
        let mut lookups = target.redis.as_ref().unwrap().connect().await.unwrap();
        for key in 0..150 {
            let _: Option<String> = deadpool_redis::redis::cmd("GET").arg(key).query_async(&mut lookups).await.unwrap();
        }
        requests.record("GET /", 200, Duration::from_millis(2));
        let figures = process.collect();
        sampler.look().await;
        // Where in a collection a source is read is not known; so its interval lies between these two.
        let shortest = first_ended.elapsed().as_secs_f64();
        let second = collector.collect(&figures).await;
        let longest = first_began.elapsed().as_secs_f64();
        let count = |rate: MetricId, exact: f64| {
            let rate = figure(&second, rate);
            assert!(
                rate * shortest <= exact && exact <= rate * longest,
                "{rate}/s over {shortest}–{longest} s: {exact}"
            );
        };
        check_sane(&second);
        assert_eq!((&second.postgres_error, &second.limitations, &second.events), (&None, &vec![], &vec![]));

        // No figure of the catalogue is missing without a reason.
        let may_lack = |metric: MetricId| match metric {
            MetricId::ReplicationLag | MetricId::ReplicationLagBytes => true, // no replica
            MetricId::RedisEvictionShare => true,                             // nothing left the cache
            MetricId::BlockReadTime => true,                                  // all in memory
            MetricId::IoWrites => database.major() < 16,
            // A machine without an interface, or one that does not say how fast it is.
            MetricId::HostNetworkIn | MetricId::HostNetworkOut | MetricId::HostNetworkSpeed => true,
            // Scores come after collecting, and there are no datasets here: see cache_figures.rs.
            other => ["health.", "cache."].iter().any(|prefix| other.as_str().starts_with(prefix)),
        };
        for lag in [MetricId::ReplicationLag, MetricId::ReplicationLagBytes] {
            assert_eq!(second.sample.get(lag), None, "{lag} without a replica");
        }
        for metric in CATALOGUE {
            assert!(
                second.sample.get(metric.id).is_some() || may_lack(metric.id),
                "{} is missing on {}",
                metric.id,
                database.major()
            );
        }

        // Rates.
        count(MetricId::RowsWritten, 5000.0);
        count(MetricId::RedisLookups, 150.0);
        assert_eq!(figure(&second, MetricId::RedisHitRatio), 0.0);

        // Statements: exact counts and means, none of the console's own.
        let select = second.statements.iter().find(|s| s.text == "SELECT note FROM items WHERE id = $1").unwrap();
        assert_eq!((select.calls, select.rows), (60, 59));
        let slowest = &second.statements[0];
        assert!(slowest.text.contains("pg_sleep") && slowest.calls == 1 && slowest.mean_ms >= 300.0, "{slowest:?}");
        assert!(slowest.deviation_ms.is_none() && (0.5..=1.0).contains(&slowest.time_share));
        let own = second.statements.iter().find(|s| s.text.contains("pg_blocking_pids") || s.text.contains("pg_locks"));
        assert_eq!(own, None);
        assert_eq!(figure(&second, MetricId::SlowestStatementMean), slowest.mean_ms);
        let calls: u64 = second.statements.iter().map(|s| s.calls).sum();
        count(MetricId::Queries, calls as f64);
        let [p50, p95, p99] = [MetricId::QueryLatencyP50, MetricId::QueryLatencyP95, MetricId::QueryLatencyP99]
            .map(|metric| figure(&second, metric));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && p99 <= slowest.mean_ms * 1.001, "{p50} {p95} {p99}");
        assert!((0.0..50.0).contains(&figure(&second, MetricId::SelfTargetLoad)));

        // Levels, against direct questions.
        let mut connection = database.connect().await.unwrap();
        let size = number(&mut connection, "pg_database_size(current_database())").await;
        assert!((figure(&second, MetricId::DatabaseSize) / size - 1.0).abs() < 0.05);
        let reserved = number(
            &mut connection,
            "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true), '0')::int",
        )
        .await;
        assert_eq!(figure(&second, MetricId::ConnectionsMax), reserved);
        let age = number(&mut connection, "SELECT max(age(datfrozenxid)) * 100 / 2147483648.0 FROM pg_database").await;
        assert!((figure(&second, MetricId::TransactionIdAge) - age).abs() < 0.01);
        let items = second.tables.iter().find(|table| table.name == "items").unwrap();
        assert!(items.live_rows == 20_000 && items.dead_rows >= 4_000 && items.index_scans >= 60, "{items:?}");
        assert!((items.vacuum_threshold - 4050.0).abs() < 1.0, "{items:?}");
        let table_size = number(&mut connection, "pg_total_relation_size('items')").await;
        assert!((items.size_bytes as f64 / table_size - 1.0).abs() < 0.05);
        assert_eq!(figure(&second, MetricId::LargestTable), second.tables[0].size_bytes as f64);
        let wal = number(&mut connection, "SELECT sum(size) FROM pg_ls_waldir()").await;
        assert!((figure(&second, MetricId::WalSize) / wal - 1.0).abs() < 0.5, "{wal}");
        assert_eq!(figure(&second, MetricId::SequenceUsed), 25.0);
        let disk = [MetricId::HostDiskUsed, MetricId::HostDiskSize].map(|metric| figure(&second, metric));
        assert!(disk[0] > size && disk[0] <= disk[1], "{disk:?}");
        // What this test said to Redis, and what Redis answered.
        assert!(figure(&second, MetricId::RedisNetworkIn) * longest >= 150.0 * 20.0);
        assert!(figure(&second, MetricId::RedisNetworkOut) * longest >= 150.0 * 5.0);
        assert_eq!(
            second.facts.postgres_version.as_deref().unwrap().split('.').next(),
            Some(&*database.major().to_string())
        );
        assert_eq!(second.facts.replica, Some(false));
        assert!(second.facts.redis_version.is_some());
        target.pools.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_blockers_are_seen_and_their_literals_are_not() {
    on_each_postgres(async |database| {
        let mut collector = watch(&database);
        run_apart(
            database.server(),
            database.name(),
            "CREATE TABLE seats (id int PRIMARY KEY, owner text); INSERT INTO seats VALUES (1, '')",
        )
        .await;
        let mut holder = database.connect().await.unwrap();
        run(&mut holder, "BEGIN; UPDATE seats SET owner = 'sEcReT one' WHERE id = 1").await;
        let holder_pid = number(&mut holder, "pg_backend_pid()").await as i32;
        let mut waiter = database.connect().await.unwrap();
        let waiter_pid = number(&mut waiter, "pg_backend_pid()").await as i32;
        let waiting = tokio::spawn(async move {
            run(&mut waiter, "UPDATE seats SET owner = 'sEcReT two' WHERE id = 1 /* sEcReT */").await;
        });

        let end = Instant::now() + Duration::from_secs(10);
        let seen = loop {
            let seen = collector.collect(&Figures::new()).await;
            // A wait counts once it is longer than a second.
            if figure(&seen, MetricId::LocksWaiting) >= 1.0 {
                break seen;
            }
            assert!(Instant::now() < end, "the wait was never seen: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        check_sane(&seen);
        assert!(figure(&seen, MetricId::LocksBlocked) >= 1.0 && figure(&seen, MetricId::LocksLongestWait) >= 1000.0);
        assert!(figure(&seen, MetricId::LocksHeld) >= 2.0);
        assert!(figure(&seen, MetricId::SessionsIdleInTransaction) >= 1.0);
        assert!(figure(&seen, MetricId::LongestIdleInTransaction) >= 1000.0);
        assert!(figure(&seen, MetricId::LongestTransaction) >= figure(&seen, MetricId::LongestStatement));
        let session = |pid: i32| seen.sessions.iter().find(|session| session.key.pid == pid).unwrap();
        let (waiter, holder_session) = (session(waiter_pid), session(holder_pid));
        assert_eq!(waiter.blocked_by, [holder_pid]);
        assert!(waiter.lock_wait_ms.unwrap() >= 1000.0 && waiter.wait_kind.as_deref() == Some("Lock"));
        assert_eq!(waiter.statement, "UPDATE seats SET owner = ? WHERE id = ?");
        assert_eq!(holder_session.state, "idle in transaction");
        assert!(holder_session.blocked_by.is_empty() && holder_session.lock_wait_ms.is_none());
        assert!(!format!("{seen:?}").contains("sEcReT"));
        // The exact start of the backend, so that acting on it can be guarded.
        let start = number(
            &mut holder,
            "SELECT extract(epoch FROM backend_start) * 1000000 FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        )
        .await;
        assert_eq!(holder_session.key.backend_start_us as f64, start);
        let mode = |session: &Session, granted: bool| -> Vec<String> {
            let locks = session.locks.iter().filter(|lock| lock.granted == granted);
            locks.map(|lock| format!("{} {}", lock.relation.as_deref().unwrap_or(&lock.kind), lock.mode)).collect()
        };
        assert!(mode(holder_session, true).contains(&"seats RowExclusiveLock".to_owned()), "{holder_session:#?}");
        assert_eq!(mode(waiter, false), ["transactionid ShareLock"]);
        assert!(holder_session.database == database.name() && holder_session.client.as_deref() == Some("127.0.0.1"));
        assert!(holder_session.xmin_age.is_none() && waiter.xmin_age.is_some(), "{waiter:#?}");

        run(&mut holder, "ROLLBACK").await;
        waiting.await.unwrap();
        let after = collector.collect(&Figures::new()).await;
        assert!(after.sessions.iter().all(|session| session.key.pid != waiter_pid || session.lock_wait_ms.is_none()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_leaves_a_gap_and_an_event_never_a_cliff() {
    for server in own_servers().await {
        let target = target(&server.url("postgres"), None, PoolProfile::default());
        let mut collector = collector(&target);
        let run_apart = async |sql: &str| run_apart(&server, "postgres", sql).await;
        let work = "SELECT count(*) FROM pg_class; SELECT count(*) FROM pg_attribute;";
        run_apart(work).await;
        collector.collect(&Figures::new()).await;
        run_apart(work).await;
        let before = collector.collect(&Figures::new()).await;
        assert!(before.sample.get(MetricId::Queries).is_some() && !has_event(&before, EventKind::StatisticsReset));

        // This database's statements only, as the button does it.
        let reset = "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database
            WHERE datname = current_database()), 0)";
        run_apart(reset).await;
        run_apart(work).await;
        let gap = collector.collect(&Figures::new()).await;
        assert!(has_event(&gap, EventKind::StatisticsReset), "{gap:#?}");
        assert_eq!((gap.sample.get(MetricId::Queries), gap.sample.get(MetricId::SelfTargetLoad)), (None, None));
        assert!(gap.sample.get(MetricId::Transactions).is_some());
        assert_eq!(gap.facts.statements_reset_at, Some(gap.sample.at));
        run_apart(work).await;
        let after = collector.collect(&Figures::new()).await;
        check_sane(&after);
        assert!(after.sample.get(MetricId::Queries).is_some() && !has_event(&after, EventKind::StatisticsReset));

        run_apart("SELECT pg_stat_reset()").await;
        let gap = collector.collect(&Figures::new()).await;
        assert!(has_event(&gap, EventKind::StatisticsReset));
        assert_eq!((gap.sample.get(MetricId::Transactions), gap.sample.get(MetricId::Deadlocks)), (None, None));
        let after = collector.collect(&Figures::new()).await;
        assert!(after.sample.get(MetricId::Transactions).is_some());
        target.pools.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_count_what_active_sessions_wait_for() {
    // Servers of the test's own: what others do would be counted too.
    for server in own_servers().await {
        let target = target(&server.url("postgres"), None, PoolProfile::default());
        let waits = Arc::new(Waits::default());
        let mut sampler = WaitSampler::new(Arc::clone(&target), Arc::clone(&waits), Duration::from_secs(1));
        let mut collector = collector(&target).with_waits(waits);
        let none = collector.collect(&Figures::new()).await;
        assert_eq!((none.waits, none.sample.figures.get(&MetricId::WaitsLock)), (None, None), "nobody looked");

        let mut holder = server.connect("postgres").await.unwrap();
        run(&mut holder, "SELECT pg_advisory_lock(7)").await;
        let mut busy = Vec::new();
        for sql in ["SELECT pg_sleep(30)", "SELECT pg_advisory_lock(7)"] {
            let mut session = server.connect("postgres").await.unwrap();
            busy.push(tokio::spawn(async move { sqlx::query(sql).execute(&mut session).await.is_ok() }));
        }
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event IN ('PgSleep', 'advisory')";
        eventually("both wait", async || number(&mut holder, waiting).await >= 2.0).await;
        for _ in 0..3 {
            let pause = sampler.look().await;
            // A fiftieth of the time at most: a second's pause allows for answers of 20 ms, a loaded machine takes longer.
            assert!(pause <= Duration::from_secs(32), "{pause:?}");
        }
        let seen = collector.collect(&Figures::new()).await;
        let tally = seen.waits.as_ref().unwrap();
        assert_eq!(tally.looks, 3);
        let of = |kind: &str, event: &str| tally.seen.get(&(Some(kind.to_owned()), Some(event.to_owned()))).copied();
        assert_eq!((of("Timeout", "PgSleep"), of("Lock", "advisory")), (Some(3), Some(3)), "{tally:?}");
        assert_eq!((figure(&seen, MetricId::WaitsLock), figure(&seen, MetricId::WaitsOther)), (1.0, 1.0));
        assert_eq!((figure(&seen, MetricId::WaitsIo), figure(&seen, MetricId::WaitsRunning)), (0.0, 0.0));

        // The server goes away: looks fail and come less often.
        busy.iter().for_each(tokio::task::JoinHandle::abort);
        drop(server);
        let pauses = [sampler.look().await, sampler.look().await, sampler.look().await];
        assert!(pauses.is_sorted() && pauses[2] > Duration::from_secs(4), "{pauses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_counted_and_marked_once_a_minute() {
    on_each_postgres(async |database| {
        let mut collector = watch(&database);
        let prepare = "CREATE TABLE seats (id int PRIMARY KEY, owner text); INSERT INTO seats VALUES (1, ''), (2, '')";
        run_apart(database.server(), database.name(), prepare).await;
        collector.collect(&Figures::new()).await;
        let mut events = Vec::new();
        let mut deadlocks = 0.0;
        for _ in 0..2 {
            let [mut first, mut second] = [database.connect().await.unwrap(), database.connect().await.unwrap()];
            run(&mut first, "BEGIN; UPDATE seats SET owner = 'sEcReT' WHERE id = 1").await;
            run(&mut second, "BEGIN; UPDATE seats SET owner = 'sEcReT' WHERE id = 2").await;
            let (one, other) = tokio::join!(
                sqlx::raw_sql("UPDATE seats SET owner = 'b' WHERE id = 2; COMMIT").execute(&mut first),
                sqlx::raw_sql("UPDATE seats SET owner = 'a' WHERE id = 1; COMMIT").execute(&mut second),
            );
            assert!(one.is_ok() != other.is_ok(), "one of both was ended");
            for mut session in [first, second] {
                run(&mut session, "ROLLBACK").await;
                end(database.server(), session).await;
            }
            let seen = collector.collect(&Figures::new()).await;
            deadlocks += figure(&seen, MetricId::Deadlocks);
            events.extend(seen.events.into_iter().filter(|event| event.kind == EventKind::Deadlock));
        }
        assert_eq!(deadlocks, 2.0);
        assert_eq!(events.len(), 1, "the second comes within the minute: {events:#?}");
        assert_eq!(events[0].title, "A deadlock was detected");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_its_remedy() {
    on_each_postgres(async |database| {
        let (quoted, url) = bare_role(&database, "watcher").await;
        let prepare = "DROP EXTENSION pg_stat_statements; CREATE SCHEMA \"Shop\"; CREATE SEQUENCE \"Shop\".numbers";
        run_apart(database.server(), database.name(), prepare).await;
        let mut collector = collector(&target(&url, None, PoolProfile::default()));
        collector.collect(&Figures::new()).await;
        // Someone else's session, so that something is hidden.
        let _other = database.connect().await.unwrap();
        let bare = collector.collect(&Figures::new()).await;
        let remedies: Vec<&str> = bare.limitations.iter().map(|limitation| limitation.remedy.as_str()).collect();
        let monitor = format!("GRANT pg_monitor TO {quoted};");
        let sequences = format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA \"Shop\" TO {quoted};");
        assert_eq!(remedies, [&monitor, "CREATE EXTENSION pg_stat_statements;", &monitor, &sequences]);
        for hidden in [
            MetricId::SessionsActive,
            MetricId::LocksHeld,
            MetricId::Queries,
            MetricId::SelfTargetLoad,
            MetricId::WalSize,
            MetricId::SequenceUsed,
            MetricId::HostDiskUsed,
        ] {
            assert_eq!(bare.sample.get(hidden), None, "{hidden}");
        }
        for open in [MetricId::Connections, MetricId::Transactions, MetricId::DatabaseSize, MetricId::WalBytes] {
            assert!(bare.sample.get(open).is_some(), "{open}");
        }
        assert_eq!((bare.sample.get(MetricId::SelfFailures), &bare.postgres_error), (Some(0.0), &None));

        run_apart(
            database.server(),
            database.name(),
            &format!("CREATE EXTENSION pg_stat_statements; GRANT pg_monitor TO {quoted}; {sequences}"),
        )
        .await;
        collector.collect(&Figures::new()).await;
        let asked = Instant::now();
        let granted = loop {
            let granted = collector.collect(&Figures::new()).await;
            // What is read once a minute (here ten times a second) notices its grants then.
            if granted.limitations.is_empty() {
                break granted;
            }
            assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", granted.limitations);
        };
        assert!(granted.sample.get(MetricId::WalSize).is_some());
        assert_eq!(granted.sample.get(MetricId::SequenceUsed), Some(0.0));
        assert!(granted.sample.get(MetricId::Queries).is_some() && granted.sample.get(MetricId::LocksHeld).is_some());
        run_apart(database.server(), database.name(), &format!("DROP OWNED BY {quoted}")).await;
    })
    .await;
}

/// A role of the test's own on a database, and the connection string that uses it: roles are shared by all databases of
/// the server.
async fn bare_role(database: &TestDatabase, what: &str) -> (String, String) {
    let role = format!("{what} \"{}\"", database.name());
    let quoted = headroom_engine::sql::quote_identifier(&role);
    let create = format!("CREATE ROLE {quoted} LOGIN PASSWORD 'w'");
    run_apart(database.server(), database.name(), &create).await;
    let url = database.url();
    let (_, host) = url.rsplit_once('@').expect("a sandbox's connection string names a role");
    let name: String = role.bytes().map(|byte| format!("%{byte:02X}")).collect();
    (quoted, format!("postgres://{name}:w@{host}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_brings_figures_and_no_cliff() {
    on_each_postgres(async |database| {
        let (role, url) = bare_role(&database, "granted").await;
        let mut busy = database.connect().await.unwrap();
        for _ in 0..3000 {
            sqlx::query("SELECT 1 AS before_the_grant").execute(&mut busy).await.unwrap();
        }
        let mut collector = collector(&target(&url, None, PoolProfile::default()));
        for _ in 0..2 {
            let bare = collector.collect(&Figures::new()).await;
            assert_eq!(bare.sample.get(MetricId::Queries), None);
        }
        run(&mut busy, &format!("GRANT pg_monitor TO {role}")).await;
        for round in 0..3 {
            let granted = collector.collect(&Figures::new()).await;
            assert_eq!(granted.sample.get(MetricId::Queries).is_some(), round > 0, "known from the second reading on");
            assert_eq!(granted.events, []);
            // What is read less often notices later.
            assert!(granted.limitations.iter().all(|limit| limit.what.contains("write-ahead log")), "{granted:#?}");
            let calls: u64 = granted.statements.iter().map(|statement| statement.calls).sum();
            assert!(calls < 3000, "{:#?}", granted.statements);
            // Three thousand calls within a collection would be a hundred times this.
            assert!(granted.sample.get(MetricId::Queries).is_none_or(|rate| rate < 1000.0), "{granted:#?}");
        }
        run(&mut busy, &format!("REVOKE pg_monitor FROM {role}")).await;
        let revoked = collector.collect(&Figures::new()).await;
        assert!(!has_event(&revoked, EventKind::StatisticsReset), "{revoked:#?}");
        run(&mut busy, &format!("DROP OWNED BY {role}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fullest_sequence_is_measured_by_what_it_fills() {
    on_each_postgres(async |database| {
        let mut collector = watch(&database);
        let mut connection = database.connect().await.unwrap();
        let mut fullest = async |change: &str| {
            run(&mut connection, change).await;
            let asked = Instant::now();
            let before = collector.collect(&Figures::new()).await.sequence;
            loop {
                let seen = collector.collect(&Figures::new()).await;
                if seen.sequence != before || asked.elapsed() > Duration::from_millis(300) {
                    return seen.sequence.clone().map(|found| (found, figure(&seen, MetricId::SequenceUsed)));
                }
            }
        };
        assert_eq!(fullest("CREATE TABLE nothing (id int)").await, None);

        // One that begins again at its end never runs out.
        let none = fullest("CREATE SEQUENCE wheel MAXVALUE 10 CYCLE; SELECT setval('wheel', 10)").await;
        assert_eq!(none, None);

        let (plain, used) = fullest("CREATE SEQUENCE plain MAXVALUE 100; SELECT setval('plain', 10)").await.unwrap();
        assert_eq!((plain.name.as_str(), plain.column, used), ("plain", None, 10.0));

        // Half of what smallint holds, though the sequence itself could go on for ages.
        let small = "CREATE TABLE seats (id smallint PRIMARY KEY);
            CREATE SEQUENCE seat_ids OWNED BY seats.id; SELECT setval('seat_ids', 16384)";
        let (small, used) = fullest(small).await.unwrap();
        assert_eq!((small.schema.as_str(), small.name.as_str(), small.ends_at), ("public", "seat_ids", 32767.0));
        assert_eq!((small.column.as_deref(), small.last_value), (Some("seats.id"), Some(16384.0)));
        assert!((used - 50.0).abs() < 0.01 && used == small.used_percent, "{used}");

        // A default alone is enough, and an identity.
        let default = "CREATE SEQUENCE order_ids; SELECT setval('order_ids', 1610612736);
            CREATE TABLE orders (id int DEFAULT nextval('order_ids'))";
        let (default, used) = fullest(default).await.unwrap();
        assert_eq!((default.name.as_str(), default.column.as_deref()), ("order_ids", Some("orders.id")));
        assert!((used - 75.0).abs() < 0.01, "{used}");
        let identity = "CREATE TABLE tags (id smallint GENERATED ALWAYS AS IDENTITY);
            SELECT setval('tags_id_seq', 29490)";
        let (identity, used) = fullest(identity).await.unwrap();
        assert!(identity.column.as_deref() == Some("tags.id") && (used - 90.0).abs() < 0.01, "{identity:?}");

        // One that falls.
        let down = "CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE -1 START -1; SELECT setval('down', -95)";
        let (down, used) = fullest(down).await.unwrap();
        assert_eq!((down.name.as_str(), down.ends_at, used), ("down", -100.0, 95.0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_index_or_table_costs_no_figure() {
    on_each_postgres(async |database| {
        let mut collector = watch(&database);
        run_apart(
            database.server(),
            database.name(),
            "CREATE TABLE rebuilt (id int PRIMARY KEY, note text); CREATE TABLE locked (id int);
             INSERT INTO rebuilt SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i; ANALYZE rebuilt;",
        )
        .await;
        let mut holder = database.connect().await.unwrap();
        run(&mut holder, "BEGIN; REINDEX INDEX rebuilt_pkey; LOCK TABLE locked").await;
        let seen = collector.collect(&Figures::new()).await;
        assert_eq!(seen.sample.get(MetricId::SelfFailures), Some(0.0));
        let size = |name: &str| seen.tables.iter().find(|table| table.name == name).map(|table| table.size_bytes);
        assert!(size("rebuilt").is_some_and(|bytes| bytes > 0) && size("locked").is_some(), "{:#?}", seen.tables);
        run(&mut holder, "ROLLBACK").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_explained_and_a_restart_breaks_the_lines() {
    for mut server in own_servers().await {
        let target = target(&server.url("postgres"), None, PoolProfile::default());
        let pulse = Pulse::new(Arc::clone(&target));
        let mut collector = collector(&target);
        collector.collect(&Figures::new()).await;
        let up = collector.collect(&Figures::new()).await;
        assert_eq!((up.sample.get(MetricId::DatabaseUp), pulse.ask().await.postgres), (Some(1.0), Ok(())));

        server.stop().await;
        let asked = Instant::now();
        let reason = pulse.ask().await.postgres.unwrap_err();
        let down = collector.collect(&Figures::new()).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(reason, format!("PostgreSQL at 127.0.0.1:{} refuses connections", server.port()));
        assert_eq!(down.postgres_error.as_deref(), Some(reason.as_str()));
        assert_eq!(
            (down.sample.get(MetricId::DatabaseUp), down.sample.get(MetricId::SelfFailures)),
            (Some(0.0), Some(1.0))
        );
        assert_eq!((down.sample.get(MetricId::Connections), down.sessions.len()), (None, 0));

        server.restart().await.unwrap();
        assert_eq!(pulse.ask().await.postgres, Ok(()));
        let back = collector.collect(&Figures::new()).await;
        assert!(has_event(&back, EventKind::Restart) && !has_event(&back, EventKind::StatisticsReset));
        assert_eq!((back.sample.get(MetricId::Transactions), back.sample.get(MetricId::Queries)), (None, None));
        let after = collector.collect(&Figures::new()).await;
        check_sane(&after);
        assert!(after.sample.get(MetricId::Transactions).is_some() && after.events.is_empty());

        // A server that no longer answers at all must not hold up the collector for longer than its bounds.
        server.pause();
        let asked = Instant::now();
        let reason = pulse.ask().await.postgres.unwrap_err();
        assert!(asked.elapsed() < Duration::from_millis(2500) && reason.contains("did not answer"), "{reason}");
        let frozen = collector.collect(&Figures::new()).await;
        assert!(asked.elapsed() < Duration::from_secs(10) && frozen.postgres_error.is_some());
        server.resume();
        assert_eq!(pulse.ask().await.postgres, Ok(()));
        target.pools.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_restarts_and_resets_are_told_apart() {
    let mut server = Redis::start(RedisOptions::default()).await.unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = format!("postgres://nobody@127.0.0.1:{free}/nothing");
    let target = target(&database, Some(Servers::Single(server.url(0))), PoolProfile::default());
    let pulse = Pulse::new(Arc::clone(&target));
    let mut collector = collector(&target);
    let talk = async |command: &[&str]| {
        let mut connection = target.redis.as_ref().unwrap().connect().await.unwrap();
        let mut cmd = deadpool_redis::redis::cmd(command[0]);
        for argument in &command[1..] {
            cmd.arg(argument);
        }
        cmd.query_async::<deadpool_redis::redis::Value>(&mut connection).await.unwrap();
    };
    for key in 0..200 {
        talk(&["SET", &key.to_string(), "value"]).await;
    }
    collector.collect(&Figures::new()).await;
    for key in 0..400 {
        talk(&["GET", &key.to_string()]).await;
    }
    let seen = collector.collect(&Figures::new()).await;
    assert_eq!(seen.redis_error, None);
    assert_eq!((figure(&seen, MetricId::RedisHitRatio), figure(&seen, MetricId::RedisKeys)), (50.0, 200.0));
    assert_eq!(figure(&seen, MetricId::RedisMemoryMax), f64::from(64 << 20));
    assert!(figure(&seen, MetricId::RedisMemory) > 1e5 && figure(&seen, MetricId::RedisRoundTrip) < 1000.0);

    talk(&["CONFIG", "RESETSTAT"]).await;
    let reset = collector.collect(&Figures::new()).await;
    assert!(has_event(&reset, EventKind::StatisticsReset) && reset.sample.get(MetricId::RedisLookups).is_none());
    assert!(reset.sample.get(MetricId::RedisMemory).is_some());

    server.stop().await;
    let down = collector.collect(&Figures::new()).await;
    let reason = format!("Redis at 127.0.0.1:{} refuses connections", server.port());
    // The first to notice may still hold a connection of a moment ago.
    let closed = format!("Redis at 127.0.0.1:{} closed the connection", server.port());
    assert!(down.redis_error.as_ref().is_some_and(|said| *said == reason || *said == closed), "{:?}", down.redis_error);
    assert_eq!((down.sample.get(MetricId::RedisUp), down.sample.get(MetricId::RedisMemory)), (Some(0.0), None));
    assert_eq!(pulse.ask().await.redis, Some(Err(reason)));
    server.restart().await.unwrap();
    assert_eq!(pulse.ask().await.redis, Some(Ok(())));
    let back = collector.collect(&Figures::new()).await;
    assert!(has_event(&back, EventKind::Restart) && !has_event(&back, EventKind::StatisticsReset));
    assert!(back.sample.get(MetricId::RedisLookups).is_none() && back.sample.get(MetricId::RedisMemory).is_some());
}
