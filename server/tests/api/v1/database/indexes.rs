//! `/database/plans` and `/database/indexes/…`.

use crate::harness::{Harness, data, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn explain(harness: &Harness, body: &Value) -> reqwest::Response {
    harness.post("/api/v1/database/plans", body).await
}

#[tokio::test]
async fn a_statement_is_explained_by_its_text() {
    let harness = Harness::open().await;
    for path in ["/api/v1/database/plans", "/metrics/query-plan", "/api/v1/performance/database/analyze-query"] {
        let body = json!({ "query": "SELECT id FROM products WHERE id = $1" });
        let report = data(harness.post(path, &body).await).await;
        assert_eq!(report["plan"]["isGeneric"], true, "{report}");
        assert!(report["plan"]["nodes"][0]["totalCost"].as_f64().unwrap() > 0.0);
        assert_eq!(report["queryId"], Value::Null);
    }
    harness.stop().await;
}

#[tokio::test]
async fn what_is_not_explained_is_refused_by_its_field() {
    let harness = Harness::open().await;
    for (body, field, said) in [
        (json!({}), "query", "Name a statement"),
        (json!({ "query": "SELECT 1", "queryId": "1" }), "query", "Name a statement"),
        (json!({ "query": "SELECT 1; SELECT 2" }), "query", "2 statements"),
        (json!({ "query": "SELECT pg_sleep(10)" }), "query", "pg_sleep()"),
        (json!({ "query": "TRUNCATE products" }), "query", "not TRUNCATE"),
        (json!({ "queryId": "seven" }), "queryId", "no id"),
        (json!({ "sql": "SELECT 1" }), "sql", "unknown field"),
    ] {
        let refused = problem(explain(&harness, &body).await, 422, "invalid").await;
        let error = &refused["errors"][0];
        assert_eq!(error["field"], field, "{refused}");
        assert!(error["reason"].as_str().unwrap().contains(said), "{refused}");
    }
    problem(explain(&harness, &json!({ "queryId": "42" })).await, 404, "not-found").await;
    let missing = problem(explain(&harness, &json!({ "query": "SELECT * FROM missing" })).await, 422, "refused").await;
    assert!(missing["detail"].as_str().unwrap().contains("does not find"), "{missing}");
    let off = problem(explain(&harness, &json!({ "query": "SELECT 1", "analyze": true })).await, 422, "refused").await;
    assert!(off["detail"].as_str().unwrap().contains("analyze = true"), "{off}");
    harness.stop().await;
}

#[tokio::test]
async fn roles_are_kept_apart() {
    let (harness, tokens) = Harness::guarded().await;
    let send = |method: Method, path: &str, token: &str, body: Value| {
        harness.request(method, path).bearer_auth(token).json(&body).send()
    };
    let plan = json!({ "query": "SELECT 1" });
    let path = "/api/v1/database/plans";
    assert_eq!(send(Method::POST, path, &tokens.viewer, plan.clone()).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(send(Method::POST, path, &tokens.operator, plan).await.unwrap().status(), StatusCode::OK);
    let measured = json!({ "query": "SELECT 1", "analyze": true });
    let refused = send(Method::POST, path, &tokens.operator, measured).await.unwrap();
    problem(refused, 403, "forbidden").await;
    let apply = "/api/v1/database/indexes/suggestions/nope/apply";
    let refused = send(Method::POST, apply, &tokens.operator, json!({})).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    harness.stop().await;
}

#[tokio::test]
async fn a_suggestion_is_found_previewed_and_created() {
    let harness = Harness::open().await;
    let mut application = harness.connect().await;
    sqlx::raw_sql(
        "CREATE TABLE parcels (id bigint PRIMARY KEY, sender bigint NOT NULL, note text NOT NULL);
         INSERT INTO parcels SELECT n, n % 9000, 'note ' || n FROM generate_series(1, 90000) n; ANALYZE parcels;",
    )
    .execute(&mut application)
    .await
    .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let advice = loop {
        for sender in 0..20_i64 {
            sqlx::query("SELECT id, note FROM parcels WHERE sender = $1")
                .bind(sender)
                .fetch_all(&mut application)
                .await
                .unwrap();
        }
        let asked = harness.post("/api/v1/database/indexes/suggestions", &json!({})).await;
        assert_eq!(asked.status(), StatusCode::OK);
        let report = harness.data("/metrics/index-suggestions").await;
        if let Some(advice) =
            report["suggestions"].as_array().unwrap().iter().find(|it| it["table"] == "public.parcels")
        {
            break advice.clone();
        }
        assert!(Instant::now() < end, "no suggestion: {report}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    assert_eq!(advice["keys"], "(sender)", "{advice}");
    let path = format!("/api/v1/database/indexes/suggestions/{}/apply", advice["id"].as_str().unwrap());
    let preview = data(harness.post(&path, &json!({ "dryRun": true })).await).await;
    assert_eq!(preview["operation"], Value::Null);
    assert_eq!(preview["preview"]["sql"], advice["sql"]);
    let started = data(harness.post(&path, &json!({ "reason": "slow parcels" })).await).await;
    let id = started["operation"]["id"].as_str().unwrap().to_owned();
    let ended = loop {
        let operation = harness.data(&format!("/api/v1/operations/{id}")).await;
        if !operation["finishedAt"].is_null() {
            break operation;
        }
        assert!(Instant::now() < end, "{operation}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("succeeded"), &json!("slow parcels")), "{ended}");
    problem(harness.post(&path, &json!({})).await, 409, "conflict").await;
    let unknown = harness.post("/api/v1/database/indexes/suggestions/nope/apply", &json!({})).await;
    problem(unknown, 422, "refused").await;
    harness.stop().await;
}

#[tokio::test]
async fn superfluous_indexes_are_told() {
    let harness = Harness::open().await;
    sqlx::raw_sql("CREATE TABLE twice (a int); CREATE INDEX one ON twice (a); CREATE INDEX other ON twice (a);")
        .execute(&mut harness.connect().await)
        .await
        .unwrap();
    let duplicates = harness.data("/api/v1/database/indexes/duplicates").await;
    assert_eq!(duplicates["indexes"][0]["index"], "public.other", "{duplicates}");
    let unused = harness.data("/api/v1/database/indexes/unused").await;
    let names: Vec<&str> = unused["indexes"].as_array().unwrap().iter().filter_map(|it| it["index"].as_str()).collect();
    assert!(names.contains(&"public.one") && names.contains(&"public.other"), "{unused}");
    harness.stop().await;
}
