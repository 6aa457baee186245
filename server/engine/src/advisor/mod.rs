//! Advice about indexes, from the workload that was really seen.
//!
//! `workload` counts what statements do, `shape` reads what they ask of their tables, `candidates` draws indexes from that,
//! `prove` tries them and chooses for the whole workload, `apply` creates one, `leftover` removes what a build left behind,
//! and the gain is measured by the same counts afterwards. A round runs in the background for each target, about hourly or
//! when asked, and is bounded in time; requests read what the last one found.

mod apply;
mod candidates;
mod catalog;
mod existing;
mod leftover;
mod prove;
mod round;
mod shape;
mod standing;
#[cfg(test)]
mod tests;
mod workload;

pub(crate) use apply::{preview, start};
pub(crate) use round::Rounds;

use crate::{
    actions::ActionError,
    clock::Clock,
    collect::Observation,
    console::Console,
    pool::Lane,
    spine::slot::Slot,
    store::{AdviceRow, StateStore, StoreError},
    tables::{Kept, LookError, kept},
    target::Target,
};
use headroom_model::{
    TargetId, Timestamp,
    advice::{AdviceReport, AdviceState, AdvisedStatement, DuplicateReport, IndexAdvice, Proof, UnusedReport},
    operation::Operation,
};
use sqlx::PgConnection;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};
use workload::Workload;

/// What operations that create an index are called.
pub const KIND: &str = "index.create";
/// How long a created index stays in the list.
const BUILT_FOR_MS: i64 = 30 * 86_400_000;
/// How long one that is gone does.
const GONE_FOR_MS: i64 = 86_400_000;
/// Between two looks whether created indexes are still there.
const VERIFIED_MS: i64 = 10_000;
/// How long a look at the indexes that exist serves everyone who asks.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// How long a target may take for one of the advisor's own questions.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most suggestions told.
const MAX_SUGGESTIONS: usize = 20;
/// Calls of its statements after which the gain of an index is told.
const MEASURED_CALLS: u64 = 30;
/// And the least time after which it is.
const MEASURED_MS: i64 = 60_000;

/// Advice of every target.
pub struct Advisor {
    store: Arc<dyn StateStore>,
    clock: Clock,
    sites: BTreeMap<TargetId, Site>,
}

/// One target.
struct Site {
    target: Arc<Target>,
    workload: Mutex<Workload>,
    known: Mutex<Known>,
    asked: Notify,
    unused: Kept<UnusedReport>,
    duplicates: Kept<DuplicateReport>,
}

/// What is known of a target's indexes.
#[derive(Default)]
struct Known {
    report: Option<AdviceReport>,
    /// Those created from here, newest first; none until the store was asked.
    built: Option<Vec<IndexAdvice>>,
    /// The advice that is being created.
    building: Option<String>,
    is_computing: bool,
    /// When the last round began.
    tried_at: Option<Timestamp>,
    /// When created indexes were looked for last.
    verified_at: Option<Timestamp>,
    failed: Option<String>,
}

impl Known {
    fn built(&self) -> impl Iterator<Item = &IndexAdvice> {
        self.built.iter().flatten()
    }

    /// What the last round suggests, without what exists and what was found to help too little.
    fn open(&self) -> impl Iterator<Item = &IndexAdvice> {
        let hides = |built: &IndexAdvice| built.state.is_built() || built.helped_too_little();
        let is_hidden = move |id: &str| self.built().any(|built| built.id == id && hides(built));
        let found = self.report.iter().flat_map(|report| &report.suggestions);
        found.filter(move |advice| !is_hidden(&advice.id))
    }

    /// What was created from here, without what is gone and suggested again.
    fn created(&self) -> impl Iterator<Item = &IndexAdvice> {
        self.built().filter(|built| self.open().all(|open| open.id != built.id))
    }
}

