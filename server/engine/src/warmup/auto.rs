//! What nobody presses a button for: the warmup at the start, those of the schedule, and remembering what was hot.

use super::{Site, plan, run};
use crate::{
    actions::{ActionError, Request},
    console::Console,
    store::HotKey,
};
use headroom_model::{Actor, Role, TargetId, access::Proof, warmup::WarmupStrategy};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks at the clock and the target. The clock is looked at, not waited for: it may jump.
const LOOK: Duration = Duration::from_millis(500);
/// How long the warmup of the start waits for datasets that cannot be read yet, once the target answers.
const SETTLE: Duration = Duration::from_secs(60);
/// Between two savings of the hot keys.
const SAVE_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long the last saving may take.
const SAVE_LAST: Duration = Duration::from_secs(2);
/// Between two attempts at a warmup that is due and cannot start.
const RETRY_EVERY: Duration = Duration::from_secs(5);
/// How long a warmup that is due waits for another one to end, or for what it needs to answer.
const DUE_FOR: Duration = Duration::from_secs(10 * 60);

/// The task of one target.
pub(crate) struct Keeper {
    console: Weak<Console>,
    target: TargetId,
    /// What should have started.
    due: Option<Due>,
    /// What is loaded once the target answers.
    at_start: Option<WarmupStrategy>,
    /// Until when it waits for its datasets; none while the target has not answered.
    settle_until: Option<Instant>,
    save_at: Instant,
}

struct Due {
    strategy: WarmupStrategy,
    why: &'static str,
    until: Instant,
    try_at: Instant,
}

impl Due {
    fn new(strategy: WarmupStrategy, why: &'static str) -> Option<Self> {
        let now = Instant::now();
        Some(Due { strategy, why, until: now + DUE_FOR, try_at: now })
    }
}

impl Keeper {
    pub fn new(console: &Arc<Console>, target: TargetId) -> Self {
        Keeper {
            console: Arc::downgrade(console),
            target,
            due: None,
            at_start: console.config.warmup.at_start,
            settle_until: None,
            save_at: Instant::now() + SAVE_EVERY,
        }
    }

    /// Runs until told to stop; then saves once more.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(console) = self.console.upgrade() else { return };
            // Given up half way is as good as not begun: a start that nobody waits for gives its lock back.
            if stop.run_until_cancelled(self.look(&console)).await.is_none() {
                break;
            }
        }
        let Some(console) = self.console.upgrade() else { return };
        let Ok(site) = console.warmups.site(&self.target) else { return };
        if timeout(SAVE_LAST, save(&console, &self.target, site)).await.is_err() {
            tracing::warn!(target = %self.target, "the hot keys were not saved in time");
        }
    }

    async fn look(&mut self, console: &Arc<Console>) {
        let Ok(site) = console.warmups.site(&self.target) else { return };
        if site.remembered().is_none() {
            recall(console, &self.target, site).await;
        }
        if Instant::now() >= self.save_at {
            save(console, &self.target, site).await;
            self.save_at = Instant::now() + SAVE_EVERY;
        }
        self.follow_schedule(console, site);
        let is_up = console.latest(&self.target).is_some_and(|live| live.target.postgres.is_up());
        // What was hot is asked for first; a store that does not answer delays the start, and the start has time.
        if is_up
            && site.remembered().is_some()
            && self.at_start.is_some()
            && self.is_settled(console).await
            && let Some(strategy) = self.at_start.take()
        {
            self.due = Due::new(strategy, "start");
        }
        if is_up {
            self.start_due(console).await;
        }
    }

    /// Whether every dataset can be read, or was waited for long enough: an application that starts beside the console
    /// may just be making its tables.
    async fn is_settled(&mut self, console: &Console) -> bool {
        let until = *self.settle_until.get_or_insert_with(|| Instant::now() + SETTLE);
        for dataset in console.datasets.list().filter(|dataset| dataset.config().target == self.target) {
            if Instant::now() < until && dataset.prepare().await.is_err() {
                return false;
            }
        }
        true
    }

    fn follow_schedule(&mut self, console: &Console, site: &Site) {
        let Some(schedule) = &console.config.warmup.schedule else { return };
        let now = console.clock.now();
        let reached = site.next.get().is_some_and(|next| now >= next);
        if reached {
            self.due = Due::new(schedule.strategy, "schedule");
        }
        // Whatever was missed meanwhile is one warmup. A clock that was set back brings the next one nearer.
        if let Some(next) = schedule.after(now) {
            site.next.set(next);
        }
    }

    async fn start_due(&mut self, console: &Arc<Console>) {
        let Some(due) = &mut self.due else { return };
        let now = Instant::now();
        if now < due.try_at {
            return;
        }
        let actor = Actor { name: due.why.to_owned(), role: Role::Operator, proof: Proof::Loopback };
        let request = Request { actor, origin: None, reason: None };
        match run::start(console, &self.target, due.strategy, &request).await {
            Ok(_) => self.due = None,
            Err(ActionError::Conflict(_) | ActionError::Unreachable(_)) if now < due.until => {
                due.try_at = now + RETRY_EVERY;
            }
            Err(error) => {
                tracing::warn!(target = %self.target, why = due.why, %error, "a warmup did not start");
                self.due = None;
            }
        }
    }
}

/// Learns what was hot in earlier processes.
async fn recall(console: &Console, target: &TargetId, site: &Site) {
    let mut all: BTreeMap<String, Vec<HotKey>> = BTreeMap::new();
    for dataset in console.datasets.list().filter(|dataset| dataset.config().target == *target) {
        match console.store.hot_keys(target, dataset.name()).await {
            Ok(keys) => drop(all.insert(dataset.name().to_owned(), keys)),
            Err(error) => return tracing::debug!(%target, %error, "hot keys were not read; asked again"),
        }
    }
    *site.remembered() = Some(all);
}

/// Writes down what is hot. Not before the earlier ones were read: they would be lost.
async fn save(console: &Console, target: &TargetId, site: &Site) {
    if site.remembered().is_none() {
        return;
    }
    for dataset in console.datasets.list().filter(|dataset| dataset.config().target == *target) {
        let keys = plan::hot_keys(site, dataset);
        if let Err(error) = console.store.save_hot_keys(target, dataset.name(), &keys).await {
            tracing::warn!(%target, %error, "hot keys were not saved");
            return;
        }
    }
}
