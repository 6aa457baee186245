//! Advice about indexes on real servers: found, proven where hypopg is, created, measured; and what is superfluous.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

use headroom_engine::{
    actions::{self, ActionError, Request},
    clock::Clock,
    console::Console,
    plans::PlanSettings,
    store::{self, EventQuery},
};
use headroom_model::{
    Actor, Role, Timestamp,
    access::Proof as Signed,
    advice::{AdviceReport, AdviceState, IndexAdvice, Proof, Repeats},
    operation::{Operation, OperationState},
};
use headroom_sandbox::test::{self, TestDatabase};
use sqlx::{Connection, PgConnection};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

#[path = "console/support.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod support;

use support::{PATIENCE, id};

const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, total_cents bigint NOT NULL);
INSERT INTO shop.orders SELECT n, n % 10000, (ARRAY['paid', 'open'])[1 + n % 2], n % 777 FROM generate_series(1, 120000) n;
CREATE INDEX orders_status_idx ON shop.orders (status);
CREATE INDEX orders_status_again ON shop.orders (status);
CREATE INDEX orders_status_total ON shop.orders (status, total_cents);
CREATE INDEX orders_status_partial ON shop.orders (status) WHERE total_cents > 5;
ANALYZE shop.orders;";

struct Bench {
    console: Arc<Console>,
    database: TestDatabase,
    ahead: Arc<AtomicI64>,
    /// Run beside the reading of orders.
    also: &'static str,
}

/// What differs from the shop as it is.
struct Differs {
    schema: &'static str,
    also: &'static str,
    may_have_hypopg: bool,
    build_timeout: Duration,
}

impl Default for Differs {
    fn default() -> Self {
        Differs { schema: "", also: "", may_have_hypopg: true, build_timeout: PlanSettings::default().build_timeout }
    }
}

async fn bench(database: TestDatabase) -> Bench {
    bench_of(database, Differs::default()).await
}

async fn bench_of(database: TestDatabase, differs: Differs) -> Bench {
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql(SHOP).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(differs.schema).execute(&mut connection).await.unwrap();
    if differs.may_have_hypopg && offers_hypopg(&mut connection).await {
        sqlx::raw_sql("CREATE EXTENSION hypopg").execute(&mut connection).await.unwrap();
    }
    let mut config = support::config(&[("shop", database.url(), None)]);
    config.plans.build_timeout = differs.build_timeout;
    config.collect.live_every = Duration::from_millis(500);
    let ahead = Arc::new(AtomicI64::new(0));
    let (system, by) = (Clock::system(), ahead.clone());
    let clock = Clock::from_fn(move || system.now().plus_millis(by.load(Relaxed)));
    let store = store::open("sqlite::memory:").await.unwrap();
    let console = Console::start(config, store, clock).await.unwrap();
    Bench { console, database, ahead, also: differs.also }
}

/// A shop with a suggestion, and what a build of it that was killed left behind.
async fn left_behind(database: TestDatabase) -> (Bench, IndexAdvice) {
    let bench = bench(database).await;
    let advice = bench.advice().await;
    bench.leave_behind(&advice).await;
    (bench, advice)
}

async fn offers_hypopg(connection: &mut PgConnection) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg')")
        .fetch_one(connection)
        .await
        .unwrap()
}

fn request(role: Role) -> Request {
    Request {
        actor: Actor { name: "ada".into(), role, proof: Signed::Session },
        origin: None,
        reason: Some("slow".into()),
    }
}

impl Bench {
    async fn read_orders(&self, times: usize) {
        let mut application = self.database.connect().await.unwrap();
        for n in 0..times {
            sqlx::query("SELECT id, total_cents FROM shop.orders WHERE customer_id = $1 AND status = $2")
                .bind(n as i64)
                .bind("open")
                .fetch_all(&mut application)
                .await
                .unwrap();
        }
        sqlx::raw_sql(self.also).execute(&mut application).await.unwrap();
    }

