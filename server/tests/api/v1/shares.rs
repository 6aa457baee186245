//! `/shares` and the pages of snapshots.

use crate::harness::{Harness, TARGET, data, problem};
use headroom_engine::shares::{self, Snapshot};
use headroom_model::{
    Actor, Role, TargetId,
    access::Proof,
    range::Resolved,
    share::{Audience, Lifetime},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 86_400_000;
const VIEW: &str = "target=orders&from=now-1h&to=now&m=database.connections/database.queries";

/// Sends a request with a token, if there is one.
async fn ask(harness: &Harness, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Response {
    let mut request = harness.request(method, path);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

async fn get(harness: &Harness, token: Option<&str>, path: &str) -> Response {
    ask(harness, token, Method::GET, path, None).await
}

/// Makes a snapshot and answers its id.
async fn make(harness: &Harness, token: &str, audience: &str, lifetime: &str) -> String {
    let body = json!({"view": VIEW, "audience": audience, "lifetime": lifetime});
    let made = ask(harness, Some(token), Method::POST, "/api/v1/shares", Some(body)).await;
    assert_eq!(made.status(), 201, "{audience}");
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let share = data(made).await;
    assert_eq!((&share["audience"], &share["path"]), (&audience.into(), &location.into()));
    share["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everyone_shares_inwards_and_operators_with_strangers() {
    let (harness, tokens) = Harness::guarded().await;
    harness.sampled().await;
    for (token, audience, allowed) in [
        (&tokens.viewer, "viewer", true),
        (&tokens.viewer, "operator", false),
        (&tokens.viewer, "link", false),
        (&tokens.operator, "operator", true),
        (&tokens.operator, "admin", false),
        (&tokens.operator, "link", true),
        (&tokens.admin, "admin", true),
    ] {
        let body = json!({"view": VIEW, "audience": audience});
        let made = ask(&harness, Some(token), Method::POST, "/api/v1/shares", Some(body)).await;
        assert_eq!(made.status(), if allowed { 201 } else { 403 }, "{audience}");
    }
    let count = async |token: &str| {
        let listed: Value = get(&harness, Some(token), "/api/v1/shares").await.json().await.unwrap();
        listed["pagination"]["total"].as_u64().unwrap()
    };
    assert_eq!((count(&tokens.viewer).await, count(&tokens.operator).await, count(&tokens.admin).await), (1, 2, 4));
    // Only what opens for strangers is marked, and everything is on record.
    let events = data(get(&harness, Some(&tokens.viewer), "/api/v1/events?kind=action").await).await;
    let titles: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Public link created"]);
    assert_eq!((&events[0]["actor"], &events[0]["target"]), (&"operator".into(), &TARGET.into()));
    let audit = data(get(&harness, Some(&tokens.viewer), "/api/v1/audit").await).await;
    let made: Vec<&Value> = audit.as_array().unwrap().iter().filter(|row| row["action"] == "share.create").collect();
    assert_eq!(made.len(), 4);
    harness.stop().await;
}

#[tokio::test]
async fn an_audience_reads_the_same_points_and_others_do_not() {
    let (harness, tokens) = Harness::guarded().await;
    harness.sampled().await;
    let api = |id: &str| format!("/api/v1/shares/{id}");
    let release = json!({"title": "orders 4.18.0", "detail": "rolled out by Grace"});
    let marked = ask(&harness, Some(&tokens.operator), Method::POST, "/api/v1/events", Some(release)).await;
    assert_eq!(marked.status(), 201);
    let public = make(&harness, &tokens.operator, "link", "week").await;
    let inner = make(&harness, &tokens.operator, "operator", "week").await;
    let opened = data(get(&harness, None, &api(&public)).await).await;
    assert_eq!((&opened["target"], &opened["createdBy"]), (&TARGET.into(), &"operator".into()));
    assert_eq!(opened["data"]["charts"].as_array().unwrap().len(), 2);
    let measured = |chart: &Value| chart["lines"][0]["series"]["avg"].as_array().unwrap().iter().any(Value::is_number);
    assert!(measured(&opened["data"]["charts"][0]), "{opened}");
    assert!(opened.get("opens").is_none() && opened.get("view").is_none(), "{opened}");
    // Strangers see what happened, not who did it, and nothing beyond the range.
    let (told, known) =
        (opened["data"].to_string(), data(get(&harness, Some(&tokens.admin), &api(&inner)).await).await);
    assert!(told.contains("orders 4.18.0") && !told.contains("Grace") && !told.contains("\"operator\""), "{told}");
    assert!(opened["data"]["around"].is_null(), "{told}");
    let known = known["data"].to_string();
    assert!(known.contains("Grace") && known.contains("\"operator\""), "{known}");
    let again = data(get(&harness, Some(&tokens.viewer), &api(&public)).await).await;
    assert_eq!(again["data"], opened["data"], "points do not move");

    problem(get(&harness, None, &api(&inner)).await, 401, "unauthenticated").await;
    problem(get(&harness, Some(&tokens.viewer), &api(&inner)).await, 403, "forbidden").await;
    assert_eq!(get(&harness, Some(&tokens.admin), &api(&inner)).await.status(), 200);
    for id in ["none", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
        problem(get(&harness, None, &api(id)).await, 404, "not-found").await;
    }
    // Openings are counted on the side.
    let counted = async || {
        let listed = data(get(&harness, Some(&tokens.operator), "/api/v1/shares").await).await;
        listed.as_array().unwrap().iter().find(|row| row["id"] == public).unwrap()["opens"].as_u64().unwrap()
    };
    let counted = async { while counted().await < 2 {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), counted).await.expect("both openings are counted");
    harness.stop().await;
}

#[tokio::test]
async fn the_page_of_a_public_link_tells_strangers_nothing_else() {
    let (harness, tokens) = Harness::guarded().await;
    harness.sampled().await;
    let public = make(&harness, &tokens.operator, "link", "week").await;
    let inner = make(&harness, &tokens.operator, "viewer", "week").await;
    let page = get(&harness, None, &format!("/s/{public}")).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let html = page.text().await.unwrap();
    let address = format!("http://{}/s/{public}", harness.address);
    for part in [
        "property=\"og:title\" content=\"Connections in use and Throughput of orders, ",
        &format!("property=\"og:image\" content=\"{address}/preview.png\""),
        "name=\"twitter:card\" content=\"summary_large_image\"",
        "Snapshot by operator",
        "they do not move",
        "<svg",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    // Neither navigation nor target list, nor a way to the live view.
    for part in ["aria-label=\"Main\"", "Open the live view", "Sign out"] {
        assert!(!html.contains(part), "{part} is in {html}");
    }
    problem(get(&harness, None, "/api/v1/health").await, 401, "unauthenticated").await;
    assert_eq!(get(&harness, None, "/").await.status(), 303);

    let led = get(&harness, None, &format!("/s/{inner}")).await;
    assert_eq!(led.status(), 303);
    assert!(led.headers()["location"].to_str().unwrap().starts_with("/login?next=%2Fs%2F"));
    let html = get(&harness, Some(&tokens.viewer), &format!("/s/{inner}")).await.text().await.unwrap();
    assert!(html.contains("Open the live view"), "{html}");

    let embedded = get(&harness, None, &format!("/s/{public}?embed=1")).await;
    let policy = embedded.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'self' https://wiki.example;"), "{policy}");
    let missing = get(&harness, None, "/s/AAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(missing.status(), 404);
    assert!(missing.text().await.unwrap().contains("Nothing is shared at this address"));
    let refused = make(&harness, &tokens.admin, "admin", "day").await;
    let refused = get(&harness, Some(&tokens.viewer), &format!("/s/{refused}")).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("It opens for the role admin and above"));
    harness.stop().await;
}

#[tokio::test]
async fn a_picture_shows_what_is_public_and_nothing_else() {
    let (harness, tokens) = Harness::guarded().await;
    harness.sampled().await;
    let public = make(&harness, &tokens.operator, "link", "week").await;
    let inner = make(&harness, &tokens.operator, "viewer", "week").await;
    let picture = async |path: String| {
        let answer = get(&harness, None, &path).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
        answer.bytes().await.unwrap()
    };
    let neutral = picture("/preview.png".to_owned()).await;
    let shown = picture(format!("/s/{public}/preview.png")).await;
    for png in [&neutral, &shown] {
        assert_eq!(&png[1..4], b"PNG");
        // Width and height of the header chunk.
        assert_eq!((&png[16..20], &png[20..24]), (&1200_u32.to_be_bytes()[..], &630_u32.to_be_bytes()[..]));
    }
    assert_ne!(shown, neutral);
    assert_eq!(picture(format!("/s/{inner}/preview.png")).await, neutral);
    assert_eq!(picture("/s/AAAAAAAAAAAAAAAAAAAAAAAA/preview.png".to_owned()).await, neutral);
    harness.stop().await;
}

#[tokio::test]
async fn a_snapshot_ends_by_time_and_is_forgotten() {
    let (harness, tokens, ahead) = Harness::ahead().await;
    let id = make(&harness, &tokens.operator, "link", "day").await;
    let (api, page) = (format!("/api/v1/shares/{id}"), format!("/s/{id}"));
    ahead.store(DAY_MS - 60_000, Ordering::Relaxed);
    assert_eq!(get(&harness, None, &api).await.status(), 200);
    ahead.store(DAY_MS + 60_000, Ordering::Relaxed);
    problem(get(&harness, None, &api).await, 410, "gone").await;
    let expired = get(&harness, None, &page).await;
    assert_eq!(expired.status(), 410);
    let html = expired.text().await.unwrap();
    assert!(html.contains("This snapshot has expired") && html.contains("Ask operator for a new one"), "{html}");
    ahead.store(32 * DAY_MS, Ordering::Relaxed);
    harness.console.store.upkeep(harness.console.clock.now(), harness.console.config.retention).await.unwrap();
    problem(get(&harness, None, &api).await, 404, "not-found").await;
    harness.stop().await;
}

#[tokio::test]
async fn a_snapshot_is_revoked_by_its_maker_or_an_admin() {
    let (harness, tokens) = Harness::guarded().await;
    let id = make(&harness, &tokens.operator, "link", "year").await;
    let other = make(&harness, &tokens.viewer, "viewer", "year").await;
    let revoke = async |token: Option<&str>, id: &str| {
        ask(&harness, token, Method::DELETE, &format!("/api/v1/shares/{id}"), None).await
    };
    problem(revoke(None, &id).await, 401, "unauthenticated").await;
    let refused = problem(revoke(Some(&tokens.viewer), &id).await, 403, "forbidden").await;
    assert!(refused["detail"].as_str().unwrap().contains("made by operator"), "{refused}");
    let ended = data(revoke(Some(&tokens.operator), &id).await).await;
    assert_eq!(ended["revokedBy"], "operator");
    problem(revoke(Some(&tokens.operator), &id).await, 410, "gone").await;
    problem(get(&harness, None, &format!("/api/v1/shares/{id}")).await, 410, "gone").await;
    let page = get(&harness, None, &format!("/s/{id}")).await;
    assert_eq!(page.status(), 410);
    assert!(page.text().await.unwrap().contains("This snapshot was revoked"));
    assert_eq!(revoke(Some(&tokens.admin), &other).await.status(), 200);
    problem(revoke(Some(&tokens.admin), "none").await, 404, "not-found").await;
    harness.stop().await;
}

#[tokio::test]
async fn a_snapshot_opens_when_its_target_is_gone() {
    let (harness, tokens) = Harness::guarded().await;
    let now = harness.console.clock.now();
    let range = Resolved { from: now.plus_millis(-900 * DAY_MS), to: now.plus_millis(-899 * DAY_MS), live: false };
    let points = json!({
        "target": "retired", "range": range, "compare": "none", "charts": [], "events": [], "moreEvents": false,
        "limits": [], "intervalMs": 5000,
    });
    let snapshot = Snapshot {
        title: "The old <shop>".into(),
        target: TargetId("retired".into()),
        view: "target=retired".into(),
        range,
        audience: Audience::Link,
        lifetime: Lifetime::Year,
        points: points.to_string().into_bytes(),
    };
    let actor = Actor { name: "ann".into(), role: Role::Operator, proof: Proof::Session };
    let request = headroom_engine::actions::Request { actor, origin: None, reason: None };
    let share = shares::create(&harness.console, snapshot, &request).await.unwrap();
    assert_eq!(
        data(get(&harness, None, &format!("/api/v1/shares/{}", share.id.as_str())).await).await["target"],
        "retired"
    );
    let html = get(&harness, Some(&tokens.admin), &share.id.path()).await.text().await.unwrap();
    assert!(html.contains("The old &lt;shop&gt;") && !html.contains("Open the live view"), "{html}");
    assert_eq!(get(&harness, None, &share.id.preview_path()).await.status(), 200);
    harness.stop().await;
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_with_the_reason() {
    let (harness, tokens) = Harness::guarded().await;
    for (body, status, kind, field) in [
        (json!({"view": "target=nowhere"}), 404, "unknown-target", None),
        (json!({"view": "from=now&to=now-1h"}), 422, "invalid", Some("view")),
        (json!({"view": VIEW, "title": "x".repeat(121)}), 422, "invalid", Some("title")),
        (json!({"view": VIEW, "audience": "everyone"}), 422, "invalid", Some("audience")),
        (json!({"view": VIEW, "lifetime": "decade"}), 422, "invalid", Some("lifetime")),
        (json!({"audience": "viewer"}), 422, "invalid", Some("view")),
        (json!({"view": "x".repeat(9000)}), 422, "invalid", Some("view")),
    ] {
        let said = body.to_string();
        let refused = ask(&harness, Some(&tokens.operator), Method::POST, "/api/v1/shares", Some(body)).await;
        let refused = problem(refused, status, kind).await;
        if let Some(field) = field {
            assert_eq!(refused["errors"][0]["field"], field, "{said}");
        }
    }
    harness.stop().await;
}

#[tokio::test]
async fn a_link_that_needs_a_sign_in_is_named_after_its_own_words() {
    let (harness, tokens) = Harness::guarded().await;
    let led = get(&harness, None, "/trends?target=orders&m=database.connections").await;
    assert_eq!(led.status(), 303);
    let html = get(&harness, None, led.headers()["location"].to_str().unwrap()).await.text().await.unwrap();
    let image = format!("property=\"og:image\" content=\"http://{}/preview.png\"", harness.address);
    for part in ["property=\"og:title\" content=\"Connections in use of orders\"", &image] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    // Who is signed in reads the figures in the same place; the picture stays the one without.
    let html = get(&harness, Some(&tokens.viewer), "/trends?target=orders&m=database.connections").await;
    let html = html.text().await.unwrap();
    assert!(
        html.contains("property=\"og:title\" content=\"Connections in use of orders, ") && html.contains(&image),
        "{html}"
    );
    harness.stop().await;
}
