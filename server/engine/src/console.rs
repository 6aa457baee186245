//! The process context: one typed value that joins the engines. The server hands it to routes and pages.

use crate::{
    access::Access,
    clock::Clock,
    collect::{CollectSettings, Observation},
    health::HealthSettings,
    history::History,
    operations::Operations,
    pool::PoolError,
    requests::RequestStats,
    store::{Retention, StateStore, StoreError},
    target::{Target, TargetConfig},
};
use headroom_model::{
    TargetId,
    event::{Event, NewEvent},
    live::{LiveMessage, LiveUpdate},
    target::TargetInfo,
};
use std::sync::Arc;
use tokio::sync::broadcast;

/// What a console is started with.
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// The watched targets; the first is the default one. At least one.
    pub targets: Vec<TargetConfig>,
    /// How to collect.
    pub collect: CollectSettings,
    /// How to score.
    pub health: HealthSettings,
    /// How long to keep.
    pub retention: Retention,
}

/// Why a console did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// A target's connection string cannot be read.
    #[error("target \"{target}\": {source}")]
    Target {
        /// Which target.
        target: TargetId,
        /// Why.
        source: PoolError,
    },
    /// No targets, or two with one name.
    #[error("{0}")]
    Config(String),
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running console.
pub struct Console {
    /// The time.
    pub clock: Clock,
    /// State that outlives the process.
    pub store: Arc<dyn StateStore>,
    /// Series.
    pub history: Arc<History>,
    /// Users, tokens, sessions.
    pub access: Access,
    /// Long actions.
    pub operations: Operations,
    /// The console's own HTTP latencies.
    pub requests: Arc<RequestStats>,
    /// What it was started with.
    pub config: ConsoleConfig,
}

impl Console {
    /// Starts collectors, history and supervisor. They stop with [`Console::shutdown`].
    pub async fn start(
        _config: ConsoleConfig,
        _store: Arc<dyn StateStore>,
        _clock: Clock,
    ) -> Result<Arc<Self>, ConsoleError> {
        unimplemented!()
    }

    /// All targets, in configured order.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetInfo> {
        unimplemented!()
    }

    /// A target by name.
    #[must_use]
    pub fn target(&self, _id: &TargetId) -> Option<Arc<Target>> {
        unimplemented!()
    }

    /// The target that a request means when it names none.
    #[must_use]
    pub fn default_target(&self) -> &TargetId {
        unimplemented!()
    }

    /// The newest view of a target. Present for every configured target from the start.
    #[must_use]
    pub fn latest(&self, _id: &TargetId) -> Option<Arc<LiveUpdate>> {
        unimplemented!()
    }

    /// The newest observation of a target, once there is one.
    #[must_use]
    pub fn observation(&self, _id: &TargetId) -> Option<Arc<Observation>> {
        unimplemented!()
    }

    /// The live feed. A reader that falls behind misses messages, never delays anyone.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveMessage>> {
        unimplemented!()
    }

    /// Stores an event and shows it on the live feed.
    pub async fn mark(&self, _event: NewEvent) -> Result<Event, StoreError> {
        unimplemented!()
    }

    /// Stops collectors and operations, writes what is pending, closes the pools. Bounded by 10 s.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