    fn report(&self) -> AdviceReport {
        self.console.advisor.report(&self.console, &id("shop")).unwrap()
    }

    /// Reads orders until the report is as asked.
    async fn until(&self, what: &str, wanted: impl Fn(&AdviceReport) -> bool) -> AdviceReport {
        let seen = async {
            loop {
                self.read_orders(10).await;
                self.console.advisor.ask(&id("shop")).unwrap();
                let report = self.report();
                if wanted(&report) {
                    return report;
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        match timeout(PATIENCE, seen).await {
            Ok(report) => report,
            Err(_) => panic!("{what}: {:#?}", self.report()),
        }
    }

    /// The suggestion for orders of a customer.
    async fn advice(&self) -> IndexAdvice {
        let is_it = |advice: &&IndexAdvice| advice.keys.starts_with("(customer_id") && advice.state.is_open();
        let report = self.until("no suggestion", |report| report.suggestions.iter().any(|it| is_it(&it))).await;
        report.suggestions.iter().find(is_it).unwrap().clone()
    }

    /// Creating the index of an advice begins.
    async fn start(&self, advice: &IndexAdvice) -> Operation {
        actions::create_index(&self.console, &id("shop"), &advice.id, &request(Role::Admin)).await.unwrap()
    }

    /// How the index of an advice is created.
    async fn create(&self, advice: &IndexAdvice) -> Operation {
        self.ended(&self.start(advice).await).await
    }

    /// What a build of an advised index leaves that gives up half way.
    async fn leave_behind(&self, advice: &IndexAdvice) {
        let (mut other, mut builder) = (self.database.connect().await.unwrap(), self.database.connect().await.unwrap());
        let mut transaction = other.begin().await.unwrap();
        sqlx::raw_sql(TOUCH).execute(&mut *transaction).await.unwrap();
        sqlx::raw_sql("SET lock_timeout = 100").execute(&mut builder).await.unwrap();
        let left = async {
            // Autovacuum can be in the way of its beginning.
            while count(&mut transaction, INVALID).await == 0 {
                let built = sqlx::raw_sql(sqlx::AssertSqlSafe(advice.sql.clone())).execute(&mut builder).await;
                assert!(built.is_err(), "the build does not wait for the transaction");
            }
        };
        timeout(PATIENCE, left).await.expect("a build leaves something");
        transaction.rollback().await.unwrap();
    }

    async fn run(&self, sql: String) {
        let mut connection = self.database.connect().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    async fn ended(&self, operation: &Operation) -> Operation {
        let seen = async {
            loop {
                let now = self.console.operations.get(&operation.id).unwrap();
                if now.state.is_final() {
                    return now;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, seen).await.expect("the build ends")
    }
}

#[tokio::test]
async fn the_missing_index_is_found_proven_created_and_its_gain_measured() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let has_hypopg = offers_hypopg(&mut bench.database.connect().await.unwrap()).await;
        let report = bench.until("no suggestion", |report| !report.suggestions.is_empty()).await;
        let advice = report.suggestions[0].clone();
        assert_eq!(advice.table, "shop.orders");
        assert!(advice.keys.starts_with("(customer_id"), "{advice:?}");
        assert!(advice.saving() > 0.9, "{advice:?}");
        assert!(advice.size_bytes > 1e6 && advice.write_overhead > 0.0);
        let (proof, state) =
            if has_hypopg { (Proof::Planner, AdviceState::Proven) } else { (Proof::Estimate, AdviceState::Suggested) };
        assert_eq!((report.proof, advice.proof, advice.state), (proof, proof, state));
        assert_eq!(report.missing.is_empty(), has_hypopg, "{report:?}");
        assert!(report.cost_after < report.cost_before);

        let preview = actions::preview_index(&bench.console, &id("shop"), &advice.id).await.unwrap();
        assert!(preview.sql.starts_with("CREATE INDEX CONCURRENTLY \"orders_customer_id"), "{preview:?}");
        let started = bench.start(&advice).await;
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        let again = actions::create_index(&bench.console, &id("shop"), &advice.id, &request(Role::Admin)).await;
        assert!(matches!(again, Err(ActionError::Conflict(_))), "{again:?}");

        bench.ahead.fetch_add(120_000, Relaxed);
        let measured = bench
            .until("no gain", |report| {
                report.suggestions.iter().any(|it| it.id == advice.id && it.state == AdviceState::Measured)
            })
            .await;
        let advice = measured.suggestions.iter().find(|it| it.id == advice.id).unwrap();
        let (before, after) = advice.measured().unwrap();
        assert!(after < before / 2.0, "{before} {after}");
        let audit = bench.console.store.audit(0, 10).await.unwrap().0;
        assert!(audit.iter().any(|row| row.audit.action == "index.create" && row.audit.succeeded), "{audit:?}");
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_build_that_is_stopped_leaves_nothing_behind() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let report = bench.until("no suggestion", |report| !report.suggestions.is_empty()).await;
        let advice = &report.suggestions[0];
        // A transaction that began before it and has written to the table: the build waits for its end.
        let mut other = bench.database.connect().await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("UPDATE shop.orders SET status = status WHERE id = 1").execute(&mut *transaction).await.unwrap();
        let started = bench.start(advice).await;
        let second = actions::create_index(&bench.console, &id("shop"), &advice.id, &request(Role::Admin)).await;
        assert!(matches!(second, Err(ActionError::Conflict(_))), "{second:?}");
        let invalid = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                       WHERE c.relname LIKE 'orders_customer_id%'";
        let mut watcher = bench.database.connect().await.unwrap();
        let begun = async {
            while sqlx::query_scalar::<_, i64>(invalid).fetch_one(&mut watcher).await.unwrap() == 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, begun).await.expect("the build begins");
        let admin = request(Role::Admin).actor;
        bench.console.operations.cancel(&started.id, &admin).unwrap();
        // The clean-up, too, waits for the transaction: it is what PostgreSQL asks.
        sleep(Duration::from_millis(300)).await;
        transaction.rollback().await.unwrap();
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Cancelled, "{ended:?}");
        assert!(ended.outcome.unwrap().contains("removed"));
        assert_eq!(sqlx::query_scalar::<_, i64>(invalid).fetch_one(&mut watcher).await.unwrap(), 0);
        bench.console.shutdown().await;
    })
    .await;
}

/// Waits for something to be there, as a statement counts it.
async fn until_counted(connection: &mut PgConnection, sql: &'static str) {
    let seen = async {
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.unwrap() == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("nothing: {sql}"));
}

async fn count(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// Waits for an operation to say something.
async fn until_logged(bench: &Bench, operation: &Operation, text: &str) {
    let seen = async {
        while !bench.console.operations.get(&operation.id).unwrap().log.iter().any(|line| line.text.contains(text)) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never said: {text}"));
}

/// What a build of an index of orders waits for while its transaction is open.
const TOUCH: &str = "UPDATE shop.orders SET status = status WHERE id = 1";
const INVALID: &str = "SELECT count(*) FROM pg_index i WHERE i.indrelid = 'shop.orders'::regclass AND NOT i.indisvalid";
/// Those who wait until no index of orders is built.
const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE relation = 'shop.orders'::regclass \
                       AND mode = 'ShareUpdateExclusiveLock' AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const VALID: &str = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                     WHERE c.relname LIKE 'orders_customer_id%' AND i.indisvalid";

#[tokio::test]
async fn a_created_index_that_is_gone_is_told_and_suggested_again_once_it_pays() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let advice = bench.advice().await;
        let ended = bench.create(&advice).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        let state = |report: &AdviceReport| report.suggestions.iter().find(|it| it.id == advice.id).map(|it| it.state);
        bench.until("not created", |report| state(report).is_some_and(AdviceState::is_built)).await;

        // Under another name it does what it did: gone, and nothing to create.
        bench.run(format!("ALTER INDEX {} RENAME TO by_hand", advice.index)).await;
        bench.ahead.fetch_add(11_000, Relaxed);
        let is_settled = |report: &AdviceReport| {
            state(report) == Some(AdviceState::Gone) && report.rejected.iter().any(|it| it.why_not.contains("by_hand"))
        };
        let report = bench.until("not gone", is_settled).await;
        assert!(report.suggestions.iter().find(|it| it.id == advice.id).unwrap().gone_at.is_some());
        let refused = actions::preview_index(&bench.console, &id("shop"), &advice.id).await;
        assert!(matches!(&refused, Err(ActionError::Refused(why)) if why.contains("gone")), "{refused:?}");
        let query = EventQuery { limit: 100, ..EventQuery::default() };
        let events = bench.console.store.events(&query).await.unwrap();
        assert!(events.iter().any(|event| event.event.title == format!("{} is gone", advice.index)), "{events:#?}");

        // Without it the advice holds again, and can be followed again.
        bench.run("DROP INDEX shop.by_hand".to_owned()).await;
        bench.ahead.fetch_add(11_000, Relaxed);
        bench.until("not suggested again", |report| state(report).is_some_and(AdviceState::is_open)).await;
        let ended = bench.create(&advice).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        let report = bench.report();
        assert_eq!(report.suggestions.iter().filter(|it| it.id == advice.id).count(), 1);
        assert!(state(&report).is_some_and(AdviceState::is_built));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_build_left_behind_is_named_and_removed() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let advice = bench.advice().await;
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("UPDATE shop.orders SET status = status WHERE id = 1").execute(&mut *transaction).await.unwrap();
        let mut builder = bench.database.connect().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut builder).await.unwrap();
        let sql = advice.sql.clone();
        let build =
            tokio::spawn(async move { sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut builder).await.is_err() });
        until_counted(&mut watcher, INVALID).await;
        // While it is built it is invalid too, and nobody else's to remove.
        let refused = actions::preview_index(&bench.console, &id("shop"), &advice.id).await;
        let is_under_way = |why: &String| why.contains("under way") && why.contains(&format!("process {pid}"));
        assert!(matches!(&refused, Err(ActionError::Conflict(why)) if is_under_way(why)), "{refused:?}");
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut watcher).await.unwrap();
        assert!(build.await.unwrap());
        transaction.rollback().await.unwrap();
        until_counted(&mut watcher, INVALID).await;

