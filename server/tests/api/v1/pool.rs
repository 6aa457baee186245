//! `/pool`, `/pool/holders`, `/pool/leaks`, `/pool/resize`, `/queries/performance`.

use crate::harness::{Harness, TARGET, data, problem};
use headroom_engine::{
    pool::{Lane, PoolProfile, Pools},
    target::{CapacityLimits, TargetConfig},
};
use headroom_model::TargetId;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn lane<'a>(pool: &'a Value, name: &str) -> &'a Value {
    pool["lanes"].as_array().unwrap().iter().find(|lane| lane["lane"] == name).unwrap()
}

#[tokio::test]
async fn a_lent_connection_shows_with_its_call_site() {
    let harness = Harness::open().await;
    let target = harness.console.target(&TargetId(TARGET.to_owned())).unwrap();
    let mut lease = target.pools.acquire(Lane::Batch).await.unwrap().purpose("a test");
    sqlx::raw_sql("BEGIN; LOCK TABLE products IN SHARE MODE; SELECT 'secret'").execute(&mut *lease).await.unwrap();
    let pool = harness.data("/api/v1/pool").await;
    let batch = lane(&pool, "batch");
    assert_eq!(
        (&batch["inUse"], &batch["max"], &batch["creation"]["count"]),
        (&json!(1), &json!(4), &json!(1)),
        "{pool}"
    );
    assert!(batch["acquire"]["p95Ms"].as_f64().unwrap() > 0.0 && pool["replica"].is_null(), "{pool}");

    let holder =
        |holders: Value| holders.as_array().unwrap().iter().find(|holder| holder["lane"] == "batch").cloned().unwrap();
    let known = holder(harness.data("/api/v1/pool/holders").await);
    assert!(known["callSite"].as_str().unwrap().contains("tests/api/v1/pool.rs:"), "{known}");
    assert_eq!((&known["purpose"], &known["backend"]), (&json!("a test"), &Value::Null));
    // What the server says, only when it is asked, and without what the statement held.
    let asked = holder(harness.data("/api/v1/pool/holders?backends=true").await);
    let backend = &asked["backend"];
    assert_eq!(backend["state"], "idle in transaction", "{asked}");
    assert_eq!(backend["statement"], "BEGIN; LOCK TABLE products IN SHARE MODE; SELECT ?");
    let relations = backend["relations"].as_array().unwrap();
    assert!(relations.iter().any(|name| name == "products: ShareLock"), "{asked}");
    assert_eq!(harness.data("/api/v1/pool/leaks").await.as_array().unwrap().len(), 0);
    problem(harness.get("/api/v1/pool/holders?backends=some").await, 422, "invalid").await;
    drop(lease);
    harness.stop().await;
}

