//! Reset of statistics: this database alone, verified, recorded, and refused with the exact remedy.

use crate::support::{id, start, until};
use headroom_engine::{
    actions::{ActionError, Request, preview_reset, reset},
    store::EventQuery,
};
use headroom_model::{Actor, Role, access::Proof, action::ResetScope, event::EventKind};
use headroom_sandbox::test;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

fn request() -> Request {
    Request {
        actor: Actor { name: "ada".into(), role: Role::Operator, proof: Proof::Session },
        origin: Some("127.0.0.1".into()),
        reason: Some("before the load test".into()),
    }
}

async fn calls(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
               WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE '%probe%'";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

async fn probe(connection: &mut PgConnection) {
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&mut *connection).await.unwrap();
    for _ in 0..50 {
        sqlx::query("SELECT 1 AS probe").execute(&mut *connection).await.unwrap();
    }
}

#[tokio::test]
async fn statements_of_this_database_alone_start_from_zero() {
    test::on_each_postgres(|database| async move {
        let other = test::database_on(database.server().installation()).await.unwrap();
        let (mut here, mut there) = (database.connect().await.unwrap(), other.connect().await.unwrap());
        probe(&mut here).await;
        probe(&mut there).await;
        let console = start(&[("orders", database.url(), None)]).await;
        until(&console, "orders", |update| update.target.postgres.is_up()).await;

        let preview = preview_reset(&console, &id("orders"), ResetScope::Statements).await.unwrap();
        assert!(preview.entries > 0 && preview.effect.contains("this database"), "{preview:?}");
        let outcome = reset(&console, &id("orders"), ResetScope::Statements, &request()).await.unwrap();
        assert!(calls(&mut here).await < 50);
        assert!(calls(&mut there).await >= 50, "another database lost its statistics");
        let preview = preview_reset(&console, &id("orders"), ResetScope::Statements).await.unwrap();
        assert!(preview.counting_since.is_some_and(|since| since <= outcome.at));

        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        let audit = &rows.iter().find(|row| row.id == outcome.audit_id).unwrap().audit;
        assert!(audit.succeeded && audit.actor == "ada" && audit.reason.as_deref() == Some("before the load test"));
        assert!(audit.parameters["before"]["calls"].as_u64() >= Some(50));
        console.shutdown().await;
        let query = EventQuery { kinds: vec![EventKind::StatisticsReset], limit: 10, ..EventQuery::default() };
        let events = console.store.events(&query).await.unwrap();
        assert_eq!(events.len(), 1, "the console's own reset is marked once: {events:#?}");
        assert_eq!(events[0].event.actor.as_deref(), Some("ada"));
    })
    .await;
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_grant_that_helps() {
    test::on_each_postgres(|database| async move {
        let mut admin = database.connect().await.unwrap();
        probe(&mut admin).await;
        // Roles belong to the server, so the name is the database's.
        let role = format!("watcher of \"{}\"", database.name());
        let quoted = headroom_engine::sql::quote_identifier(&role);
        let sql = format!("CREATE ROLE {quoted} LOGIN PASSWORD 'fish'");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        let url = format!(
            "postgres://{}:fish@127.0.0.1:{}/{}",
            role.replace(' ', "%20").replace('"', "%22"),
            database.server().port(),
            database.name()
        );
        let console = start(&[("orders", url, None)]).await;
        until(&console, "orders", |update| update.target.postgres.is_up()).await;

        let refused = reset(&console, &id("orders"), ResetScope::Statements, &request()).await;
        let Err(ActionError::NotAllowed { remedy, .. }) = refused else { panic!("{refused:?}") };
        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        assert!(!rows[0].audit.succeeded && rows[0].audit.outcome.contains("GRANT"));
        sqlx::raw_sql(AssertSqlSafe(remedy)).execute(&mut admin).await.unwrap();
        reset(&console, &id("orders"), ResetScope::Statements, &request()).await.unwrap();

        console.shutdown().await;
        let sql = format!("DROP OWNED BY {quoted}; DROP ROLE {quoted}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_missing_extension_is_named_with_the_statement_that_helps() {
    let database = test::database().await.unwrap();
    let mut admin = database.connect().await.unwrap();
    sqlx::raw_sql("DROP EXTENSION IF EXISTS pg_stat_statements").execute(&mut admin).await.unwrap();
    let console = start(&[("orders", database.url(), None)]).await;
    let refused = preview_reset(&console, &id("orders"), ResetScope::Statements).await;
    let Err(ActionError::NotAllowed { remedy, .. }) = refused else { panic!("{refused:?}") };
    sqlx::raw_sql(AssertSqlSafe(remedy)).execute(&mut admin).await.unwrap();
    preview_reset(&console, &id("orders"), ResetScope::Statements).await.unwrap();
    console.shutdown().await;
}

#[tokio::test]
async fn the_consoles_own_counters_start_from_zero() {
    let database = test::database().await.unwrap();
    let console = start(&[("orders", database.url(), None)]).await;
    for _ in 0..5 {
        console.requests.record("GET /api/v1/health", 200, Duration::from_millis(3));
    }
    let preview = preview_reset(&console, &id("orders"), ResetScope::Requests).await.unwrap();
    assert_eq!(preview.entries, 1);
    reset(&console, &id("orders"), ResetScope::Requests, &request()).await.unwrap();
    assert_eq!(console.requests.routes().iter().map(|route| route.count).sum::<u64>(), 0);

    until(&console, "orders", |update| update.target.postgres.is_up()).await;
    let outcome = reset(&console, &id("orders"), ResetScope::Pool, &request()).await.unwrap();
    let preview = preview_reset(&console, &id("orders"), ResetScope::Pool).await.unwrap();
    assert!(preview.counting_since.is_some_and(|since| since > console.started_at && since <= outcome.at));
    assert!(matches!(
        reset(&console, &id("none"), ResetScope::Pool, &request()).await,
        Err(ActionError::UnknownTarget(_))
    ));
    console.shutdown().await;
}
