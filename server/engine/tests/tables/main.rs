//! Looks at tables, vacuum, replication and settings, on every version of PostgreSQL that this machine has; and the button
//! that vacuums a table.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

mod looks;
mod optimize;
mod rights;

use headroom_engine::{
    cache::CacheSettings,
    clock::Clock,
    collect::CollectSettings,
    console::{Console, ConsoleConfig},
    health::HealthSettings,
    plans::PlanSettings,
    pool::PoolProfile,
    store::{self, Retention},
    target::{CapacityLimits, TargetConfig},
    warmup::WarmupSettings,
};
use headroom_model::TargetId;
use headroom_sandbox::test::TestDatabase;
use sqlx::AssertSqlSafe;
use std::sync::Arc;

fn shop() -> TargetId {
    TargetId("shop".to_owned())
}

async fn console(url: String) -> Arc<Console> {
    let target = TargetConfig {
        id: shop(),
        database_url: url,
        replica: None,
        redis: None,
        pool: PoolProfile::default(),
        limits: CapacityLimits::default(),
        auto_terminate: None,
    };
    let config = ConsoleConfig {
        targets: vec![target],
        collect: CollectSettings::default(),
        health: HealthSettings::default(),
        retention: Retention { minutes_days: 30, hours_days: 762, events_days: 762 },
        cache: CacheSettings::default(),
        datasets: Vec::new(),
        warmup: WarmupSettings::default(),
        plans: PlanSettings::default(),
    };
    let store = store::open("sqlite::memory:").await.unwrap();
    Console::start(config, store, Clock::system()).await.unwrap()
}

/// A shop of two tables: items point to orders without an index, and half of the orders are dead.
async fn fill(database: &TestDatabase) {
    run(
        database,
        "CREATE SCHEMA shop;
         CREATE TABLE shop.orders (id bigint PRIMARY KEY, note text NOT NULL, amount int) WITH (autovacuum_enabled = off);
         INSERT INTO shop.orders SELECT n, repeat('x', 100), n FROM generate_series(1, 20000) n;
         CREATE TABLE shop.\"order items\" (id bigint PRIMARY KEY, \"order\" bigint REFERENCES shop.orders, sku text);
         INSERT INTO shop.\"order items\" SELECT n, n, 'sku' FROM generate_series(1, 1000) n;
         CREATE INDEX orders_amount ON shop.orders (amount);",
    )
    .await;
    run(database, "DELETE FROM shop.orders WHERE id > 10000;").await;
    run(database, "ANALYZE;").await;
}

async fn run(database: &TestDatabase, sql: &str) {
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}
