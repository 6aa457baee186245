//! What the tests of pools and collectors share.

use headroom_engine::{
    cache::Servers,
    pool::PoolProfile,
    target::{CapacityLimits, Target, TargetConfig},
};
use headroom_model::TargetId;
use std::sync::Arc;

/// A target called `test`.
pub fn target(database_url: &str, redis: Option<Servers>, pool: PoolProfile) -> Arc<Target> {
    let config = TargetConfig {
        id: TargetId("test".into()),
        database_url: database_url.into(),
        redis,
        pool,
        limits: CapacityLimits::default(),
    };
    Arc::new(Target::new(&config).expect("a sandbox's connection string can be read"))
}
