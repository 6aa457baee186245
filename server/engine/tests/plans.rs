//! Explaining on real servers: what is answered, what is refused, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

use headroom_engine::{
    clock::Clock,
    console::Console,
    plans::{ExplainError, PlanError, Refusal},
    store::{self, EventQuery},
};
use headroom_model::{
    event::EventKind,
    plan::{PlanAsk, PlanFindingKind, PlanReport},
};
use headroom_sandbox::test::{self, TestDatabase};
use sqlx::Connection;
use std::{sync::Arc, time::Duration};

#[path = "console/support.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod support;

use support::id;

const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, at timestamptz NOT NULL);
INSERT INTO shop.orders SELECT n, n % 5000, (ARRAY['paid', 'open'])[1 + n % 2], now() - n * interval '1 minute'
    FROM generate_series(1, 100000) n;
ANALYZE shop.orders;
CREATE FUNCTION shop.pay() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE SEQUENCE shop.counter;
CREATE TABLE shop.secrets (word text);";

struct Bench {
    console: Arc<Console>,
    database: TestDatabase,
}

async fn bench(database: TestDatabase, analyze: bool) -> Bench {
    sqlx::raw_sql(SHOP).execute(&mut database.connect().await.unwrap()).await.unwrap();
    let mut config = support::config(&[("shop", database.url(), None)]);
    config.plans.analyze = analyze;
    let store = store::open("sqlite::memory:").await.unwrap();
    let console = Console::start(config, store, Clock::system()).await.unwrap();
    Bench { console, database }
}

impl Bench {
    async fn explain(&self, ask: &PlanAsk) -> Result<PlanReport, PlanError> {
        self.console.plans.explain(&self.console, &id("shop"), ask).await
    }

    async fn text(&self, text: &str) -> Result<PlanReport, PlanError> {
        self.explain(&PlanAsk { query: Some(text.into()), ..PlanAsk::default() }).await
    }

    async fn measured(&self, text: &str) -> Result<PlanReport, PlanError> {
        self.explain(&PlanAsk { query: Some(text.into()), analyze: true, ..PlanAsk::default() }).await
    }

