//! `/history/moment`.

use crate::harness::{Harness, TARGET, problem};
use serde_json::json;

#[tokio::test]
async fn a_minute_tells_what_ran_and_what_happened() {
    let harness = Harness::open().await;
    harness.sampled().await;
    harness.post("/api/v1/events", &json!({"title": "orders 4.18.0"})).await;
    harness.post("/api/v1/stats/reset", &json!({"scope": "pool", "reason": "a clean start"})).await;
    let moment = harness.data("/api/v1/history/moment?at=now").await;
    assert_eq!((&moment["target"], &moment["absence"]), (&TARGET.into(), &json!(null)));
    let record = &moment["record"];
    assert!(record["readings"].as_u64().unwrap() >= 1, "{moment}");
    let parts: Vec<&str> =
        record["coverage"].as_array().unwrap().iter().map(|part| part["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["statements", "sessions", "locks", "datasets"]);
    let titles = moment["events"].as_array().unwrap();
    assert!(titles.iter().any(|event| event["title"] == "orders 4.18.0"), "{titles:?}");
    let action = &moment["actions"][0];
    assert_eq!((&action["action"], &action["reason"]), (&"stats.reset".into(), &"a clean start".into()));
    assert!(action.get("origin").is_none() && action.get("parameters").is_none(), "{action}");
    harness.stop().await;
}

#[tokio::test]
async fn a_minute_without_a_record_says_why_and_where_the_nearest_is() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let of = async |at: &str| harness.data(&format!("/api/v1/history/moment?at={at}")).await;
    for (at, cause) in [("now%2B2h", "notYet"), ("now-2h", "beforeFirst"), ("now-40d", "pruned")] {
        let moment = of(at).await;
        assert_eq!((&moment["record"], &moment["absence"]["cause"]), (&json!(null), &cause.into()), "{at}");
        let nearest = moment["absence"]["nearest"].as_i64().unwrap();
        let found = of(&nearest.to_string()).await;
        assert_eq!((&found["at"], found["record"].is_null()), (&nearest.into(), false), "{at}");
    }
    let refused = problem(harness.get("/api/v1/history/moment?at=soon").await, 422, "invalid").await;
    assert_eq!(refused["errors"][0]["field"], "at");
    let missing = problem(harness.get("/api/v1/history/moment").await, 422, "invalid").await;
    assert_eq!(missing["errors"][0]["field"], "at");
    harness.stop().await;
}
