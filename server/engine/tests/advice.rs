//! Advice about indexes on real servers: found, proven where hypopg is, created, measured; and what is superfluous.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

use headroom_engine::{
    actions::{self, ActionError, Request},
    clock::Clock,
    console::Console,
    store,
};
use headroom_model::{
    Actor, Role, Timestamp,
    access::Proof as Signed,
    advice::{AdviceReport, AdviceState, Proof, Repeats},
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
}

async fn bench(database: TestDatabase) -> Bench {
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql(SHOP).execute(&mut connection).await.unwrap();
    if offers_hypopg(&mut connection).await {
        sqlx::raw_sql("CREATE EXTENSION hypopg").execute(&mut connection).await.unwrap();
    }
    let mut config = support::config(&[("shop", database.url(), None)]);
    config.collect.live_every = Duration::from_millis(500);
    let ahead = Arc::new(AtomicI64::new(0));
    let (system, by) = (Clock::system(), ahead.clone());
    let clock = Clock::from_fn(move || system.now().plus_millis(by.load(Relaxed)));
    let store = store::open("sqlite::memory:").await.unwrap();
    let console = Console::start(config, store, clock).await.unwrap();
    Bench { console, database, ahead }
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

        let preview = actions::preview_index(&bench.console, &id("shop"), &advice.id).unwrap();
        assert!(preview.sql.starts_with("CREATE INDEX CONCURRENTLY \"orders_customer_id"), "{preview:?}");
        let started =
            actions::create_index(&bench.console, &id("shop"), &advice.id, &request(Role::Admin)).await.unwrap();
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
        let started =
            actions::create_index(&bench.console, &id("shop"), &advice.id, &request(Role::Admin)).await.unwrap();
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
    let bench = Bench { console, database, ahead: Arc::default() };
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
