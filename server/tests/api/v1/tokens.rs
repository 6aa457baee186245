//! `/tokens`.

use crate::harness::{Harness, data, problem};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_is_shown_once_works_and_ends() {
    let (harness, tokens) = Harness::guarded().await;
    let ask = async |method: Method, path: &str, body: Option<Value>| {
        let request = harness.request(method, path).bearer_auth(&tokens.admin);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.unwrap()
    };
    let added = ask(Method::POST, "/api/v1/tokens", Some(json!({"name": "ci", "role": "operator"}))).await;
    assert_eq!((added.status().as_u16(), &added.headers()["cache-control"]), (201, &"no-store".parse().unwrap()));
    let token = data(added).await["token"].as_str().unwrap().to_owned();
    let listed = ask(Method::GET, "/api/v1/tokens", None).await.text().await.unwrap();
    assert!(listed.contains("\"ci\"") && !listed.contains(&token));
    let works = async || {
        let request = harness.request(Method::GET, "/api/v1/session").bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(works().await, 200);
    assert_eq!(ask(Method::DELETE, "/api/v1/tokens/ci", None).await.status(), 204);
    assert_eq!(works().await, 401);
    let past = ask(Method::POST, "/api/v1/tokens", Some(json!({"name": "x", "role": "viewer", "expiresAt": 5}))).await;
    assert_eq!(problem(past, 422, "invalid").await["errors"][0]["field"], "expiresAt");
    harness.stop().await;
}
