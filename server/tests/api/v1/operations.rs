//! `/operations`.

use crate::harness::{Harness, data, problem};
use headroom_engine::operations::{Done, Failure, OperationSpec};
use headroom_model::{Actor, Role, access::Proof};
use reqwest::Method;

fn spec(cancel_role: Role) -> OperationSpec {
    OperationSpec {
        kind: "test.wait",
        title: "Wait until cancelled".to_owned(),
        target: None,
        actor: Actor { name: "ada".to_owned(), role: Role::Admin, proof: Proof::Session },
        cancel_role,
        reason: None,
        unit: "rounds",
    }
}

#[tokio::test]
async fn an_operation_is_listed_and_cancelled_by_who_may() {
    let (harness, tokens) = Harness::guarded().await;
    let wait = |context: headroom_engine::operations::OperationContext| async move {
        context.cancelled.cancelled().await;
        Err::<Done, Failure>(Failure("stopped".to_owned()))
    };
    let operation = harness.console.operations.start(spec(Role::Admin), wait).await.unwrap();
    let path = format!("/api/v1/operations/{}", operation.id);
    let ask = async |method: Method, path: &str, token: &str| {
        harness.request(method, path).bearer_auth(token).send().await.unwrap()
    };
    let listed = data(ask(Method::GET, "/api/v1/operations", &tokens.viewer).await).await;
    assert_eq!(listed[0]["id"], operation.id.as_str());
    assert_eq!(data(ask(Method::GET, &path, &tokens.viewer).await).await["kind"], "test.wait");
    let cancel = format!("{path}/cancel");
    problem(ask(Method::POST, &cancel, &tokens.operator).await, 403, "forbidden").await;
    assert_eq!(ask(Method::POST, &cancel, &tokens.admin).await.status(), 200);
    problem(ask(Method::GET, "/api/v1/operations/none", &tokens.viewer).await, 404, "not-found").await;
    harness.stop().await;
}
