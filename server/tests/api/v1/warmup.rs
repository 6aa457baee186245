//! `/cache/warmup` and `/cache/invalidate`.

use crate::harness::{Harness, data, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn read(harness: &Harness) -> String {
    let answer = harness.get("/api/v1/data/products").await;
    answer.headers()["x-cache"].to_str().unwrap().to_owned()
}

async fn ended(harness: &Harness) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let mut status = harness.data("/api/v1/cache/warmup/status").await;
        if let Some(newest) = status["history"].as_array_mut().unwrap().first_mut() {
            return newest.take();
        }
        assert!(Instant::now() < end, "no warmup has ended: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_warmup_is_previewed_run_and_told() {
    let harness = Harness::open().await;
    let body = json!({ "strategy": "COMPREHENSIVE", "dryRun": true });
    let preview = data(harness.post("/api/v1/cache/warmup", &body).await).await;
    assert_eq!((&preview["preview"]["keys"], &preview["preview"]["toLoad"]), (&json!(1), &json!(1)), "{preview}");
    assert_eq!((&preview["operation"], &preview["preview"]["estimatedMs"]), (&Value::Null, &Value::Null));
    let idle = harness.data("/metrics/cache/warmup/status").await;
    assert_eq!(idle, json!({ "running": null, "elsewhere": null, "schedule": null, "history": [] }));
    // What all defaults name is the page that a caller gets who names nothing.
    let body = json!({ "strategy": "COMPREHENSIVE", "reason": "release" });
    let started = data(harness.post("/api/v1/performance/cache/warm", &body).await).await;
    assert_eq!(started["operation"]["kind"], "cache.warm");
    let done = ended(&harness).await;
    assert_eq!((&done["state"], &done["reason"]), (&json!("succeeded"), &json!("release")), "{done}");
    assert_eq!(done["effect"], "1 of 1 key fresh in the cache now");
    assert_eq!(read(&harness).await, "L1");
    let audit = harness.data("/api/v1/audit").await;
    assert_eq!((&audit[0]["action"], &audit[0]["reason"]), (&json!("cache.warm"), &json!("release")), "{audit}");
    harness.stop().await;
}

#[tokio::test]
async fn one_runs_at_a_time_and_is_stopped() {
    let harness = Harness::open().await;
    let none = harness.request(Method::DELETE, "/api/v1/cache/warmup").send().await.unwrap();
    assert!(problem(none, 409, "conflict").await["detail"].as_str().unwrap().contains("No warmup of orders runs"));
    // Loads of the dataset wait for whoever locks its table.
    let mut locker = harness.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE products").execute(&mut locker).await.unwrap();
    let start = || async { harness.post("/metrics/cache/warmup", &json!({ "strategy": "COMPREHENSIVE" })).await };
    assert_eq!(start().await.status(), StatusCode::OK);
    let refused = problem(start().await, 409, "conflict").await;
    assert!(refused["detail"].as_str().unwrap().contains("runs already (local: Every known key, since "), "{refused}");
    let stopped = harness.request(Method::DELETE, "/metrics/cache/warmup").send().await.unwrap();
    assert_eq!(stopped.status(), StatusCode::OK);
    assert_eq!(ended(&harness).await["state"], "cancelled");
    drop(locker);
    harness.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_its_field() {
    let harness = Harness::open().await;
    for (body, field) in [
        (json!({}), "strategy"),
        (json!({ "strategy": "EVERYTHING" }), "strategy"),
        (json!({ "strategy": "COMPREHENSIVE", "dryrun": true }), "dryrun"),
        (json!({ "strategy": "COMPREHENSIVE", "reason": "x".repeat(501) }), "reason"),
    ] {
        let refused = problem(harness.post("/api/v1/cache/warmup", &body).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let unknown = harness.post("/api/v1/cache/warmup?target=nope", &json!({ "strategy": "COMPREHENSIVE" })).await;
    problem(unknown, 404, "unknown-target").await;
    for (body, fields) in [
        (json!({}), vec!["tag"]),
        (json!({ "tag": " " }), vec!["tag"]),
        (json!({ "key": "least=1#p1,50" }), vec!["dataset"]),
        (json!({ "pattern": "*" }), vec!["dataset"]),
        (json!({ "tag": "a", "dataset": "products" }), vec!["tag", "dataset"]),
        (json!({ "dataset": "products", "key": "a", "pattern": "b" }), vec!["dataset", "key", "pattern"]),
        (json!({ "tags": "a" }), vec!["tags"]),
    ] {
        let refused = problem(harness.post("/api/v1/cache/invalidate", &body).await, 422, "invalid").await;
        let named: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields, "{body}: {refused}");
    }
    let nothing = harness.post("/api/v1/cache/invalidate", &json!({ "dataset": "nope" })).await;
    problem(nothing, 422, "refused").await;
    harness.stop().await;
}

#[tokio::test]
async fn each_way_to_name_a_part_invalidates_it() {
    let harness = Harness::open().await;
    for body in [
        json!({ "tag": "catalogue" }),
        json!({ "dataset": "products" }),
        json!({ "dataset": "products", "key": "least=1#p1,50" }),
        json!({ "dataset": "products", "pattern": "least=?#*" }),
    ] {
        assert_ne!(read(&harness).await, "L1");
        assert_eq!(read(&harness).await, "L1");
        let ask = async |dry_run: bool| {
            let mut body = body.clone();
            body["dryRun"] = dry_run.into();
            data(harness.post("/api/v1/performance/cache/invalidate", &body).await).await
        };
        let preview = ask(true).await;
        assert_eq!((&preview["preview"]["memoryKeys"], &preview["outcome"]), (&json!(1), &Value::Null), "{body}");
        assert_eq!(read(&harness).await, "L1", "a dry run changes nothing");
        assert!(ask(false).await["outcome"]["effect"].as_str().unwrap().contains("answered no more"));
    }
    assert_eq!(read(&harness).await, "MISS");
    harness.stop().await;
}