#[tokio::test]
async fn announced_long_work_is_no_leak() {
    let harness = Harness::open().await;
    let target = harness.console.target(&TargetId(TARGET.to_owned())).unwrap();
    let config = TargetConfig {
        id: TargetId(TARGET.to_owned()),
        database_url: harness.database_url(),
        replica: None,
        redis: None,
        pool: PoolProfile { leak_after: Duration::from_millis(50), ..PoolProfile::default() },
        limits: CapacityLimits::default(),
        auto_terminate: None,
    };
    let application = Arc::new(Pools::named(&config, "shop").unwrap());
    target.watch_pools(application.clone());
    let vacuum = application.acquire(Lane::Batch).await.unwrap().purpose("a vacuum").long_work();
    let forgotten = application.acquire(Lane::Batch).await.unwrap().purpose("a forgotten export");
    let begun = Instant::now();
    let leaks = loop {
        let leaks = harness.data("/api/v1/pool/leaks").await;
        if leaks.as_array().unwrap().iter().any(|leak| leak["purpose"] == "a forgotten export") {
            break leaks;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never a leak: {leaks}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(leaks.as_array().unwrap().len(), 1, "{leaks}");
    // The page goes by what the list of all holders says.
    let holders = harness.data("/api/v1/pool/holders").await;
    let flags = |purpose: &str| {
        let holder = holders.as_array().unwrap().iter().find(|holder| holder["purpose"] == purpose).unwrap();
        (holder["isLong"].clone(), holder["isLeak"].clone())
    };
    assert_eq!(flags("a vacuum"), (json!(true), json!(false)));
    assert_eq!(flags("a forgotten export"), (json!(false), json!(true)));
    drop((vacuum, forgotten));
    application.close().await;
    harness.stop().await;
}

#[tokio::test]
async fn a_lane_is_resized_with_preview_and_on_record() {
    let harness = Harness::open().await;
    let ask = json!({ "lane": "batch", "max": 6, "dryRun": true });
    let dry = data(harness.post("/api/v1/pool/resize", &ask).await).await;
    assert_eq!((&dry["preview"]["from"], &dry["preview"]["to"], &dry["outcome"]), (&json!(4), &json!(6), &Value::Null));
    assert_eq!(lane(&harness.data("/api/v1/pool").await, "batch")["max"], 4);
    let ask = json!({ "lane": "batch", "max": 6, "reason": "a large import" });
    let done = data(harness.post("/api/v1/pool/resize", &ask).await).await;
    assert!(
        done["outcome"]["effect"].as_str().unwrap().starts_with("lane batch: 6 connections instead of 4"),
        "{done}"
    );
    let batch = harness.data("/api/v1/pool").await;
    assert_eq!((&lane(&batch, "batch")["max"], &lane(&batch, "batch")["configuredMax"]), (&json!(6), &json!(4)));
    let audit = harness.data("/api/v1/audit").await;
    let row = audit.as_array().unwrap().iter().find(|row| row["action"] == "pool.resize").unwrap();
    assert_eq!((&row["reason"], &row["succeeded"]), (&json!("a large import"), &json!(true)));
    for (ask, field) in [
        (json!({ "lane": "none", "max": 6 }), "lane"),
        (json!({ "lane": "batch", "max": "six" }), "max"),
        (json!({ "lane": "batch", "max": 6, "size": 7 }), "size"),
    ] {
        let refused = problem(harness.post("/api/v1/pool/resize", &ask).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    for ask in [
        json!({ "lane": "monitor", "max": 1 }),
        json!({ "lane": "data", "max": 201 }),
        json!({ "lane": "replica", "max": 5 }),
    ] {
        let response = harness.post("/api/v1/pool/resize", &ask).await;
        assert_eq!(response.status(), 422, "{ask}");
    }
    harness.stop().await;
}

#[tokio::test]
async fn statements_under_a_label_are_counted_exactly() {
    let harness = Harness::open().await;
    let target = harness.console.target(&TargetId(TARGET.to_owned())).unwrap();
    for _ in 0..3 {
        let mut lease = target.pools.acquire(Lane::Interactive).await.unwrap();
        let nap = sqlx::query("SELECT pg_sleep(0.02)").execute(&mut *lease);
        target.pools.statements().time("a nap", nap).await.unwrap();
    }
    let nap = |list: Value| list.as_array().unwrap().iter().find(|entry| entry["label"] == "a nap").cloned();
    let all = nap(harness.data("/api/v1/queries/performance").await).unwrap();
    assert_eq!((&all["count"], &all["errors"], &all["slow"]), (&json!(3), &json!(0), &json!(0)), "{all}");
    assert!(all["p50Ms"].as_f64().unwrap() >= 19.0, "{all}");
    assert!(nap(harness.data("/api/v1/queries/performance/slow").await).is_none());
    let slow = nap(harness.data("/api/v1/stats/performance/queries/slow?threshold=10").await).unwrap();
    assert_eq!(slow["slow"], 3, "{slow}");
    problem(harness.get("/api/v1/queries/performance?threshold=0").await, 422, "invalid").await;
    harness.stop().await;
}
