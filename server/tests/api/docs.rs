//! `/api/docs`.

use crate::harness::Harness;
use headroom_server::access::escape;

#[tokio::test]
async fn the_page_lists_every_path_without_a_script() {
    let harness = Harness::open().await;
    let response = harness.get("/api/docs").await;
    assert_eq!(response.status(), 200);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("nonce"), "{policy}");
    let html = response.text().await.unwrap();
    let document: serde_json::Value = harness.get("/api/v1/openapi.json").await.json().await.unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(html.contains(&escape(path)), "{path}");
    }
    assert!(html.contains("/assets/main-0123.css") && !html.contains("<script"));
    harness.stop().await;
}

#[tokio::test]
async fn without_a_bundle_it_can_still_be_read() {
    let harness = Harness::open().await;
    std::fs::remove_file(harness.dist().join("assets.json")).unwrap();
    assert_eq!(harness.get("/api/docs").await.status(), 200);
    let page = harness.get("/").await;
    let problem = crate::harness::problem(page, 503, "unavailable").await;
    assert!(problem["detail"].as_str().unwrap().contains("make run"));
    harness.stop().await;
}
