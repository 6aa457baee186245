//! `/history`.

use crate::harness::{Harness, problem};

#[tokio::test]
async fn series_cover_the_range_with_gaps_as_null() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let path = "/api/v1/history?metric=database.up,database.connections&duration=10";
    let report = harness.data(path).await;
    let series = report["series"].as_array().unwrap();
    assert_eq!((&series[0]["metric"], &series[1]["metric"]), (&"database.up".into(), &"database.connections".into()));
    assert_eq!(report["range"]["to"].as_i64().unwrap() - report["range"]["from"].as_i64().unwrap(), 600_000);
    let slots = series[0]["avg"].as_array().unwrap();
    assert!(slots.len() > 2 && slots.len() <= 1500);
    assert!(slots[0].is_null(), "nothing was measured ten minutes ago");
    assert!(slots.iter().any(|slot| slot == 1.0), "{slots:?}");
    let coarse = harness.data(&format!("{path}&step=120")).await;
    assert_eq!(coarse["series"][0]["stepMs"], 120_000);
    harness.stop().await;
}

#[tokio::test]
async fn refusals_name_every_field_and_what_was_meant() {
    let harness = Harness::open().await;
    let refused = problem(harness.get("/api/v1/history?metric=database.upp&from=never").await, 422, "invalid").await;
    let fields: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["metric", "from"]);
    assert!(refused["errors"][0]["reason"].as_str().unwrap().contains("database.up?"), "{refused}");
    let missing = problem(harness.get("/api/v1/history").await, 422, "invalid").await;
    assert_eq!(missing["errors"][0]["field"], "metric");
    harness.stop().await;
}

/// So many minutes ago, as a line of CSV.
fn line(harness: &Harness, minutes_ago: i64, metric: &str, value: f64) -> String {
    let at = harness.console.clock.now().plus_millis(-minutes_ago * 60_000);
    format!("{},{metric},{value}\n", at.0)
}

fn file(harness: &Harness) -> String {
    let lines = (10..40).map(|minute| line(harness, minute, "database.connections", minute as f64));
    let old = line(harness, 60 * 24 * 200, "database.size", 7e9);
    format!("time,metric,value\n{}{old}", lines.collect::<String>())
}

#[tokio::test]
async fn a_past_is_imported_shown_marked_and_exported() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let before = harness.data("/api/v1/history?metric=database.size&from=now-300d&to=now-250d").await;
    let missing = before["missing"]["reason"].as_str().unwrap();
    assert!(missing.starts_with("All of the range lies before history starts"), "{before}");
    assert_eq!(before["missing"]["nearest"]["from"], before["startsAt"]);

    let body = file(&harness);
    let import = async |query: &str, body: String| {
        let path = format!("/api/v1/history/import{query}");
        harness.request(reqwest::Method::POST, &path).body(body).send().await.unwrap()
    };
    let rehearsal = crate::harness::data(import("?dryRun=true", body.clone()).await).await;
    assert_eq!((&rehearsal["points"], &rehearsal["id"]), (&31.into(), &serde_json::Value::Null));
    let report = crate::harness::data(import("?source=old.csv", body.clone()).await).await;
    assert_eq!((&report["points"], &report["metrics"], &report["lines"]), (&31.into(), &2.into(), &32.into()));
    let again = crate::harness::data(import("?source=old.csv", body).await).await;
    assert_eq!((&again["points"], &again["skipped"]["present"]), (&0.into(), &31.into()));

    // The running console knows it at once, says what it is, and from where on there is something.
    let path = "/api/v1/history?metric=database.connections,database.size&from=now-250d";
    let shown = harness.data(path).await;
    assert_eq!(shown["origins"][0]["source"], "old.csv");
    assert_eq!((&shown["startsAt"], &shown["missing"]["nearest"]["from"]), (&report["from"], &report["from"]));
    assert!(shown["series"][1]["max"].as_array().unwrap().iter().any(|slot| slot == 7e9));
    let recent = harness.data("/api/v1/history?metric=database.connections&from=now-1h").await;
    assert!(recent["series"][0]["max"].as_array().unwrap().iter().any(|slot| slot == 20.0), "{recent}");
    assert!(recent["missing"].is_null());

    let exported = harness.get("/api/v1/history/export?metric=database.size&step=hours").await;
    assert_eq!(exported.headers()["content-type"], "text/csv; charset=utf-8");
    let text = exported.text().await.unwrap();
    assert!(text.starts_with("time,metric,value,") && text.contains("database.size,7000000000,"), "{text}");

    let storage = harness.data("/api/v1/history/storage").await;
    assert_eq!(storage["retention"][1]["key"], "retention.hours_days");
    assert_eq!(
        (&storage["targets"][0]["origins"][0]["points"], &storage["targets"][0]["oldestHour"]),
        (&31.into(), &report["from"])
    );
    assert!(storage["sizeBytes"].as_u64().unwrap() > 0);
    let audit = harness.data("/api/v1/audit").await;
    assert_eq!(audit[0]["action"], "history.import");
    harness.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_refused_by_line_and_changes_nothing() {
    let (harness, tokens) = Harness::guarded().await;
    let import = async |token: &str, body: String| {
        let request = harness.request(reqwest::Method::POST, "/api/v1/history/import").bearer_auth(token);
        request.body(body).send().await.unwrap()
    };
    let good = file(&harness);
    for (bad, reason) in [
        ("1795098728,database.conections,1\n", "did you mean database.connections?"),
        ("yesterday,database.connections,1\n", "not a time"),
        ("1795098728,database.connections,many\n", "not a finite number"),
    ] {
        let refused = problem(import(&tokens.admin, format!("{good}{bad}")).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], "line 33", "{refused}");
        assert!(refused["errors"][0]["reason"].as_str().unwrap().contains(reason), "{refused}");
    }
    problem(import(&tokens.operator, good).await, 403, "forbidden").await;
    let large = format!("time,metric,value\n{}", "x".repeat(70 * 1024));
    let refused = problem(import(&tokens.admin, large).await, 422, "invalid").await;
    assert!(refused["errors"][0]["reason"].as_str().unwrap().contains("longer than 64 KiB"), "{refused}");
    assert_eq!(harness.console.store.origins(None).await.unwrap(), []);
    let query = harness.get("/api/v1/history/export?metric=database.upp&step=day&from=never").await;
    problem(query, 401, "unauthenticated").await;
    let query = harness.request(reqwest::Method::GET, "/api/v1/history/export?metric=database.upp&step=day&from=never");
    let refused = problem(query.bearer_auth(&tokens.viewer).send().await.unwrap(), 422, "invalid").await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 3, "{refused}");
    harness.stop().await;
}
