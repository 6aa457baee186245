//! `POST /login`, `/logout`, `/theme`.

use crate::harness::{Harness, PASSWORD};
use headroom_model::Role;
use reqwest::{Method, Response};

fn location(response: &Response) -> &str {
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().unwrap()
}

fn cookie(response: &Response) -> &str {
    response.headers()["set-cookie"].to_str().unwrap()
}

async fn with_user() -> Harness {
    let harness = Harness::open().await;
    harness.console.access.add_user("ada", Role::Operator, PASSWORD).await.unwrap();
    harness
}

#[tokio::test]
async fn a_session_begins_with_the_password_and_ends_with_logout() {
    let harness = with_user().await;
    let signed_in =
        harness.submit("/login", &[("name", "ada"), ("password", PASSWORD), ("next", "/?from=now-1h")]).await;
    assert_eq!(location(&signed_in), "/?from=now-1h");
    let set = cookie(&signed_in);
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "{set}");
    let session = set.split(';').next().unwrap().to_owned();

    let own = format!("http://{}", harness.address);
    let as_ada =
        |method: Method, path: &str| harness.request(method, path).header("cookie", &session).header("origin", &own);
    let who = as_ada(Method::GET, "/api/v1/session").send().await.unwrap();
    let who = crate::harness::data(who).await;
    assert_eq!((&who["actor"]["name"], &who["actor"]["proof"]), (&"ada".into(), &"session".into()));
    assert_eq!(location(&as_ada(Method::GET, "/login?next=%2Ftrends").send().await.unwrap()), "/trends");
    // A session is not enough for another site, nor for a request that hides where it comes from.
    let hidden = harness.request(Method::POST, "/api/v1/events").header("cookie", &session);
    crate::harness::problem(hidden.json(&serde_json::json!({"title": "x"})).send().await.unwrap(), 403, "cross-site")
        .await;

    let audit = as_ada(Method::GET, "/api/v1/audit").send().await.unwrap();
    let audit = crate::harness::data(audit).await;
    assert_eq!((&audit[0]["action"], &audit[0]["actor"]), (&"session.signIn".into(), &"ada".into()));
    assert_eq!(audit[0]["origin"], serde_json::Value::Null, "addresses are for admins");

    let out = as_ada(Method::POST, "/logout").send().await.unwrap();
    assert_eq!(location(&out), "/login");
    assert!(cookie(&out).contains("Max-Age=0"));
    let (rows, _) = harness.console.store.audit(0, 1).await.unwrap();
    assert_eq!((rows[0].audit.action.as_str(), rows[0].audit.actor.as_str()), ("session.signOut", "ada"));
    let ended = harness.request(Method::GET, "/api/v1/session").header("cookie", &session).send().await.unwrap();
    let problem = crate::harness::problem(ended, 401, "unauthenticated").await;
    assert!(problem["detail"].as_str().unwrap().contains("ended"), "{problem}");
    harness.stop().await;
}

#[tokio::test]
async fn a_wrong_password_leads_back_and_guessing_is_slowed() {
    let harness = with_user().await;
    let try_once = || harness.submit("/login", &[("name", "ada"), ("password", "wrong wrong wrong"), ("next", "/a")]);
    assert_eq!(location(&try_once().await), "/login?error=refused&next=%2Fa");
    let mut last = String::new();
    for _ in 0..10 {
        last = location(&try_once().await).to_owned();
    }
    assert_eq!(last, "/login?error=throttled&next=%2Fa");
    let known = 5;
    for name in ["correct horse battery", "eve"] {
        harness.submit("/login", &[("name", name), ("password", "wrong wrong wrong")]).await;
    }
    let (rows, total) = harness.console.store.audit(0, 100).await.unwrap();
    assert_eq!(total, known + 2, "one row an attempt that was looked at");
    let actors: Vec<&str> = rows.iter().map(|row| row.audit.actor.as_str()).collect();
    assert_eq!(actors, ["unknown", "unknown", "ada", "ada", "ada", "ada", "ada"]);
    assert!(rows.iter().all(|row| row.audit.action == "session.signIn" && !row.audit.succeeded));
    harness.stop().await;
}

#[tokio::test]
async fn the_way_back_never_leaves_the_console() {
    let harness = with_user().await;
    let fields = [("name", "ada"), ("password", PASSWORD), ("next", "//evil.example/x")];
    assert_eq!(location(&harness.submit("/login", &fields).await), "/");
    let request = harness.form("/login", &fields).header("origin", "https://evil.example");
    assert_eq!(request.send().await.unwrap().status(), 403);
    harness.stop().await;
}

#[tokio::test]
async fn behind_https_cookies_are_secure() {
    let harness = with_user().await;
    let request = harness.form("/login", &[("name", "ada"), ("password", PASSWORD)]);
    let response = request.header("x-forwarded-proto", "https").send().await.unwrap();
    assert!(cookie(&response).ends_with("; Secure"));
    assert!(response.headers().contains_key("strict-transport-security"));
    harness.stop().await;
}

#[tokio::test]
async fn the_login_page_shows_a_stranger_nothing_else() {
    let harness = with_user().await;
    let page = harness.get("/login?error=refused").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("name=\"password\""), "{html}");
    assert!(!html.contains("orders"), "the login page names a target");
    harness.stop().await;
}

#[tokio::test]
async fn a_theme_is_remembered_and_forgotten() {
    let harness = Harness::open().await;
    let dark = harness.submit("/theme", &[("theme", "dark"), ("next", "/?a=1")]).await;
    assert_eq!(location(&dark), "/?a=1");
    let set = cookie(&dark).split(';').next().unwrap().to_owned();
    let page = harness.request(Method::GET, "/").header("cookie", set).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("data-theme=\"dark\""));
    let auto = harness.submit("/theme", &[("theme", "auto")]).await;
    assert!(cookie(&auto).contains("Max-Age=0"));
    crate::harness::problem(harness.submit("/theme", &[("theme", "pink")]).await, 422, "invalid").await;
    harness.stop().await;
}
