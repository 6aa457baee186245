//! `/metrics` and what runbooks know below it.

use crate::harness::{Harness, askable, data};
use headroom_server::router::endpoints;
use reqwest::Method;

#[tokio::test]
async fn scrapers_get_text_and_who_names_json_gets_it() {
    let (harness, _tokens) = Harness::guarded().await;
    harness.sampled().await;
    let text = harness.get("/metrics").await;
    assert!(text.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(text.headers()["vary"].to_str().unwrap().contains("accept"));
    let text = text.text().await.unwrap();
    assert!(text.contains("headroom_database_up{target=\"orders\"} 1"), "{text}");
    let json = harness.request(Method::GET, "/metrics").header("accept", "application/json").send().await.unwrap();
    assert_eq!(data(json).await["figures"]["database.up"], 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn every_other_path_answers_like_its_canonical_one() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let mut compared = 0;
    for endpoint in endpoints().into_iter().filter(|endpoint| endpoint.method == Method::GET) {
        for path in endpoint.also {
            let canonical = harness.get(&askable(&endpoint.path)).await;
            let other = harness.get(&askable(path)).await;
            assert_eq!(other.status(), 200, "{path}");
            assert_eq!(other.headers()["content-type"], canonical.headers()["content-type"], "{path}");
            compared += 1;
        }
    }
    assert!(compared > 8, "{compared}");
    harness.stop().await;
}
