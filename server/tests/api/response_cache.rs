//! Answers that are kept for a moment.

use crate::harness::{Harness, askable};
use headroom_server::{endpoint::Endpoint, router::endpoints};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use std::time::{Duration, Instant};

const HISTORY: &str = "/api/v1/history?metric=pool.max&from=now-5m";

fn origin(response: &Response) -> Option<&str> {
    response.headers().get("x-cache").map(|value| value.to_str().unwrap())
}

fn key(response: &Response) -> &str {
    response.headers()["x-cache-key"].to_str().unwrap()
}

/// Asks until an answer comes from what is kept: on a busy machine the first one's time may be over by the second.
async fn kept(harness: &Harness, path: &str, token: Option<&str>) -> Response {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let request = harness.request(Method::GET, path);
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        let response = request.send().await.unwrap();
        if origin(&response) == Some("L1") {
            return response;
        }
        assert_eq!((response.status(), origin(&response)), (StatusCode::OK, Some("MISS")), "{path}");
        assert!(Instant::now() < end, "{path} was never answered from what is kept");
    }
}

#[test]
fn only_reads_without_a_name_in_their_path_are_kept() {
    let declared: Vec<Endpoint> = endpoints().into_iter().filter(|endpoint| endpoint.cached.is_some()).collect();
    assert!(declared.len() > 5);
    for endpoint in declared {
        assert_eq!(endpoint.method, Method::GET, "{}", endpoint.path);
        assert!(!endpoint.path.contains('{'), "{}", endpoint.path);
        let ttl = endpoint.cached.unwrap();
        assert!((Duration::from_secs(1)..=Duration::from_secs(5)).contains(&ttl), "{}: {ttl:?}", endpoint.path);
    }
}

#[tokio::test]
async fn every_declared_endpoint_answers_from_what_it_keeps() {
    let (harness, tokens) = Harness::guarded().await;
    for endpoint in endpoints().into_iter().filter(|endpoint| endpoint.cached.is_some()) {
        let response = kept(&harness, &askable(&endpoint.path), Some(&tokens.viewer)).await;
        assert_eq!(response.headers()["content-type"], "application/json", "{}", endpoint.path);
        assert!(response.headers()["age"].to_str().unwrap().parse::<u64>().unwrap() <= 5);
        // The same conventions as any other answer.
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/") && response.headers().contains_key("x-request-id"));
    }
    harness.stop().await;
}

#[tokio::test]
async fn the_same_question_in_other_words_is_one_key_and_another_role_is_another() {
    let (harness, tokens) = Harness::guarded().await;
    let first = kept(&harness, HISTORY, Some(&tokens.viewer)).await;
    assert!(key(&first).ends_with("#viewer"), "{}", key(&first));
    for same in [
        "/api/v1/history?from=now-5m&metric=pool.max&target=orders",
        "/api/v1/history?target=&metric=pool%2Emax&from=now-5m",
        "/metrics/history?metric=pool.max&from=now-5m",
    ] {
        let response = kept(&harness, same, Some(&tokens.viewer)).await;
        assert_eq!(key(&response), key(&first), "{same}");
    }
    // Nobody has asked as an operator yet.
    let other = harness.request(Method::GET, HISTORY).bearer_auth(&tokens.operator).send().await.unwrap();
    assert_eq!(origin(&other), Some("MISS"));
    assert!(key(&other).ends_with("#operator"), "{}", key(&other));
    // What is kept is nobody's who may not ask.
    let stranger = harness.request(Method::GET, HISTORY).bearer_auth("hr_wrong").send().await.unwrap();
    assert_eq!((stranger.status(), origin(&stranger)), (StatusCode::UNAUTHORIZED, None));
    // A client that has the answer is told so, from what is kept as well.
    let tag = kept(&harness, "/api/v1/openapi.json", Some(&tokens.viewer)).await.headers()["etag"].clone();
    let known = harness.request(Method::GET, "/api/v1/openapi.json").header("if-none-match", tag);
    assert_eq!(known.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    harness.stop().await;
}

#[tokio::test]
async fn refusals_and_other_methods_pass() {
    let harness = Harness::open().await;
    for path in ["/api/v1/history?metric=no.such", "/api/v1/cache?target=nowhere"] {
        for _ in 0..2 {
            let response = harness.get(path).await;
            assert!(response.status().is_client_error() && origin(&response).is_none(), "{path}");
        }
    }
    let head = harness.request(Method::HEAD, HISTORY).send().await.unwrap();
    assert_eq!((head.status(), origin(&head)), (StatusCode::OK, None));
    assert_ne!(harness.get(HISTORY).await.text().await.unwrap(), "");
    harness.stop().await;
}

#[tokio::test]
async fn an_action_shows_at_once() {
    let harness = Harness::open().await;
    assert_eq!(harness.get("/api/v1/data/products?limit=2").await.status(), StatusCode::OK);
    for (path, body) in
        [("/api/v1/stats/reset", json!({ "scope": "cache" })), ("/api/v1/cache/clear", json!({ "scope": "all" }))]
    {
        kept(&harness, "/api/v1/cache", None).await;
        kept(&harness, "/api/v1/cache/tags", None).await;
        assert_eq!(harness.post(path, &body).await.status(), StatusCode::OK);
        let report = harness.get("/api/v1/cache").await;
        assert_eq!(origin(&report), Some("MISS"), "after {path}");
        let report: serde_json::Value = report.json().await.unwrap();
        assert_eq!(report["data"]["counters"]["misses"], 0, "after {path}");
    }
    assert_eq!(harness.data("/api/v1/cache/tags").await, json!([]));
    // What changed nothing leaves what is kept.
    kept(&harness, "/api/v1/openapi.json", None).await;
    assert_eq!(harness.post("/api/v1/cache/clear", &json!({ "scope": "nothing" })).await.status(), 422);
    assert_eq!(origin(&harness.get("/api/v1/openapi.json").await), Some("L1"));
    harness.stop().await;
}
