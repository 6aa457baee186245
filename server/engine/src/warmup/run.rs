//! One warmup, from its lock to its verified effect.

use super::{
    Current, KIND, Site,
    pace::Pace,
    plan::{Plan, Planned},
};
use crate::{
    actions::{ActionError, Request},
    cache::{Mode, Warmed},
    console::Console,
    dataset::DatasetError,
    lock::{Lock, LockError},
    operations::{Done, Failure, OperationContext, OperationSpec},
};
use futures::future::try_join_all;
use headroom_model::{
    Role, TargetId,
    format::{count, counted},
    operation::Operation,
    warmup::WarmupStrategy,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::sleep;

/// How long the lock lasts without a sign: what a console that was killed keeps the next warmup waiting.
const LOCK_TTL: Duration = Duration::from_secs(15);
/// Attempts after the first.
const RETRIES: u32 = 2;
/// The pause before the first retry is a random part of this, before the second of twice this (full jitter).
const BACKOFF: Duration = Duration::from_millis(200);
/// Failures that are logged by name; the rest is counted.
const LOGGED: u64 = 20;

/// Starts a warmup.
pub(crate) async fn start(
    console: &Arc<Console>,
    target: &TargetId,
    strategy: WarmupStrategy,
    request: &Request,
) -> Result<Operation, ActionError> {
    let site = console.warmups.site(target)?.clone();
    let actor = &request.actor;
    let owner = format!("{}: {}, since {}", actor.name, strategy.label(), console.clock.now().to_rfc3339());
    let lock = site.locks.take(&site.lock, &owner, LOCK_TTL).await.map_err(|error| match error {
        LockError::Held { holder, .. } => {
            ActionError::Conflict(format!("A warmup of {target} runs already ({}); one runs at a time.", holder.owner))
        }
        LockError::Unreachable(reason) => {
            ActionError::Unreachable(format!("The lock that keeps two warmups apart cannot be taken: {reason}"))
        }
    })?;
    let plan = Plan::choose(console, target, strategy).await?;
    let spec = OperationSpec {
        kind: KIND,
        title: format!(
            "Warm the cache: {}, {}",
            strategy.label().to_lowercase(),
            counted(plan.keys.len() as u64, "key")
        ),
        target: Some(target.clone()),
        actor: actor.clone(),
        cancel_role: Role::Operator,
        reason: request.reason.clone(),
        unit: "keys",
    };
    let fence = lock.fence();
    let current = Current { fence, strategy, shares: plan.shares.clone(), yields_because: None };
    let held = Held::new(site, current, lock);
    let (console, target) = (console.clone(), target.clone());
    let operations = console.operations.clone();
    let work = move |context: OperationContext| Run::new(console, target, held, context).work(plan);
    Ok(operations.start(spec, work).await?)
}

/// The right to warm, and what is shown while it is held. Given up when dropped, whether or not the work ever began.
struct Held {
    site: Arc<Site>,
    lock: Lock,
}

impl Held {
    fn new(site: Arc<Site>, current: Current, lock: Lock) -> Self {
        *site.current() = Some(current);
        Held { site, lock }
    }
}

impl Drop for Held {
    /// What is shown goes before the lock does. A lock that was lost may have a successor, which shows its own.
    fn drop(&mut self) {
        self.site.current().take_if(|current| current.fence == self.lock.fence());
    }
}

/// Keys by how they ended.
#[derive(Default)]
struct Tally {
    fresh: AtomicU64,
    copied: AtomicU64,
    loaded: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    fn ended(&self) -> u64 {
        [&self.fresh, &self.copied, &self.loaded, &self.failed].map(|it| it.load(Relaxed)).iter().sum()
    }
}

struct Run {
    pace: Pace,
    held: Held,
    tally: Tally,
}

impl Run {
    fn new(console: Arc<Console>, target: TargetId, held: Held, context: OperationContext) -> Self {
        Run { pace: Pace::new(console, target, held.site.clone(), context), held, tally: Tally::default() }
    }

    fn context(&self) -> &OperationContext {
        &self.pace.context
    }

    async fn work(self, plan: Plan) -> Result<Done, Failure> {
        let total = plan.keys.len() as u64;
        self.context().progress(0, Some(total));
        plan.notes.iter().for_each(|note| self.context().log(note.clone()));
        let next = AtomicUsize::new(0);
        let all = async {
            self.pace.console.datasets.settled(&self.pace.target).await;
            try_join_all((0..plan.at_once.max(1)).map(|_| self.worker(&plan, &next))).await
        };
        let ended = tokio::select! {
            ended = all => ended.map(drop),
            () = self.context().cancelled.cancelled() => Err(Failure("It was stopped".into())),
            () = self.held.lock.lost().cancelled() => Err(Failure("Its lock was lost, so another console may warm by now".into())),
        };
        let outcome = self.outcome();
        let judged = match ended {
            Err(Failure(reason)) => {
                let left = counted(total.saturating_sub(self.tally.ended()), "key");
                Err(Failure(format!("{reason}; {left} left. {outcome}; what was loaded stays.")))
            }
            Ok(()) if total > 0 && self.tally.failed.load(Relaxed) == total => {
                Err(Failure(format!("No key could be loaded; the log has the reasons. {outcome}.")))
            }
            Ok(()) => Ok(Done { outcome: format!("{outcome}."), effect: effect(&plan).await }),
        };
        self.pace.console.lists.forget();
        // First the lock, then the end: who sees the end may start the next.
        self.held.lock.release().await;
        judged
    }

    fn outcome(&self) -> String {
        let Tally { fresh, copied, loaded, failed } = &self.tally;
        let [fresh, copied, loaded, failed] = [fresh, copied, loaded, failed].map(|it| count(it.load(Relaxed)));
        format!("Keys: {loaded} loaded, {copied} copied from Redis, {fresh} were fresh, {failed} failed")
    }

    /// Warms keys until none is left; an error ends the whole warmup.
    async fn worker(&self, plan: &Plan, next: &AtomicUsize) -> Result<(), Failure> {
        while let Some(planned) = plan.keys.get(next.fetch_add(1, Relaxed)) {
            self.warm(planned, plan.keys.len() as u64).await?;
        }
        Ok(())
    }

    async fn warm(&self, planned: &Planned, total: u64) -> Result<(), Failure> {
        let outcome = self.attempts(planned).await?;
        let counter = match &outcome {
            Ok(Warmed::Fresh) => &self.tally.fresh,
            Ok(Warmed::Copied) => &self.tally.copied,
            Ok(Warmed::Loaded) => &self.tally.loaded,
            Ok(Warmed::Stale) | Err(_) => &self.tally.failed,
        };
        let nth = counter.fetch_add(1, Relaxed);
        if let Err(error) = &outcome
            && nth < LOGGED
        {
            self.context().log(format!("{}: a key failed: {error}", planned.dataset.name()));
        }
        if let Some(current) = self.held.site.current().as_mut()
            && let Some(share) = current.shares.get_mut(planned.share)
        {
            if outcome.is_ok() {
                share.done += 1;
            } else {
                share.failed += 1;
            }
        }
        self.context().progress(self.tally.ended(), Some(total));
        Ok(())
    }

    /// Up to three attempts at one key.
    async fn attempts(&self, planned: &Planned) -> Result<Result<Warmed, DatasetError>, Failure> {
        let mut backoff = BACKOFF;
        let mut attempt = 0;
        loop {
            if planned.is_fresh() {
                return Ok(Ok(Warmed::Fresh));
            }
            self.pace.turn().await?;
            let outcome = match planned.dataset.warm(&planned.ask).await {
                Ok(Warmed::Stale) => Err(DatasetError::Failed("loading failed; an older page stands in".into())),
                outcome => outcome,
            };
            let may_pass =
                matches!(outcome, Err(DatasetError::Failed(_) | DatasetError::Timeout(_) | DatasetError::Busy(_)));
            if !may_pass || attempt == RETRIES {
                return Ok(outcome);
            }
            sleep(backoff.mul_f64(rand::random())).await;
            backoff *= 2;
            attempt += 1;
        }
    }
}

/// What a look afterwards finds. Where Redis is the only tier, Redis is asked.
async fn effect(plan: &Plan) -> String {
    let (mut fresh, total) = (0, plan.keys.len());
    for planned in &plan.keys {
        let class = planned.dataset.class();
        let in_redis = async || class.inspect(&planned.key).await.redis.is_some_and(|tier| !tier.fresh_for.is_zero());
        if planned.is_fresh() || (class.settings().mode == Mode::Redis && in_redis().await) {
            fresh += 1;
        }
    }
    format!("{} of {} fresh in the cache now", count(fresh), counted(total as u64, "key"))
}
