//! `/pool`, `/pool/holders`, `/pool/leaks`.

use crate::harness::{Harness, TARGET};
use headroom_engine::pool::Lane;
use headroom_model::TargetId;

#[tokio::test]
async fn a_lent_connection_shows_with_its_call_site() {
    let harness = Harness::open().await;
    let target = harness.console.target(&TargetId(TARGET.to_owned())).unwrap();
    let lease = target.pools.acquire(Lane::Batch).await.unwrap();
    let lanes = harness.data("/api/v1/pool").await;
    let batch = lanes.as_array().unwrap().iter().find(|lane| lane["lane"] == "batch").unwrap();
    assert_eq!(batch["inUse"], 1, "{lanes}");
    let holders = harness.data("/api/v1/pool/holders").await;
    let holder = holders.as_array().unwrap().iter().find(|holder| holder["lane"] == "batch").unwrap();
    assert!(holder["callSite"].as_str().unwrap().contains("tests/api/v1/pool.rs:"), "{holder}");
    assert_eq!(harness.data("/api/v1/pool/leaks").await.as_array().unwrap().len(), 0);
    drop(lease);
    harness.stop().await;
}
