//! One round of advice, and the task that runs them.

use super::{
    Known, MAX_SUGGESTIONS, Site,
    candidates::{self, NoCandidate},
    catalog::Catalog,
    prove::{Chosen, Looked, Proposed, Prover, Turned},
    shape::{self, Use},
    workload::Statement,
};
use crate::{
    collect::redact,
    console::Console,
    plans::{self, ExplainError, Explainer, PlanError, Purpose, Refusal, Way},
};
use headroom_model::{
    Band, TargetId, Timestamp,
    advice::{
        AdviceReport, AdviceState, AdvisedStatement, IndexAdvice, Missing, Proof, RejectedAdvice, SkippedStatement,
    },
    event::{EventKind, NewEvent},
    format,
    target::Limitation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Statements looked at in a round, those that take most time.
const MAX_LOOKED: usize = 50;
/// Candidates tried for one table.
const MAX_CANDIDATES: usize = 12;
/// How long a round may take.
const BUDGET: Duration = Duration::from_secs(60);
/// Between two looks whether one is due.
const LOOK: Duration = Duration::from_secs(5);
/// Least workload behind a first round, in hours: half a minute.
const FIRST_HOURS: f64 = 0.5 / 60.0;
/// A round with less behind it than this, in hours, is repeated soon.
const FEW_HOURS: f64 = 0.1;
/// How soon.
const SOON_MS: i64 = 5 * 60_000;
/// Least time between two attempts that nobody asked for.
const AGAIN_MS: i64 = 60_000;
/// Least time between two rounds, also when asked, so that asking is no load.
const APART_MS: i64 = 10_000;
/// Rejected candidates told.
const MAX_REJECTED: usize = 50;
/// Statements told that could not be looked at.
const MAX_SKIPPED: usize = 20;
/// Statements told of an advice.
const MAX_HELPED: usize = 10;

/// The task of one target.
pub(crate) struct Rounds {
    console: Weak<Console>,
    target: TargetId,
}

impl Rounds {
    pub fn new(console: &Arc<Console>, target: TargetId) -> Self {
        Rounds { console: Arc::downgrade(console), target }
    }

    /// Runs rounds until told to stop. One given up half way leaves nothing: its session ends with it.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_asked = false;
        loop {
            let asked = {
                let Some(console) = self.console.upgrade() else { return };
                console.advisor.clone()
            };
            let Ok(site) = asked.site(&self.target) else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = site.asked.notified() => is_asked = true,
                _ = looks.tick() => {}
            }
            let Some(console) = self.console.upgrade() else { return };
            let look = self.look(&console, site, &mut is_asked);
            if stop.run_until_cancelled(look).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, console: &Console, site: &Site, is_asked: &mut bool) {
        let advisor = &console.advisor;
        if let Err(error) = advisor.load(&self.target, site).await {
            tracing::debug!(%error, "advice cannot be read from the store yet");
            return;
        }
        for advice in advisor.verify(&self.target).await {
            self.tell_gone(console, &advice);
        }
        for advice in advisor.review(&self.target).await {
            self.tell(console, &advice);
        }
        let now = console.clock.now();
        if !self.is_due(console, site, now, *is_asked) {
            return;
        }
        *is_asked = false;
        site.known().begin(now);
        let found = round(console, &self.target, site, now).await;
        if let Err(error) = &found {
            tracing::debug!(%error, target_id = %self.target, "a round of index advice failed");
        }
        site.known().take(found);
        advisor.save(&self.target, site).await;
    }

    fn is_due(&self, console: &Console, site: &Site, now: Timestamp, is_asked: bool) -> bool {
        let known = site.known();
        let (computed_at, hours_then) = match &known.report {
            Some(report) => (report.computed_at, report.hours_seen),
            None => (None, 0.0),
        };
        let since_tried = known.tried_at.map_or(i64::MAX, |at| now.0 - at.0);
        drop(known);
        let Some(at) = computed_at else {
            // Where no statement shows up, a round says why.
            let has_waited = now.0 - console.started_at.0 >= AGAIN_MS;
            let is_ready = is_asked || has_waited || site.workload().hours() >= FIRST_HOURS;
            return is_ready && since_tried >= if is_asked { APART_MS } else { AGAIN_MS };
        };
        let age = now.0 - at.0;
        let every = i64::try_from(console.config.plans.advice_every.as_millis()).unwrap_or(i64::MAX);
        let is_old = age >= every || (hours_then < FEW_HOURS && age >= SOON_MS);
        (is_asked && since_tried >= APART_MS) || (is_old && since_tried >= AGAIN_MS)
    }

    fn tell(&self, console: &Console, advice: &IndexAdvice) {
        let Some((before, after)) = advice.measured() else { return };
        let helped = advice.state == AdviceState::Measured;
        console.feed().mark_soon(NewEvent {
            at: console.clock.now(),
            target: Some(self.target.clone()),
            kind: EventKind::SchemaChange,
            band: Some(if helped { Band::Excellent } else { Band::Degraded }),
            title: format!(
                "{}: {} a call before, {} since",
                advice.index,
                format::duration_ms(before),
                format::duration_ms(after)
            ),
            detail: (!helped).then(|| format!("It helped too little. {}", advice.drop_sql)),
            actor: None,
        });
    }

    fn tell_gone(&self, console: &Console, advice: &IndexAdvice) {
        console.feed().mark_soon(NewEvent {
            at: console.clock.now(),
            target: Some(self.target.clone()),
            kind: EventKind::SchemaChange,
            band: None,
            title: format!("{} is gone", advice.index),
            detail: Some("It was created from here and is not there any more, or not valid.".to_owned()),
            actor: None,
        });
    }
}

