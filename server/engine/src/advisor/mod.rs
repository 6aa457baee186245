//! Advice about indexes, from the workload that was really seen.
//!
//! `workload` counts what statements do, `shape` reads what they ask of their tables, `candidates` draws indexes from that,
//! `prove` tries them and chooses for the whole workload, `apply` creates one, and the gain is measured by the same counts
//! afterwards. A round runs in the background for each target, about hourly or when asked, and is bounded in time; requests
//! read what the last one found.

mod apply;
mod candidates;
mod catalog;
mod existing;
mod prove;
mod round;
mod shape;
#[cfg(test)]
mod tests;
mod workload;

pub(crate) use apply::{preview, start};
pub(crate) use existing::{duplicates, unused};
pub(crate) use round::Rounds;

use crate::{
    actions::ActionError,
    clock::Clock,
    collect::Observation,
    console::Console,
    spine::slot::Slot,
    store::{AdviceRow, StateStore, StoreError},
};
use headroom_model::{
    TargetId, Timestamp,
    advice::{AdviceReport, AdviceState, IndexAdvice, Proof},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use workload::Workload;

/// What operations that create an index are called.
pub const KIND: &str = "index.create";
/// How long a created index stays in the list.
const BUILT_FOR_MS: i64 = 30 * 86_400_000;
/// Most suggestions told.
const MAX_SUGGESTIONS: usize = 20;
/// Calls of its statements after which the gain of an index is told.
const MEASURED_CALLS: u64 = 30;
/// And the least time after which it is.
const MEASURED_MS: i64 = 60_000;
/// An index that leaves more than this of the time helped too little.
const TOO_LITTLE: f64 = 0.9;

/// Advice of every target.
pub struct Advisor {
    store: Arc<dyn StateStore>,
    clock: Clock,
    sites: BTreeMap<TargetId, Site>,
}

/// One target.
#[derive(Default)]
struct Site {
    workload: Mutex<Workload>,
    known: Mutex<Known>,
    asked: Notify,
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
    failed: Option<String>,
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
        let sites = slots.iter().map(|slot| (slot.target.id.clone(), Site::default())).collect();
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
            let built = known.built.iter().flatten().cloned();
            let open = std::mem::take(&mut report.suggestions);
            let is_built = |advice: &IndexAdvice| known.built.iter().flatten().any(|built| built.id == advice.id);
            report.suggestions = open.into_iter().filter(|advice| !is_built(advice)).chain(built).collect();
            report
        };
        report.suggestions.truncate(MAX_SUGGESTIONS);
        report.building = console
            .operations
            .list(Some(target))
            .into_iter()
            .find(|operation| operation.kind == KIND && !operation.state.is_final());
        Ok(report)
    }

    /// An advice by its id.
    pub(crate) fn advice(&self, target: &TargetId, id: &str) -> Result<IndexAdvice, ActionError> {
        let known = self.site(target)?.known();
        let open = known.report.iter().flat_map(|report| &report.suggestions);
        let found = known.built.iter().flatten().chain(open).find(|advice| advice.id == id);
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
        }
    }

    /// An index was created: its gain is measured from here.
    async fn created(&self, target: &TargetId, advice: &IndexAdvice, size_bytes: f64) {
        let Some(site) = self.sites.get(target) else { return };
        let now = self.clock.now();
        let mut built =
            IndexAdvice { state: AdviceState::Created, created_at: Some(now), size_bytes, ..advice.clone() };
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
            all.insert(0, built);
            all.truncate(MAX_SUGGESTIONS);
        }
        self.save(target, site).await;
        site.asked.notify_one();
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
                if calls >= MEASURED_CALLS
                    && age >= MEASURED_MS
                    && let Some((before, after)) = advice.measured()
                {
                    let helped = after <= before * TOO_LITTLE;
                    advice.state = if helped { AdviceState::Measured } else { AdviceState::RevertAdvised };
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
        let cutoff = self.clock.now().plus_millis(-BUILT_FOR_MS);
        let rows = self.store.advice(target).await?;
        let read = |row: AdviceRow| serde_json::from_str::<IndexAdvice>(&row.body).ok();
        let built: Vec<IndexAdvice> = rows
            .into_iter()
            .filter_map(read)
            .filter(|advice| advice.state.is_built() && advice.created_at.is_some_and(|at| at > cutoff))
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
            let open = known.report.iter().flat_map(|report| &report.suggestions);
            known.built.iter().flatten().chain(open).filter_map(|advice| row(advice, now)).collect()
        };
        if let Err(error) = self.store.save_advice(target, &rows).await {
            tracing::warn!(%error, target_id = %target, "advice about indexes was not stored");
        }
    }
}

fn row(advice: &IndexAdvice, now: Timestamp) -> Option<AdviceRow> {
    let body = serde_json::to_string(advice).ok()?;
    Some(AdviceRow { id: advice.id.clone(), at: advice.created_at.unwrap_or(now), body })
}

/// The statements of an advice.
fn ids(advice: &IndexAdvice) -> Vec<i64> {
    advice.statements.iter().filter_map(|statement| statement.query_id.parse().ok()).collect()
}
