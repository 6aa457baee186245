//! `/audit`.

use crate::harness::{Harness, problem};
use serde_json::{Value, json};

#[tokio::test]
async fn pages_carry_totals_and_links() {
    let harness = Harness::open().await;
    for _ in 0..3 {
        assert_eq!(harness.post("/api/v1/stats/reset", &json!({"scope": "requests"})).await.status(), 200);
    }
    let response = harness.get("/api/v1/audit?limit=2&page=2").await;
    let headers = response.headers().clone();
    for (name, value) in [("x-total-count", "3"), ("x-page", "2"), ("x-per-page", "2"), ("x-total-pages", "2")] {
        assert_eq!(headers[name], value, "{name}");
    }
    let links = headers["link"].to_str().unwrap();
    assert!(links.contains("page=1>; rel=\"prev\"") && !links.contains("rel=\"next\""), "{links}");
    let envelope: Value = response.json().await.unwrap();
    assert_eq!(envelope["data"].as_array().unwrap().len(), 1);
    let pagination = json!({"page": 2, "limit": 2, "total": 3, "pages": 2, "hasNext": false, "hasPrev": true});
    assert_eq!(envelope["pagination"], pagination);
    assert_eq!(envelope["data"][0]["origin"], "127.0.0.1", "admins see addresses");
    let refused = problem(harness.get("/api/v1/audit?limit=500&page=0").await, 422, "invalid").await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2);
    harness.stop().await;
}
