//! The binary as people start it: exit codes, sentences, signals.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail their test")]

use headroom_engine::store;
use headroom_sandbox::test;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_rustls::{TlsAcceptor, rustls};

/// The binary with nothing of this machine's configuration.
fn headroom(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    headroom(folder, arguments).output().unwrap()
}

/// Refused with code 2 and one line.
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn wrong_configuration_is_one_sentence_and_code_2() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(&run(folder.path(), &["serve"])).contains("DATABASE_URL"));
    std::fs::write(folder.path().join("headroom.toml"), "[retention]\nminuts_days = 3").unwrap();
    assert!(refused(&run(folder.path(), &["serve"])).contains("did you mean retention.minutes_days?"));
    assert!(refused(&run(folder.path(), &["serve", "--config", "none.toml"])).contains("none.toml cannot be read"));
    let usage = run(folder.path(), &["serve", "--listen", "here"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn a_taken_port_is_one_sentence_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut command = headroom(folder.path(), &["serve", "--listen", &address.to_string()]);
    let text = refused(&command.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").output().unwrap());
    assert!(text.contains(&format!("port {}", address.port())) && text.contains("--listen"), "{text}");
}

#[test]
fn beyond_loopback_it_starts_only_when_someone_can_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = headroom(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    let output = command
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env("HEADROOM_LOG_FILTER", "off")
        .output()
        .unwrap();
    assert!(refused(&output).contains("headroom user add"));
}

#[test]
fn users_and_tokens_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("password"), "correct horse battery\n").unwrap();
    let add = ["user", "add", "ada", "--role", "admin", "--password-file", "password"];
    assert!(run(folder, &add).status.success());
    assert!(refused(&run(folder, &add)).contains("exists already"));
    let mut from_input =
        headroom(folder, &["user", "add", "bob", "--role", "viewer"]).stdin(Stdio::piped()).spawn().unwrap();
    from_input.stdin.take().unwrap().write_all(b"short\n").unwrap();
    assert_eq!(from_input.wait().unwrap().code(), Some(2), "a short password is refused");
    let users = String::from_utf8(run(folder, &["user", "list"]).stdout).unwrap();
    assert!(users.contains("ada") && users.contains("admin") && !users.contains("bob"), "{users}");

    let token = run(folder, &["token", "add", "ci", "--expires-in", "90d"]);
    let printed = String::from_utf8(token.stdout).unwrap();
    assert!(token.status.success() && printed.trim().starts_with("hr_") && printed.lines().count() == 1, "{printed}");
    let tokens = String::from_utf8(run(folder, &["token", "list"]).stdout).unwrap();
    assert!(tokens.contains("ci") && tokens.contains("until") && !tokens.contains(printed.trim()), "{tokens}");
    assert!(run(folder, &["token", "remove", "ci"]).status.success());
    assert!(refused(&run(folder, &["token", "remove", "ci"])).contains("no token"));

    let url = format!("sqlite:{}", folder.join(".local/share/headroom/headroom.sqlite").display());
    let audit = async { store::open(&url).await.unwrap().audit(0, 10).await.unwrap().0 };
    let audit = tokio::runtime::Runtime::new().unwrap().block_on(audit);
    let actions: Vec<&str> = audit.iter().map(|row| row.audit.action.as_str()).collect();
    assert_eq!(actions, ["token.remove", "token.add", "user.add"]);
    assert!(audit.iter().all(|row| row.audit.actor == "command line"));
}

#[tokio::test]
async fn a_second_console_on_one_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = headroom(folder.path(), &["serve", "--listen", &address.to_string()]);
        command.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env("HEADROOM_LOG_FILTER", "off");
        (address, command)
    };
    let (address, mut command) = serve();
    let _first = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let started = Instant::now();
    while reqwest::get(format!("http://{address}/api/v1/live")).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "not up within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = serve().1.output().unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains("another console runs on this state store"), "{text}");
}

/// Some hours of one metric, oldest first, as CSV; the newest a day ago.
fn past(hours: i64) -> String {
    let now = headroom_engine::clock::Clock::system().now().0 / 1000;
    let line = |hour: i64| format!("{},database.size,{}\n", now - (24 + hour) * 3600, 1_000_000 - hour * 10);
    format!("time,metric,value\n{}", (0..hours).rev().map(line).collect::<String>())
}