impl Site {
    /// Changed whole under the lock, so a panicked holder leaves them sound.
    fn workload(&self) -> MutexGuard<'_, Workload> {
        self.workload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Advisor {
    pub(crate) fn new(store: Arc<dyn StateStore>, clock: Clock, slots: &[Arc<Slot>]) -> Self {
        let site = |slot: &Arc<Slot>| Site {
            target: slot.target.clone(),
            workload: Mutex::default(),
            known: Mutex::default(),
            asked: Notify::new(),
            unused: Kept::default(),
            duplicates: Kept::default(),
        };
        let sites = slots.iter().map(|slot| (slot.target.id.clone(), site(slot))).collect();
        Advisor { store, clock, sites }
    }

    /// Takes a reading in. Never waits; bounded.
    pub fn observe(&self, observation: &Observation) {
        if let Some(site) = self.sites.get(&observation.sample.target) {
            site.workload().observe(observation);
        }
    }

    fn site(&self, target: &TargetId) -> Result<&Site, ActionError> {
        self.sites.get(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))
    }

    /// Asks for a round soon; answers at once.
    ///
    /// # Errors
    /// No target has this name.
    pub fn ask(&self, target: &TargetId) -> Result<(), ActionError> {
        self.site(target)?.asked.notify_one();
        Ok(())
    }

    /// What the last round found, with the gains measured since.
    ///
    /// # Errors
    /// No target has this name.
    pub fn report(&self, console: &Console, target: &TargetId) -> Result<AdviceReport, ActionError> {
        let site = self.site(target)?;
        let mut report = {
            let known = site.known();
            let mut report = known.report.clone().unwrap_or_else(|| AdviceReport {
                target: target.clone(),
                computed_at: None,
                is_computing: false,
                failed: None,
                proof: Proof::Estimate,
                missing: Vec::new(),
                statements: 0,
                hours_seen: 0.0,
                cost_before: 0.0,
                cost_after: 0.0,
                suggestions: Vec::new(),
                rejected: Vec::new(),
                skipped: Vec::new(),
                building: None,
            });
            report.is_computing = known.is_computing;
            report.failed.clone_from(&known.failed);
            report.suggestions = known.open().chain(known.created()).cloned().collect();
            report
        };
        report.suggestions.truncate(MAX_SUGGESTIONS);
        if report.computed_at.is_none()
            && let Some(update) = console.latest(target)
        {
            // Without statements no round ever begins.
            report.missing = round::of_statements(&update.target.limitations).collect();
        }
        report.building = console
            .operations
            .list(Some(target))
            .into_iter()
            .find(|operation| operation.kind == KIND && !operation.state.is_final());
        Ok(report)
    }

    /// The indexes that the last round suggests and that do not exist, most saved first; none of an unknown target.
    #[must_use]
    pub fn suggested(&self, target: &TargetId) -> Vec<IndexAdvice> {
        let Some(site) = self.sites.get(target) else { return Vec::new() };
        site.known().open().cloned().collect()
    }

    /// The operation that creates or created an index of a target, while it is remembered.
    #[must_use]
    pub fn build(&self, console: &Console, target: &TargetId, operation: &str) -> Option<Operation> {
        let found = console.operations.get(operation)?;
        (found.kind == KIND && found.target.as_ref() == Some(target)).then_some(found)
    }

    /// An advice by its id.
    pub(crate) fn advice(&self, target: &TargetId, id: &str) -> Result<IndexAdvice, ActionError> {
        let known = self.site(target)?.known();
        let found = known.open().chain(known.created()).find(|advice| advice.id == id);
        found.cloned().ok_or_else(|| {
            ActionError::Refused("No suggestion has this id; it may have been replaced by a newer round.".to_owned())
        })
    }

    fn begin_building(&self, target: &TargetId, id: &str) -> Result<(), ActionError> {
        let mut known = self.site(target)?.known();
        if known.building.is_some() {
            return Err(ActionError::Conflict(format!("An index is being created on {target}; one at a time.")));
        }
        known.building = Some(id.to_owned());
        Ok(())
    }

    fn end_building(&self, target: &TargetId) {
        if let Some(site) = self.sites.get(target) {
            site.known().building = None;
            // What it left behind changes what is advised.
            site.asked.notify_one();
        }
    }

