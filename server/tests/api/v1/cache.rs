//! `/cache` and what is below it.

use crate::harness::{Harness, TARGET, data, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn read(harness: &Harness, times: u32) -> String {
    let mut origin = String::new();
    for _ in 0..times {
        let answer = harness.request(Method::GET, "/api/v1/data/products?limit=2").send().await.unwrap();
        origin = answer.headers()["x-cache"].to_str().unwrap().to_owned();
    }
    origin
}

#[tokio::test]
async fn statistics_keys_and_tags_tell_what_happened() {
    let (harness, tokens) = Harness::guarded().await;
    for _ in 0..4 {
        let page = harness.request(Method::GET, "/api/v1/data/products?limit=2").bearer_auth(&tokens.viewer);
        page.send().await.unwrap();
    }
    let get = async |path: &str, token: &str| -> Value {
        let answer = harness.request(Method::GET, path).bearer_auth(token).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["data"].take()
    };
    let report = get("/api/v1/cache", &tokens.viewer).await;
    assert_eq!((&report["counters"]["hitsMemory"], &report["counters"]["misses"]), (&json!(3), &json!(1)));
    assert_eq!(report["redis"]["answers"], true);
    assert!(report["classes"][0]["counters"]["savedMs"].as_f64().unwrap() > 0.0);
    let rate = get("/api/v1/cache/hit-rate", &tokens.viewer).await;
    assert_eq!((&rate["hitRate"], &rate["requests"]), (&json!(75.0), &json!(4)));
    let hottest = get("/api/v1/cache/keys/hottest", &tokens.viewer).await;
    assert_eq!((&hottest[0]["key"], &hottest[0]["accesses"]), (&json!("least=1#p1,2"), &json!(4)));
    assert_eq!(get("/api/v1/cache/keys/coldest?limit=1", &tokens.viewer).await.as_array().unwrap().len(), 1);
    let tags = get("/api/v1/cache/tags", &tokens.viewer).await;
    assert_eq!(tags[0]["keys"], 1, "{tags}");
    let path = "/api/v1/cache/keys/least%3D1%23p1%2C2?dataset=products";
    assert_eq!(get(path, &tokens.viewer).await["value"], Value::Null, "no value for viewers");
    let detail = get(path, &tokens.operator).await;
    assert!(detail["value"].as_str().unwrap().contains("product 2"), "{detail}");
    assert!(detail["memory"]["bytes"].as_u64() > Some(0) && detail["redis"]["bytes"].as_u64() > Some(0), "{detail}");
    harness.stop().await;
}

#[tokio::test]
async fn every_scope_is_previewed_cleared_and_on_record() {
    let harness = Harness::open().await;
    for scope in [
        json!({ "scope": "all" }),
        json!({ "scope": "tag", "tag": "catalogue" }),
        json!({ "scope": "dataset", "dataset": "products" }),
        json!({ "scope": "key", "dataset": "products", "key": "least=1#p1,2" }),
        json!({ "scope": "pattern", "dataset": "products", "pattern": "least=?#*" }),
    ] {
        assert_ne!(read(&harness, 2).await, "MISS");
        let clear = async |query: &str| -> Value {
            let request = harness.request(Method::POST, &format!("/api/v1/cache/clear{query}")).json(&scope);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{scope}");
            answer.json::<Value>().await.unwrap()["data"].take()
        };
        let preview = clear("?dryRun=true").await;
        assert_eq!((&preview["preview"]["memoryKeys"], &preview["outcome"]), (&json!(1), &Value::Null), "{scope}");
        assert_eq!(read(&harness, 1).await, "L1", "a dry run changes nothing");
        let done = clear("?reason=test").await;
        assert!(
            done["outcome"]["effect"].as_str().unwrap().contains("Redis and the other instances were told"),
            "{done}"
        );
        assert_eq!(read(&harness, 1).await, "MISS", "{scope}");
        let audit = harness.data("/api/v1/audit").await;
        assert_eq!((&audit[0]["action"], &audit[0]["reason"]), (&json!("cache.clear"), &json!("test")));
    }
    let unknown =
        harness.request(Method::POST, "/api/v1/cache/clear").json(&json!({ "scope": "dataset", "dataset": "x" }));
    assert_eq!(unknown.send().await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    let reset = harness.request(Method::POST, &format!("/api/v1/stats/reset?target={TARGET}"));
    let reset = reset.json(&json!({ "scope": "cache" })).send().await.unwrap();
    assert_eq!(reset.status(), StatusCode::OK);
    assert_eq!(harness.data("/api/v1/cache").await["counters"]["misses"], 0);
    harness.stop().await;
}

#[tokio::test]
async fn a_key_that_is_nowhere_is_not_counted_as_cleared() {
    let harness = Harness::open().await;
    let clear = async |key: &str| {
        let scope = json!({ "scope": "key", "dataset": "products", "key": key });
        let done = data(harness.post("/api/v1/cache/clear", &scope).await).await;
        done["outcome"]["effect"].as_str().unwrap().to_owned()
    };
    read(&harness, 1).await;
    for (key, keys) in [("least=1#p1,2", "1 key"), ("least=1#p1,2", "0 keys"), ("least=7#p1,2", "0 keys")] {
        let effect = clear(key).await;
        assert!(effect.starts_with(&format!("{keys} answered no more")), "{key}: {effect}");
    }
    harness.stop().await;
}

#[tokio::test]
async fn what_is_to_be_cleared_has_a_short_name() {
    let harness = Harness::open().await;
    let (longest, long) = ("x".repeat(1024), "x".repeat(1025));
    let clear = async |path: &str, mut body: Value| {
        if path.ends_with("invalidate") {
            body.as_object_mut().unwrap().remove("scope");
        }
        harness.post(path, &body).await
    };
    for path in ["/api/v1/cache/clear", "/api/v1/cache/invalidate"] {
        for (what, body) in [
            ("tag", json!({ "scope": "tag", "tag": long })),
            ("dataset", json!({ "scope": "dataset", "dataset": long })),
            ("key", json!({ "scope": "key", "dataset": "products", "key": long })),
            ("pattern", json!({ "scope": "pattern", "dataset": "products", "pattern": long })),
        ] {
            let refused = problem(clear(path, body).await, 422, "refused").await;
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("a {what} has at most 1,024 bytes")), "{path}: {detail}");
        }
        let answer = clear(path, json!({ "scope": "tag", "tag": longest })).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    // The two that were done, and nothing of what was refused.
    let audit = harness.data("/api/v1/audit").await;
    let actions: Vec<&Value> = audit.as_array().unwrap().iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["cache.clear", "cache.clear"], "{audit}");
    harness.stop().await;
}
