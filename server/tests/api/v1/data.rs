//! `/datasets`, `/data/{dataset}`.

use crate::harness::Harness;
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_page_is_loaded_once_and_then_comes_from_memory() {
    let harness = Harness::open().await;
    let read = async |path: &str| harness.request(Method::GET, path).send().await.unwrap();
    let first = read("/api/v1/data/products?limit=2").await;
    assert_eq!(first.headers()["x-cache"], "MISS");
    assert_eq!(first.headers()["x-cache-key"], "least=1#p1,2");
    assert_eq!(first.headers()["x-total-count"], "120");
    assert_eq!(first.headers()["x-total-pages"], "60");
    let link = first.headers()[header::LINK].to_str().unwrap().to_owned();
    assert!(link.contains("limit=2&page=2>; rel=\"next\"") && link.contains("page=60>; rel=\"last\""), "{link}");
    let tag = first.headers()[header::ETAG].clone();
    let body: Value = first.json().await.unwrap();
    assert_eq!(body["data"], json!([{ "id": 1, "name": "product 1" }, { "id": 2, "name": "product 2" }]));
    // The same page, written another way.
    let again = read("/api/v1/data/products?least=01&page=1&limit=2").await;
    assert_eq!(again.headers()["x-cache"], "L1");
    assert_eq!(again.headers()[header::ETAG], tag);
    let known = harness.request(Method::GET, "/api/v1/data/products?limit=2").header(header::IF_NONE_MATCH, tag);
    let known = known.send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers()["x-cache"], "L1");
    harness.stop().await;
}

#[tokio::test]
async fn pages_go_out_compressed_by_cursor_and_as_lines() {
    let harness = Harness::open().await;
    for encoding in ["zstd", "br", "gzip"] {
        let request = harness.request(Method::GET, "/api/v1/data/products?limit=100");
        let answer = request.header(header::ACCEPT_ENCODING, encoding).send().await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], encoding);
        assert!(answer.bytes().await.unwrap().len() < 1500);
    }
    let mut seen = 0;
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let path = format!("/api/v1/data/products?limit=50&cursor={cursor}");
        let page: Value = harness.request(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        seen += page["data"].as_array().unwrap().len();
        next = page["nextCursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, 120);
    let request = harness.request(Method::GET, "/api/v1/data/products?least=119");
    let lines = request.header(header::ACCEPT, "application/x-ndjson").send().await.unwrap().text().await.unwrap();
    assert_eq!(lines, "{\"id\":119,\"name\":\"product 119\"}\n{\"id\":120,\"name\":\"product 120\"}\n");
    harness.stop().await;
}

/// A page that is asked for again is answered before the router. Behind a proxy with TLS it never is.
#[tokio::test]
async fn the_short_way_answers_like_the_long_one() {
    let (harness, tokens) = Harness::guarded().await;
    let told = |headers: &HeaderMap| -> BTreeMap<String, String> {
        let passing = ["date", "x-request-id", "x-response-time", "strict-transport-security"];
        let all = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        all.filter(|(name, _)| !passing.contains(&name.as_str())).collect()
    };
    for path in ["products?limit=2", "products?limit=100&page=1", "products?limit=2&cursor="] {
        for (name, value) in [
            ("accept-encoding", "identity"),
            ("accept-encoding", "zstd"),
            ("if-none-match", "*"),
            ("x-request-id", "a.b"),
        ] {
            let ask = || {
                let request = harness.request(Method::GET, &format!("/api/v1/data/{path}"));
                request.bearer_auth(&tokens.viewer).header(name, value)
            };
            ask().send().await.unwrap();
            let short = ask().send().await.unwrap();
            let long = ask().header("x-forwarded-proto", "https").send().await.unwrap();
            assert!(long.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
            assert_eq!((short.status(), told(short.headers())), (long.status(), told(long.headers())), "{path} {name}");
            assert_eq!(short.headers()["x-cache"], "L1");
            assert!(name != "x-request-id" || short.headers()["x-request-id"] == value);
            assert!(short.headers()["x-response-time"].to_str().unwrap().ends_with("ms"));
            assert_eq!(short.bytes().await.unwrap(), long.bytes().await.unwrap());
        }
        let stranger = || harness.request(Method::GET, &format!("/api/v1/data/{path}")).header("x-request-id", "a.b");
        let short = stranger().send().await.unwrap();
        let long = stranger().header("x-forwarded-proto", "https").send().await.unwrap();
        assert_eq!((short.status(), told(short.headers())), (StatusCode::UNAUTHORIZED, told(long.headers())));
        assert_eq!(short.text().await.unwrap(), long.text().await.unwrap());
    }
    let counted = harness.console.requests.routes();
    let route = counted.iter().find(|route| route.route == "GET /api/v1/data/{dataset}").unwrap();
    assert_eq!(route.count, 3 * (4 * 3 + 2));
    harness.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named() {
    let harness = Harness::open().await;
    for (path, status, field) in [
        ("nothing", StatusCode::NOT_FOUND, ""),
        ("products?colour=red", StatusCode::UNPROCESSABLE_ENTITY, "colour"),
        ("products?least=x", StatusCode::UNPROCESSABLE_ENTITY, "least"),
        ("products?least=5000", StatusCode::UNPROCESSABLE_ENTITY, "least"),
        ("products?limit=101", StatusCode::UNPROCESSABLE_ENTITY, "limit"),
        ("products?limit=x", StatusCode::UNPROCESSABLE_ENTITY, "limit"),
        ("products?cursor=Zm9yZWlnbg", StatusCode::UNPROCESSABLE_ENTITY, "cursor"),
    ] {
        let answer = harness.request(Method::GET, &format!("/api/v1/data/{path}")).send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()[header::CONTENT_TYPE] == "application/problem+json"),
            (status, true)
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"].as_str().unwrap_or_default(), field, "{path}: {problem}");
    }
    harness.stop().await;
}

#[tokio::test]
async fn a_failing_target_is_a_bad_gateway_without_its_words() {
    let harness = Harness::open().await;
    sqlx::raw_sql("ALTER TABLE products RENAME TO secret_name").execute(&mut harness.connect().await).await.unwrap();
    let answer = harness.request(Method::GET, "/api/v1/data/products?least=7").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], "/api/docs#problem-target-failed");
    assert!(!problem.to_string().contains("secret_name"), "{problem}");
    harness.stop().await;
}
