//! `headroom demo` as a user sees it: from the start to Ctrl-C, with an outage between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::sleep;

struct Demo {
    child: Child,
    card: Value,
}

impl Demo {
    /// Starts the demo and waits for its card.
    async fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_headroom"))
            .args(["demo", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let file = folder.join("demo.json");
        let until = Instant::now() + Duration::from_secs(120);
        while !file.exists() {
            assert!(Instant::now() < until, "the demo did not start");
            assert!(child.try_wait().unwrap().is_none(), "the demo ended while it started");
            sleep(Duration::from_millis(50)).await;
        }
        let card = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        Demo { child, card }
    }

    fn text(&self, key: &str) -> &str {
        self.card[key].as_str().unwrap()
    }

    async fn orders(&self) -> Option<i64> {
        let mut connection = PgConnection::connect(self.text("postgresUrl")).await.ok()?;
        sqlx::query_scalar("SELECT count(*) FROM shop.orders").fetch_one(&mut connection).await.ok()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn until(&self, what: &str, done: impl AsyncFn() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !done().await {
            assert!(Instant::now() < until, "{what} did not happen");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

#[tokio::test]
async fn shows_a_living_shop_survives_an_outage_and_keeps_its_data() {
    let folder = tempfile::Builder::new().prefix("headroom-test-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut demo = Demo::start(folder.path()).await;

    let ready = reqwest::get(format!("{}/api/v1/ready", demo.text("url"))).await.unwrap();
    assert!(ready.status().is_success());
    demo.until("an order", async || demo.orders().await.is_some_and(|orders| orders > 250_000)).await;

    demo.signal("USR1");
    demo.until("the outage", async || demo.orders().await.is_none()).await;
    demo.signal("USR1");
    demo.until("the recovery", async || demo.orders().await.is_some()).await;
    let after = demo.orders().await.unwrap();
    demo.until("an order after the outage", async || demo.orders().await.is_some_and(|orders| orders > after)).await;

    demo.signal("INT");
    assert!(demo.child.wait().unwrap().success());
    assert!(demo.orders().await.is_none());
    assert!(!folder.path().join("demo.json").exists());

    // The second start finds the shop loaded: the first answer has all its orders and what came since.
    let again = Demo::start(folder.path()).await;
    assert!(again.orders().await.unwrap() >= after);
}