#[test]
fn a_past_comes_in_and_goes_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let history = |arguments: &[&str]| run(folder, &[["history"].as_slice(), arguments].concat());
    let said = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    std::fs::write(folder.join("old.csv"), past(2000)).unwrap();
    assert!(refused(&history(&["import", "old.csv"])).contains("--target"));
    let orders = ["--target", "orders"];
    let import = ["import", "old.csv", "--target", "orders"];
    assert!(
        said(history(&["import", "old.csv", "--target", "orders", "--dry-run"]))
            .contains("2,000 points of 1 metric would be imported")
    );
    assert!(said(history(&import)).contains("2,000 points of 1 metric imported"));
    assert!(said(history(&import)).contains("Left out: 2,000 points were imported before."));
    assert!(said(history(&["list"])).contains("imported from old.csv by command line"));

    // Out, into a store of its own, and out again: the same.
    let text = said(history(&[["export"].as_slice(), orders.as_slice()].concat()));
    assert!(text.lines().count() > 2000, "{text}");
    std::fs::write(folder.join("copy.csv"), &text).unwrap();
    let elsewhere = ["--data-dir", "elsewhere"];
    assert!(
        said(history(&[["import", "copy.csv"].as_slice(), orders.as_slice(), elsewhere.as_slice()].concat()))
            .contains("imported")
    );
    assert_eq!(said(history(&[["export"].as_slice(), orders.as_slice(), elsewhere.as_slice()].concat())), text);

    std::fs::write(folder.join("bad.csv"), past(30) + "1,database.sise,1\n").unwrap();
    let bad = refused(&history(&["import", "bad.csv", "--target", "billing"]));
    assert!(bad.contains("line 32: \"database.sise\" is not in the catalogue; did you mean database.size?"), "{bad}");
    assert!(bad.contains("nothing was imported"), "{bad}");
    assert!(
        refused(&history(&["export", "--target", "orders", "--from", "now", "--to", "now-1h"])).contains("not before")
    );
    assert!(said(history(&["remove", "1"])).contains("1 is gone"));
    assert_eq!(said(history(&["list"])), "");
    assert!(refused(&history(&["remove", "1"])).contains("no import has the number 1"));
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = headroom(folder.path(), &["history", "import", "-", "--target", "orders"]);
    let mut import = Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let url = format!("sqlite:{}", folder.path().join(".local/share/headroom/headroom.sqlite").display());
    let mut input = import.0.stdin.take().unwrap();
    // More than one chunk, so that rows are on their way into the store when it is killed.
    let writing = tokio::task::spawn_blocking(move || {
        let _killed_meanwhile = input.write_all(past(15_000).as_bytes());
        for _ in 0..100 {
            let more = past(15_000);
            let lines = more.split_once('\n').unwrap().1;
            if input.write_all(lines.as_bytes()).is_err() {
                return;
            }
        }
    });
    let started = Instant::now();
    let store = loop {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was staged");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Ok(store) = store::open(&url).await else { continue };
        if store.row_counts().await.unwrap().contains(&("imported_hours", 0)) {
            continue;
        }
        break store;
    };
    import.0.kill().unwrap();
    import.0.wait().unwrap();
    writing.await.unwrap();
    assert_eq!(store.origins(None).await.unwrap(), []);
    let target = headroom_model::TargetId("orders".into());
    assert_eq!(store.history_start(&target).await.unwrap(), store::HistoryStart::default());
}

#[test]
fn the_document_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["openapi"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["paths"]["/api/v1/health"]["get"].is_object());
}

#[tokio::test]
async fn the_doctor_passes_a_whole_target_and_fails_a_dead_one() {
    let folder = tempfile::tempdir().unwrap();
    let (database, redis) = (test::database().await.unwrap(), test::redis().await.unwrap());
    let check = |database_url: &str| {
        let mut command = headroom(folder.path(), &["check", "--json", "--listen", "127.0.0.1:0"]);
        command.env("DATABASE_URL", database_url).env("REDIS_URL", redis.url()).output().unwrap()
    };
    let good = check(&database.url());
    let report: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((good.status.code(), &report["passed"]), (Some(0), &true.into()), "{report}");
    assert_eq!(report["sections"][1]["title"], "Target main");
    let secret = "postgres://headroom:hunter2@127.0.0.1:1/none";
    let dead = check(secret);
    assert_eq!(dead.status.code(), Some(1));
    let text = String::from_utf8(dead.stdout).unwrap();
    assert!(text.contains("\"wrong\"") && !text.contains("hunter2"), "{text}");
}

