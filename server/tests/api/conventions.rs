//! What every answer shares.

use crate::harness::{Harness, problem};
use reqwest::{Method, header};

#[tokio::test]
async fn every_answer_is_named_timed_and_safe() {
    let harness = Harness::open().await;
    for (path, status) in [("/api/v1/ping", 200), ("/api/v1/none", 404), ("/", 200), ("/metrics", 200)] {
        let response = harness.request(Method::GET, path).header("x-request-id", "mine-1").send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers();
        assert_eq!(headers["x-request-id"], "mine-1");
        assert!(headers["x-response-time"].to_str().unwrap().ends_with("ms"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"), "{path}");
        assert!(!headers.contains_key("strict-transport-security"));
    }
    let replaced = harness.request(Method::GET, "/api/v1/ping").header("x-request-id", "a b").send().await.unwrap();
    assert_eq!(replaced.headers()["x-request-id"].len(), 36);
    harness.stop().await;
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let harness = Harness::open().await;
    problem(harness.get("/api/v1/none").await, 404, "not-found").await;
    let wrong_method = harness.request(Method::DELETE, "/api/v1/health").send().await.unwrap();
    assert!(wrong_method.headers()["allow"].to_str().unwrap().contains("GET"));
    problem(wrong_method, 405, "method-not-allowed").await;

    let unknown = problem(harness.get("/api/v1/health?target=nope").await, 404, "unknown-target").await;
    assert!(unknown["detail"].as_str().unwrap().contains("Known: orders"), "{unknown}");

    let post = |media: &'static str, body: String| {
        harness.request(Method::POST, "/api/v1/events").header(header::CONTENT_TYPE, media).body(body).send()
    };
    problem(post("text/plain", "x".into()).await.unwrap(), 415, "unsupported-media-type").await;
    problem(post("application/json", "{".into()).await.unwrap(), 400, "malformed").await;
    let missing = problem(post("application/json", "{}".into()).await.unwrap(), 422, "invalid").await;
    assert_eq!(missing["errors"][0]["field"], "title");
    let typed = problem(post("application/json", r#"{"title":1}"#.into()).await.unwrap(), 422, "invalid").await;
    assert_eq!(typed["errors"][0]["field"], "title");
    let unknown = post("application/json", r#"{"title":"a","colour":"red"}"#.into()).await.unwrap();
    let unknown = problem(unknown, 422, "invalid").await;
    assert_eq!(unknown["errors"][0]["field"], "colour", "{unknown}");
    let large = post("application/json", format!("\"{}\"", "x".repeat(300 * 1024))).await.unwrap();
    problem(large, 413, "too-large").await;
    harness.stop().await;
}

#[tokio::test]
async fn unchanged_answers_are_not_sent_again() {
    let harness = Harness::open().await;
    let first = harness.get("/api/v1/metrics/catalogue").await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""));
    let again = harness.request(Method::GET, "/api/v1/metrics/catalogue").header("if-none-match", &tag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], tag.as_str());
    assert!(again.bytes().await.unwrap().is_empty());
    let other = harness.request(Method::GET, "/api/v1/metrics/catalogue").header("if-none-match", "\"x\"");
    assert_eq!(other.send().await.unwrap().status(), 200);
    harness.stop().await;
}

#[tokio::test]
async fn large_answers_are_compressed_and_small_ones_are_not() {
    let harness = Harness::open().await;
    for (accept, encoding) in [("gzip", "gzip"), ("br, gzip", "br")] {
        let request = harness.request(Method::GET, "/api/v1/metrics/catalogue").header("accept-encoding", accept);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        assert!(response.headers()["vary"].to_str().unwrap().contains("accept-encoding"));
    }
    let small = harness.request(Method::GET, "/api/v1/ping").header("accept-encoding", "br, gzip");
    assert!(!small.send().await.unwrap().headers().contains_key("content-encoding"));
    harness.stop().await;
}

#[tokio::test]
async fn latencies_are_kept_by_route_and_not_by_path() {
    let harness = Harness::open().await;
    for id in 0..5 {
        harness.get(&format!("/api/v1/operations/none-{id}")).await;
    }
    let routes = harness.data("/api/performance/stats").await;
    let line = routes.as_array().unwrap().iter().find(|line| line["route"] == "GET /api/v1/operations/{id}").unwrap();
    assert_eq!(line["count"], 5);
    harness.stop().await;
}
