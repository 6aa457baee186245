//! Pages and files of the bundle.

use crate::harness::{Harness, problem};
use reqwest::Method;

#[tokio::test]
async fn a_page_carries_its_nonce_and_the_bundle() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let response = harness.get("/").await;
    assert_eq!(response.status(), 200);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let html = response.text().await.unwrap();
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(html.contains(&format!("nonce=\"{nonce}\"")), "{policy}");
    assert!(html.contains("/assets/main-0123.css") && html.contains("orders"));
    let again = harness.get("/").await;
    assert!(!again.headers()["content-security-policy"].to_str().unwrap().contains(nonce), "a nonce was used twice");
    harness.stop().await;
}

#[tokio::test]
async fn an_address_without_a_page_says_so() {
    let harness = Harness::open().await;
    let page = harness.request(Method::GET, "/nowhere").header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 404);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    problem(harness.get("/nowhere").await, 404, "not-found").await;
    harness.stop().await;
}

#[tokio::test]
async fn files_of_the_bundle_are_public_and_kept() {
    let (harness, _tokens) = Harness::guarded().await;
    let file = harness.get("/assets/main-0123.css").await;
    assert_eq!(file.status(), 200);
    assert!(file.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(harness.get("/assets/../assets.json").await.status(), 200);
    assert_eq!(harness.get("/assets/%2e%2e/%2e%2e/etc/passwd").await.status(), 404);
    harness.stop().await;
}

/// A link followed from a chat arrives without the SameSite=Strict cookie: one reload from our own page brings it.
#[tokio::test]
async fn a_link_from_elsewhere_is_loaded_once_more_before_asking_to_sign_in() {
    let (harness, _tokens) = Harness::guarded().await;
    let followed = harness.request(Method::GET, "/?target=orders&a=%22").header("sec-fetch-site", "cross-site");
    let followed = followed.send().await.unwrap();
    assert_eq!(followed.status(), 200);
    let html = followed.text().await.unwrap();
    assert!(html.contains("http-equiv=\"refresh\" content=\"0;url=/?target=orders&amp;a=%22\""), "{html}");
    let reloaded = harness.request(Method::GET, "/?target=orders").header("sec-fetch-site", "same-origin");
    assert_eq!(reloaded.send().await.unwrap().status(), 303);
    harness.stop().await;
}