    /// The id that pg_stat_statements gives a statement.
    async fn query_id(&self, like: &str) -> i64 {
        let mut connection = self.database.connect().await.unwrap();
        sqlx::query_scalar(
            "SELECT queryid FROM pg_stat_statements WHERE query LIKE $1 AND query NOT LIKE '%pg_stat_statements%' \
             AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(like)
        .fetch_one(&mut connection)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn plans_are_generic_and_say_what_is_wrong() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database, false).await;
        let report = bench.text("SELECT id FROM shop.orders WHERE customer_id = $1 AND status = $2").await.unwrap();
        assert!(report.plan.is_generic && !report.plan.is_measured);
        let scan = report.plan.nodes.iter().find(|node| node.kind.ends_with("Seq Scan")).unwrap();
        assert_eq!(scan.relation.as_deref(), Some("shop.orders"));
        // Not folded to "One-Time Filter: false" by a NULL.
        assert!(scan.conditions[0].contains("$1"), "{scan:?}");
        assert_eq!(report.plan.findings[0].kind, PlanFindingKind::SequentialScan, "{report:?}");
        // A table of a schema that is not in the role's search_path; a constant where $n cannot stand.
        let report = bench.text("SELECT count(*) FROM orders WHERE at > now() - interval $1 LIMIT $2").await.unwrap();
        assert_eq!(report.notes.len(), 2, "{report:?}");
        let report = bench.text("UPDATE shop.orders SET status = $1 WHERE id = $2").await.unwrap();
        assert_eq!(report.plan.nodes[0].kind, "Update");
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn values_never_come_back() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database, false).await;
        let report = bench.text("SELECT id FROM shop.orders WHERE status = 'hunter2'").await.unwrap();
        assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
        for text in [
            "SELECT id FROM shop.orders WHERE id = 'hunter2'",
            "SELECT 'hunter2'::int",
            "SELECT 'hunter2' hunter2 FROM shop.orders WHERE",
            "SELECT id FROM shop.orders WHERE at > 'hunter2'",
        ] {
            let error = bench.text(text).await.expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn refusals_run_nothing_and_say_why() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database, false).await;
        for (text, said) in [
            ("SELECT 1; DROP TABLE shop.secrets", "2 statements"),
            ("SELECT nextval('shop.counter')", "nextval()"),
            ("SELECT pg_notify('a', 'b')", "pg_notify()"),
            ("SELECT shop.pay()", "volatile"),
            ("SELECT * FROM pay()", "volatile"),
            ("SELECT pg_catalog.pg_stat_get_snapshot_timestamp(), pg_stat_clear_snapshot()", "pg_stat_clear_snapshot"),
            ("SELECT * FROM shop.missing", "does not find"),
            ("SELECT missing FROM shop.orders", "does not find"),
            ("SELECT $1 + $2", "types"),
            ("DROP TABLE shop.secrets", "not DROP"),
        ] {
            let error = bench.text(text).await.expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let unknown = bench.explain(&PlanAsk { query_id: Some("42".into()), ..PlanAsk::default() }).await;
        assert!(matches!(unknown, Err(PlanError::UnknownStatement(42))), "{unknown:?}");
        let no_id = bench.explain(&PlanAsk { query_id: Some("x".into()), ..PlanAsk::default() }).await;
        assert!(matches!(no_id, Err(PlanError::Id(_))));
        assert!(matches!(bench.explain(&PlanAsk::default()).await, Err(PlanError::Ask)));
        assert!(matches!(bench.measured("SELECT 1").await, Err(PlanError::AnalyzeOff)));
        let mut connection = bench.database.connect().await.unwrap();
        let (is_called, locks, sessions): (bool, i64, i64) = sqlx::query_as(
            "SELECT (SELECT is_called FROM shop.counter), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), \
             (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headroom/explain' AND datname = current_database())",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!((is_called, locks, sessions), (false, 0, 0));
        let there: bool = sqlx::query_scalar("SELECT to_regclass('shop.secrets') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(there);
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_locked_table_is_not_waited_for() {
    let bench = bench(test::database().await.unwrap(), false).await;
    let mut locker = bench.database.connect().await.unwrap();
    let mut transaction = locker.begin().await.unwrap();
    sqlx::query("LOCK TABLE shop.orders IN ACCESS EXCLUSIVE MODE").execute(&mut *transaction).await.unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(3), bench.text("SELECT * FROM shop.orders")).await.unwrap();
    assert!(matches!(refused, Err(PlanError::Explain(ExplainError::Refused(why))) if why.contains("locked")));
    bench.console.shutdown().await;
}

#[tokio::test]
async fn a_measured_plan_has_times_and_only_reads() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database, true).await;
        let report = bench.measured("SELECT count(*) FROM shop.orders WHERE status = 'open'").await.unwrap();
        assert!(report.plan.is_measured && report.plan.execution_ms.is_some(), "{report:?}");
        assert!(report.plan.nodes.iter().any(|node| node.own_ms.is_some_and(|ms| ms > 0.0)));
        for text in [
            "DELETE FROM shop.orders",
            "SELECT * FROM shop.orders FOR UPDATE",
            "SELECT * FROM shop.orders WHERE id = $1",
        ] {
            let refused = bench.measured(text).await;
            assert!(matches!(refused, Err(PlanError::Refusal(Refusal::NotMeasured(_)))), "{text}: {refused:?}");
        }
        bench.console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_change_of_plan_is_kept_and_marked() {
    test::on_each_postgres(|database| async move {
        let bench = bench(database, false).await;
        let mut application = bench.database.connect().await.unwrap();
        sqlx::query("SELECT id, at FROM shop.orders WHERE customer_id = $1")
            .bind(7_i64)
            .fetch_all(&mut application)
            .await
            .unwrap();
        let query_id = bench.query_id("SELECT id, at FROM shop.orders WHERE customer_id = $1").await;
        let ask = PlanAsk { query_id: Some(query_id.to_string()), ..PlanAsk::default() };
        let before = bench.explain(&ask).await.unwrap();
        assert!(before.earlier.is_empty());
        assert!(bench.explain(&ask).await.unwrap().earlier.is_empty(), "the same shape is the same plan");
        sqlx::query("CREATE INDEX ON shop.orders (customer_id)").execute(&mut application).await.unwrap();
        let now = bench.explain(&ask).await.unwrap();
        assert_ne!(now.plan.fingerprint, before.plan.fingerprint);
        assert_eq!(now.earlier.len(), 1);
        assert_eq!(now.earlier[0].plan.fingerprint, before.plan.fingerprint);
        assert!(now.plan.total_cost < before.plan.total_cost);
        let changes = async {
            loop {
                let query = EventQuery { kinds: vec![EventKind::PlanChange], limit: 10, ..EventQuery::default() };
                let events = bench.console.store.events(&query).await.unwrap();
                if !events.is_empty() {
                    return events;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let events = tokio::time::timeout(support::PATIENCE, changes).await.expect("the change is marked");
        assert!(events[0].event.title.contains(&query_id.to_string()), "{events:?}");
        bench.console.shutdown().await;
    })
    .await;
}
