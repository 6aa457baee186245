//! `/capacity` and what is below it.

use crate::harness::{Harness, TARGET, problem};
use headroom_engine::store::{HOUR_MS, MinuteRow, Tally};
use headroom_model::{MetricId, TargetId, capacity::Resource};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// A console with ninety days of connections that grow by half a connection a day, from 15 to 60.
async fn grown() -> Harness {
    let harness = Harness::open().await;
    let now = harness.console.clock.now().floor_to(HOUR_MS);
    let rows: Vec<MinuteRow> = (1..=90 * 24)
        .map(|ago: i64| MinuteRow {
            metric: MetricId::Connections,
            at: now.plus_millis(-ago * HOUR_MS),
            tally: Tally::of((60.0 - ago as f64 / 48.0).round()),
        })
        .collect();
    harness.console.store.merge_minutes(Uuid::now_v7(), &TargetId(TARGET.to_owned()), &rows).await.unwrap();
    harness.sampled().await;
    harness
}

fn of<'a>(resources: &'a Value, name: &str) -> &'a Value {
    let found = resources.as_array().unwrap().iter().find(|report| report["resource"] == name);
    found.unwrap_or_else(|| panic!("{name} is missing: {resources}"))
}

#[tokio::test]
async fn every_resource_has_a_forecast_or_a_reason() {
    let harness = grown().await;
    let dashboard = harness.data("/api/v1/capacity/dashboard?months=6").await;
    let resources = dashboard["resources"].as_array().unwrap();
    assert_eq!(resources.len(), Resource::ALL.len());
    assert_eq!((&dashboard["target"], &dashboard["horizonDays"]), (&json!(TARGET), &json!(183)));
    for report in resources {
        match report["verdict"]["kind"].as_str().unwrap() {
            "silent" => assert!(!report["verdict"]["reason"].as_str().unwrap().is_empty(), "{report}"),
            kind => assert!(kind == "forecast" && report["verdict"]["median"].is_array(), "{report}"),
        }
    }
    let connections = of(&dashboard["resources"], "connections");
    assert_eq!(resources[0]["resource"], "connections", "the only one with a date comes first");
    assert_eq!(connections["limit"]["source"], "server");
    let (limit, crossing) = (connections["limit"]["value"].as_f64().unwrap(), &connections["verdict"]["crossing"]);
    let expected = (limit - 60.0) * 2.0;
    let days = crossing["p50"].as_f64().unwrap();
    assert!((days - expected).abs() < 0.15 * expected, "{days} instead of {expected}");
    assert!(crossing["p10"].as_f64().unwrap() <= days && days <= crossing["p90"].as_f64().unwrap_or(f64::MAX));
    assert!(!connections["verdict"]["model"].as_str().unwrap().is_empty());
    assert!(connections["verdict"]["backtest"]["folds"].as_u64().unwrap() > 0, "{connections}");
    let queue = of(&dashboard["resources"], "queue-depth");
    assert_eq!(queue["verdict"], json!({ "kind": "silent", "reason": "There is no job queue on this target." }));
    assert!(queue["current"].is_null() && queue["past"]["values"].as_array().unwrap().is_empty(), "{queue}");

    let one = harness.data("/api/v1/performance/capacity/forecast/connections?months=1").await;
    assert_eq!((&one["resource"], &one["horizonDays"]), (&json!("connections"), &json!(30)));
    assert_eq!(one["verdict"]["high80"].as_array().unwrap().len(), 30);
    assert_eq!(one["verdict"]["crossing"], json!({ "kind": "never", "withinDays": 30 }));
    harness.stop().await;
}

