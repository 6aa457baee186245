//! Which candidates pay: each is tried alone and beside those chosen already, for the whole workload, and what it costs
//! writers is taken off.
//!
//! Where hypopg is installed the server plans the statements with hypothetical indexes, in one session whose indexes are
//! forgotten after each trial. Elsewhere, and for GIN, which hypopg does not know, the saving is computed from the
//! statistics and says that it is an estimate.

use super::{candidates::Candidate, workload::Statement};
use crate::plans::{ExplainError, Explainer, Ready, Way};
use headroom_model::{Timestamp, advice::Proof, format, metric::Unit, plan::Plan};
use sqlx::AssertSqlSafe;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::Instant;

/// A statement that costs less is fast enough.
const DEAR: f64 = 100.0;
/// An index must save this part of a call.
const SAVING: f64 = 0.5;
/// What writing a row costs in the planner's unit: a page at random (its `random_page_cost`).
const ROW_WRITE: f64 = 4.0;
/// Indexes advised for a table at once.
const MAX_CHOSEN: usize = 3;
/// A smaller index is as good where it leaves no more than this much of what the best one leaves.
const AS_GOOD: f64 = 1.1;

/// A statement of the workload with its plan of today.
pub struct Looked {
    pub statement: Statement,
    pub ready: Ready,
    pub plan: Plan,
    pub calls_per_hour: f64,
}

/// A candidate, and the statements that suggested it.
#[derive(Clone)]
pub struct Proposed {
    pub candidate: Arc<Candidate>,
    pub statements: BTreeSet<usize>,
}

/// A candidate that pays.
pub struct Chosen {
    pub candidate: Arc<Candidate>,
    pub proof: Proof,
    /// Statements that it helps: which, cost before, cost after.
    pub helped: Vec<(usize, f64, f64)>,
}

/// A candidate that does not.
pub struct Turned {
    pub candidate: Arc<Candidate>,
    pub why_not: String,
    pub cost: Option<(f64, f64)>,
}

/// Tries candidates.
pub struct Prover<'a> {
    pub explainer: &'a mut Explainer,
    /// Schema of hypopg, quoted.
    pub hypopg: Option<&'a str>,
    pub looked: &'a [Looked],
    pub deadline: Instant,
    pub at: Timestamp,
}

/// A trial of a candidate beside those chosen already.
struct Trial {
    place: usize,
    costs: Vec<f64>,
    net: f64,
    best_saving: f64,
}

impl Trial {
    /// Whether it is worth an index.
    fn pays(&self) -> bool {
        self.net > 0.0 && self.best_saving >= SAVING
    }
}

