//! `/stats/reset`.

use crate::harness::{Harness, data, problem};
use serde_json::json;

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_reset_is_on_record() {
    let (harness, tokens) = Harness::guarded().await;
    let post = async |body: serde_json::Value| {
        let request = harness.request(reqwest::Method::POST, "/api/v1/stats/reset").bearer_auth(&tokens.operator);
        request.json(&body).send().await.unwrap()
    };
    harness.get("/api/v1/ping").await;
    let preview = data(post(json!({"scope": "requests", "dryRun": true})).await).await;
    assert!(preview["preview"]["entries"].as_u64().unwrap() > 0, "{preview}");
    assert!(preview["outcome"].is_null());
    assert!(!harness.console.requests.routes().is_empty());

    let done = data(post(json!({"scope": "requests", "reason": "before the load test"})).await).await;
    let audit_id = done["outcome"]["auditId"].as_i64().unwrap();
    let (rows, total) = harness.console.store.audit(0, 10).await.unwrap();
    assert_eq!((total, rows[0].id), (1, audit_id));
    assert_eq!(rows[0].audit.actor, "operator");
    assert_eq!(rows[0].audit.reason.as_deref(), Some("before the load test"));
    assert_eq!(rows[0].audit.origin.as_deref(), Some("127.0.0.1"));

    let refused = problem(post(json!({"scope": "everything"})).await, 422, "invalid").await;
    assert_eq!(refused["errors"][0]["field"], "scope");
    harness.stop().await;
}