    /// Indexes without scans. Kept for [`KEPT_FOR`].
    pub(crate) async fn unused(&self, target: &TargetId) -> Result<Arc<UnusedReport>, ActionError> {
        let (site, now) = (self.site(target)?, self.clock.now());
        Ok(kept(&site.unused, KEPT_FOR, existing::unused(&site.target, now)).await?)
    }

    /// Indexes that another repeats. Kept for [`KEPT_FOR`].
    pub(crate) async fn duplicates(&self, target: &TargetId) -> Result<Arc<DuplicateReport>, ActionError> {
        let site = self.site(target)?;
        Ok(kept(&site.duplicates, KEPT_FOR, existing::duplicates(&site.target)).await?)
    }

    /// An index was created: its gain is measured from here.
    async fn created(&self, target: &TargetId, advice: &IndexAdvice, size_bytes: f64) {
        let Some(site) = self.sites.get(target) else { return };
        let now = self.clock.now();
        let mut built = IndexAdvice {
            state: AdviceState::Created,
            created_at: Some(now),
            size_bytes,
            leftover: None,
            ..advice.clone()
        };
        {
            let mut workload = site.workload();
            for statement in &mut built.statements {
                if let Ok(id) = statement.query_id.parse() {
                    statement.mean_before_ms = workload.spent(id).mean_ms();
                }
            }
            workload.measure(&built.id, ids(&built));
        }
        {
            let mut known = site.known();
            let all = known.built.get_or_insert_default();
            all.retain(|before| before.id != built.id);
            all.insert(0, built);
            all.truncate(MAX_SUGGESTIONS);
        }
        self.save(target, site).await;
        *site.unused.lock().await = None;
        *site.duplicates.lock().await = None;
    }

    /// Looks whether the indexes that were created from here are still there and valid; answers those that are not any more.
    /// A target that does not answer leaves what is known.
    async fn verify(&self, target: &TargetId) -> Vec<IndexAdvice> {
        let Some(site) = self.sites.get(target) else { return Vec::new() };
        let now = self.clock.now();
        let built: Vec<IndexAdvice> = {
            let mut known = site.known();
            known.built.iter_mut().for_each(|built| built.retain(|advice| !is_over(advice, now)));
            if known.verified_at.is_some_and(|at| now.0 - at.0 < VERIFIED_MS) {
                return Vec::new();
            }
            known.verified_at = Some(now);
            known.built().cloned().collect()
        };
        if built.is_empty() {
            return Vec::new();
        }
        let there = match standing::are_there(&site.target, &built).await {
            Ok(there) => there,
            Err(error) => {
                tracing::debug!(%error, target_id = %target, "created indexes could not be looked for");
                return Vec::new();
            }
        };
        let mut gone = Vec::new();
        let mut is_back = false;
        {
            let mut known = site.known();
            let mut workload = site.workload();
            for (seen, is_there) in built.iter().zip(there) {
                // One that was created anew meanwhile is another.
                let is_same = |advice: &&mut IndexAdvice| advice.id == seen.id && advice.created_at == seen.created_at;
                let Some(advice) = known.built.iter_mut().flatten().find(is_same) else { continue };
                match (advice.state == AdviceState::Gone, is_there) {
                    (false, false) => {
                        if advice.state == AdviceState::Created {
                            // Counted too shortly to say what it brought, and not to be held against it.
                            let unknown = |it: &mut AdvisedStatement| (it.mean_after_ms, it.calls_after) = (None, 0);
                            advice.statements.iter_mut().for_each(unknown);
                        }
                        (advice.state, advice.gone_at) = (AdviceState::Gone, Some(now));
                        workload.measured(&advice.id);
                        gone.push(advice.clone());
                    }
                    (true, true) => {
                        (advice.state, advice.gone_at) = (AdviceState::Created, None);
                        is_back = true;
                    }
                    _ => {}
                }
            }
        }
        if is_back || !gone.is_empty() {
            self.save(target, site).await;
            site.asked.notify_one();
        }
        gone
    }

