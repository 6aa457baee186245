//! `/database/activity`, `/database/contention`.

use crate::harness::{Harness, data, problem};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn sessions_are_listed_previewed_and_ended() {
    let (harness, tokens) = Harness::guarded().await;
    let mut session = harness.connect().await;
    sqlx::raw_sql("SET application_name = 'nightly'; BEGIN; SELECT 1").execute(&mut session).await.unwrap();
    let get = async |path: &str| {
        let response = harness.request(Method::GET, path).bearer_auth(&tokens.viewer).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        data(response).await
    };
    let found = async || {
        let seen = get("/api/v1/database/activity?application=nightly&limit=5&sort=pid&ascending=true").await;
        seen["sessions"].as_array().unwrap().first().cloned()
    };
    let mut row = None;
    for _ in 0..100 {
        row = found().await;
        if row.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let row = row.expect("the session is listed with the next sample");
    assert_eq!(row["state"], "idle in transaction", "{row}");
    let (pid, start) = (row["key"]["pid"].as_i64().unwrap(), row["key"]["backendStartUs"].as_i64().unwrap());
    let also = get("/metrics/pool/long-running?kind=longRunning").await;
    assert_eq!(also["longRunningAfterMs"], 5000.0, "{also}");
    assert!(also["autoTerminate"]["rules"].is_null(), "off until it is configured");

    let post = async |token: &str, act: &str, body: serde_json::Value| {
        let path = format!("/api/v1/database/activity/{pid}/{act}");
        harness.request(Method::POST, &path).bearer_auth(token).json(&body).send().await.unwrap()
    };
    problem(post(&tokens.viewer, "terminate", json!({ "backendStartUs": start })).await, 403, "forbidden").await;
    let refused = post(&tokens.operator, "cancel", json!({ "backendStartUs": start })).await;
    let refused = problem(refused, 422, "refused").await;
    assert!(refused["detail"].as_str().unwrap().contains("nothing to cancel"), "{refused}");
    let dry = json!({ "backendStartUs": start, "dryRun": true });
    let dry = data(post(&tokens.operator, "terminate", dry).await).await;
    assert!(dry["preview"]["effect"].as_str().unwrap().contains("rolled back") && dry["outcome"].is_null(), "{dry}");
    let body = json!({ "backendStartUs": start, "reason": "it blocks the shop" });
    let done = data(post(&tokens.operator, "terminate", body.clone()).await).await;
    assert!(done["outcome"]["effect"].as_str().unwrap().contains("has ended"), "{done}");
    let gone = problem(post(&tokens.operator, "terminate", body).await, 422, "refused").await;
    assert!(gone["detail"].as_str().unwrap().contains("is gone"), "{gone}");
    harness.stop().await;
}

#[tokio::test]
async fn wrong_input_is_named() {
    let harness = Harness::open().await;
    for (path, field) in [
        ("/api/v1/database/activity?limit=501", "limit"),
        ("/api/v1/database/activity?sort=size", "sort"),
        ("/api/v1/database/activity?page=0", "page"),
        ("/api/v1/database/contention?from=now&to=now-1h", "from"),
    ] {
        let refused = problem(harness.get(path).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let refused = harness.post("/api/v1/database/activity/abc/cancel", &json!({ "backendStartUs": 1 })).await;
    assert_eq!(problem(refused, 422, "invalid").await["errors"][0]["field"], "pid");
    let refused = harness.post("/api/v1/database/activity/1/cancel", &json!({})).await;
    assert_eq!(problem(refused, 422, "invalid").await["errors"][0]["field"], "backendStartUs");
    harness.stop().await;
}

#[tokio::test]
async fn lock_waits_are_told_for_a_range() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let seen = harness.data("/metrics/locks/contention?from=now-6h").await;
    assert!(seen["trees"].is_array() && seen["deadlocks"]["events"].is_array(), "{seen}");
    let length = seen["range"]["to"].as_i64().unwrap() - seen["range"]["from"].as_i64().unwrap();
    assert_eq!(length, 6 * 3_600_000);
    assert!(seen["at"].is_i64() && seen["missing"].as_array().unwrap().is_empty(), "{seen}");
    harness.stop().await;
}
