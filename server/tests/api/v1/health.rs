//! `/health`, `/summary`, `/targets`, `/metrics/current`, `/metrics/catalogue`.

use crate::harness::Harness;
use headroom_model::metric::CATALOGUE;

#[tokio::test]
async fn the_ledger_adds_up() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let health = harness.data("/api/v1/health").await;
    assert_eq!(health["target"]["postgres"]["state"], "up", "{health}");
    let score = health["score"].as_u64().unwrap();
    let lost: u64 = health["deductions"].as_array().unwrap().iter().map(|d| d["points"].as_u64().unwrap()).sum();
    assert_eq!(score + lost, 100);
    let issues = health["issues"].as_array().unwrap();
    assert!(issues.iter().all(|issue| issue["kind"] == "active"));
    harness.stop().await;
}

#[tokio::test]
async fn summary_targets_and_figures_agree() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let summary = harness.data("/api/v1/summary").await;
    let targets = harness.data("/api/v1/targets").await;
    let current = harness.data("/api/v1/metrics/current?target=orders").await;
    assert_eq!(summary["targets"][0]["id"], targets[0]["id"]);
    assert_eq!(current["target"], "orders");
    assert!(current["figures"]["database.connections"].as_f64().unwrap() >= 1.0);
    harness.stop().await;
}

#[tokio::test]
async fn the_catalogue_is_complete() {
    let harness = Harness::open().await;
    let catalogue = harness.data("/api/v1/metrics/catalogue").await;
    assert_eq!(catalogue.as_array().unwrap().len(), CATALOGUE.len());
    assert_eq!(catalogue[0]["id"], CATALOGUE[0].id.as_str());
    harness.stop().await;
}
