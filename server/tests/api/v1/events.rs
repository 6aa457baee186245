//! `/events`.

use crate::harness::{Harness, TARGET, data, problem};
use serde_json::{Value, json};

#[tokio::test]
async fn a_deploy_marker_is_stored_and_read_back() {
    let harness = Harness::open().await;
    let stored = harness.post("/api/v1/events", &json!({"title": " orders 4.18.0 ", "detail": "blue"})).await;
    assert_eq!(stored.status(), 201);
    let stored = data(stored).await;
    assert_eq!((&stored["title"], &stored["kind"]), (&"orders 4.18.0".into(), &"deploy".into()));
    assert_eq!((&stored["target"], &stored["actor"]), (&TARGET.into(), &"local".into()));
    let listed = harness.data("/api/v1/events?kind=deploy&from=now-5m").await;
    assert_eq!(listed.as_array().unwrap(), &[stored]);
    harness.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let harness = Harness::open().await;
    for i in 0..7 {
        assert_eq!(harness.post("/api/v1/events", &json!({"title": format!("release {i}")})).await.status(), 201);
    }
    let mut titles: Vec<String> = Vec::new();
    let mut next = Some("/api/v1/events?kind=deploy&limit=3".to_owned());
    while let Some(path) = next {
        let response = harness.get(&path).await;
        let links = response.headers()["link"].to_str().unwrap().to_owned();
        let envelope: Value = response.json().await.unwrap();
        let rows = envelope["data"].as_array().unwrap();
        titles.extend(rows.iter().map(|event| event["title"].as_str().unwrap().to_owned()));
        next = links.split(", ").find(|link| link.ends_with("rel=\"next\"")).map(|link| {
            let path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
            assert!(path.contains("kind=deploy") && path.contains("limit=3"), "{path}");
            path
        });
        assert_eq!(next.is_some(), envelope["nextCursor"].is_string());
    }
    let wanted: Vec<String> = (0..7).rev().map(|i| format!("release {i}")).collect();
    assert_eq!(titles, wanted);
    harness.stop().await;
}

#[tokio::test]
async fn bad_markers_and_filters_are_refused() {
    let harness = Harness::open().await;
    for (body, field) in [
        (json!({"title": "  "}), "title"),
        (json!({"title": "x".repeat(501)}), "title"),
        (json!({"title": "x", "at": 99_999_999_999_999_i64}), "at"),
        (json!({"title": "x", "at": 0}), "at"),
        (json!({"title": "x", "detail": "a\u{0}b"}), "detail"),
    ] {
        let refused = problem(harness.post("/api/v1/events", &body).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{body}");
    }
    for (query, field) in [("kind=party", "kind"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("to=soon", "to")] {
        let refused = problem(harness.get(&format!("/api/v1/events?{query}")).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{query}");
    }
    harness.stop().await;
}

#[tokio::test]
async fn events_are_found_by_time_target_and_kind() {
    let harness = Harness::open().await;
    let now = harness.console.clock.now();
    for (title, minutes) in [("old", 90), ("recent", 10)] {
        let marker = json!({"title": title, "at": now.0 - minutes * 60_000});
        assert_eq!(harness.post("/api/v1/events", &marker).await.status(), 201);
    }
    let titles = async |query: &str| {
        let found = harness.data(&format!("/api/v1/events?kind=deploy&{query}")).await;
        found.as_array().unwrap().iter().map(|event| event["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles("from=now-1h").await, ["recent"]);
    assert_eq!(titles("to=now-1h").await, ["old"]);
    assert_eq!(titles(&format!("from={}&to={}", now.0 - 6_000_000, now.0)).await, ["recent", "old"]);
    assert_eq!(titles(&format!("target={TARGET}")).await.len(), 2);
    assert_eq!(harness.data("/api/v1/events?kind=alert").await, json!([]));
    problem(harness.get("/api/v1/events?target=nobody").await, 404, "unknown-target").await;
    harness.stop().await;
}

#[tokio::test]
async fn a_pipeline_marks_with_the_token_of_an_operator() {
    let (harness, tokens) = Harness::guarded().await;
    let mark = async |token: &str| {
        let url = format!("http://{}/api/v1/events", harness.address);
        harness.client.post(url).bearer_auth(token).json(&json!({"title": "orders 4.18.0"})).send().await.unwrap()
    };
    assert_eq!(mark(&tokens.viewer).await.status(), 403);
    let stored = data(mark(&tokens.operator).await).await;
    assert_eq!(stored["actor"], "operator");
    harness.stop().await;
}