/// A server certificate for `localhost`, and where it listens with TLS in front of `port`.
async fn with_tls(port: u16) -> (String, SocketAddr) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                if let Ok(mut outside) = acceptor.accept(outside).await {
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                }
            });
        }
    });
    (made.cert.pem(), address)
}

/// As managed servers ask for it.
#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_with_tls_by_those_who_trust_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (database, redis) = (test::database().await.unwrap(), test::redis().await.unwrap());
    let mut url = url::Url::parse(&redis.url()).unwrap();
    let (certificate, address) = with_tls(url.port().unwrap()).await;
    std::fs::write(folder.path().join("authority.pem"), certificate).unwrap();
    url.set_host(Some("localhost")).unwrap();
    url.set_port(Some(address.port())).unwrap();
    let url = url.as_str().replacen("redis:", "rediss:", 1);
    for (authorities, code) in [("authority.pem", 0), ("/dev/null", 1)] {
        let mut command = headroom(folder.path(), &["check", "--json", "--listen", "127.0.0.1:0"]);
        command.env("DATABASE_URL", database.url()).env("REDIS_URL", &url).env("SSL_CERT_FILE", authorities);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{authorities}: {output:?}");
    }
}

#[tokio::test]
async fn the_doctor_tells_a_bare_role_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let database = test::database().await.unwrap();
    let mut admin = database.connect().await.unwrap();
    let role = format!("bare_{}", database.name());
    let create = format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'fish'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    let url = format!("postgres://{role}:fish@127.0.0.1:{}/{}", database.server().port(), database.name());
    let mut command = headroom(folder.path(), &["check", "--json", "--listen", "127.0.0.1:0"]);
    let output = command.env("DATABASE_URL", url).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["passed"]), (Some(0), &true.into()), "{report}");
    assert!(report.to_string().contains("GRANT pg_monitor TO"), "{report}");
    let drop = format!("DROP ROLE \"{role}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
}

#[tokio::test]
async fn it_answers_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let database = test::database().await.unwrap();
    // A free port, given back just before it is used.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = headroom(folder.path(), &["serve", "--listen", &address.to_string()]);
    let mut process = Running(command.env("DATABASE_URL", database.url()).stderr(Stdio::piped()).spawn().unwrap());
    let url = format!("http://{address}/api/v1/ready");
    let started = Instant::now();
    while !reqwest::get(&url).await.is_ok_and(|response| response.status() == 200) {
        assert!(started.elapsed() < Duration::from_secs(30), "not ready within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let feed = reqwest::get(format!("http://{address}/api/v1/stream")).await.unwrap();
    let stopping = Instant::now();
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = tokio::task::spawn_blocking(move || process.0.wait().map(|status| (status, process))).await.unwrap();
    let (status, mut process) = status.unwrap();
    assert!(status.success(), "{status}");
    assert!(stopping.elapsed() < Duration::from_secs(10), "an open feed held it up for {:?}", stopping.elapsed());
    drop(feed);
    let mut log = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    }
    assert!(log.contains("listening") && log.contains("stopped"), "{log}");
}

