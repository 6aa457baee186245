//! `/users`.

use crate::harness::{Harness, PASSWORD, problem};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn users_come_and_go_on_record() {
    let (harness, tokens) = Harness::guarded().await;
    let ask = async |method: Method, path: &str, body: Option<serde_json::Value>| {
        let request = harness.request(method, path).bearer_auth(&tokens.admin);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.unwrap()
    };
    let ada = json!({"name": "ada", "role": "operator", "password": PASSWORD});
    assert_eq!(ask(Method::POST, "/api/v1/users", Some(ada.clone())).await.status(), 201);
    problem(ask(Method::POST, "/api/v1/users", Some(ada)).await, 409, "conflict").await;
    let weak = json!({"name": "bob", "role": "viewer", "password": "short"});
    let refused = problem(ask(Method::POST, "/api/v1/users", Some(weak)).await, 422, "invalid").await;
    assert!(refused["detail"].as_str().unwrap().contains("12"), "{refused}");
    let listed = ask(Method::GET, "/api/v1/users", None).await.text().await.unwrap();
    assert!(listed.contains("\"ada\"") && !listed.contains("argon2"), "{listed}");
    assert_eq!(ask(Method::DELETE, "/api/v1/users/ada", None).await.status(), 204);
    problem(ask(Method::DELETE, "/api/v1/users/ada", None).await, 404, "not-found").await;
    let (rows, _) = harness.console.store.audit(0, 10).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| row.audit.action.as_str()).collect();
    assert_eq!(actions, ["user.remove", "user.add"]);
    assert!(rows.iter().all(|row| !row.audit.parameters.to_string().contains(PASSWORD)));
    harness.stop().await;
}