    /// Takes in what created indexes brought; answers those whose gain is known from now on.
    async fn review(&self, target: &TargetId) -> Vec<IndexAdvice> {
        let Some(site) = self.sites.get(target) else { return Vec::new() };
        let now = self.clock.now();
        let mut told = Vec::new();
        {
            let mut known = site.known();
            let mut workload = site.workload();
            for advice in known.built.iter_mut().flatten().filter(|advice| advice.state == AdviceState::Created) {
                if !workload.is_measuring(&advice.id) {
                    // The console was restarted meanwhile: counting begins anew.
                    workload.measure(&advice.id, ids(advice));
                }
                let mut calls = 0;
                for statement in &mut advice.statements {
                    let spent = statement.query_id.parse().ok().and_then(|id| workload.since(&advice.id, id));
                    if let Some(spent) = spent {
                        statement.mean_after_ms = spent.mean_ms();
                        statement.calls_after = spent.calls.max(0.0) as u64;
                        calls += statement.calls_after;
                    }
                }
                let age = now.0 - advice.created_at.map_or(now.0, |at| at.0);
                if calls >= MEASURED_CALLS && age >= MEASURED_MS && advice.measured().is_some() {
                    let too_little = advice.helped_too_little();
                    advice.state = if too_little { AdviceState::RevertAdvised } else { AdviceState::Measured };
                    workload.measured(&advice.id);
                    told.push(advice.clone());
                }
            }
        }
        if !told.is_empty() {
            self.save(target, site).await;
        }
        told
    }

    /// Brings back what earlier processes created.
    async fn load(&self, target: &TargetId, site: &Site) -> Result<(), StoreError> {
        if site.known().built.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let rows = self.store.advice(target).await?;
        let read = |row: AdviceRow| serde_json::from_str::<IndexAdvice>(&row.body).ok();
        let built: Vec<IndexAdvice> = rows
            .into_iter()
            .filter_map(read)
            .filter(|advice| !advice.state.is_open() && !is_over(advice, now))
            .take(MAX_SUGGESTIONS)
            .collect();
        site.known().built.get_or_insert(built);
        Ok(())
    }

    /// Writes down where the advices stand. What is missed is written with the next round.
    async fn save(&self, target: &TargetId, site: &Site) {
        let now = self.clock.now();
        let rows: Vec<AdviceRow> = {
            let known = site.known();
            known.open().chain(known.created()).filter_map(|advice| row(advice, now)).collect()
        };
        if let Err(error) = self.store.save_advice(target, &rows).await {
            tracing::warn!(%error, target_id = %target, "advice about indexes was not stored");
        }
    }
}

/// Whether a created index has been in the list for long enough. One that helped too little is not suggested again before.
fn is_over(advice: &IndexAdvice, now: Timestamp) -> bool {
    let since = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| now.0 - at.0);
    let is_long_gone =
        advice.state == AdviceState::Gone && since(advice.gone_at) > GONE_FOR_MS && !advice.helped_too_little();
    since(advice.created_at) > BUILT_FOR_MS || is_long_gone
}

/// Asks a target something, within bounds.
async fn ask<T>(
    target: &Target,
    question: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> Result<T, LookError> {
    let asked = async {
        let lease = target.pools.acquire(Lane::Interactive).await;
        let mut lease = lease.map_err(|error| LookError::Unreachable(target.explain(&error)))?;
        question(&mut lease).await.map_err(|error| {
            LookError::Unreachable(match error.as_database_error() {
                Some(refused) => format!("PostgreSQL refused: {}", refused.message()),
                None => "The connection to PostgreSQL broke.".to_owned(),
            })
        })
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(LookError::Timeout("PostgreSQL does not answer.".to_owned())))
}

fn row(advice: &IndexAdvice, now: Timestamp) -> Option<AdviceRow> {
    let body = serde_json::to_string(advice).ok()?;
    Some(AdviceRow { id: advice.id.clone(), at: advice.created_at.unwrap_or(now), body })
}

/// The statements of an advice.
fn ids(advice: &IndexAdvice) -> Vec<i64> {
    advice.statements.iter().filter_map(|statement| statement.query_id.parse().ok()).collect()
}