        bench.ahead.fetch_add(11_000, Relaxed);
        let report = bench
            .until("the leftover is not named", |report| {
                report.suggestions.iter().any(|it| it.id == advice.id && it.leftover.is_some())
            })
            .await;
        let found = report.suggestions.iter().find(|it| it.id == advice.id).unwrap();
        assert_eq!((found.leftover.as_ref(), &found.index), (Some(&advice.drop_sql), &advice.index));
        let preview = actions::preview_index(&bench.console, &id("shop"), &advice.id).await.unwrap();
        let renamed = format!("ALTER INDEX \"shop\".\"{}\" RENAME TO \"headroom_leftover_", advice.index_name);
        let removes = "DROP INDEX CONCURRENTLY IF EXISTS \"shop\".\"headroom_leftover_";
        assert!(preview.sql.contains(&renamed) && preview.sql.contains(removes), "{preview:?}");
        assert!(preview.sql.ends_with(&format!("\n{}", advice.sql)), "{preview:?}");
        assert!(
            preview.effect.starts_with(&format!("First removes the invalid index {}", advice.index)),
            "{preview:?}"
        );
        let ended = bench.create(&advice).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        assert!(ended.log.iter().any(|line| line.text.starts_with(removes)), "{ended:?}");
        assert_eq!((count(&mut watcher, VALID).await, count(&mut watcher, INVALID).await), (1, 0));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_leftover_that_became_valid_is_not_dropped() {
    test::on_each_postgres(|database| async move {
        let (bench, advice) = left_behind(database).await;
        let preview = actions::preview_index(&bench.console, &id("shop"), &advice.id).await.unwrap();
        assert!(preview.effect.starts_with("First removes"), "{preview:?}");
        // Someone repairs it after the look, before its removal gets hold of the table.
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        let mut repair = other.begin().await.unwrap();
        let lock = "LOCK TABLE shop.orders IN SHARE UPDATE EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut *repair).await.unwrap();
        let started = bench.start(&advice).await;
        until_counted(&mut watcher, WAITING).await;
        let reindex = format!("REINDEX INDEX {}", advice.index);
        sqlx::raw_sql(sqlx::AssertSqlSafe(reindex)).execute(&mut *repair).await.unwrap();
        let oid = format!("SELECT '{}'::regclass::oid::int8", advice.index);
        let repaired: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(oid.clone())).fetch_one(&mut *repair).await.unwrap();
        repair.commit().await.unwrap();
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
        assert!(ended.outcome.as_ref().is_some_and(|it| it.contains("exists already")), "{ended:?}");
        let stands: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(oid)).fetch_one(&mut watcher).await.unwrap();
        assert_eq!(stands, repaired);
        assert_eq!((count(&mut watcher, VALID).await, count(&mut watcher, INVALID).await), (1, 0));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_leftover_that_is_rebuilt_is_under_way() {
    test::on_each_postgres(|database| async move {
        let (bench, advice) = left_behind(database).await;
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        let mut transaction = other.begin().await.unwrap();
        sqlx::raw_sql(TOUCH).execute(&mut *transaction).await.unwrap();
        let mut builder = bench.database.connect().await.unwrap();
        let reindex = format!("REINDEX INDEX CONCURRENTLY {}", advice.index);
        let rebuilt =
            tokio::spawn(async move { sqlx::raw_sql(sqlx::AssertSqlSafe(reindex)).execute(&mut builder).await });
        // The one that is built has a name of its own; the leftover keeps its name until the end.
        until_counted(&mut watcher, "SELECT count(*) FROM pg_class WHERE relname LIKE 'orders_customer_id%_ccnew'")
            .await;
        let refused = actions::preview_index(&bench.console, &id("shop"), &advice.id).await;
        assert!(matches!(&refused, Err(ActionError::Conflict(why)) if why.contains("under way")), "{refused:?}");
        let ended = bench.create(&advice).await;
        assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
        assert!(ended.outcome.as_ref().is_some_and(|it| it.contains("under way")), "{ended:?}");
        transaction.rollback().await.unwrap();
        rebuilt.await.unwrap().unwrap();
        assert_eq!((count(&mut watcher, VALID).await, count(&mut watcher, INVALID).await), (1, 0));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_stopped_build_whose_index_is_valid_by_then_is_told_as_created() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let advice = bench.advice().await;
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        let mut transaction = other.begin().await.unwrap();
        sqlx::raw_sql(TOUCH).execute(&mut *transaction).await.unwrap();
        let started = bench.start(&advice).await;
        until_counted(&mut watcher, INVALID).await;
        // Next in line for the table, so before the clean-up.
        let mut repairer = bench.database.connect().await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut repairer).await.unwrap();
        let next = tokio::spawn(async move {
            let lock = "LOCK TABLE shop.orders IN SHARE UPDATE EXCLUSIVE MODE";
            sqlx::raw_sql(lock).execute(&mut repairer).await.unwrap();
            repairer
        });
        until_counted(&mut watcher, WAITING).await;
        bench.console.operations.cancel(&started.id, &request(Role::Admin).actor).unwrap();
        let mut repairer = next.await.unwrap();
        until_logged(&bench, &started, "removing").await;
        until_counted(&mut watcher, WAITING).await;
        transaction.rollback().await.unwrap();
        let reindex = format!("REINDEX INDEX {}; COMMIT", advice.index);
        sqlx::raw_sql(sqlx::AssertSqlSafe(reindex)).execute(&mut repairer).await.unwrap();
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        assert_eq!((count(&mut watcher, VALID).await, count(&mut watcher, INVALID).await), (1, 0));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_set_aside_and_not_dropped_is_found_again() {
    test::on_each_postgres(|database| async move {
        let (bench, advice) = left_behind(database).await;
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        // The removal waits for it after the leftover is set aside.
        let mut transaction = other.begin().await.unwrap();
        sqlx::raw_sql(TOUCH).execute(&mut *transaction).await.unwrap();
        let started = bench.start(&advice).await;
        until_counted(&mut watcher, "SELECT count(*) FROM pg_class WHERE relname LIKE 'headroom_leftover_%'").await;
        until_counted(
            &mut watcher,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
             AND query LIKE 'DROP /* headroom */ INDEX CONCURRENTLY%headroom_leftover_%'",
        )
        .await;
        bench.console.operations.cancel(&started.id, &request(Role::Admin).actor).unwrap();
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Cancelled, "{ended:?}");
        let removes = "DROP INDEX CONCURRENTLY IF EXISTS \"shop\".\"headroom_leftover_";
        assert!(ended.outcome.as_ref().is_some_and(|it| it.contains(removes)), "{ended:?}");
        transaction.rollback().await.unwrap();
        assert_eq!(count(&mut watcher, INVALID).await, 1);

        let preview = actions::preview_index(&bench.console, &id("shop"), &advice.id).await.unwrap();
        assert!(preview.sql.starts_with(removes) && preview.effect.contains("headroom_leftover_"), "{preview:?}");
        let ended = bench.create(&advice).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        assert_eq!((count(&mut watcher, VALID).await, count(&mut watcher, INVALID).await), (1, 0));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_build_tells_no_values() {
    test::on_each_postgres(|database| async move {
        let differs = Differs {
            schema: "CREATE FUNCTION shop.number(text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT
                    AS $$ BEGIN RETURN $1::int; END $$;
                CREATE TABLE shop.codes (id bigint PRIMARY KEY, code text NOT NULL);
                INSERT INTO shop.codes SELECT n, n::text FROM generate_series(1, 20000) n;
                ANALYZE shop.codes;",
            also: "SELECT id FROM shop.codes WHERE shop.number(code) = 7",
            ..Differs::default()
        };
        let bench = bench_of(database, differs).await;
        let is_it = |advice: &&IndexAdvice| advice.table == "shop.codes";
        let report = bench.until("no suggestion", |report| report.suggestions.iter().any(|it| is_it(&it))).await;
        let advice = report.suggestions.iter().find(is_it).unwrap();
        bench.run("INSERT INTO shop.codes VALUES (0, 'confidential')".to_owned()).await;
        let ended = bench.create(advice).await;
        assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
        let outcome = ended.outcome.clone().unwrap();
        assert!(outcome.contains("22P02") && outcome.contains("removed"), "{outcome}");
        assert!(!format!("{ended:?}").contains("confidential"), "{ended:?}");
        bench.console.shutdown().await;
    })
    .await;
}

/// A server process that stands still until this is dropped.
struct Frozen(i32);

impl Frozen {
    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.0.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal was sent");
    }

    fn process(pid: i32) -> Self {
        let frozen = Frozen(pid);
        frozen.signal("-STOP");
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[tokio::test]
async fn a_build_that_takes_too_long_ends_whatever_the_server_does() {
    test::on_each_postgres(|database| async move {
        let differs = Differs { build_timeout: Duration::from_secs(15), ..Differs::default() };
        let bench = bench_of(database, differs).await;
        let advice = bench.advice().await;
        let (mut other, mut watcher) =
            (bench.database.connect().await.unwrap(), bench.database.connect().await.unwrap());
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("UPDATE shop.orders SET status = status WHERE id = 1").execute(&mut *transaction).await.unwrap();
        let started = bench.start(&advice).await;
        until_counted(&mut watcher, INVALID).await;
        let building = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()";
        let found = sqlx::query_scalar::<_, i32>(building).fetch_optional(&mut watcher).await.unwrap();
        let pid = found.expect("the build still waits for the transaction");
        let frozen = Frozen::process(pid);
        until_logged(&bench, &started, "removing").await;
        drop(frozen);
        transaction.rollback().await.unwrap();
        let ended = bench.ended(&started).await;
        assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
        let outcome = ended.outcome.unwrap();
        assert!(outcome.contains("longer than 15 s (plans.build_timeout)") && outcome.contains("removed"), "{outcome}");
        assert_eq!(sqlx::query_scalar::<_, i64>(INVALID).fetch_one(&mut watcher).await.unwrap(), 0);
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn an_index_over_a_function_names_its_schema() {
    test::on_each_postgres(|database| async move {
        let differs = Differs {
            schema: "CREATE SCHEMA tools;
                CREATE FUNCTION tools.folded(text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT
                    AS $$ BEGIN RETURN lower(btrim($1)); END $$;
                CREATE TABLE shop.customers (id bigint PRIMARY KEY, email text NOT NULL);
                INSERT INTO shop.customers SELECT n, 'Customer' || n || '@example.test' FROM generate_series(1, 20000) n;
                ANALYZE shop.customers;",
            // The application finds the function by its search_path; the console's build has none such.
            also: "SET search_path = shop, tools; SELECT id FROM customers WHERE folded(email) = 'customer7@example.test'",
            ..Differs::default()
        };
        let bench = bench_of(database, differs).await;
        let is_it = |advice: &&IndexAdvice| advice.table == "shop.customers";
        let report = bench.until("no suggestion", |report| report.suggestions.iter().any(|it| is_it(&it))).await;
        let advice = report.suggestions.iter().find(is_it).unwrap();
        assert!(advice.sql.ends_with(r#"ON "shop"."customers" ("tools"."folded"("email"));"#), "{advice:?}");
        let ended = bench.create(advice).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
        // The next round recognises it, though the server writes it in its own way.
        bench.ahead.fetch_add(11_000, Relaxed);
        let covered = |report: &AdviceReport| {
            report.rejected.iter().any(|it| it.keys.contains("folded") && it.why_not.contains(&advice.index_name))
        };
        bench.until("not recognised", covered).await;
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn rows_without_a_partner_make_no_partial_index() {
    test::on_each_postgres(|database| async move {
        let differs = Differs {
            schema: "CREATE TABLE shop.refunds (order_id bigint NOT NULL, note text);
                INSERT INTO shop.refunds SELECT n, CASE WHEN n % 50 > 0 THEN 'n' || n END FROM generate_series(1, 60000) n;
                ANALYZE shop.refunds;",
            also: "SELECT count(*) FROM shop.orders o LEFT JOIN shop.refunds r ON r.order_id = o.id \
                   WHERE o.customer_id = 7 AND r.note IS NULL",
            may_have_hypopg: false,
            ..Differs::default()
        };
        let bench = bench_of(database, differs).await;
        let of_refunds = |report: &AdviceReport| -> Vec<String> {
            let suggested = report.suggestions.iter().filter(|it| it.table == "shop.refunds").map(|it| it.keys.clone());
            let rejected = report.rejected.iter().filter(|it| it.table == "shop.refunds").map(|it| it.keys.clone());
            suggested.chain(rejected).collect()
        };
        let report = bench.until("refunds are not looked at", |report| !of_refunds(report).is_empty()).await;
        assert_eq!(report.proof, Proof::Estimate);
        assert_eq!(of_refunds(&report), ["(order_id)"]);
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn superfluous_indexes_are_told_with_their_rules() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database).await;
        let duplicates = actions::duplicate_indexes(&bench.console, &id("shop")).await.unwrap();
        let mut found: Vec<(&str, &str, Repeats)> =
            duplicates.indexes.iter().map(|it| (it.index.as_str(), it.kept.as_str(), it.repeats)).collect();
        found.sort_by_key(|it| it.0);
        assert_eq!(
            found,
            [
                ("shop.orders_status_again", "shop.orders_status_idx", Repeats::Identical),
                ("shop.orders_status_idx", "shop.orders_status_total", Repeats::LeftPrefix),
            ]
        );
        assert_eq!(
            duplicates.indexes[0].drop_sql.split(' ').take(3).collect::<Vec<_>>(),
            ["DROP", "INDEX", "CONCURRENTLY"]
        );
        let unused = actions::unused_indexes(&bench.console, &id("shop")).await.unwrap();
        let names: Vec<&str> = unused.indexes.iter().map(|it| it.index.as_str()).collect();
        assert!(names.contains(&"shop.orders_status_total") && !names.contains(&"shop.orders_pkey"), "{names:?}");
        // One computation serves everyone who asks for some seconds.
        bench.run("DROP INDEX shop.orders_status_again".to_owned()).await;
        assert_eq!(actions::duplicate_indexes(&bench.console, &id("shop")).await.unwrap(), duplicates);
        assert_eq!(actions::unused_indexes(&bench.console, &id("shop")).await.unwrap(), unused);
        // Statistics are younger than 35 days: nothing is proven yet.
        assert!(unused.indexes.iter().all(|it| !it.is_proven && it.rules.iter().any(|rule| !rule.met)));
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_role_without_rights_is_told_the_grants() {
    let database = test::database().await.unwrap();
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql(SHOP).execute(&mut connection).await.unwrap();
    let role = format!("watcher_{:x}", rand_id());
    database.server().create_login(&role).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("GRANT pg_monitor TO {role}; GRANT USAGE ON SCHEMA shop TO {role};")))
        .execute(&mut connection)
        .await
        .unwrap();
    let url = database.server().url_as(&role, database.name());
    let mut config = support::config(&[("shop", url, None)]);
    config.collect.live_every = Duration::from_millis(500);
    let store = store::open("sqlite::memory:").await.unwrap();
    let console = Console::start(config, store, Clock::system()).await.unwrap();
    let bench = Bench { console, database, ahead: Arc::default(), also: "" };
    let report = bench.until("nothing is missing", |report| !report.skipped.is_empty()).await;
    assert!(report.skipped.iter().any(|it| it.reason.contains("may not read")), "{report:#?}");
    assert!(report.missing.iter().any(|it| it.remedy.contains("pg_read_all_data")), "{report:#?}");
    bench.console.shutdown().await;
    let mut connection = bench.database.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role};")))
        .execute(&mut connection)
        .await
        .unwrap();
}

/// Different in every run: roles belong to the whole server.
fn rand_id() -> i64 {
    let Timestamp(now) = Clock::system().now();
    now ^ i64::from(std::process::id())
}

#[tokio::test]
async fn no_suggestion_is_the_beginning_of_another() {
    const TOP: &str = "
SELECT id, total_cents FROM shop.orders WHERE customer_id = 5 ORDER BY total_cents DESC;
SELECT id, total_cents FROM shop.orders WHERE customer_id = 7 ORDER BY total_cents DESC;";
    test::on_each_postgres(|database| async move {
        let bench = bench_of(database, Differs { also: TOP, may_have_hypopg: false, ..Differs::default() }).await;
        let is_of_both = |report: &AdviceReport| report.statements >= 2 && !report.suggestions.is_empty();
        let report = bench.until("no advice for both statements", is_of_both).await;
        let keys: Vec<&str> = report.suggestions.iter().map(|it| it.keys.trim_matches(['(', ')'])).collect();
        let begins = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.starts_with(','));
        let doubled = keys.iter().any(|a| keys.iter().any(|b| begins(a, b)));
        assert!(!doubled, "{keys:?}");
        bench.console.shutdown().await;
    })
    .await;
}