impl Known {
    fn begin(&mut self, now: Timestamp) {
        self.is_computing = true;
        self.tried_at = Some(now);
    }

    /// Takes the outcome of a round in. A failed one leaves what is known.
    fn take(&mut self, found: Result<AdviceReport, PlanError>) {
        self.is_computing = false;
        match found {
            Ok(report) => {
                self.failed = None;
                self.report = Some(keep_dates(report, self.report.as_ref()));
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }
}

/// An advice that stays keeps the day it was given.
fn keep_dates(mut report: AdviceReport, before: Option<&AdviceReport>) -> AdviceReport {
    for advice in &mut report.suggestions {
        let known = before.into_iter().flat_map(|before| &before.suggestions).find(|known| known.id == advice.id);
        if let Some(known) = known {
            advice.found_at = known.found_at;
        }
    }
    report
}

/// A statement on its way through a round.
struct Seen {
    statement: Statement,
    ready: plans::Ready,
}

async fn round(console: &Console, target: &TargetId, site: &Site, at: Timestamp) -> Result<AdviceReport, PlanError> {
    let slot = console.slot(target).ok_or_else(|| PlanError::UnknownTarget(target.clone()))?;
    let (statements, hours) = {
        let workload = site.workload();
        (workload.top(MAX_LOOKED), workload.hours())
    };
    let mut explainer = Explainer::open(&slot.target, console.config.plans.statement_timeout).await?;
    let observation = slot.published().observation;
    let limitations = observation.map(|observation| observation.limitations.clone()).unwrap_or_default();
    let round = Round { console, target, at, hours, limitations, deadline: Instant::now() + BUDGET };
    let found = round.run(&slot.target, &mut explainer, statements).await;
    explainer.close().await;
    found
}

struct Round<'a> {
    console: &'a Console,
    target: &'a TargetId,
    at: Timestamp,
    hours: f64,
    /// What the collector could not read.
    limitations: Vec<Limitation>,
    deadline: Instant,
}

impl Round<'_> {
    async fn run(
        &self,
        target: &crate::target::Target,
        explainer: &mut Explainer,
        statements: Vec<Statement>,
    ) -> Result<AdviceReport, PlanError> {
        let mut skipped = Vec::new();
        let mut seen = Vec::new();
        let texts = whole_texts(explainer, &statements).await?;
        for statement in statements {
            match screened(explainer, &statement, &texts).await {
                Ok(ready) => seen.push(Seen { statement, ready }),
                Err(PlanError::Explain(ExplainError::Unreachable(why))) => {
                    return Err(ExplainError::Unreachable(why).into());
                }
                // What no index helps.
                Err(PlanError::Refusal(Refusal::Kind(_))) => {}
                Err(error) => skip(&mut skipped, &statement, error.to_string()),
            }
        }
        let names: BTreeSet<Vec<String>> =
            seen.iter().flat_map(|seen| shape::relations(&seen.ready.screened.statement)).collect();
        let functions: BTreeSet<String> =
            seen.iter().flat_map(|seen| seen.ready.screened.functions.iter().cloned()).collect();
        let catalog = Catalog::read(explainer, &names, &functions).await?;
        let mut looked = Vec::new();
        for Seen { statement, ready } in seen {
            if Instant::now() >= self.deadline {
                break;
            }
            match explainer.plan(&ready.text, &ready.screened, Way::Generic, self.at).await {
                Ok(plan) => {
                    self.console.plans.remember(target, statement.query_id, &statement.text, &plan).await?;
                    let calls_per_hour = if self.hours > 0.0 { statement.spent.calls / self.hours } else { 0.0 };
                    looked.push(Looked { statement, ready, plan, calls_per_hour });
                }
                Err(ExplainError::Unreachable(why)) => return Err(ExplainError::Unreachable(why).into()),
                Err(error) => skip(&mut skipped, &statement, error.to_string()),
            }
        }
        let (found, mut rejected) = self.candidates(&looked, &catalog);
        let mut chosen = Vec::new();
        for (_, (candidates, statements)) in found {
            let mut prover = Prover {
                explainer: &mut *explainer,
                hypopg: catalog.hypopg.as_deref(),
                looked: &looked,
                deadline: self.deadline,
                at: self.at,
            };
            let (good, turned) = prover.choose(candidates, &statements).await?;
            chosen.extend(good);
            rejected.extend(turned.into_iter().map(rejected_advice));
        }
        skipped.truncate(MAX_SKIPPED);
        Ok(self.report(&catalog, &looked, chosen, rejected, skipped))
    }

