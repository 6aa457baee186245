//! `/ping`, `/live`, `/ready`.

use crate::harness::Harness;
use axum::extract::State;
use headroom_server::{api::probes::ready, http::error::Kind};

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
    assert!(ready(State(harness.web.clone())).await.is_ok());
    harness.stop.cancel();
    // Its listener is closed by now: what load balancers still hold open is answered by the handler alone.
    assert_eq!(ready(State(harness.web.clone())).await.unwrap_err().kind(), Kind::Unavailable);
    harness.stop().await;
}
