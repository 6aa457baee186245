//! The process context: one typed value that joins the engines. The server hands it to routes and pages.

use crate::{
    access::Access,
    actions,
    advisor::{self, Advisor},
    cache::{CacheSettings, Class},
    cache_view::Lists,
    capacity::Capacity,
    clock::Clock,
    collect::{CollectSettings, Observation, WaitSampler, Waits},
    dataset::{DatasetConfig, Datasets, SetupError},
    health::{self, HealthSettings},
    history::{self, History},
    moment::Moments,
    operations::{self, Operations},
    plans::{PlanSettings, Plans},
    policy::{Enforcer, Policy},
    pool::PoolError,
    requests::RequestStats,
    shares::Openings,
    spine::{
        feed::{Feed, Recorder},
        leaks,
        lease::Lease,
        process::SharedProcess,
        slot::{Moment, Published, Slot},
        watch::{Readers, Watch},
    },
    statements::StatementLog,
    store::{DAY_MS, Retention, StateStore, StoreError, TABLE_SIZES_DAYS},
    tables::{self, LookError, ServerLooks, Tables},
    target::{Target, TargetConfig},
    warmup::{self, WarmupSettings, Warmups},
};
use headroom_model::{
    MetricId, Sample, TargetId, Timestamp,
    cache::{CacheReport, ClassCounters},
    event::{Event, NewEvent},
    live::{LiveMessage, LiveUpdate},
    operation::Operation,
    range::Resolved,
    sample::Figures,
    tables::{SizeReport, TableSummary},
    target::TargetInfo,
    warmup::WarmupStatus,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

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
    /// How the caches of datasets behave.
    pub cache: CacheSettings,
    /// What applications may read.
    pub datasets: Vec<DatasetConfig>,
    /// When and how fast caches are warmed.
    pub warmup: WarmupSettings,
    /// How statements are explained and indexes are advised.
    pub plans: PlanSettings,
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
    /// A dataset or a cache cannot be set up.
    #[error(transparent)]
    Datasets(#[from] SetupError),
    /// Another console writes into the state store.
    #[error(
        "another console runs on this state store; stop it, or give this one a store of its own (data_dir, state_url)"
    )]
    Held,
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
    /// What ran in each minute.
    pub moments: Arc<Moments>,
    /// What each statement did.
    pub statements: Arc<StatementLog>,
    /// Users, tokens, sessions.
    pub access: Access,
    /// What applications read through the cache.
    pub datasets: Datasets,
    /// Forecasts of what runs out.
    pub capacity: Arc<Capacity>,
    /// Looks at tables, vacuum, replication and settings of targets.
    pub tables: Tables,
    /// Plans of statements.
    pub plans: Plans,
    /// Advice about indexes.
    pub advisor: Arc<Advisor>,
    /// Long actions.
    pub operations: Operations,
    /// The console's own HTTP latencies.
    pub requests: Arc<RequestStats>,
    /// What it was started with.
    pub config: ConsoleConfig,
    /// When it was started.
    pub started_at: Timestamp,
    /// When the HTTP latencies were last reset.
    pub(crate) requests_reset_at: Arc<Moment>,
    pub(crate) warmups: Warmups,
    pub(crate) openings: Arc<Openings>,
    pub(crate) lists: Arc<Lists>,
    /// In configured order; never empty.
    slots: Vec<Arc<Slot>>,
    feed: Arc<Feed>,
    lease: Arc<Lease>,
    tasks: Tasks,
}

/// The console's background tasks and what stops them: first those that make figures and events, then those that write
/// them down.
#[derive(Default)]
struct Tasks {
    makers: TaskTracker,
    stop_makers: CancellationToken,
    writers: TaskTracker,
    stop_writers: CancellationToken,
}

/// How long tasks may take to stop, makers and writers each; operations have as long, at the same time as makers.
const STOP: Duration = Duration::from_secs(3);
/// How long closing the pools and giving the state store free may take.
const CLOSE: Duration = Duration::from_secs(1);
/// How long [`Console::shutdown`] takes at most.
pub const SHUTDOWN: Duration = Duration::from_secs(2 * STOP.as_secs() + CLOSE.as_secs());
const _: () = assert!(operations::SHUTDOWN.as_millis() <= STOP.as_millis());
const _: () = assert!(history::LAST_FLUSH.as_millis() < STOP.as_millis());
/// Targets begin this far apart, so that they are not all asked at once.
const APART: Duration = Duration::from_millis(300);

