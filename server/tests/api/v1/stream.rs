//! `/stream`.

use crate::harness::{Harness, problem};
use headroom_server::web::MAX_STREAMS;
use reqwest::Response;
use serde_json::{Value, json};
use std::time::Duration;

/// Reads messages until one has this name; answers its data.
async fn until(feed: &mut Response, name: &str) -> Value {
    let read = async {
        let mut text = String::new();
        loop {
            let chunk = feed.chunk().await.unwrap().expect("the feed goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((message, rest)) = text.split_once("\n\n") {
                let line = |key: &str| message.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
                let (event, data) = (line("event: "), line("data: "));
                text = rest.to_owned();
                if event.as_deref() == Some(name) {
                    return serde_json::from_str(&data.unwrap()).unwrap();
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the message within 20 s")
}

#[tokio::test]
async fn the_newest_update_comes_first_and_events_follow() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let mut feed = harness.get("/api/v1/stream?target=orders").await;
    assert_eq!(feed.headers()["content-type"], "text/event-stream");
    assert!(!feed.headers().contains_key("content-encoding"));
    let update = until(&mut feed, "update").await;
    assert_eq!((&update["type"], &update["target"]["id"]), (&"update".into(), &"orders".into()));
    assert_eq!(harness.post("/api/v1/events", &json!({"title": "orders 4.18.0"})).await.status(), 201);
    let event = until(&mut feed, "event").await;
    assert_eq!(event["title"], "orders 4.18.0");
    harness.stop().await;
}

#[tokio::test]
async fn feeds_end_when_the_console_stops() {
    let harness = Harness::open().await;
    let mut feed = harness.get("/api/v1/stream").await;
    until(&mut feed, "update").await;
    harness.stop.cancel();
    let end = async { while feed.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the feed ends within 5 s");
    harness.stop().await;
}

#[tokio::test]
async fn a_feed_ends_with_the_access_of_its_reader() {
    let (harness, tokens) = Harness::guarded().await;
    let open = async |token: &str| {
        let request = harness.request(reqwest::Method::GET, "/api/v1/stream").bearer_auth(token);
        let mut feed = request.send().await.unwrap();
        until(&mut feed, "update").await;
        feed
    };
    let (mut viewer, mut admin) = (open(&tokens.viewer).await, open(&tokens.admin).await);
    assert!(harness.console.access.remove_token("viewer").await.unwrap());
    let end = async { while viewer.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the feed ends within 5 s");
    until(&mut admin, "update").await;
    harness.stop().await;
}

#[tokio::test]
async fn feeds_are_bounded_and_places_are_given_back() {
    let harness = Harness::open().await;
    let mut feeds = Vec::new();
    for _ in 0..MAX_STREAMS {
        let feed = harness.get("/api/v1/stream").await;
        assert_eq!(feed.status(), 200);
        feeds.push(feed);
    }
    let refused = harness.get("/api/v1/stream").await;
    assert!(refused.headers().contains_key("retry-after"));
    problem(refused, 503, "unavailable").await;
    drop(feeds);
    let free = async {
        while harness.get("/api/v1/stream").await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.expect("a place is free again");
    problem(harness.get("/api/v1/stream?target=none").await, 404, "unknown-target").await;
    harness.stop().await;
}
