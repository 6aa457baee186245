//! A console over given servers, and how to wait for what it shows.

use headroom_engine::{
    cache::{CacheSettings, Servers},
    clock::Clock,
    collect::CollectSettings,
    console::{Console, ConsoleConfig},
    health::HealthSettings,
    plans::PlanSettings,
    pool::PoolProfile,
    store::{self, Retention},
    target::{CapacityLimits, TargetConfig},
    warmup::WarmupSettings,
};
use headroom_model::{TargetId, live::LiveUpdate};
use std::{sync::Arc, time::Duration};

/// Longer than anything here takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn id(name: &str) -> TargetId {
    TargetId(name.to_owned())
}

/// The collector's own pace, so that what is measured here is what users see.
fn collect() -> CollectSettings {
    CollectSettings {
        live_every: Duration::from_secs(5),
        heavy_every: Duration::from_secs(60),
        heartbeat_every: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_millis(100),
        waits_every: Duration::from_secs(1),
    }
}

pub fn config(targets: &[(&str, String, Option<String>)]) -> ConsoleConfig {
    let target = |(name, database_url, redis_url): &(&str, String, Option<String>)| TargetConfig {
        id: id(name),
        database_url: database_url.clone(),
        replica: None,
        redis: redis_url.clone().map(Servers::Single),
        pool: PoolProfile::default(),
        limits: CapacityLimits::default(),
        auto_terminate: None,
    };
    ConsoleConfig {
        targets: targets.iter().map(target).collect(),
        collect: collect(),
        health: HealthSettings::default(),
        retention: Retention { minutes_days: 30, hours_days: 762, events_days: 762 },
        cache: CacheSettings::default(),
        datasets: Vec::new(),
        warmup: WarmupSettings::default(),
        plans: PlanSettings::default(),
    }
}

pub async fn start(targets: &[(&str, String, Option<String>)]) -> Arc<Console> {
    let store = store::open("sqlite::memory:").await.unwrap();
    Console::start(config(targets), store, Clock::system()).await.unwrap()
}

/// Waits until the newest view of a target is as asked, without polling faster than it changes.
pub async fn until(console: &Console, target: &str, wanted: impl Fn(&LiveUpdate) -> bool) -> Arc<LiveUpdate> {
    let mut feed = console.subscribe();
    let seen = async {
        loop {
            let latest = console.latest(&id(target)).unwrap();
            if wanted(&latest) {
                return latest;
            }
            let _message_or_lag = feed.recv().await;
        }
    };
    match tokio::time::timeout(PATIENCE, seen).await {
        Ok(update) => update,
        Err(_) => panic!("never seen; newest: {:#?}", console.latest(&id(target))),
    }
}
