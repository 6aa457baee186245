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
