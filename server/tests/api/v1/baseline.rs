//! `/history/baseline`.

use crate::harness::{Harness, TARGET, problem};
use headroom_engine::store::{HOUR_MS, MinuteRow, Tally};
use headroom_model::{MetricId, TargetId};
use uuid::Uuid;

#[tokio::test]
async fn a_band_lies_on_the_grid_of_the_series_and_names_what_is_outside() {
    let harness = Harness::open().await;
    let now = harness.console.clock.now();
    let this_hour = now.floor_to(HOUR_MS);
    // Nine weeks of forty keys, and five times as many for the last three hours.
    for start in (3..9 * 168).step_by(500) {
        let rows: Vec<MinuteRow> = (start..(start + 500).min(9 * 168))
            .map(|hour| MinuteRow {
                metric: MetricId::RedisKeys,
                at: this_hour.plus_millis(-hour * HOUR_MS),
                tally: Tally::of(40.0),
            })
            .collect();
        harness.console.store.merge_minutes(Uuid::now_v7(), &TargetId(TARGET.into()), &rows).await.unwrap();
    }
    let spike: Vec<MinuteRow> = (1..3)
        .map(|hour| MinuteRow {
            metric: MetricId::RedisKeys,
            at: this_hour.plus_millis(-hour * HOUR_MS),
            tally: Tally::of(200.0),
        })
        .collect();
    harness.console.store.merge_minutes(Uuid::now_v7(), &TargetId(TARGET.into()), &spike).await.unwrap();
    let query = "metric=redis.keys,locks.deadlocks&from=now-1d&step=3600";
    let report = harness.data(&format!("/api/v1/history/baseline?{query}")).await;
    let series = harness.data(&format!("/api/v1/history?{query}")).await;
    let (band, shown) = (&report["baselines"][0], &series["series"][0]);
    assert_eq!((&band["from"], &band["stepMs"]), (&shown["from"], &shown["stepMs"]));
    assert_eq!(band["mid"].as_array().unwrap().len(), shown["avg"].as_array().unwrap().len());
    assert_eq!((&band["weeks"], &band["mid"][3]), (&8.into(), &40.0.into()));
    let anomalies = band["anomalies"].as_array().unwrap();
    // The hour that runs holds what the harness's own Redis has.
    assert_eq!(anomalies.iter().filter(|one| one["factor"] == 5.0).count(), 1, "{anomalies:?}");
    let silent = &report["baselines"][1];
    assert!(silent["silent"].as_str().unwrap().contains("3 are needed"), "{silent}");
    let refused = problem(harness.get("/api/v1/history/baseline?metric=redis.kyes").await, 422, "invalid").await;
    assert_eq!(refused["errors"][0]["field"], "metric");
    harness.stop().await;
}