    /// Candidates by table, with the statements that read it.
    #[expect(
        clippy::type_complexity,
        reason = "the two lists belong to a table; a struct of them would serve one loop"
    )]
    fn candidates(
        &self,
        looked: &[Looked],
        catalog: &Catalog,
    ) -> (BTreeMap<u32, (Vec<Proposed>, BTreeSet<usize>)>, Vec<RejectedAdvice>) {
        let mut tables: BTreeMap<u32, (BTreeMap<String, Proposed>, BTreeSet<usize>)> = BTreeMap::new();
        let mut refused: BTreeSet<NoCandidate> = BTreeSet::new();
        for (at, statement) in looked.iter().enumerate() {
            let uses: Vec<Use> = shape::uses(&statement.ready.screened.statement, catalog);
            for asked in &uses {
                let (made, no) = candidates::of(asked, catalog);
                refused.extend(no);
                let (known, readers) = tables.entry(asked.table).or_default();
                readers.insert(at);
                for candidate in made {
                    let proposed = known
                        .entry(candidate.definition())
                        .or_insert_with(|| Proposed { candidate: Arc::new(candidate), statements: BTreeSet::new() });
                    proposed.statements.insert(at);
                }
            }
        }
        let tables = tables.into_iter().map(|(table, (candidates, readers))| {
            let mut candidates: Vec<Proposed> = candidates.into_values().collect();
            let weight = |proposed: &Proposed| {
                let of = proposed.statements.iter().map(|at| looked[*at].calls_per_hour * looked[*at].plan.total_cost);
                of.sum::<f64>()
            };
            candidates.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
            candidates.truncate(MAX_CANDIDATES);
            (table, (candidates, readers))
        });
        let refused = refused.into_iter().map(|no| RejectedAdvice {
            table: no.table,
            keys: no.keys,
            why_not: no.why_not,
            cost: None,
        });
        (tables.collect(), refused.collect())
    }

    fn report(
        &self,
        catalog: &Catalog,
        looked: &[Looked],
        chosen: Vec<Chosen>,
        mut rejected: Vec<RejectedAdvice>,
        skipped: Vec<SkippedStatement>,
    ) -> AdviceReport {
        let mut suggestions: Vec<IndexAdvice> = chosen.iter().map(|chosen| self.advice(chosen, looked)).collect();
        suggestions.sort_by(|a, b| (b.cost_before - b.cost_after).total_cmp(&(a.cost_before - a.cost_after)));
        suggestions.truncate(MAX_SUGGESTIONS);
        // Those with figures come first: they were tried.
        rejected.sort_by(|a, b| b.cost.is_some().cmp(&a.cost.is_some()).then_with(|| a.table.cmp(&b.table)));
        rejected.truncate(MAX_REJECTED);
        let cost_before: f64 = looked.iter().map(|it| it.calls_per_hour * it.plan.total_cost).sum();
        let saved: f64 = suggestions.iter().map(|advice| advice.cost_before - advice.cost_after).sum();
        AdviceReport {
            target: self.target.clone(),
            computed_at: Some(self.at),
            is_computing: false,
            failed: None,
            proof: if catalog.hypopg.is_some() { Proof::Planner } else { Proof::Estimate },
            missing: missing(catalog, &self.limitations, looked.is_empty(), &skipped),
            statements: u32::try_from(looked.len()).unwrap_or(u32::MAX),
            hours_seen: self.hours,
            cost_before,
            cost_after: (cost_before - saved).max(0.0),
            suggestions,
            rejected,
            skipped,
            building: None,
        }
    }

    fn advice(&self, chosen: &Chosen, looked: &[Looked]) -> IndexAdvice {
        let candidate = &chosen.candidate;
        let weigh = |pick: fn(&(usize, f64, f64)) -> f64| -> f64 {
            chosen.helped.iter().map(|helped| looked[helped.0].calls_per_hour * pick(helped)).sum()
        };
        let statements = chosen.helped.iter().take(MAX_HELPED).map(|(at, before, after)| {
            let Looked { statement, calls_per_hour, .. } = &looked[*at];
            AdvisedStatement {
                query_id: statement.query_id.to_string(),
                text: redact(&statement.text, 500),
                calls_per_hour: *calls_per_hour,
                cost_before: *before,
                cost_after: *after,
                mean_before_ms: statement.spent.mean_ms(),
                mean_after_ms: None,
                calls_after: 0,
            }
        });
        IndexAdvice {
            id: candidate.id(),
            state: if chosen.proof == Proof::Planner { AdviceState::Proven } else { AdviceState::Suggested },
            proof: chosen.proof,
            table: candidate.table.shown(),
            index: format!("{}.{}", candidate.table.schema, candidate.name()),
            schema: candidate.table.schema.clone(),
            table_name: candidate.table.name.clone(),
            index_name: candidate.name(),
            keys: candidate.shown(),
            sql: candidate.create_sql(),
            drop_sql: candidate.drop_sql(),
            reason: candidate.reason.clone(),
            cost_before: weigh(|helped| helped.1),
            cost_after: weigh(|helped| helped.2),
            write_overhead: candidate.write_overhead(),
            writes_per_hour: candidate.table.writes_per_hour(),
            size_bytes: candidate.size_bytes(),
            build_ms: candidate.build_ms(),
            statements: statements.collect(),
            found_at: self.at,
            created_at: None,
            gone_at: None,
            leftover: candidate.leftover().then(|| candidate.drop_sql()),
        }
    }
}

