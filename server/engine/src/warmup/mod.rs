//! Warmup: loading pages before anyone asks.
//!
//! `plan` chooses keys by strategy, `run` loads them as an operation: a few at a time in a lane of their own, at a
//! bounded rate, slower or not at all while the database or its readers suffer (`pace`). One runs at a time over all
//! consoles that share the target's Redis. `auto` starts them by themselves and remembers what was hot.
//!
//! Warming is no use: it counts neither as hits nor as misses, and makes no key hot.

mod auto;
mod pace;
mod plan;
mod run;
mod schedule;

pub use schedule::{Schedule, ScheduleError};

pub(crate) use auto::Keeper;
pub(crate) use run::start;

use crate::{
    actions::ActionError,
    console::{Console, ConsoleConfig},
    dataset::SetupError,
    lock::Locks,
    spine::slot::Moment,
    store::{HotKey, StateStore},
    target::TargetConfig,
};
use headroom_model::{
    TargetId,
    format::{count, counted},
    operation::Operation,
    warmup::{WarmupPreview, WarmupRun, WarmupSchedule, WarmupShare, WarmupStatus, WarmupStrategy},
};
use plan::Plan;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What operations of warmups are called.
pub const KIND: &str = "cache.warm";
/// Earlier warmups that are told.
const HISTORY: u32 = 20;

/// When and how fast caches are warmed.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmupSettings {
    /// What is loaded once the target answers after a start. Default nothing.
    pub at_start: Option<WarmupStrategy>,
    /// When a warmup starts by itself. Default never.
    pub schedule: Option<Schedule>,
    /// Most loads a second. Default 50.
    pub keys_per_second: u32,
}

impl Default for WarmupSettings {
    fn default() -> Self {
        WarmupSettings { at_start: None, schedule: None, keys_per_second: 50 }
    }
}

/// The warmups of every target.
pub(crate) struct Warmups(BTreeMap<TargetId, Arc<Site>>);

/// What is known of a target's warmups.
struct Site {
    locks: Locks,
    lock: String,
    /// The one under way in this process; whoever holds the lock writes it.
    current: Mutex<Option<Current>>,
    /// Hot keys of earlier processes, by dataset; none until the store was asked.
    remembered: Mutex<Option<BTreeMap<String, Vec<HotKey>>>>,
    next: Moment,
}

/// A warmup under way, beside its operation.
#[derive(Clone, Debug)]
struct Current {
    /// Of the lock it runs under.
    fence: u64,
    strategy: WarmupStrategy,
    shares: Vec<WarmupShare>,
    yields_because: Option<String>,
}

impl Warmups {
    /// Nothing connects before it is asked to.
    pub fn new(config: &ConsoleConfig, store: &Arc<dyn StateStore>) -> Result<Self, SetupError> {
        let site = |target: &TargetConfig| {
            let locks = match &target.redis {
                Some(servers) => Locks::in_redis(servers, &config.cache.space)
                    .map_err(|source| SetupError::Redis { target: target.id.clone(), source })?,
                None => Locks::in_store(store.clone()),
            };
            let site = Site {
                locks,
                lock: format!("warmup/{}", target.id),
                current: Mutex::default(),
                remembered: Mutex::default(),
                next: Moment::default(),
            };
            Ok((target.id.clone(), Arc::new(site)))
        };
        config.targets.iter().map(site).collect::<Result<_, _>>().map(Warmups)
    }

    fn site(&self, target: &TargetId) -> Result<&Arc<Site>, ActionError> {
        self.0.get(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))
    }
}

impl Site {
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, Option<BTreeMap<String, Vec<HotKey>>>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a warmup would load.
pub(crate) async fn preview(
    console: &Console,
    target: &TargetId,
    strategy: WarmupStrategy,
) -> Result<WarmupPreview, ActionError> {
    let plan = Plan::choose(console, target, strategy).await?;
    let missing: Vec<_> = plan.keys.iter().filter(|key| !key.is_fresh()).collect();
    let at_once = plan.at_once;
    let rate = console.config.warmup.keys_per_second;
    let load_ms: Option<f64> = missing.iter().map(|key| key.dataset.class().mean_load_ms()).sum();
    let estimated_ms = load_ms.map(|ms| (ms / at_once as f64).max(missing.len() as f64 * 1000.0 / f64::from(rate)));
    let (keys, to_load) = (plan.keys.len() as u64, missing.len() as u64);
    let mut effect = format!(
        "{} of {}; not fresh in memory and loaded: {}, {at_once} at a time and at most {rate} a second.",
        counted(keys, "key"),
        counted(plan.shares.len() as u64, "dataset"),
        count(to_load),
    );
    for note in &plan.notes {
        effect.push(' ');
        effect.push_str(note);
    }
    Ok(WarmupPreview { strategy, keys, to_load, estimated_ms, datasets: plan.shares, effect })
}

/// Warmups of a target: now, next, and before.
pub(crate) async fn status(console: &Console, target: &TargetId) -> Option<WarmupStatus> {
    let site = console.warmups.site(target).ok()?;
    let known = console.operations.list(Some(target));
    let (ended, under_way): (Vec<Operation>, Vec<Operation>) =
        known.into_iter().filter(|operation| operation.kind == KIND).partition(|it| it.state.is_final());
    let current = site.current().clone();
    let running = under_way.into_iter().next().zip(current).map(|(operation, current)| WarmupRun {
        operation,
        strategy: current.strategy,
        datasets: current.shares,
        yields_because: current.yields_because,
    });
    let elsewhere = match &running {
        Some(_) => None,
        // Where the locks do not answer, nobody knows.
        None => site.locks.holder(&site.lock).await.ok().flatten().map(|holder| holder.owner),
    };
    let schedule =
        console.config.warmup.schedule.as_ref().zip(site.next.get()).map(|(schedule, next)| WarmupSchedule {
            cron: schedule.cron().to_owned(),
            strategy: schedule.strategy,
            next,
        });
    let mut history = ended;
    match console.store.operations_of(KIND, target, HISTORY).await {
        Ok(stored) => {
            let older = stored.into_iter().filter(|it| it.state.is_final());
            let unknown: Vec<_> = older.filter(|it| !history.iter().any(|known| known.id == it.id)).collect();
            history.extend(unknown);
        }
        // What ended lately is in memory too.
        Err(error) => tracing::debug!(%error, "earlier warmups could not be read"),
    }
    history.sort_by(|a, b| b.id.cmp(&a.id));
    history.truncate(HISTORY as usize);
    Some(WarmupStatus { running, elsewhere, schedule, history })
}
