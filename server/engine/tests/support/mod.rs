//! What the tests of pools and collectors share.

use headroom_engine::{
    pool::PoolProfile,
    target::{Target, TargetConfig},
};
use headroom_model::TargetId;
use std::sync::Arc;

/// A target called `test`.
pub fn target(database_url: &str, redis_url: Option<&str>, pool: PoolProfile) -> Arc<Target> {
    let config = TargetConfig {
        id: TargetId("test".into()),
        database_url: database_url.into(),
        redis_url: redis_url.map(Into::into),
        pool,
    };
    Arc::new(Target::new(&config).expect("a sandbox's connection string can be read"))
}
