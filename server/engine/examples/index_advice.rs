//! How good the advice about indexes is: runs a workload without its indexes, takes every suggestion, creates it through the
//! console, and compares what was promised with the planner's cost and the statements' times afterwards.
//!
//! `cargo run --release -p headroom-engine --example index_advice [rows]` prints one JSON object.

use anyhow::{Context, Result, bail};
use headroom_engine::{
    actions::{self, Request},
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
use headroom_model::{
    Actor, Role, TargetId,
    access::Proof as Signed,
    advice::{AdviceReport, IndexAdvice, Proof},
    operation::OperationState,
    plan::PlanAsk,
};
use headroom_sandbox::{Binaries, test};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Statements of an application, each with how often it runs a round. `$1` is a whole number, or a text where it is cast.
const WORKLOAD: &[(&str, u32)] = &[
    ("SELECT id, total FROM orders WHERE customer_id = $1 AND status = ('s' || ($1 % 4))", 20),
    ("SELECT id, total FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10", 20),
    ("SELECT count(*) FROM orders WHERE created_at > now() - $1 * interval '1 second'", 5),
    ("SELECT o.id, i.product_id FROM orders o JOIN items i ON i.order_id = o.id WHERE o.customer_id = $1", 10),
    ("SELECT id FROM customers WHERE lower(email) = 'customer' || $1 || '@example.test'", 10),
    ("SELECT id FROM parcels WHERE delivered_at IS NULL AND hub_id = $1", 10),
    ("SELECT id FROM orders WHERE id = $1", 50),
    ("SELECT count(*) FROM items WHERE product_id = $1 AND quantity > 2", 5),
    ("UPDATE orders SET total = total + 1 WHERE id = $1", 20),
    ("SELECT count(*) FROM hubs WHERE region = $1", 20),
];
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rounds of advice taken at most.
const MAX_ROUNDS: u32 = 5;

fn schema(rows: u64) -> String {
    format!(
        "CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
         INSERT INTO customers SELECT n, 'Customer' || n || '@example.test' FROM generate_series(1, {rows} / 4) n;
         CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, total bigint NOT NULL,
             created_at timestamptz NOT NULL);
         INSERT INTO orders SELECT n, n % ({rows} / 10), 's' || n % 4, n % 900, now() - n * interval '1 minute'
             FROM generate_series(1, {rows}) n;
         CREATE TABLE items (order_id bigint NOT NULL, product_id bigint NOT NULL, quantity int NOT NULL);
         INSERT INTO items SELECT n / 2, n % 3000, n % 5 FROM generate_series(1, {rows} * 2) n;
         CREATE TABLE parcels (id bigint PRIMARY KEY, hub_id bigint NOT NULL, delivered_at timestamptz);
         INSERT INTO parcels SELECT n, n % 50, CASE WHEN n % 40 > 0 THEN now() END FROM generate_series(1, {rows}) n;
         CREATE TABLE hubs (id bigint PRIMARY KEY, region bigint NOT NULL);
         INSERT INTO hubs SELECT n, n % 9 FROM generate_series(1, 300) n;
         ANALYZE;"
    )
}

struct Bench {
    console: Arc<Console>,
    target: TargetId,
    application: PgConnection,
}

#[tokio::main]
async fn main() -> Result<()> {
    let rows = std::env::args().nth(1).map_or(Ok(200_000), |rows| rows.parse()).context("how many rows")?;
    let database = database().await?;
    let mut application = database.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(schema(rows))).execute(&mut application).await?;
    let has_hypopg = sqlx::raw_sql("CREATE EXTENSION hypopg").execute(&mut application).await.is_ok();
    let target = TargetId("bench".to_owned());
    let config = ConsoleConfig {
        targets: vec![TargetConfig {
            id: target.clone(),
            database_url: database.url(),
            replica: None,
            redis: None,
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        }],
        collect: CollectSettings { live_every: Duration::from_secs(1), ..CollectSettings::default() },
        health: HealthSettings::default(),
        retention: Retention::default(),
        cache: CacheSettings::default(),
        datasets: Vec::new(),
        warmup: WarmupSettings::default(),
        plans: PlanSettings::default(),
    };
    let console = Console::start(config, store::open("sqlite::memory:").await?, Clock::system()).await?;
    let mut bench = Bench { console, target, application };
    let found = bench.measure().await;
    bench.console.shutdown().await;
    let mut found = found?;
    found["rows"] = rows.into();
    found["postgres"] = database.server().installation().version.clone().into();
    found["hypopg"] = has_hypopg.into();
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

