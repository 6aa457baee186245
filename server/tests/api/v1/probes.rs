//! `/ping`, `/live`, `/ready`.

use crate::harness::{Harness, problem};

#[tokio::test]
async fn probes_need_nobody() {
    let (harness, _tokens) = Harness::guarded().await;
    for path in ["/api/v1/ping", "/api/v1/live", "/api/v1/ready", "/metrics/ping"] {
        assert_eq!(harness.data(path).await["status"], "ok", "{path}");
    }
    harness.stop().await;
}

#[tokio::test]
async fn a_stopping_console_is_not_ready() {
    let harness = Harness::open().await;
    // A connection that is open already is still answered while the process drains.
    let draining = harness.get("/api/v1/ping").await;
    drop(draining);
    let feed = harness.get("/api/v1/stream").await;
    harness.stop.cancel();
    drop(feed);
    match harness.request(reqwest::Method::GET, "/api/v1/ready").send().await {
        Ok(response) => drop(problem(response, 503, "unavailable").await),
        Err(error) => assert!(error.is_connect() || error.is_request(), "{error}"),
    }
    harness.stop().await;
}
