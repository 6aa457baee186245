//! Capacity: what each resource of a target will need, when it meets its limit, and what to do by when.
//!
//! One task computes, off the request path: an hour of history makes little difference, so a target is computed again
//! about hourly, sooner when its past grew at the far end (an import). Requests read what was computed last, cut to their
//! horizon; the first one for a target waits a moment for it. A what-if question is computed when it is asked, two at a
//! time at most. Forecasting is pure work on the blocking pool, one resource after the other; it touches neither the
//! target nor the collectors.

mod plan;
mod subject;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use view::Detail;

use crate::{
    clock::Clock,
    forecast::{self, Ask, Hourly},
    history::{History, Hours},
    spine::slot::{Published, Slot},
    store::StoreError,
};
use headroom_model::{
    Band, MetricId, TargetId, Timestamp,
    capacity::{
        Bottleneck, Bottlenecks, CapacityDashboard, Limit, LimitSource, NEAR_DAYS, Plan, Reaches, Resource,
        ResourceReport, WhatIfAnswer,
    },
    forecast::{MAX_HORIZON_DAYS, Verdict, WhatIf},
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
    target::Reach,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use subject::{Known, Subject};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;
use words::TableSizes;

/// How much past is looked at: 25 months, which is what is kept.
const PAST_MS: i64 = 762 * 86_400_000;
/// A target is computed again after so long.
const EVERY_MS: i64 = 3_600_000;
/// Between two looks whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Collectors come first when the console starts.
const FIRST_LOOK: Duration = Duration::from_secs(15);
/// How long a request waits for what was never computed, and for the answer to its question.
const PATIENCE: Duration = Duration::from_secs(8);
/// Questions computed at the same time.
const QUESTIONS: usize = 2;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// No target has this name.
    #[error("no target is named \"{0}\"")]
    Unknown(TargetId),
    /// It was not computed yet.
    #[error("capacity is being computed; ask again in a moment")]
    Busy,
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Capacity of every target.
pub struct Capacity {
    history: Arc<History>,
    clock: Clock,
    sites: Vec<Site>,
    asked: Notify,
    questions: Arc<Semaphore>,
}

/// One target.
struct Site {
    slot: Arc<Slot>,
    newest: watch::Sender<Newest>,
    tables: Mutex<TableSizes>,
}

/// What was computed last.
#[derive(Clone, Debug, Default)]
struct Newest {
    /// As far as forecasts reach.
    report: Option<Arc<CapacityDashboard>>,
    /// Where the history began then.
    starts: Option<Timestamp>,
    /// Whether the state store did not answer when it was tried last.
    is_away: bool,
}

impl Capacity {
    pub(crate) fn new(history: Arc<History>, clock: Clock, slots: &[Arc<Slot>]) -> Self {
        let site =
            |slot: &Arc<Slot>| Site { slot: slot.clone(), newest: watch::Sender::default(), tables: Mutex::default() };
        Capacity {
            history,
            clock,
            sites: slots.iter().map(site).collect(),
            asked: Notify::new(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Computes what is due until told to stop. A forecast under way ends by itself, within a second.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut looks = interval_at(Instant::now() + FIRST_LOOK, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = self.asked.notified() => {}
            }
            for site in &self.sites {
                if let Err(error) = self.keep_fresh(site).await {
                    tracing::warn!(%error, target_id = %site.slot.target.id, "capacity was not computed");
                    site.newest.send_modify(|newest| newest.is_away = true);
                }
            }
        }
    }

    /// Computes a target that is due: never computed, an hour ago, or with an older past since.
    async fn keep_fresh(&self, site: &Site) -> Result<(), StoreError> {
        let starts = self.history.starts(&site.slot.target.id).await?;
        let newest = site.newest.borrow().clone();
        let now = self.clock.now();
        let is_fresh = newest.report.as_ref().is_some_and(|report| {
            now.0 - report.computed_at.0 < EVERY_MS
                && starts.map(|at| at.0 / EVERY_MS) == newest.starts.map(|at| at.0 / EVERY_MS)
        });
        if is_fresh {
            return Ok(());
        }
        let report = Arc::new(self.compute(site, now).await?);
        site.slot.near_limits.store(near_limits(&report));
        site.newest.send_replace(Newest { report: Some(report), starts, is_away: false });
        Ok(())
    }

    /// All resources of a target, as far as forecasts reach.
    async fn compute(&self, site: &Site, now: Timestamp) -> Result<CapacityDashboard, StoreError> {
        let began = Instant::now();
        let target = &site.slot.target.id;
        let hours = Arc::new(self.hours(target, Resource::ALL, now).await?);
        let published = site.slot.published();
        let observation = published.observation.as_deref();
        let fastest = observation.and_then(|observation| {
            site.tables.lock().unwrap_or_else(PoisonError::into_inner).fastest(&observation.tables, now)
        });
        let mut resources = Vec::with_capacity(Resource::ALL.len());
        for resource in Resource::ALL {
            let subject = site.subject(*resource, &hours, &published);
            let mut report = forecast_apart(subject, WhatIf::default()).await;
            report.driver = words::driver(&report, observation, fastest.as_ref());
            (report.remedy, report.impact) = words::remedy(&report, target);
            resources.push(report);
        }
        Ok(CapacityDashboard {
            target: target.clone(),
            computed_at: now,
            computed_in_ms: began.elapsed().as_secs_f64() * 1000.0,
            horizon_days: MAX_HORIZON_DAYS,
            resources,
        })
    }

    async fn hours(&self, target: &TargetId, resources: &[Resource], now: Timestamp) -> Result<Hours, StoreError> {
        let metrics: Vec<MetricId> = resources.iter().flat_map(|of| subject::metrics(*of)).copied().collect();
        self.history.hours(target, &metrics, now.plus_millis(-PAST_MS), now).await
    }

    fn site(&self, target: &TargetId) -> Result<&Site, CapacityError> {
        let site = self.sites.iter().find(|site| site.slot.target.id == *target);
        site.ok_or_else(|| CapacityError::Unknown(target.clone()))
    }

    /// What was computed last; of a target that never was, once it is, within a few seconds.
    async fn newest(&self, target: &TargetId) -> Result<Arc<CapacityDashboard>, CapacityError> {
        let site = self.site(target)?;
        let mut changes = site.newest.subscribe();
        if let Some(report) = changes.borrow_and_update().report.clone() {
            return Ok(report);
        }
        self.asked.notify_one();
        let first = async {
            while changes.changed().await.is_ok() {
                let newest = changes.borrow_and_update().clone();
                if newest.is_away || newest.report.is_some() {
                    return newest.report;
                }
            }
            None
        };
        match timeout(PATIENCE, first).await {
            Ok(Some(report)) => Ok(report),
            Ok(None) => Err(StoreError::Timeout.into()),
            Err(_) => Err(CapacityError::Busy),
        }
    }

    /// All resources over a horizon, most urgent first.
    ///
    /// # Errors
    /// No such target, nothing computed yet, or the state store does not answer.
    pub async fn dashboard(
        &self,
        target: &TargetId,
        horizon_days: u32,
        detail: Detail,
    ) -> Result<CapacityDashboard, CapacityError> {
        Ok(view::dashboard(&*self.newest(target).await?, horizon_days, detail))
    }

    /// One resource over a horizon, one point a day.
    ///
    /// # Errors
    /// As [`Capacity::dashboard`].
    pub async fn forecast(
        &self,
        target: &TargetId,
        resource: Resource,
        horizon_days: u32,
    ) -> Result<(ResourceReport, Timestamp), CapacityError> {
        let full = self.newest(target).await?;
        let report = full.resources.iter().find(|report| report.resource == resource);
        // Every resource is in every dashboard.
        let report = report.ok_or(CapacityError::Busy)?;
        Ok((view::shorten(report, horizon_days, Detail::Days), full.computed_at))
    }

    /// What runs out, most urgent first.
    ///
    /// # Errors
    /// As [`Capacity::dashboard`].
    pub async fn bottlenecks(&self, target: &TargetId, horizon_days: u32) -> Result<Bottlenecks, CapacityError> {
        let dashboard = self.dashboard(target, horizon_days, Detail::Chart).await?;
        Ok(Bottlenecks {
            bottlenecks: rank(&dashboard),
            target: dashboard.target,
            computed_at: dashboard.computed_at,
            horizon_days,
        })
    }

    /// What to do by when.
    ///
    /// # Errors
    /// As [`Capacity::dashboard`].
    pub async fn plan(&self, target: &TargetId, horizon_days: u32) -> Result<Plan, CapacityError> {
        Ok(plan::draw(&*self.newest(target).await?, horizon_days, self.clock.now()))
    }

    /// What would be, if. Changes nothing.
    ///
    /// # Errors
    /// As [`Capacity::dashboard`]; [`CapacityError::Busy`] also while other questions are computed.
    pub async fn what_if(
        &self,
        target: &TargetId,
        resource: Resource,
        horizon_days: u32,
        changes: WhatIf,
        detail: Detail,
    ) -> Result<WhatIfAnswer, CapacityError> {
        let site = self.site(target)?;
        let answer = async {
            let full = self.newest(target).await?;
            let present = full.resources.iter().find(|report| report.resource == resource);
            let present = present.ok_or(CapacityError::Busy)?;
            // It goes along to where the work is: giving up waiting does not make room for another.
            let permit = self.questions.clone().acquire_owned().await.map_err(|_| CapacityError::Busy)?;
            let hours = self.hours(target, &[resource], full.computed_at).await?;
            let mut subject = site.subject(resource, &hours, &site.slot.published());
            if let Some(value) = changes.limit {
                let label = "the limit that was asked for".to_owned();
                subject.limit = Some(Limit { value, source: LimitSource::WhatIf, label });
            }
            let asked = changes.clone();
            let forecast = spawn_blocking(move || {
                let _permit = permit;
                forecast_of(subject, &asked)
            });
            let mut changed = forecast.await.map_err(|_| CapacityError::Busy)?;
            changed.driver.clone_from(&present.driver);
            Ok(WhatIfAnswer {
                changes,
                horizon_days,
                present: view::shorten(present, horizon_days, detail),
                changed: view::shorten(&changed, horizon_days, detail),
            })
        };
        timeout(PATIENCE, answer).await.unwrap_or(Err(CapacityError::Busy))
    }
}

impl Site {
    fn subject(&self, resource: Resource, hours: &Hours, published: &Published) -> Subject {
        let known = Known {
            hours,
            figures: &published.update.figures,
            limits: &self.slot.target.limits,
            has_redis: published.update.target.redis != Reach::Absent,
        };
        subject::of(resource, &known)
    }
}

/// A forecast on the blocking pool.
async fn forecast_apart(subject: Subject, changes: WhatIf) -> ResourceReport {
    let resource = subject.resource;
    let unit = subject.unit;
    match spawn_blocking(move || forecast_of(subject, &changes)).await {
        Ok(report) => report,
        Err(error) => {
            tracing::error!(%error, %resource, "a forecast ended in a panic");
            let verdict = Verdict::Silent { reason: "The forecast failed; the log says why.".to_owned() };
            ResourceReport { verdict, ..ResourceReport::empty(resource, unit) }
        }
    }
}

/// The report of a subject, without what an observation tells.
fn forecast_of(subject: Subject, changes: &WhatIf) -> ResourceReport {
    let verdict = match &subject.absent {
        Some(reason) => Verdict::Silent { reason: reason.clone() },
        None => forecast::forecast(
            &Hourly { start: subject.from, values: subject.hours.clone() },
            &Ask {
                measure: subject.measure,
                horizon_days: MAX_HORIZON_DAYS,
                limit: subject.limit.as_ref().map(|limit| limit.value),
                // Nothing that is forecast here can be below zero, and a share not above the whole.
                floor: Some(0.0),
                ceiling: (subject.unit == Unit::Percent).then_some(100.0),
                what_if: changes.clone(),
                ..Ask::default()
            },
        ),
    };
    let (current, past) = (subject.current(), subject.past());
    let limit_help = subject.limit_help.filter(|_| subject.limit.is_none());
    let mut report = ResourceReport {
        metrics: subject.metrics,
        measure: subject.measure,
        limit: subject.limit,
        limit_help,
        parts: subject.parts,
        current,
        past,
        verdict,
        ..ResourceReport::empty(subject.resource, subject.unit)
    };
    report.urgency = report.reaches(MAX_HORIZON_DAYS).urgency();
    report
}

/// The resources of a dashboard as a list of what runs out first.
#[must_use]
pub fn rank(dashboard: &CapacityDashboard) -> Vec<Bottleneck> {
    let bottleneck = |(rank, report): (u32, &ResourceReport)| {
        let reaches = report.reaches(dashboard.horizon_days);
        Bottleneck {
            rank,
            resource: report.resource,
            used_percent: report.used_percent(),
            reaches: reaches.words(),
            earliest_days: reaches.earliest(),
            median_days: reaches.median(),
            urgency: report.urgency,
            consequence: words::consequence(report.resource).to_owned(),
            driver: report.driver.clone(),
            remedy: report.remedy.clone(),
            impact: report.impact.clone(),
        }
    };
    (1..).zip(&dashboard.resources).map(bottleneck).collect()
}

/// Issues of the resources whose limit is near.
fn near_limits(full: &CapacityDashboard) -> Vec<Issue> {
    const HORIZON: u32 = 180;
    let issue = |report: &ResourceReport| {
        let reaches = report.reaches(HORIZON);
        let median = reaches.median().filter(|days| *days < NEAR_DAYS)?;
        let name = report.resource.name();
        let title = match reaches {
            Reaches::Now => format!("{name} is at its limit: {}", report.used()),
            _ => format!("{name} reaches its limit {}: {}", reaches.words(), report.used()),
        };
        let critical = median < f64::from(headroom_model::capacity::RESERVE_DAYS);
        Some(Issue {
            id: format!("capacity:{}", report.resource),
            kind: IssueKind::Active,
            band: Some(if critical { Band::Critical } else { Band::Degraded }),
            title,
            detail: match &report.driver {
                Some(driver) => format!("{} {driver}.", words::consequence(report.resource)),
                None => words::consequence(report.resource).to_owned(),
            },
            remedy: Some(Remedy::Open(crate::links::link(crate::links::Place::Capacity, &full.target))),
            gain: report.impact.clone(),
        })
    };
    let mut issues: Vec<Issue> = full.resources.iter().filter_map(issue).collect();
    issues.truncate(3);
    issues
}
