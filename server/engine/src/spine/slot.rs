//! Where the newest view of a target stands, for everyone who asks between two samples.

use crate::{collect::Observation, policy::Policy, target::Target};
use headroom_model::{
    Timestamp,
    health::Health,
    live::LiveUpdate,
    metric::Kind,
    observation::Issue,
    sample::Figures,
    target::{Reach, TargetInfo},
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use tokio::sync::watch;

/// One publication: what every reader sees of a target at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub update: Arc<LiveUpdate>,
    pub observation: Option<Arc<Observation>>,
    /// Metrics that count events, summed since the console started: Prometheus wants counters that only rise.
    pub totals: Arc<Figures>,
}

/// A moment that may not have come; shared without a lock.
#[derive(Debug, Default)]
pub(crate) struct Moment(AtomicI64);

impl Moment {
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.0, Ordering::Relaxed);
    }

    /// Puts back what [`Moment::get`] answered.
    pub fn restore(&self, at: Option<Timestamp>) {
        self.set(at.unwrap_or_default());
    }

    pub fn get(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp)
    }
}

/// A target and its newest publication.
#[derive(Debug)]
pub(crate) struct Slot {
    pub target: Arc<Target>,
    /// When the console last reset pg_stat_statements, or an earlier process noticed a reset: the server does not tell for
    /// one database alone.
    pub statements_reset_at: Moment,
    /// When the counters of the pools were last reset.
    pub pool_reset_at: Moment,
    /// When the cache's counters were last reset.
    pub cache_reset_at: Moment,
    /// Issues of resources whose limit is near, as they were forecast last.
    pub near_limits: NearLimits,
    /// Ending sessions by rule.
    pub policy: Policy,
    published: watch::Sender<Published>,
}

/// Issues that come from forecasts, not from a sample.
#[derive(Debug, Default)]
pub(crate) struct NearLimits(Mutex<Arc<[Issue]>>);

impl NearLimits {
    pub fn store(&self, issues: Vec<Issue>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = issues.into();
    }

    pub fn get(&self) -> Arc<[Issue]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Slot {
    /// A slot before its first sample: `health` is unknown, the servers are starting.
    pub fn new(target: Arc<Target>, health: Health, policy: Policy) -> Self {
        let update = LiveUpdate {
            at: health.at,
            target: TargetInfo {
                id: target.id.clone(),
                postgres: Reach::Starting,
                postgres_version: None,
                replica: None,
                redis: if target.redis.is_some() { Reach::Starting } else { Reach::Absent },
                redis_version: None,
                sampled_at: None,
                statements_reset_at: None,
                limitations: Vec::new(),
            },
            health,
            figures: Figures::new(),
            issues: Vec::new(),
        };
        let published = Published { update: Arc::new(update), observation: None, totals: Arc::new(Figures::new()) };
        Slot {
            target,
            statements_reset_at: Moment::default(),
            pool_reset_at: Moment::default(),
            cache_reset_at: Moment::default(),
            near_limits: NearLimits::default(),
            policy,
            published: watch::Sender::new(published),
        }
    }

    /// The newest publication.
    pub fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    /// Every publication from now on, the newest of those that were missed.
    pub fn watch(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// Puts the next publication in place of the previous one.
    pub fn publish(&self, update: Arc<LiveUpdate>, observation: Observation) {
        let mut totals = (*self.published.borrow().totals).clone();
        for (metric, value) in &observation.sample.figures {
            if metric.metric().kind == Kind::Delta {
                *totals.entry(*metric).or_default() += value.max(0.0);
            }
        }
        self.published.send_replace(Published {
            update,
            observation: Some(Arc::new(observation)),
            totals: Arc::new(totals),
        });
    }
}