/// On a server with hypopg, where there is one.
async fn database() -> Result<test::TestDatabase> {
    for installation in Binaries::find()?.all_postgres() {
        let database = test::database_on(installation).await?;
        let offers: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg')")
                .fetch_one(&mut database.connect().await?)
                .await?;
        if offers {
            return Ok(database);
        }
    }
    Ok(test::database().await?)
}

impl Bench {
    /// One round of the workload; mean milliseconds of each statement.
    async fn round(&mut self, seed: i64) -> Result<Vec<f64>> {
        let mut means = Vec::with_capacity(WORKLOAD.len());
        for (sql, times) in WORKLOAD {
            let begun = Instant::now();
            for n in 0..i64::from(*times) {
                sqlx::query(*sql).bind(seed * 37 + n).fetch_all(&mut self.application).await?;
            }
            means.push(begun.elapsed().as_secs_f64() * 1000.0 / f64::from(*times));
        }
        Ok(means)
    }

    /// The planner's cost of each statement, weighted by how often it runs.
    async fn costs(&self) -> Result<Vec<f64>> {
        let mut costs = Vec::with_capacity(WORKLOAD.len());
        for (sql, times) in WORKLOAD {
            let ask = PlanAsk { query: Some((*sql).to_owned()), ..PlanAsk::default() };
            let report = self.console.plans.explain(&self.console, &self.target, &ask).await?;
            costs.push(report.plan.total_cost * f64::from(*times));
        }
        Ok(costs)
    }

    async fn advice(&mut self, than: Option<&AdviceReport>) -> Result<AdviceReport> {
        let end = Instant::now() + PATIENCE;
        for seed in 0.. {
            self.round(seed).await?;
            self.console.advisor.ask(&self.target)?;
            sleep(Duration::from_millis(500)).await;
            let report = self.console.advisor.report(&self.console, &self.target)?;
            let is_new = report.computed_at > than.and_then(|than| than.computed_at);
            if report.computed_at.is_some() && is_new && report.hours_seen > 8.0 / 3600.0 {
                return Ok(report);
            }
            if Instant::now() > end {
                bail!("no advice within two minutes: {report:?}");
            }
        }
        bail!("seeds ran out")
    }

    async fn create(&self, advice: &IndexAdvice) -> Result<f64> {
        let actor = Actor { name: "bench".to_owned(), role: Role::Admin, proof: Signed::Session };
        let request = Request { actor, origin: None, reason: None };
        let begun = Instant::now();
        let started = actions::create_index(&self.console, &self.target, &advice.id, &request).await?;
        loop {
            let now = self.console.operations.get(&started.id).context("the operation is known")?;
            match now.state {
                OperationState::Succeeded => return Ok(begun.elapsed().as_secs_f64() * 1000.0),
                state if state.is_final() => bail!("{}: {:?}", advice.index, now.outcome),
                _ if begun.elapsed() > PATIENCE => bail!("{} is not created in time", advice.index),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn measure(&mut self) -> Result<Value> {
        let mut report = self.advice(None).await?;
        let means_before = self.round(1_000).await?;
        let costs_before = self.costs().await?;
        let mut steps = Vec::new();
        let mut cost = costs_before.iter().sum::<f64>();
        let mut rounds = 0;
        while report.suggestions.iter().any(|advice| advice.state.is_open()) && rounds < MAX_ROUNDS {
            rounds += 1;
            for advice in report.suggestions.iter().filter(|advice| advice.state.is_open()) {
                let build_ms = self.create(advice).await?;
                let now: f64 = self.costs().await?.iter().sum();
                let known = self.console.advisor.report(&self.console, &self.target)?;
                let built = known.suggestions.iter().find(|it| it.id == advice.id);
                steps.push(json!({
                    "index": advice.index, "keys": advice.keys, "proven": advice.proof == Proof::Planner,
                    "round": rounds, "promisedSaving": advice.saving(), "costBefore": cost, "costAfter": now,
                    "sizeEstimated": advice.size_bytes, "size": built.map(|it| it.size_bytes),
                    "buildEstimatedMs": advice.build_ms, "buildMs": build_ms,
                }));
                cost = now;
            }
            report = self.advice(Some(&report)).await?;
        }
        let means_after = self.round(1_000).await?;
        let costs_after = self.costs().await?;
        let statements: Vec<Value> = WORKLOAD
            .iter()
            .enumerate()
            .map(|(at, (sql, times))| {
                json!({
                    "sql": sql, "times": times, "costBefore": costs_before[at], "costAfter": costs_after[at],
                    "meanBeforeMs": means_before[at], "meanAfterMs": means_after[at],
                })
            })
            .collect();
        let left = report.suggestions.iter().filter(|advice| advice.state.is_open()).count();
        Ok(json!({
            "steps": steps, "statements": statements, "rounds": rounds, "rejected": report.rejected.len(),
            "leftAfterwards": left,
        }))
    }
}