impl Console {
    /// Starts collectors, history and supervisor. They stop with [`Console::shutdown`].
    ///
    /// # Errors
    /// No targets or two with one name, a connection string that cannot be read, a state store that does not answer, or one
    /// that another console writes into and does not give free within seconds.
    pub async fn start(
        config: ConsoleConfig,
        store: Arc<dyn StateStore>,
        clock: Clock,
    ) -> Result<Arc<Self>, ConsoleError> {
        let now = clock.now();
        let slots = open_targets(&config, now)?;
        let lease = Arc::new(Lease::take(store.clone()).await?);
        let (feed, recorder) = Feed::new(store.clone());
        let operations = Operations::open(store.clone(), feed.clone(), clock.clone()).await?;
        for slot in &slots {
            if let Some(at) = actions::last_statements_reset(store.as_ref(), &slot.target.id).await? {
                slot.statements_reset_at.set(at);
            }
        }
        let targets: Vec<_> =
            config.targets.iter().cloned().zip(slots.iter().map(|slot| slot.target.clone())).collect();
        let warmups = Warmups::new(&config, &store)?;
        let datasets = Datasets::start(config.datasets.clone(), &targets, &config.cache, &clock)?;
        let history = Arc::new(History::new(store.clone(), clock.clone(), config.retention));
        let console = Arc::new(Console {
            capacity: Arc::new(Capacity::new(history.clone(), clock.clone(), &slots)),
            tables: Tables::new(slots.iter().map(|slot| slot.target.clone()), &store, &clock),
            plans: Plans::new(store.clone(), feed.clone()),
            advisor: Arc::new(Advisor::new(store.clone(), clock.clone(), &slots)),
            datasets,
            warmups,
            openings: Arc::default(),
            lists: Arc::default(),
            history,
            moments: Arc::new(Moments::new(store.clone(), clock.clone())),
            statements: Arc::new(StatementLog::new(store.clone(), clock.clone(), feed.clone())),
            access: Access::new(store.clone(), clock.clone()),
            requests: Arc::new(RequestStats::default()),
            requests_reset_at: Arc::default(),
            started_at: now,
            tasks: Tasks::default(),
            clock,
            store,
            operations,
            config,
            slots,
            feed,
            lease,
        });
        console.spawn(recorder);
        for slot in &console.slots {
            let sizes = tables::note_sizes(Arc::downgrade(&console), slot.clone(), console.tasks.stop_makers.clone());
            console.tasks.makers.spawn(sizes);
            let keeper = warmup::Keeper::new(&console, slot.target.id.clone());
            console.tasks.makers.spawn(keeper.run(console.tasks.stop_makers.clone()));
            let rounds = advisor::Rounds::new(&console, slot.target.id.clone());
            console.tasks.makers.spawn(rounds.run(console.tasks.stop_makers.clone()));
            let enforcer = Enforcer::new(&console, slot.clone());
            console.tasks.makers.spawn(enforcer.run(console.tasks.stop_makers.clone()));
        }
        Ok(console)
    }

