//! Pages and files of the bundle.

use crate::harness::{Harness, problem};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_page_carries_its_nonce_and_the_bundle() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let response = harness.get("/").await;
    assert_eq!(response.status(), 200);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let html = response.text().await.unwrap();
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(html.contains(&format!("nonce=\"{nonce}\"")), "{policy}");
    assert!(html.contains("/assets/main-0123.css") && html.contains("orders"));
    let again = harness.get("/").await;
    assert!(!again.headers()["content-security-policy"].to_str().unwrap().contains(nonce), "a nonce was used twice");
    harness.stop().await;
}

#[tokio::test]
async fn an_address_without_a_page_says_so() {
    let harness = Harness::open().await;
    let page = harness.request(Method::GET, "/nowhere").header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 404);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    problem(harness.get("/nowhere").await, 404, "not-found").await;
    harness.stop().await;
}

#[tokio::test]
async fn files_of_the_bundle_are_public_and_kept() {
    let (harness, _tokens) = Harness::guarded().await;
    let file = harness.get("/assets/main-0123.css").await;
    assert_eq!(file.status(), 200);
    assert!(file.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    for path in ["/assets/../assets.json", "/assets/%2e%2e/assets.json", "/../../etc/passwd", "//etc/passwd"] {
        let status = raw_status(&harness, path).await;
        assert!(status.starts_with("HTTP/1.1 40"), "{path}: {status}");
    }
    harness.stop().await;
}

/// The status line of a GET of exactly this path; an HTTP client would resolve `..` before it asks.
async fn raw_status(harness: &Harness, path: &str) -> String {
    let mut stream = TcpStream::connect(harness.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", harness.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The way of the form that works without JavaScript: back to its page, with the reason.
#[tokio::test]
async fn a_refused_form_leads_back_to_its_page_which_says_why() {
    let harness = Harness::open().await;
    let page = format!("http://{}/confirm/reset?target=orders&scope=pool", harness.address);
    let reason = "x".repeat(501);
    let form =
        harness.form("/api/fn/reset_statistics", &[("target", "orders"), ("scope", "pool"), ("reason", &reason)]);
    let refused = form.header("accept", "text/html").header("referer", &page).send().await.unwrap();
    assert_eq!(refused.status(), 302);
    let back = refused.headers()["location"].to_str().unwrap().strip_prefix("http://").unwrap();
    let path = &back[back.find('/').unwrap()..];
    let html = harness.request(Method::GET, path).header("accept", "text/html").send().await.unwrap();
    let html = html.text().await.unwrap();
    assert!(html.contains("Not reset") && html.contains("A reason has at most 500 characters."), "{html}");
    // An audit row that this form did not make is not its outcome.
    let done = harness.submit("/api/fn/reset_statistics", &[("target", "orders"), ("scope", "pool")]).await;
    assert_eq!(done.status(), 200);
    let html = harness.get("/confirm/reset?target=orders&scope=pool&done=0").await.text().await.unwrap();
    assert!(!html.contains("Reset at"), "{html}");
    let html = harness.get("/confirm/reset?target=orders&scope=pool&done=1").await.text().await.unwrap();
    assert!(html.contains("Reset at"), "{html}");
    harness.stop().await;
}

/// A strategy is counted first; only what was counted can be started.
#[tokio::test]
async fn the_confirm_page_starts_the_strategy_that_it_counted() {
    let harness = Harness::open().await;
    let page = "/confirm/warm?target=orders&strategy=COMPREHENSIVE";
    let html = harness.get(page).await.text().await.unwrap();
    // The bar has a form to this address as well.
    let (_, html) = html.split_once("<main").unwrap();
    let form = |begin: &str| {
        let from = html.find(begin).unwrap_or_else(|| panic!("no {begin} in {html}"));
        html[from..].split_once("</form>").unwrap().0
    };
    let choose = form("<form method=\"get\" action=\"/confirm/warm\"");
    assert!(choose.contains("type=\"radio\"") && choose.contains("Count keys"), "{choose}");
    let start = form("<form method=\"post\" action=\"/api/fn/start_warmup\"");
    assert!(start.contains("Every known key: ") && !start.contains("type=\"radio\""), "{start}");
    let hidden = |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\"");
    assert!(
        start.contains(&hidden("target", "orders")) && start.contains(&hidden("strategy", "COMPREHENSIVE")),
        "{start}"
    );
    let fields = [("target", "orders"), ("strategy", "COMPREHENSIVE"), ("reason", "")];
    let started = harness.form("/api/fn/start_warmup", &fields).header("accept", "text/html").send().await.unwrap();
    let back = started.headers()["location"].to_str().unwrap();
    assert!(back.starts_with(page) && back.contains("&done="), "{back}");
    let html = harness.get(back).await.text().await.unwrap();
    assert!(html.contains("Warm the cache: every known key, 1 key"), "{html}");
    harness.stop().await;
}

/// A link followed from a chat arrives without the SameSite=Strict cookie: one reload from our own page brings it.
#[tokio::test]
async fn a_link_from_elsewhere_is_loaded_once_more_before_asking_to_sign_in() {
    let (harness, _tokens) = Harness::guarded().await;
    let followed = harness.request(Method::GET, "/?target=orders&a=%22").header("sec-fetch-site", "cross-site");
    let followed = followed.send().await.unwrap();
    assert_eq!(followed.status(), 200);
    let html = followed.text().await.unwrap();
    assert!(html.contains("http-equiv=\"refresh\" content=\"0;url=/?target=orders&amp;a=%22\""), "{html}");
    let reloaded = harness.request(Method::GET, "/?target=orders").header("sec-fetch-site", "same-origin");
    assert_eq!(reloaded.send().await.unwrap().status(), 303);
    harness.stop().await;
}