/// Whole texts by id, or why the server does not tell them.
type Texts = Result<BTreeMap<i64, String>, String>;

/// Whether the collector kept only the beginning of a text.
fn is_cut(statement: &Statement) -> bool {
    statement.text.ends_with('…')
}

/// The whole texts of those that are known by their beginning, in one question: the server reads all texts for each.
async fn whole_texts(explainer: &mut Explainer, statements: &[Statement]) -> Result<Texts, PlanError> {
    let cut: Vec<i64> =
        statements.iter().filter(|statement| is_cut(statement)).map(|statement| statement.query_id).collect();
    if cut.is_empty() {
        return Ok(Ok(BTreeMap::new()));
    }
    match plans::texts_of(explainer, &cut).await {
        Ok(texts) => Ok(Ok(texts)),
        Err(ExplainError::Refused(why)) => Ok(Err(why)),
        Err(error) => Err(error.into()),
    }
}

async fn screened(explainer: &mut Explainer, statement: &Statement, texts: &Texts) -> Result<plans::Ready, PlanError> {
    if !is_cut(statement) {
        return plans::ready(explainer, &statement.text, Purpose::Plan).await;
    }
    let texts = texts.as_ref().map_err(|why| ExplainError::Refused(why.clone()))?;
    let text = texts.get(&statement.query_id).ok_or(PlanError::UnknownStatement(statement.query_id))?;
    plans::ready(explainer, text, Purpose::Plan).await
}

