//! A target as the engines hold it: what was configured, its connection lanes and its Redis.

use crate::pool::{PoolProfile, Pools};
use headroom_model::TargetId;
use std::fmt;

/// What configuration says of a target. Connection strings carry secrets: never log them, `Debug` leaves them out.
#[derive(Clone)]
pub struct TargetConfig {
    /// Short name, unique.
    pub id: TargetId,
    /// Connection string of the watched PostgreSQL database.
    pub database_url: String,
    /// Connection string of its Redis, if it has one.
    pub redis_url: Option<String>,
    /// Sizes and timeouts of the lanes.
    pub pool: PoolProfile,
}

impl fmt::Debug for TargetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetConfig")
            .field("id", &self.id)
            .field("redis", &self.redis_url.is_some())
            .finish_non_exhaustive()
    }
}

/// A target with its connections. Cheap to share behind an `Arc`; connecting happens when something is first asked.
#[derive(Debug)]
pub struct Target {
    /// Short name.
    pub id: TargetId,
    /// Lanes into PostgreSQL.
    pub pools: Pools,
    /// Connections to Redis, where one is configured.
    pub redis: Option<deadpool_redis::Pool>,
    /// Whether PostgreSQL runs on this machine (loopback or a Unix socket), so that its CPU can be measured here.
    pub is_local: bool,
}

impl Target {
    /// Prepares lanes and Redis connections; nothing connects before it is asked to.
    ///
    /// # Errors
    /// A connection string cannot be read.
    pub fn new(_config: &TargetConfig) -> Result<Self, crate::pool::PoolError> {
        unimplemented!()
    }
}