impl Prover<'_> {
    /// Chooses among the candidates of one table; `statements` are those that read it.
    pub async fn choose(
        &mut self,
        candidates: Vec<Proposed>,
        statements: &BTreeSet<usize>,
    ) -> Result<(Vec<Chosen>, Vec<Turned>), ExplainError> {
        let statements: Vec<usize> = statements.iter().copied().collect();
        let base: Vec<f64> = statements.iter().map(|at| self.looked[*at].plan.total_cost).collect();
        let (mut open, mut turned) = self.guarded(candidates);
        let mut chosen: Vec<(Proposed, Vec<f64>, Vec<f64>)> = Vec::new();
        let mut costs = base.clone();
        let mut first: Vec<Option<(f64, f64)>> = vec![None; open.len()];
        while chosen.len() < MAX_CHOSEN && !open.is_empty() {
            let mut trials = Vec::with_capacity(open.len());
            for (place, proposed) in open.iter().enumerate() {
                if Instant::now() >= self.deadline {
                    break;
                }
                let with: Vec<&Proposed> = chosen.iter().map(|(proposed, ..)| proposed).chain([proposed]).collect();
                let after = self.costs(&with, &statements).await?;
                let trial = self.judge(place, &open[place], &statements, &costs, after);
                if first[place].is_none() {
                    first[place] = Some((self.weighted(&statements, &base), self.weighted(&statements, &trial.costs)));
                }
                trials.push(trial);
            }
            let Some(best) = self.best(&trials, &open, &statements) else { break };
            let after = best.costs.clone();
            let place = best.place;
            let proposed = open.remove(place);
            first.remove(place);
            chosen.push((proposed, std::mem::replace(&mut costs, after.clone()), after));
        }
        if let Some(with_all) = self.without_needless(&mut chosen, &statements, &mut turned).await? {
            self.retell(&mut chosen, &statements, base, with_all).await?;
        }
        let is_late = Instant::now() >= self.deadline;
        let named: Vec<String> = chosen.iter().map(|(proposed, ..)| proposed.candidate.shown()).collect();
        for (proposed, cost) in open.into_iter().zip(first) {
            let why_not = self.why_not(&proposed, cost, &named, is_late);
            turned.push(Turned { candidate: proposed.candidate, why_not, cost });
        }
        let chosen = chosen
            .into_iter()
            .map(|(proposed, before, after)| {
                let helped = statements.iter().zip(before.iter().zip(&after));
                let mut helped: Vec<(usize, f64, f64)> = helped
                    .filter(|(_, (before, after))| **after < **before * 0.95)
                    .map(|(at, (before, after))| (*at, *before, *after))
                    .collect();
                let saved =
                    |(at, before, after): &(usize, f64, f64)| (before - after) * self.looked[*at].calls_per_hour;
                helped.sort_by(|a, b| saved(b).total_cmp(&saved(a)));
                Chosen { proof: self.proof(&proposed.candidate), candidate: proposed.candidate, helped }
            })
            .collect();
        Ok((chosen, turned))
    }

    /// Takes out what those chosen after it have made needless, as a wider index does with its own beginning. Answers what
    /// the statements cost with those that remain, where there was any.
    async fn without_needless(
        &mut self,
        chosen: &mut Vec<(Proposed, Vec<f64>, Vec<f64>)>,
        statements: &[usize],
        turned: &mut Vec<Turned>,
    ) -> Result<Option<Vec<f64>>, ExplainError> {
        let Some(mut with_all) = chosen.last().map(|(.., with_all)| with_all.clone()) else { return Ok(None) };
        let before = chosen.len();
        let mut place = 0;
        // The last one was chosen beside all others.
        while place + 1 < chosen.len() && Instant::now() < self.deadline {
            let others = chosen.iter().enumerate().filter(|(other, _)| *other != place);
            let others: Vec<&Proposed> = others.map(|(_, (proposed, ..))| proposed).collect();
            let without = self.costs(&others, statements).await?;
            let others = others.iter().map(|one| one.candidate.shown()).collect::<Vec<_>>().join(" and ");
            let trial = self.judge(place, &chosen[place].0, statements, &without, with_all);
            if trial.pays() {
                with_all = trial.costs;
                place += 1;
                continue;
            }
            let cost = (self.weighted(statements, &without), self.weighted(statements, &trial.costs));
            with_all = without;
            let (proposed, ..) = chosen.remove(place);
            let why_not = format!("Beside {others} it brings too little more.");
            turned.push(Turned { candidate: proposed.candidate, why_not, cost: Some(cost) });
        }
        Ok((chosen.len() < before).then_some(with_all))
    }

    /// Tells anew what each of those chosen brings beside those before it, from the costs without any and with all of them.
    /// Late, the figures stay as they were.
    async fn retell(
        &mut self,
        chosen: &mut [(Proposed, Vec<f64>, Vec<f64>)],
        statements: &[usize],
        base: Vec<f64>,
        with_all: Vec<f64>,
    ) -> Result<(), ExplainError> {
        let mut chain = vec![base];
        for places in 1..chosen.len() {
            if Instant::now() >= self.deadline {
                return Ok(());
            }
            let with: Vec<&Proposed> = chosen[..places].iter().map(|(proposed, ..)| proposed).collect();
            chain.push(self.costs(&with, statements).await?);
        }
        chain.push(with_all);
        for ((_, before, after), steps) in chosen.iter_mut().zip(chain.windows(2)) {
            before.clone_from(&steps[0]);
            after.clone_from(&steps[1]);
        }
        Ok(())
    }

    fn proof(&self, candidate: &Candidate) -> Proof {
        if self.hypopg.is_some() && candidate.method == "btree" { Proof::Planner } else { Proof::Estimate }
    }

    /// Turns down what none of its statements needs.
    fn guarded(&self, candidates: Vec<Proposed>) -> (Vec<Proposed>, Vec<Turned>) {
        let is_dear =
            |proposed: &Proposed| proposed.statements.iter().any(|at| self.looked[*at].plan.total_cost >= DEAR);
        let (dear, cheap): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_dear);
        let turned = |proposed: Proposed| {
            let dearest = proposed.statements.iter().map(|at| self.looked[*at].plan.total_cost).fold(0.0, f64::max);
            Turned {
                candidate: proposed.candidate,
                why_not: format!(
                    "The statements that it would serve cost {} at most; below {DEAR} they are fast enough.",
                    format::number(dearest)
                ),
                cost: None,
            }
        };
        (dear, cheap.into_iter().map(turned).collect())
    }

    fn weighted(&self, statements: &[usize], costs: &[f64]) -> f64 {
        statements.iter().zip(costs).map(|(at, cost)| self.looked[*at].calls_per_hour * cost).sum()
    }

    fn judge(&self, place: usize, proposed: &Proposed, statements: &[usize], before: &[f64], after: Vec<f64>) -> Trial {
        let saved = self.weighted(statements, before) - self.weighted(statements, &after);
        let candidate = &proposed.candidate;
        let writes = candidate.table.writes_per_hour().unwrap_or(0.0);
        let best_saving =
            before.iter().zip(&after).map(|(before, after)| 1.0 - after / before.max(1e-9)).fold(0.0, f64::max);
        Trial { place, costs: after, net: saved - writes * candidate.write_overhead() * ROW_WRITE, best_saving }
    }

    /// The trial that saves most; of two that leave about the same, the smaller index.
    fn best<'t>(&self, trials: &'t [Trial], open: &[Proposed], statements: &[usize]) -> Option<&'t Trial> {
        let pays = || trials.iter().filter(|trial| trial.pays());
        let best = pays().max_by(|a, b| a.net.total_cmp(&b.net))?;
        let leaves = |trial: &Trial| self.weighted(statements, &trial.costs);
        let enough = leaves(best) * AS_GOOD;
        pays()
            .filter(|trial| leaves(trial) <= enough)
            .min_by(|a, b| open[a.place].candidate.size_bytes().total_cmp(&open[b.place].candidate.size_bytes()))
    }

    fn why_not(&self, proposed: &Proposed, cost: Option<(f64, f64)>, chosen: &[String], is_late: bool) -> String {
        let candidate = &proposed.candidate;
        let Some((before, after)) = cost else {
            return if is_late {
                "It was not tried: the round had to end. It comes again with the next one.".to_owned()
            } else {
                "It was not tried: better ones were found first.".to_owned()
            };
        };
        let saved = before - after;
        let writes = candidate.table.writes_per_hour().unwrap_or(0.0) * candidate.write_overhead() * ROW_WRITE;
        if saved <= before * 1e-6 {
            return match self.proof(candidate) {
                Proof::Planner => "The planner would not use it.".to_owned(),
                Proof::Estimate => "By the statistics of the table it would save nothing.".to_owned(),
            };
        }
        if saved <= writes {
            return format!(
                "It would cost writers more than it saves: {} against {} of planner cost an hour.",
                format::number(writes),
                format::number(saved)
            );
        }
        if !chosen.is_empty() {
            return format!("Beside {} it brings too little more.", chosen.join(" and "));
        }
        format!(
            "It would save {} of the cost; less than half is not worth an index.",
            format::value(100.0 * saved / before, Unit::Percent)
        )
    }

    /// What the statements cost with these indexes.
    async fn costs(&mut self, with: &[&Proposed], statements: &[usize]) -> Result<Vec<f64>, ExplainError> {
        let looked = self.looked;
        let mut costs: Vec<f64> = statements.iter().map(|at| looked[*at].plan.total_cost).collect();
        let (hypothetical, estimated): (Vec<&Proposed>, Vec<&Proposed>) =
            with.iter().copied().partition(|proposed| self.proof(&proposed.candidate) == Proof::Planner);
        if let Some(schema) = self.hypopg.filter(|_| !hypothetical.is_empty()) {
            reset(self.explainer, schema).await?;
            for proposed in &hypothetical {
                create(self.explainer, schema, &proposed.candidate).await?;
            }
            for (cost, at) in costs.iter_mut().zip(statements) {
                let Ready { text, screened, .. } = &looked[*at].ready;
                *cost = self.explainer.plan(text, screened, Way::Prepared, self.at).await?.total_cost;
            }
            reset(self.explainer, schema).await?;
        }
        for (cost, at) in costs.iter_mut().zip(statements) {
            // All are of one table: one of them replaces the way it is read, they do not add up.
            let fitting = estimated.iter().filter(|proposed| proposed.statements.contains(at));
            let saved = fitting.filter_map(|proposed| estimate(&looked[*at].plan, &proposed.candidate));
            let saved = saved.fold(0.0, f64::max);
            if saved > 0.0 {
                *cost = (*cost - saved).max(1.0);
            }
        }
        Ok(costs)
    }
}

