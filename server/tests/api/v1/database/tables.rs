//! `/database/tables`, `/database/size`, `/database/stats`, `/database/replication`, `/database/vacuum`, `/database/settings`.

use crate::harness::{Harness, data, problem};
use serde_json::{Value, json};

#[tokio::test]
async fn tables_are_listed_opened_and_optimised() {
    let harness = Harness::open().await;
    let list = harness.data("/api/v1/database/tables").await;
    assert_eq!((&list["total"], &list["tables"][0]["name"]), (&json!(1), &json!("products")), "{list}");
    let table = harness.data("/api/v1/database/tables/public.products").await;
    assert!(table["indexes"][0]["isPrimary"] == true && table["freezeAge"].as_i64().unwrap() > 0, "{table}");
    assert_eq!(table["table"], harness.data("/api/v1/performance/database/table-stats/products").await["table"]);
    problem(harness.get("/api/v1/database/tables/nothing").await, 404, "not-found").await;

    let path = "/api/v1/database/tables/products/optimize";
    let dry = data(harness.post(path, &json!({ "dryRun": true })).await).await;
    assert_eq!(dry["preview"]["statement"], "VACUUM (ANALYZE) \"public\".\"products\"", "{dry}");
    assert!(dry["operation"].is_null());
    let started = data(harness.post(path, &json!({ "reason": "a test" })).await).await;
    let id = started["operation"]["id"].as_str().unwrap().to_owned();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let ended = loop {
        let operation = harness.data(&format!("/api/v1/operations/{id}")).await;
        if ["succeeded", "failed"].iter().any(|state| operation["state"] == *state) {
            break operation;
        }
        assert!(std::time::Instant::now() < end, "{operation}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(ended["effect"].as_str().unwrap().starts_with("Checked: the server counts the vacuum"), "{ended}");
    let table = harness.data("/api/v1/database/tables/products").await;
    assert!(table["vacuums"]["count"] == 1 && table["vacuums"]["last"].is_i64(), "{table}");
    let refused = harness.post("/api/v1/database/tables/products/bloat", &json!({})).await;
    problem(refused, 422, "refused").await;
    harness.stop().await;
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let harness = Harness::open().await;
    let all = ["size", "stats", "replication", "vacuum", "settings"];
    let mut answers = Vec::new();
    for name in all {
        answers.push(harness.data(&format!("/api/v1/database/{name}")).await);
    }
    let [size, stats, replication, vacuum, settings]: [Value; 5] = answers.try_into().unwrap();
    assert!(size["databaseBytes"].as_u64().unwrap() > 1_000_000 && size["growthBytesADay"].is_null(), "{size}");
    assert!(stats["commits"].as_u64().unwrap() > 0 && stats["checkpoints"]["timed"].is_u64(), "{stats}");
    assert_eq!((&replication["isReplica"], &replication["standbys"]), (&json!(false), &json!([])));
    assert!(!vacuum["databases"].as_array().unwrap().is_empty() && vacuum["running"].is_array(), "{vacuum}");
    let advice = settings["advice"].as_array().unwrap();
    assert!(advice.iter().any(|advice| advice["name"] == "fsync" && advice["isRisk"] == true), "{settings}");
    harness.stop().await;
}
