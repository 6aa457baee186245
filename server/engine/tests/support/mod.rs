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
    Arc::new(Target::new(&config(database_url, redis, pool)).expect("a sandbox's connection string can be read"))
}

/// What [`target`] is made from.
pub fn config(database_url: &str, redis: Option<Servers>, pool: PoolProfile) -> TargetConfig {
    TargetConfig {
        id: TargetId("test".into()),
        database_url: database_url.into(),
        replica: None,
        redis,
        pool,
        limits: CapacityLimits::default(),
        auto_terminate: None,
    }
}