/// Forgets the hypothetical indexes of the session.
pub async fn reset(explainer: &mut Explainer, schema: &str) -> Result<(), ExplainError> {
    let sql = format!("SELECT /* headroom */ {schema}.hypopg_reset()::text");
    explainer
        .ask(async |connection| sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(connection).await.map(drop))
        .await
}

async fn create(explainer: &mut Explainer, schema: &str, candidate: &Candidate) -> Result<(), ExplainError> {
    let sql = format!("SELECT /* headroom */ indexname FROM {schema}.hypopg_create_index($1)");
    let definition = format!("CREATE INDEX {}", candidate.definition());
    explainer
        .ask(async |connection| {
            sqlx::query(AssertSqlSafe(sql)).bind(definition).persistent(false).execute(connection).await.map(drop)
        })
        .await
}

/// What an index would save of a plan, by the statistics of its table; none where the plan does not read the table in a way
/// that the index would replace.
fn estimate(plan: &Plan, candidate: &Candidate) -> Option<f64> {
    let table = &candidate.table;
    let name = table.shown();
    let scans = plan.nodes.iter().filter(|node| node.relation.as_ref() == Some(&name) && node.kind.ends_with("Scan"));
    // With what stands below: a bitmap of another index would not be needed either.
    let scan = scans.map(|node| node.total_cost).fold(0.0, f64::max);
    let rows = table.rows * candidate.fraction * candidate.selectivity;
    // A descent, a page at random for each row at worst, and the rows themselves (random_page_cost 4, cpu costs 0.01).
    let index = 10.0 + rows.min(table.pages) * 4.0 + rows * 0.01;
    (index < scan).then_some(scan - index)
}