    fn spawn(&self, recorder: Recorder) {
        let Tasks { makers, stop_makers, writers, stop_writers } = &self.tasks;
        writers.spawn(recorder.run(stop_writers.clone()));
        let (lease, stop) = (self.lease.clone(), stop_writers.clone());
        writers.spawn(async move { lease.keep(stop).await });
        let (history, stop) = (self.history.clone(), stop_writers.clone());
        writers.spawn(async move { history.run(stop).await });
        let (moments, stop) = (self.moments.clone(), stop_writers.clone());
        writers.spawn(async move { moments.run(stop).await });
        let (statements, stop) = (self.statements.clone(), stop_writers.clone());
        writers.spawn(async move { statements.run(stop).await });
        let (openings, store, stop) = (self.openings.clone(), self.store.clone(), stop_writers.clone());
        writers.spawn(async move { openings.run(store, stop).await });
        let readers = Readers {
            clock: self.clock.clone(),
            feed: self.feed.clone(),
            history: self.history.clone(),
            moments: self.moments.clone(),
            statements: self.statements.clone(),
            advisor: self.advisor.clone(),
            process: Arc::new(SharedProcess::start(self.requests.clone(), self.config.collect.live_every)),
        };
        let mut delay = Duration::ZERO;
        for slot in &self.slots {
            let cache = self.datasets.cache(&slot.target.id).cloned();
            let health = self.config.health.clone();
            let waits = Arc::new(Waits::default());
            let sampler = WaitSampler::new(slot.target.clone(), waits.clone(), self.config.collect.waits_every);
            makers.spawn(sampler.run(stop_makers.clone()));
            let watch = Watch::new(readers.clone(), slot.clone(), cache, self.config.collect, health, waits);
            makers.spawn(watch.run(delay, stop_makers.clone()));
            delay += APART + APART.mul_f64(rand::random::<f64>());
        }
        for slot in &self.slots {
            slot.target.pools.warm_up();
            let (target, stop) = (slot.target.clone(), stop_makers.clone());
            makers.spawn(async move { target.pools.guard_replica(stop).await });
        }
        let (slots, feed, clock) = (self.slots.clone(), self.feed.clone(), self.clock.clone());
        makers.spawn(leaks::watch(slots, feed, clock, stop_makers.clone()));
        makers.spawn(self.capacity.clone().run(stop_makers.clone()));
        makers.close();
        writers.close();
    }

    /// All targets, in configured order.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetInfo> {
        self.published().map(|published| published.update.target.clone()).collect()
    }

    /// A target by name.
    #[must_use]
    pub fn target(&self, id: &TargetId) -> Option<Arc<Target>> {
        self.slot(id).map(|slot| slot.target.clone())
    }

    /// The target that a request means when it names none.
    #[must_use]
    pub fn default_target(&self) -> &TargetId {
        &self.slots.first().expect("`start` refuses a configuration without targets").target.id
    }

    /// The cache of a target with all its datasets.
    #[must_use]
    pub fn cache_report(&self, id: &TargetId) -> Option<CacheReport> {
        let cache = self.datasets.cache(id)?;
        let classes: Vec<_> = cache.classes().iter().map(Class::report).collect();
        let (memory_bytes, memory_max) = cache.memory();
        Some(CacheReport {
            target: id.clone(),
            redis: cache.redis(),
            hears_tables: self.datasets.hears(id),
            memory_bytes,
            memory_max,
            counting_since: self.slot(id)?.cache_reset_at.get().unwrap_or(self.started_at),
            counters: ClassCounters::sum(classes.iter().map(|class| &class.counters)),
            classes,
        })
    }

    /// Where the bytes of a target's database are, and how fast it grows by the last 30 days of history.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn database_size(&self, id: &TargetId) -> Result<SizeReport, LookError> {
        let mut report = (*self.tables.size(id).await?).clone();
        let now = self.clock.now();
        let range = Resolved { from: now.plus_millis(-i64::from(TABLE_SIZES_DAYS) * DAY_MS), to: now, live: false };
        // Without its history the size is as true as with it.
        let series = self.history.series_within(id, &[MetricId::DatabaseSize], range, 360).await.unwrap_or_default();
        report.growth_bytes_a_day = series.first().and_then(tables::growth_of);
        Ok(report)
    }

    /// All that the server says of itself, one look after another: one connection is enough for all of them. Once it does not
    /// answer it is not asked further.
    pub async fn server_looks(&self, id: &TargetId) -> ServerLooks {
        let mut silent = None;
        ServerLooks {
            size: unless(&mut silent, self.database_size(id)).await,
            stats: unless(&mut silent, self.tables.stats(id)).await,
            vacuum: unless(&mut silent, self.tables.vacuum(id)).await,
            replication: unless(&mut silent, self.tables.replication(id)).await,
            settings: unless(&mut silent, self.tables.settings(id)).await,
        }
    }

    /// The newest operation that optimised a table from here: the one under way, else the last.
    #[must_use]
    pub fn last_optimize(&self, id: &TargetId, table: &TableSummary) -> Option<Operation> {
        let title = tables::optimize::title(&table.schema, &table.name);
        self.operations.list(Some(id)).into_iter().find(|operation| operation.title == title)
    }

    /// Warmups of a target: the one under way, the next, and earlier ones. None where no target has this name.
    pub async fn warmup_status(&self, id: &TargetId) -> Option<WarmupStatus> {
        warmup::status(self, id).await
    }

    /// The newest view of a target. Present for every configured target from the start.
    #[must_use]
    pub fn latest(&self, id: &TargetId) -> Option<Arc<LiveUpdate>> {
        self.slot(id).map(|slot| slot.published().update)
    }

    /// The newest observation of a target, once there is one.
    #[must_use]
    pub fn observation(&self, id: &TargetId) -> Option<Arc<Observation>> {
        self.slot(id)?.published().observation
    }

    pub(crate) fn slot(&self, id: &TargetId) -> Option<&Arc<Slot>> {
        self.slots.iter().find(|slot| &slot.target.id == id)
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Runs an action to its end, whether or not anyone waits for it; [`Console::shutdown`] does, within its bounds.
    pub fn spawn_action<A>(&self, action: A) -> JoinHandle<A::Output>
    where
        A: Future<Output: Send> + Send + 'static,
    {
        self.tasks.makers.spawn(action)
    }

    /// The newest publication of every target, in configured order.
    pub(crate) fn published(&self) -> impl Iterator<Item = Published> {
        self.slots.iter().map(|slot| slot.published())
    }

    /// The live feed. A reader that falls behind misses messages, never delays anyone.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveMessage>> {
        self.feed.subscribe()
    }

    /// Stores an event and shows it on the live feed.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn mark(&self, event: NewEvent) -> Result<Event, StoreError> {
        self.feed.mark(Uuid::now_v7(), &event).await
    }

    /// Returns when another console has taken the state store over, which can only happen while this one does not reach it
    /// for longer than its lease. Nothing should be written from then on.
    pub async fn ousted(&self) {
        self.lease.lost().await;
    }

    /// Stops collectors and operations, writes what is pending, closes the pools. Bounded by [`SHUTDOWN`].
    pub async fn shutdown(&self) {
        let Tasks { makers, stop_makers, writers, stop_writers } = &self.tasks;
        stop_makers.cancel();
        let (_, stopped, ()) =
            tokio::join!(self.operations.shutdown(), timeout(STOP, makers.wait()), self.datasets.shutdown());
        if stopped.is_err() {
            tracing::error!("collectors did not stop in time");
        }
        // Makers are gone, so what waits now is all there will be.
        stop_writers.cancel();
        if timeout(STOP, writers.wait()).await.is_err() {
            tracing::error!("history or events were not written in time");
        }
        let close = futures::future::join_all(self.slots.iter().map(|slot| slot.target.pools.close()));
        if timeout(CLOSE, async { tokio::join!(close, self.lease.release()) }).await.is_err() {
            tracing::warn!("connections did not close in time");
        }
    }
}