/// A dataset over a table of the database, in a configuration file of the folder.
async fn configure(folder: &Path, database: &test::TestDatabase) {
    let table = "CREATE TABLE products AS SELECT n AS id FROM generate_series(1, 9) AS n";
    sqlx::raw_sql(table).execute(&mut database.connect().await.unwrap()).await.unwrap();
    let file = format!(
        "[[targets]]\nid = \"shop\"\ndatabase_url = \"{}\"\n[[datasets]]\nname = \"products\"\n\
         sql = \"SELECT id FROM products\"\nwarmup = \"critical\"\ntags = [\"catalogue\"]\n",
        database.url()
    );
    std::fs::write(folder.join("headroom.toml"), file).unwrap();
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_cache_is_warmed_shown_and_cleared_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let database = test::database().await.unwrap();
    configure(folder, &database).await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let console = format!("http://{address}");
    let cache =
        |arguments: &[&str]| run(folder, &[&["cache", arguments[0], "--url", &console], &arguments[1..]].concat());
    let away = cache(&["stats"]);
    assert_eq!(away.status.code(), Some(1));
    assert!(String::from_utf8(away.stderr).unwrap().contains("cannot be reached; start it with `headroom serve`"));

    let token = stdout(&run(folder, &["token", "add", "ops", "--role", "operator"]));
    let mut command = headroom(folder, &["serve", "--listen", &address.to_string()]);
    command.env("HEADROOM_LOG_FILTER", "off").stdout(Stdio::null());
    let _console = Running(command.spawn().unwrap());
    let started = Instant::now();
    while !reqwest::get(format!("{console}/api/v1/ready")).await.is_ok_and(|response| response.status() == 200) {
        assert!(started.elapsed() < Duration::from_secs(30), "not ready within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(refused(&cache(&["stats"])).contains("HEADROOM_TOKEN"));
    std::fs::write(folder.join("token"), &token).unwrap();
    let cache = |arguments: &[&str]| {
        run(folder, &[&["cache", arguments[0], "--token-file", "token", "--url", &console], &arguments[1..]].concat())
    };
    assert!(
        stdout(&cache(&["warm", "--dry-run"])).starts_with("1 key of 1 dataset; not fresh in memory and loaded: 1")
    );
    let warmed = stdout(&cache(&["warm", "--reason", "release"]));
    assert!(warmed.contains("Keys: 1 loaded") && warmed.contains("1 of 1 key fresh"), "{warmed}");
    let table = stdout(&cache(&["stats"]));
    let line = table.lines().find(|line| line.starts_with("products")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[..5], ["products", "–", "0", "0", "1"], "warming is no use: {table}");
    assert!(table.contains("Redis: none"), "{table}");
    let report: serde_json::Value = serde_json::from_str(&stdout(&cache(&["stats", "--json"]))).unwrap();
    assert_eq!((&report["target"], &report["classes"][0]["memoryKeys"]), (&"shop".into(), &1.into()));

    let mark = |title: &str| {
        run(folder, &["event", "mark", "--token-file", "token", "--url", &console, title, "--detail", "x"])
    };
    assert!(stdout(&mark("shop 4.18.0")).starts_with("Marked \"shop 4.18.0\" on shop at "));
    assert!(refused(&mark(" ")).contains("title"));

    // Nobody can be asked without a terminal.
    let asked = cache(&["clear", "--all"]);
    assert!(asked.status.code() == Some(2) && String::from_utf8_lossy(&asked.stdout).contains("Keys: 1 in memory"));
    assert!(refused(&cache(&["clear", "--dataset", "nope", "--yes"])).contains("no dataset \"nope\""));
    assert_eq!(cache(&["clear", "--yes"]).status.code(), Some(2), "what is to be cleared must be said");
    assert_eq!(cache(&["clear", "--key", "#p1,50", "--yes"]).status.code(), Some(2), "of which dataset?");
    for part in [vec!["--all"], vec!["--tag", "catalogue"], vec!["--dataset", "products", "--key", "#p1,50"]] {
        stdout(&cache(&["warm"]));
        let cleared = stdout(&cache(&[&["clear", "--yes", "--reason", "a & b"], &part[..]].concat()));
        assert!(cleared.contains("1 key answered no more"), "{part:?}: {cleared}");
    }
    let url = format!("{console}/api/v1/audit");
    let audit = reqwest::Client::new().get(url).bearer_auth(token.trim()).send().await.unwrap();
    let audit: serde_json::Value = audit.json().await.unwrap();
    assert_eq!((&audit["data"][0]["actor"], &audit["data"][0]["reason"]), (&"ops".into(), &"a & b".into()), "{audit}");

    // A dataset that cannot be read fails its warmup, and so the command.
    sqlx::raw_sql("ALTER TABLE products RENAME COLUMN id TO gone")
        .execute(&mut database.connect().await.unwrap())
        .await
        .unwrap();
    let failed = cache(&["warm"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(
        String::from_utf8_lossy(&failed.stderr).contains("the warmup failed: No key could be loaded"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn triggers_are_shown_installed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let database = test::database().await.unwrap();
    configure(folder, &database).await;
    let triggers = |arguments: &[&str]| run(folder, &[&["triggers"], arguments].concat());
    let state = || stdout(&triggers(&["status"])).trim().to_owned();
    assert_eq!(state(), "public.products: does not tell; pages live until their time is over");
    let shown = triggers(&["install"]);
    assert!(stdout(&shown).contains("CREATE TRIGGER headroom_change"));
    assert!(String::from_utf8_lossy(&shown.stderr).contains("Nothing was changed"), "{shown:?}");
    assert!(state().contains("does not tell"), "only shown");
    assert!(stdout(&triggers(&["install", "--apply"])).contains("public.products: tells of its changes"));
    stdout(&triggers(&["install", "--apply"]));
    assert_eq!(state(), "public.products: tells of its changes");
    sqlx::raw_sql("ALTER TABLE products DISABLE TRIGGER ALL")
        .execute(&mut database.connect().await.unwrap())
        .await
        .unwrap();
    assert!(state().contains("switched off"));
    stdout(&triggers(&["remove", "--target", "shop"]));
    assert!(state().contains("switched off"), "only shown");
    assert!(stdout(&triggers(&["remove", "--apply"])).contains("does not tell"));
    assert!(refused(&triggers(&["status", "--target", "nowhere"])).contains("known: shop"));
}

/// Ends the process even when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Ninety days of hours that grow by 24 a day from 1,000 on, with a purge of 500 on day 60.
fn orders() -> String {
    let mut text = "time,orders,visits\n".to_owned();
    for hour in 0..90 * 24_i64 {
        let purged = if hour >= 60 * 24 { 500 } else { 0 };
        text +=
            &format!("{},{},{}\n", 1_790_000_000 + hour * 3_600, 1_000 + hour - purged + hour * 7 % 5, 70 + hour % 24);
    }
    text
}

#[test]
fn a_forecast_of_a_file_names_its_date_and_its_shift() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orders.csv"), orders()).unwrap();
    // 1,000 + 90 × 24 − 500 = 2,660; 1,200 more at 24 a day are 50 days.
    let asked = ["forecast", "orders.csv", "--metric", "orders", "--limit", "3860"];
    let output = run(folder.path(), &asked);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for words in ["orders, 90 days", "+24 a day", "Shift", "Backtest", "80 % from"] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    let output = run(folder.path(), &[&asked[..], &["--json", "--months", "6"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["kind"], "forecast");
    let days = json["crossing"]["p50"].as_f64().unwrap();
    assert!((days - 50.0).abs() < 1.5, "{days}");
    assert_eq!(json["shifts"].as_array().unwrap().len(), 1, "{}", json["shifts"]);
    assert_eq!(json["median"].as_array().unwrap().len(), 183);
}

#[test]
fn a_forecast_says_what_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("orders.csv", &orders());
    write("broken.csv", "time,orders\n1790000000,4\n1790003600,four\n");
    write("short.csv", "time,orders\n1790000000,4\n1790003600,5\n");
    write("empty.csv", "time,orders\n");
    let text = refused(&run(folder.path(), &["forecast", "orders.csv"]));
    assert!(text.contains("2 series") && text.contains("--metric") && text.contains("visits"), "{text}");
    let text = refused(&run(folder.path(), &["forecast", "orders.csv", "--metric", "order"]));
    assert!(text.contains("did you mean orders?"), "{text}");
    let text = refused(&run(folder.path(), &["forecast", "broken.csv"]));
    assert!(text.contains("broken.csv: line 3"), "{text}");
    assert!(refused(&run(folder.path(), &["forecast", "none.csv"])).contains("none.csv cannot be read"));
    assert!(refused(&run(folder.path(), &["forecast", "empty.csv"])).contains("no points"));
    let output = run(folder.path(), &["forecast", "short.csv"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("no forecast: 2 hours were measured"), "{output:?}");
    assert_eq!(run(folder.path(), &["forecast", "orders.csv", "--months", "25"]).status.code(), Some(2));
}

#[test]
fn a_forecast_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = headroom(folder.path(), &["forecast", "-", "--metric", "visits", "--peak", "--limit", "500"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(orders().as_bytes()).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(text.contains("not within") && text.contains("Highest hour of each day"), "{text}");
}
