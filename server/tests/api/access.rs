//! Every route × nobody, viewer, operator, admin. A route that forgets its role fails here.

use crate::harness::Harness;
use headroom_app::functions::ROLES;
use headroom_model::Role;
use headroom_server::{access::Access, pages, router::endpoints};
use leptos::server_fn::axum::server_fn_paths;
use reqwest::{Method, StatusCode};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who<'a> {
    Nobody,
    BadToken,
    Holder(Role, &'a str),
}

/// What the access layer should say; none when the handler should be reached.
fn expected(access: Access, who: Who<'_>) -> Option<StatusCode> {
    match (access, who) {
        (Access::Public, _) => None,
        (Access::Scrape, Who::Nobody) => None,
        (_, Who::Nobody | Who::BadToken) => Some(StatusCode::UNAUTHORIZED),
        (Access::Scrape, Who::Holder(..)) => None,
        (Access::Role(role) | Access::Page(role), Who::Holder(held, _)) => {
            (held < role).then_some(StatusCode::FORBIDDEN)
        }
    }
}

async fn ask(harness: &Harness, method: &Method, path: &str, who: Who<'_>) -> StatusCode {
    let mut request = harness.request(method.clone(), &path.replace("{id}", "none").replace("{name}", "none"));
    if *method != Method::GET {
        request = request.json(&serde_json::json!({}));
    }
    request = match who {
        Who::Nobody => request,
        Who::BadToken => request.bearer_auth("hr_wrong"),
        Who::Holder(_, token) => request.bearer_auth(token),
    };
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn every_route_asks_for_its_role() {
    let (harness, tokens) = Harness::guarded().await;
    let everyone = [
        Who::Nobody,
        Who::BadToken,
        Who::Holder(Role::Viewer, &tokens.viewer),
        Who::Holder(Role::Operator, &tokens.operator),
        Who::Holder(Role::Admin, &tokens.admin),
    ];
    let mut routes: Vec<(Method, String, Access)> = Vec::new();
    for endpoint in endpoints() {
        for path in endpoint.paths() {
            routes.push((endpoint.method.clone(), path.to_owned(), endpoint.access));
        }
    }
    for (path, method) in server_fn_paths() {
        let role = pages::role_of(path).unwrap_or_else(|| panic!("{path} is on no list"));
        routes.push((method, path.to_owned(), Access::Role(role)));
    }
    assert!(routes.len() > 40, "{}", routes.len());
    for (method, path, access) in routes {
        for who in everyone {
            let status = ask(&harness, &method, &path, who).await;
            match expected(access, who) {
                Some(refusal) => assert_eq!(status, refusal, "{method} {path} as {who:?}"),
                None => assert!(
                    status != StatusCode::UNAUTHORIZED
                        && status != StatusCode::FORBIDDEN
                        && status != StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path} as {who:?}: {status}"
                ),
            }
        }
    }
    harness.stop().await;
}

#[tokio::test]
async fn pages_lead_strangers_to_the_login_page() {
    let (harness, tokens) = Harness::guarded().await;
    let mut pages_seen = 0;
    for listing in pages::listings() {
        let Access::Page(role) = pages::access_of(listing.path()) else { continue };
        assert_eq!(role, Role::Viewer);
        pages_seen += 1;
        let response = harness.get(&format!("{}?target=orders&x=1", listing.path())).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", listing.path());
        let location = response.headers()["location"].to_str().unwrap();
        assert!(location.starts_with("/login?next=%2F") && location.contains("target%3Dorders"), "{location}");
        let request = harness.request(Method::GET, listing.path()).bearer_auth(&tokens.viewer);
        // Nothing has the name of a placeholder.
        let status = if listing.path().contains('{') { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(request.send().await.unwrap().status(), status, "{}", listing.path());
    }
    assert!(pages_seen > 0);
    harness.stop().await;
}

#[tokio::test]
async fn a_server_function_off_the_list_is_nobodys() {
    let (harness, tokens) = Harness::guarded().await;
    let registered: Vec<&str> = server_fn_paths().map(|(path, _)| path).collect();
    assert_eq!(registered.len(), ROLES.len());
    for path in registered {
        assert!(pages::role_of(path).is_some(), "{path}");
    }
    let request = harness.request(Method::POST, "/api/fn/delete_everything").bearer_auth(&tokens.admin);
    crate::harness::problem(request.send().await.unwrap(), 404, "not-found").await;
    harness.stop().await;
}

#[tokio::test]
async fn loopback_acts_as_admin_until_someone_can_sign_in() {
    let harness = Harness::open().await;
    let session = harness.data("/api/v1/session").await;
    assert_eq!((&session["actor"]["name"], &session["openAccess"]), (&"local".into(), &true.into()));
    assert_eq!(harness.get("/api/v1/users").await.status(), 200);
    harness.console.access.add_token("first", Role::Viewer, None).await.unwrap();
    let refused = harness.get("/api/v1/users").await;
    crate::harness::problem(refused, 401, "unauthenticated").await;
    harness.stop().await;
}

#[tokio::test]
async fn an_open_console_answers_no_foreign_name_and_no_proxy() {
    let harness = Harness::open().await;
    let rebound = harness.request(Method::GET, "/api/v1/health").header("host", "evil.example");
    crate::harness::problem(rebound.send().await.unwrap(), 421, "wrong-host").await;
    let proxied = harness.request(Method::GET, "/api/v1/health").header("x-forwarded-for", "203.0.113.9");
    let problem = crate::harness::problem(proxied.send().await.unwrap(), 401, "unauthenticated").await;
    assert!(problem["detail"].as_str().unwrap().contains("headroom user add"));
    let scrape = harness.request(Method::GET, "/metrics").header("x-forwarded-for", "203.0.113.9");
    assert_eq!(scrape.send().await.unwrap().status(), 401);
    harness.stop().await;
}

#[tokio::test]
async fn beyond_loopback_nobody_is_admin_by_default() {
    let harness = Harness::start(std::net::Ipv4Addr::UNSPECIFIED.into()).await;
    crate::harness::problem(harness.get("/api/v1/health").await, 401, "unauthenticated").await;
    harness.stop().await;
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let harness = Harness::open().await;
    let body = serde_json::json!({"title": "orders 4.18.0"});
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let request = harness.request(Method::POST, "/api/v1/events").header(name, value).json(&body);
        crate::harness::problem(request.send().await.unwrap(), 403, "cross-site").await;
    }
    let own = format!("http://{}", harness.address);
    let request = harness.request(Method::POST, "/api/v1/events").header("origin", own).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 201);
    harness.stop().await;
}