/// A look, unless the server was found not to answer before.
async fn unless<T>(
    silent: &mut Option<LookError>,
    look: impl Future<Output = Result<T, LookError>>,
) -> Result<T, LookError> {
    if let Some(reason) = silent {
        return Err(reason.clone());
    }
    let found = look.await;
    if let Err(reason @ (LookError::Unreachable(_) | LookError::Timeout(_))) = &found {
        *silent = Some(reason.clone());
    }
    found
}

fn open_targets(config: &ConsoleConfig, now: Timestamp) -> Result<Vec<Arc<Slot>>, ConsoleError> {
    if config.targets.is_empty() {
        return Err(ConsoleError::Config("no target is configured; at least one is needed".to_owned()));
    }
    let mut slots: Vec<Arc<Slot>> = Vec::with_capacity(config.targets.len());
    for target in &config.targets {
        let id = &target.id;
        if slots.iter().any(|slot| &slot.target.id == id) {
            return Err(ConsoleError::Config(format!("two targets are named \"{id}\"; names must differ")));
        }
        let policy = Policy::new(target.auto_terminate.clone());
        let target = Target::new(target).map_err(|source| ConsoleError::Target { target: id.clone(), source })?;
        let unknown = Sample { target: id.clone(), at: now, figures: Figures::new() };
        let health = health::assess(&unknown, &config.health, now);
        slots.push(Arc::new(Slot::new(Arc::new(target), health, policy)));
    }
    Ok(slots)
}