fn rejected_advice(turned: Turned) -> RejectedAdvice {
    RejectedAdvice {
        table: turned.candidate.table.shown(),
        keys: turned.candidate.shown(),
        why_not: turned.why_not,
        cost: turned.cost,
    }
}

/// What keeps statements from being counted.
pub(super) fn of_statements(limitations: &[Limitation]) -> impl Iterator<Item = Missing> {
    let of_statements = limitations.iter().filter(|limitation| {
        limitation.what.contains("Query figures") || limitation.what.contains("Statements of other roles")
    });
    of_statements.map(|it| Missing { what: it.what.clone(), remedy: it.remedy.clone() })
}

fn skip(skipped: &mut Vec<SkippedStatement>, statement: &Statement, reason: String) {
    skipped.push(SkippedStatement {
        query_id: statement.query_id.to_string(),
        text: redact(&statement.text, 200),
        reason,
    });
}

/// What is missing for more advice; `is_blind` says that no statement could be looked at.
fn missing(
    catalog: &Catalog,
    limitations: &[Limitation],
    is_blind: bool,
    skipped: &[SkippedStatement],
) -> Vec<Missing> {
    let mut missing = Vec::new();
    if catalog.hypopg.is_none() {
        missing.push(if catalog.offers_hypopg {
            Missing {
                what: "hypopg is not installed, so suggestions are estimates that the planner has not confirmed."
                    .to_owned(),
                remedy: "CREATE EXTENSION hypopg;".to_owned(),
            }
        } else {
            Missing {
                what:
                    "The server does not offer hypopg, so suggestions are estimates that the planner has not confirmed."
                        .to_owned(),
                remedy:
                    "Install it beside the server (Debian: postgresql-<version>-hypopg), then CREATE EXTENSION hypopg;"
                        .to_owned(),
            }
        });
    }
    if is_blind {
        missing.extend(of_statements(limitations));
    }
    if skipped.iter().any(|skipped| skipped.reason.contains("may not read")) {
        missing.push(Missing {
            what: "The console's role may not read some tables, so their statements have no plans.".to_owned(),
            remedy: format!("GRANT pg_read_all_data TO {};", catalog.role),
        });
    }
    missing
}
