//! What a target's statements did lately: the weight of an advice, and what its gain is measured by.

use crate::collect::Observation;
use headroom_model::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

/// Statements followed at once.
const MAX_STATEMENTS: usize = 1_000;
/// A generation: what is known spans one to two of them.
const GENERATION_MS: i64 = 3_600_000;
/// Created indexes whose gain is measured at once.
const MAX_MEASURED: usize = 20;

/// Calls and their time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub calls: f64,
    pub time_ms: f64,
}

impl Spent {
    fn add(&mut self, other: Spent) {
        self.calls += other.calls;
        self.time_ms += other.time_ms;
    }

    /// Mean time of a call; none without one.
    pub fn mean_ms(self) -> Option<f64> {
        (self.calls > 0.0).then(|| self.time_ms / self.calls)
    }
}

/// A statement over what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub query_id: i64,
    pub text: Arc<str>,
    pub spent: Spent,
}

#[derive(Debug, Default)]
struct Generation {
    began: Option<Timestamp>,
    covered_ms: f64,
    statements: HashMap<i64, (Spent, Option<Arc<str>>)>,
}

/// What was seen of a target's statements.
#[derive(Debug, Default)]
pub struct Workload {
    current: Generation,
    previous: Generation,
    /// By advice: since its index was created.
    since_created: BTreeMap<String, HashMap<i64, Spent>>,
}

impl Workload {
    /// Takes a reading in.
    pub fn observe(&mut self, observation: &Observation) {
        let Ok(spending) = &observation.spending else { return };
        let now = observation.sample.at;
        let began = *self.current.began.get_or_insert(now);
        if now.0 - began.0 >= GENERATION_MS {
            self.previous = mem::take(&mut self.current);
            self.current.began = Some(now);
        }
        self.current.covered_ms += spending.interval.as_secs_f64() * 1000.0;
        for statement in &spending.statements {
            let spent = Spent { calls: statement.calls as f64, time_ms: statement.time_ms };
            for measured in self.since_created.values_mut() {
                if let Some(total) = measured.get_mut(&statement.query_id) {
                    total.add(spent);
                }
            }
            let known = &mut self.current.statements;
            // Statements come by time, so what finds no place took least.
            if known.len() >= MAX_STATEMENTS && !known.contains_key(&statement.query_id) {
                continue;
            }
            let (total, text) = known.entry(statement.query_id).or_default();
            total.add(spent);
            if text.is_none() {
                text.clone_from(&statement.text);
            }
        }
    }

    /// How much time is covered, in hours.
    pub fn hours(&self) -> f64 {
        (self.current.covered_ms + self.previous.covered_ms) / 3_600_000.0
    }

    /// What a statement did.
    pub fn spent(&self, query_id: i64) -> Spent {
        let mut total = Spent::default();
        for generation in [&self.current, &self.previous] {
            if let Some((spent, _)) = generation.statements.get(&query_id) {
                total.add(*spent);
            }
        }
        total
    }

    /// The statements that took most time, at most `most`.
    pub fn top(&self, most: usize) -> Vec<Statement> {
        let mut all: HashMap<i64, Statement> = HashMap::new();
        for generation in [&self.current, &self.previous] {
            for (id, (spent, text)) in &generation.statements {
                let Some(text) = text else { continue };
                let statement = all.entry(*id).or_insert_with(|| Statement {
                    query_id: *id,
                    text: text.clone(),
                    spent: Spent::default(),
                });
                statement.spent.add(*spent);
            }
        }
        let mut all: Vec<Statement> = all.into_values().collect();
        all.sort_by(|a, b| b.spent.time_ms.total_cmp(&a.spent.time_ms).then(a.query_id.cmp(&b.query_id)));
        all.truncate(most);
        all
    }

    /// Begins to measure what an index brings to these statements.
    pub fn measure(&mut self, advice: &str, query_ids: impl IntoIterator<Item = i64>) {
        if self.since_created.len() < MAX_MEASURED || self.since_created.contains_key(advice) {
            let statements = query_ids.into_iter().map(|id| (id, Spent::default())).collect();
            self.since_created.insert(advice.to_owned(), statements);
        }
    }

    /// What a statement did since an index was created; none where that is not measured.
    pub fn since(&self, advice: &str, query_id: i64) -> Option<Spent> {
        self.since_created.get(advice)?.get(&query_id).copied()
    }

    /// Whether an index is being measured.
    pub fn is_measuring(&self, advice: &str) -> bool {
        self.since_created.contains_key(advice)
    }

    /// Ends measuring.
    pub fn measured(&mut self, advice: &str) {
        self.since_created.remove(advice);
    }
}
