//! `/session`.

use crate::harness::{Harness, data};
use reqwest::Method;

#[tokio::test]
async fn a_token_knows_its_name_and_role() {
    let (harness, tokens) = Harness::guarded().await;
    let request = harness.request(Method::GET, "/api/v1/session").bearer_auth(&tokens.operator);
    let session = data(request.send().await.unwrap()).await;
    let actor = serde_json::json!({"name": "operator", "role": "operator", "proof": "token"});
    assert_eq!((&session["actor"], &session["openAccess"]), (&actor, &false.into()));
    harness.stop().await;
}