#[tokio::test]
async fn what_runs_out_is_ranked_and_planned_for() {
    let harness = grown().await;
    let ranked = harness.data("/api/v1/capacity/bottlenecks?months=12").await;
    let first = &ranked["bottlenecks"][0];
    assert_eq!((&first["rank"], &first["resource"]), (&json!(1), &json!("connections")));
    assert_eq!(first["consequence"], "New clients are refused.");
    assert!(
        first["medianDays"].as_f64() >= first["earliestDays"].as_f64() && first["remedy"]["kind"] == "sql",
        "{first}"
    );

    let plan = harness.data("/api/v1/capacity/plan?months=12").await;
    let step = &plan["months"][0]["steps"][0];
    assert_eq!((&plan["reserveDays"], &step["resource"]), (&json!(14), &json!("connections")));
    let (by, computed) = (step["by"].as_i64().unwrap(), plan["computedAt"].as_i64().unwrap());
    let days = (by - computed) as f64 / 86_400_000.0;
    assert!((days - (first["earliestDays"].as_f64().unwrap() - 14.0)).abs() < 2.0, "{plan}");
    assert!(
        plan["unplanned"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().starts_with("Queue depth:"))
    );

    for (path, accept) in
        [("/api/v1/capacity/plan?months=12&format=csv", "*/*"), ("/api/v1/capacity/plan?months=12", "text/csv")]
    {
        let table = harness.request(Method::GET, path).header("accept", accept).send().await.unwrap();
        assert_eq!(
            (table.status().as_u16(), &table.headers()["content-type"]),
            (200, &"text/csv; charset=utf-8".parse().unwrap())
        );
        assert!(table.headers()["content-disposition"].to_str().unwrap().contains("headroom-"));
        let text = table.text().await.unwrap();
        assert!(text.starts_with("by,resource,step,") && text.contains(",connections,"), "{text}");
    }
    let path = "/api/v1/performance/capacity/plan?months=12";
    let calendar = harness.request(Method::GET, path).header("accept", "text/calendar").send().await.unwrap();
    assert_eq!(calendar.headers()["content-type"], "text/calendar; charset=utf-8");
    let text = calendar.text().await.unwrap();
    assert!(text.contains("BEGIN:VEVENT\r\nUID:") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
    harness.stop().await;
}

#[tokio::test]
async fn a_question_is_answered_beside_the_present_and_changes_nothing() {
    let harness = grown().await;
    let ask = async |body: Value| {
        let answer = harness.post("/api/v1/capacity/what-if", &body).await;
        assert_eq!(answer.status(), 200, "{body}");
        crate::harness::data(answer).await
    };
    let median = |report: &Value| report["verdict"]["crossing"]["p50"].as_f64();
    let faster = ask(json!({ "resource": "connections", "months": 12, "growth": 2.0 })).await;
    let (present, changed) = (median(&faster["present"]).unwrap(), median(&faster["changed"]).unwrap());
    assert!((changed / present - 0.5).abs() < 0.1, "{present} becomes {changed}");
    let larger = ask(json!({ "resource": "connections", "months": 24, "limit": 200 })).await;
    assert_eq!(larger["changed"]["limit"]["source"], "whatIf");
    assert!(median(&larger["changed"]).unwrap() > 1.5 * present, "{larger}");
    let tomorrow = harness.console.clock.now().plus_millis(86_400_000);
    let planned = json!([{ "at": tomorrow, "change": { "kind": "add", "value": 25 } }]);
    let event = ask(json!({ "resource": "connections", "months": 12, "planned": planned })).await;
    assert!(median(&event["changed"]).unwrap() < present - 30.0, "{event}");
    let again = harness.data("/api/v1/capacity/forecast/connections?months=12").await;
    assert_eq!(median(&again), Some(present));
    harness.stop().await;
}

#[tokio::test]
async fn refusals_name_what_is_allowed() {
    let harness = Harness::open().await;
    let refused = problem(harness.get("/api/v1/capacity/forecast/disk?months=25").await, 422, "invalid").await;
    let reasons: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|e| e["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].contains("allowed: cpu, memory, storage, connections, cache-memory, network"), "{refused}");
    assert!(reasons[1].contains("allowed: 1 to 24"), "{refused}");
    for (path, field) in [
        ("/api/v1/capacity/dashboard?months=0", "months"),
        ("/api/v1/capacity/bottlenecks?months=many", "months"),
        ("/api/v1/capacity/plan?format=pdf", "format"),
    ] {
        let refused = problem(harness.get(path).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    problem(harness.get("/api/v1/capacity/plan?target=nobody").await, 404, "unknown-target").await;
    for (body, field) in [
        (json!({ "resource": "disk" }), "resource"),
        (json!({ "resource": "cpu", "growth": -1 }), "growth"),
        (json!({ "resource": "cpu", "limit": 0 }), "limit"),
        (json!({ "resource": "cpu", "colour": "red" }), "colour"),
        (
            json!({ "resource": "cpu", "planned": [{ "at": 0, "change": { "kind": "multiply", "value": -1 } }] }),
            "planned",
        ),
    ] {
        let refused = problem(harness.post("/api/v1/capacity/what-if", &body).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    harness.stop().await;
}
