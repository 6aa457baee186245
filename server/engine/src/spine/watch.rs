//! The task that watches one target.

use super::{feed::Feed, process::SharedProcess, reach::ReachTracker, slot::Slot};
use crate::{
    advisor::Advisor,
    cache::Cache,
    clock::Clock,
    collect::{
        COLLECT_BUDGET, CollectSettings, Collector, Heartbeat, Observation, Pulse, STATEMENTS_RESET, ServerFacts, Waits,
    },
    dataset::Page,
    health::{HealthSettings, HealthTracker, SessionLimits},
    history::History,
    issues::{self, Beside},
    moment::Moments,
    statements::StatementLog,
};
use headroom_model::{
    Component, MetricId, Sample, Timestamp,
    event::NewEvent,
    health::Health,
    live::{LiveMessage, LiveUpdate},
    sample::Figures,
    target::{Limitation, TargetInfo},
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A reset that the console made is noticed by its own collector as well, at the latest with the next heavy collection.
const OWN_RESET_NOTICED_WITHIN_MS: u128 = 120_000;

/// A collection takes some ten milliseconds; with a heartbeat before and after, an outage shows within five seconds.
const LATE: Duration = Duration::from_millis(1500);

/// What a watch works with.
#[derive(Clone)]
pub(crate) struct Readers {
    pub clock: Clock,
    pub feed: Arc<Feed>,
    pub history: Arc<History>,
    pub moments: Arc<Moments>,
    pub statements: Arc<StatementLog>,
    pub advisor: Arc<Advisor>,
    pub process: Arc<SharedProcess>,
}

/// Watches one target.
pub(crate) struct Watch {
    readers: Readers,
    slot: Arc<Slot>,
    /// What the target's datasets are read through.
    cache: Option<Cache<Page>>,
    /// What its sampler counts.
    waits: Arc<Waits>,
    limits: SessionLimits,
    settings: CollectSettings,
    pulse: Pulse,
    tracker: HealthTracker,
    postgres: ReachTracker,
    redis: ReachTracker,
    facts: ServerFacts,
    limitations: Vec<Limitation>,
    /// Whether the newest collection was not late.
    is_quick: bool,
    /// The newest complete sample: figures of PostgreSQL stay visible, dated, while it is down.
    complete: Option<Sample>,
}

impl Watch {
    pub fn new(
        readers: Readers,
        slot: Arc<Slot>,
        cache: Option<Cache<Page>>,
        collect: CollectSettings,
        health: HealthSettings,
        waits: Arc<Waits>,
    ) -> Self {
        let target = slot.target.clone();
        Watch {
            pulse: Pulse::new(target.clone()),
            limits: health.session_limits(),
            tracker: HealthTracker::new(health),
            postgres: ReachTracker::new("PostgreSQL", true),
            redis: ReachTracker::new("Redis", target.redis.is_some()),
            facts: ServerFacts::default(),
            limitations: Vec::new(),
            is_quick: true,
            complete: None,
            readers,
            slot,
            cache,
            waits,
            settings: collect,
        }
    }

    /// Watches until told to stop. `delay` sets targets apart, so that they are not all asked at once.
    pub async fn run(mut self, delay: Duration, stop: CancellationToken) {
        let mut collector = Collector::new(self.slot.target.clone(), self.readers.clock.clone(), self.settings)
            .with_waits(self.waits.clone());
        if let Some(cache) = self.cache.take() {
            collector = collector.with_cache(cache);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch(&mut collector, delay) => {}
        }
    }

    async fn watch(&mut self, collector: &mut Collector, delay: Duration) {
        sleep(delay).await;
        let mut sample = interval(self.settings.live_every);
        let mut heartbeat = interval(self.settings.heartbeat_every);
        // A slow target is asked less often, never in bursts.
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = sample.tick() => self.collect(collector).await,
                _ = heartbeat.tick() => {
                    if self.heartbeat().await {
                        self.collect(collector).await;
                        sample.reset();
                    }
                }
            }
        }
    }

    /// Asks for signs of life; publishes an outage of PostgreSQL at once. Answers whether a server's state changed for
    /// which a fresh collection tells more.
    async fn heartbeat(&mut self) -> bool {
        let (was_down, redis_was_down) = (self.postgres.is_down(), self.redis.is_down());
        self.ask().await;
        if self.postgres.is_down() && !was_down {
            let observation = self.outage();
            self.publish(observation);
        }
        self.postgres.is_down() != was_down || self.redis.is_down() != redis_was_down
    }

    async fn ask(&mut self) {
        let signs = self.pulse.ask().await;
        self.notice(signs);
    }

    fn notice(&mut self, signs: Heartbeat) {
        self.notice_postgres(signs.postgres);
        if let Some(redis) = signs.redis {
            self.notice_redis(redis);
        }
    }

    fn notice_postgres(&mut self, sign: Result<(), String>) {
        let event = self.postgres.observe(sign, &self.slot.target.id, self.readers.clock.now());
        self.mark(event);
    }

    fn notice_redis(&mut self, sign: Result<(), String>) {
        let event = self.redis.observe(sign, &self.slot.target.id, self.readers.clock.now());
        self.mark(event);
    }

    fn mark(&self, event: Option<NewEvent>) {
        if let Some(event) = event {
            tracing::info!(target_id = %self.slot.target.id, detail = event.detail, "{}", event.title);
            self.readers.feed.mark_soon(event);
        }
    }

    async fn collect(&mut self, collector: &mut Collector) {
        let observation = self.observe(collector).await;
        let failed = |error: &Option<String>, reach: &ReachTracker| error.is_some() && !reach.is_down();
        if failed(&observation.postgres_error, &self.postgres) || failed(&observation.redis_error, &self.redis) {
            // A collection also fails when the server is merely slow. Whether it answers is for the heartbeat to say.
            self.ask().await;
        }
        if observation.postgres_error.is_none() {
            self.notice_postgres(Ok(()));
        }
        if observation.redis_error.is_none() {
            self.notice_redis(Ok(()));
        }
        self.publish(observation);
    }

    /// Collects. A server that has been quick so far and is late now is asked for a sign of life meanwhile: an outage that
    /// begins during a collection is to be seen as soon as any other. One that is always slow is not asked twice. The
    /// collection goes on beside it: its counters have moved, and giving it up would lose what lies between.
    async fn observe(&mut self, collector: &mut Collector) -> Observation {
        let process = self.readers.process.figures();
        let begun = Instant::now();
        let mut collection = pin!(collector.collect(&process));
        if self.is_quick {
            if let Ok(observation) = timeout(LATE, &mut collection).await {
                return observation;
            }
            let (pulse, was_down) = (self.pulse.clone(), self.postgres.is_down());
            tokio::select! {
                signs = pulse.ask() => self.notice(signs),
                observation = &mut collection => {
                    self.is_quick = false;
                    return observation;
                }
            }
            if self.postgres.is_down() && !was_down {
                let outage = self.outage();
                self.publish(outage);
            }
        }
        let observation = collection.await;
        self.is_quick = begun.elapsed() < LATE;
        observation
    }

    /// What is known the moment PostgreSQL stops answering: nothing but that, and how this process fares.
    fn outage(&self) -> Observation {
        let figures: Figures = self.readers.process.figures();
        let sample = Sample { target: self.slot.target.id.clone(), at: self.readers.clock.now(), figures };
        Observation {
            facts: self.facts.clone(),
            limitations: self.limitations.clone(),
            postgres_error: reason(&self.postgres),
            redis_error: reason(&self.redis),
            ..Observation::bare(sample, "PostgreSQL did not answer.")
        }
    }

    /// Scores an observation and hands it to every reader.
    fn publish(&mut self, mut observation: Observation) {
        let now = self.readers.clock.now();
        self.remember(&mut observation);
        let sample = &mut observation.sample;
        sample.set(MetricId::DatabaseUp, f64::from(!self.postgres.is_down()));
        if self.slot.target.redis.is_some() {
            sample.set(MetricId::RedisUp, f64::from(!self.redis.is_down()));
        }
        let health = self.tracker.update(sample, now);
        store_scores(sample, &health);
        let log = &self.readers.statements;
        let beside = Beside {
            near_limits: &self.slot.near_limits.get(),
            slower: &log.slower(&observation.sample.target),
            patterns: &log.patterns(&observation.sample.target),
            indexes: &self.readers.advisor.suggested(&observation.sample.target),
        };
        let issues = issues::draw(&observation, &health, &self.limits, beside);
        self.readers.history.observe(&observation.sample);
        self.readers.moments.observe(&observation);
        self.readers.statements.observe(&observation);
        self.readers.advisor.observe(&observation);
        for event in std::mem::take(&mut observation.events) {
            if !self.is_own_reset(&event) {
                self.mark(Some(event));
            }
        }

        let (at, figures) = self.figures(&observation.sample);
        let update = Arc::new(LiveUpdate { at, target: self.info(), health, figures, issues });
        self.slot.publish(update.clone(), observation);
        self.readers.feed.send(LiveMessage::Update(Box::new((*update).clone())));
    }

    /// Keeps what was last known of the servers while they cannot be asked.
    fn remember(&mut self, observation: &mut Observation) {
        let (new, old) = (&mut observation.facts, &mut self.facts);
        if observation.postgres_error.is_none() {
            old.postgres_version = new.postgres_version.take().or(old.postgres_version.take());
            old.postgres_started_at = new.postgres_started_at;
            old.replica = new.replica;
            old.statements_reset_at = new.statements_reset_at;
            old.logs_lock_waits = new.logs_lock_waits;
            old.deadlock_timeout = new.deadlock_timeout.take().or(old.deadlock_timeout.take());
            self.limitations.clone_from(&observation.limitations);
        }
        if observation.redis_error.is_none() {
            old.redis_version = new.redis_version.take().or(old.redis_version.take());
        }
        observation.facts = old.clone();
    }

    /// The figures to show and when they were taken. While PostgreSQL is down its last figures stay, with their old date.
    fn figures(&mut self, sample: &Sample) -> (Timestamp, Figures) {
        if !self.postgres.is_down() {
            self.complete = Some(sample.clone());
        }
        match &self.complete {
            Some(complete) if self.postgres.is_down() => {
                let mut figures = complete.figures.clone();
                figures.extend(&sample.figures);
                (complete.at, figures)
            }
            _ => (sample.at, sample.figures.clone()),
        }
    }

    fn info(&self) -> TargetInfo {
        let facts = &self.facts;
        TargetInfo {
            id: self.slot.target.id.clone(),
            postgres: self.postgres.reach().clone(),
            postgres_version: facts.postgres_version.clone(),
            replica: facts.replica,
            redis: self.redis.reach().clone(),
            redis_version: facts.redis_version.clone(),
            sampled_at: self.complete.as_ref().map(|sample| sample.at),
            statements_reset_at: facts.statements_reset_at.max(self.slot.statements_reset_at.get()),
            limitations: self.limitations.clone(),
        }
    }

    fn is_own_reset(&self, event: &NewEvent) -> bool {
        let own = self.slot.statements_reset_at.get();
        event.title == STATEMENTS_RESET
            && own.is_some_and(|own| {
                // An event is dated to the start of its collection, which may have begun before the reset.
                own.since(event.at) <= COLLECT_BUDGET && event.at.since(own).as_millis() < OWN_RESET_NOTICED_WITHIN_MS
            })
    }
}

fn reason(reach: &ReachTracker) -> Option<String> {
    match reach.reach() {
        headroom_model::target::Reach::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

fn store_scores(sample: &mut Sample, health: &Health) {
    if let Some(score) = health.score {
        sample.set(MetricId::HealthScore, f64::from(score));
    }
    for component in &health.components {
        let metric = match component.component {
            Component::Database => MetricId::HealthDatabase,
            Component::Cache => MetricId::HealthCache,
            Component::Application => MetricId::HealthApplication,
            Component::Locks => MetricId::HealthLocks,
            Component::Queue => continue,
        };
        if let Some(score) = component.score {
            sample.set(metric, f64::from(score));
        }
    }
}
