//! One minute while it is being folded, and the record that becomes of it.

use crate::{
    collect::{Observation, Session},
    issues::blocking,
    text::short,
};
use headroom_model::{
    MetricId, Timestamp,
    activity::SessionKey,
    moment::{
        Coverage, LockSession, LockTree, MAX_DATASETS, MAX_LOCK_TREES, MAX_RUNNING, MAX_STATEMENTS, MAX_WAITERS,
        MAX_WAITS, MinuteDataset, MinuteRecord, MinuteStatement, Part, RunningStatement, StateCount, StatementTotals,
        Wait,
    },
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// A reading that covers more than this tells nothing about the minute it falls into.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// Different statements followed within a minute; calls and time of all others still count in the totals.
const MOST_STATEMENTS: usize = 2_000;
/// Different texts, waits, states or trees followed within a minute.
const MOST_OF_A_SORT: usize = 500;
/// Longest text of a statement in a record, in characters.
const TEXT_CHARS: usize = 500;
/// Longest name of an application in a record, in characters.
const NAME_CHARS: usize = 64;

const PARTS: [Part; 4] = [Part::Statements, Part::Sessions, Part::Locks, Part::Datasets];

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Minute {
    pub at: Timestamp,
    pub readings: u32,
    totals: Option<StatementTotals>,
    statements: HashMap<i64, Spent>,
    running: BTreeMap<String, RunningStatement>,
    waits: HashMap<(Option<String>, Option<String>), u64>,
    wait_looks: u64,
    states: BTreeMap<String, States>,
    locks: BTreeMap<(i32, i64), Tree>,
    datasets: BTreeMap<String, MinuteDataset>,
    coverage: [Measured; PARTS.len()],
}

#[derive(Debug, Default)]
struct Spent {
    text: Option<Arc<str>>,
    calls: u64,
    time_ms: f64,
    rows: u64,
}

#[derive(Debug, Default)]
struct States {
    sum: u64,
    most: u64,
}

#[derive(Debug)]
struct Tree {
    root: LockSession,
    waiters: BTreeMap<SessionKey, LockSession>,
    seen: u64,
}

#[derive(Debug, Default)]
struct Measured {
    readings: u64,
    missed: u64,
    reason: Option<String>,
}

impl Measured {
    fn note(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.readings += 1,
            Err(reason) => {
                self.missed += 1;
                self.reason.get_or_insert(reason);
            }
        }
    }
}

impl Minute {
    pub fn new(at: Timestamp) -> Self {
        Minute {
            at,
            readings: 0,
            totals: None,
            statements: HashMap::new(),
            running: BTreeMap::new(),
            waits: HashMap::new(),
            wait_looks: 0,
            states: BTreeMap::new(),
            locks: BTreeMap::new(),
            datasets: BTreeMap::new(),
            coverage: Default::default(),
        }
    }

    /// Takes a reading in.
    pub fn add(&mut self, observation: &Observation) {
        self.readings = self.readings.saturating_add(1);
        let down = observation.postgres_error.as_deref();
        let measured = |metric, otherwise: &str| match down {
            Some(error) => Err(error.to_owned()),
            None if observation.sample.get(metric).is_some() => Ok(()),
            None => Err(otherwise.to_owned()),
        };
        let sessions =
            measured(MetricId::SessionsActive, "Sessions are hidden from the console's role, or were not read.");
        let locks = measured(MetricId::LocksHeld, "Locks are hidden from the console's role, or were not read.");
        if sessions.is_ok() {
            self.add_sessions(observation);
        }
        if locks.is_ok() {
            self.add_locks(&observation.sessions);
        }
        let statements = match down {
            Some(error) => Err(error.to_owned()),
            None => self.add_statements(observation),
        };
        let datasets = if observation.datasets.is_empty() {
            Err("There was no dataset, or its counters had just started.".to_owned())
        } else {
            self.add_datasets(observation);
            Ok(())
        };
        for (measured, outcome) in self.coverage.iter_mut().zip([statements, sessions, locks, datasets]) {
            measured.note(outcome);
        }
    }

    fn add_statements(&mut self, observation: &Observation) -> Result<(), String> {
        let spending = observation.spending.as_ref().map_err(Clone::clone)?;
        if spending.interval > LONGEST_INTERVAL {
            let secs = spending.interval.as_secs();
            return Err(format!("The reading before was {secs} s ago, so the minute of its calls is not known."));
        }
        let totals = self.totals.get_or_insert_default();
        totals.calls += spending.calls;
        totals.total_ms += spending.time_ms;
        for one in &spending.statements {
            let is_full = self.statements.len() >= MOST_STATEMENTS;
            if is_full && !self.statements.contains_key(&one.query_id) {
                continue;
            }
            let spent = self.statements.entry(one.query_id).or_default();
            spent.text = one.text.clone().or(spent.text.take());
            spent.calls += one.calls;
            spent.time_ms += one.time_ms;
            spent.rows += one.rows;
        }
        Ok(())
    }

    fn add_sessions(&mut self, observation: &Observation) {
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for session in &observation.sessions {
            *states.entry(&session.state).or_default() += 1;
            if session.is_active() {
                self.add_running(session, observation.sample.at);
            }
        }
        self.add_waits(observation);
        for (state, count) in states {
            // A handful of names, all the server's own.
            let states = self.states.entry(state.to_owned()).or_default();
            states.sum += count;
            states.most = states.most.max(count);
        }
    }

    /// What the looks since the previous reading saw; the reading itself counts as one look where there was none.
    fn add_waits(&mut self, observation: &Observation) {
        match &observation.waits {
            Some(tally) => {
                self.wait_looks += u64::from(tally.looks);
                for (wait, seen) in &tally.seen {
                    self.add_wait(wait.clone(), *seen);
                }
            }
            None => {
                self.wait_looks += 1;
                for session in observation.sessions.iter().filter(|session| session.is_active()) {
                    self.add_wait((session.wait_kind.clone(), session.wait_event.clone()), 1);
                }
            }
        }
    }

    fn add_wait(&mut self, wait: (Option<String>, Option<String>), seen: u64) {
        if self.waits.len() < MOST_OF_A_SORT || self.waits.contains_key(&wait) {
            *self.waits.entry(wait).or_default() += seen;
        }
    }

    fn add_running(&mut self, session: &Session, at: Timestamp) {
        let ran_ms = session.state_since.map_or(0.0, |since| at.since(since).as_secs_f64() * 1000.0);
        let is_full = self.running.len() >= MOST_OF_A_SORT;
        match self.running.get_mut(&session.statement) {
            Some(running) => {
                running.seen += 1;
                if ran_ms > running.longest_ms {
                    running.longest_ms = ran_ms;
                    running.application = short(&session.application, NAME_CHARS);
                }
            }
            None if !is_full => {
                let running = RunningStatement {
                    text: short(&session.statement, TEXT_CHARS),
                    application: short(&session.application, NAME_CHARS),
                    longest_ms: ran_ms,
                    seen: 1,
                };
                self.running.insert(session.statement.clone(), running);
            }
            None => {}
        }
    }

    fn add_locks(&mut self, sessions: &[Session]) {
        for (root, tree) in blocking::trees(sessions) {
            let root_session = sessions.iter().find(|session| session.key.pid == root);
            let key = (root, root_session.map(|session| session.key.backend_start_us).unwrap_or_default());
            if self.locks.len() >= MOST_OF_A_SORT && !self.locks.contains_key(&key) {
                continue;
            }
            let holder = match root_session {
                Some(session) => lock_session(session, None),
                None => unknown_holder(root),
            };
            let known = self.locks.entry(key).or_insert_with(|| Tree {
                root: holder.clone(),
                waiters: BTreeMap::new(),
                seen: 0,
            });
            known.root = holder;
            known.seen += 1;
            for session in sessions.iter().filter(|session| tree.waiters.contains(&session.key.pid)) {
                // Of several blockers the one on the way to this root, where it is one of them.
                let blockers = &session.blocked_by;
                let waits_for = blockers.iter().find(|pid| **pid == root || tree.waiters.contains(*pid));
                let mut now = lock_session(session, waits_for.copied());
                if let Some(before) = known.waiters.get(&session.key) {
                    now.waited_ms = longer(now.waited_ms, before.waited_ms);
                }
                known.waiters.insert(session.key, now);
            }
        }
    }

    fn add_datasets(&mut self, observation: &Observation) {
        for seen in observation.datasets.iter().filter(|seen| seen.lookups + seen.loads + seen.load_errors > 0) {
            let sum = self.datasets.entry(seen.name.clone()).or_insert_with(|| MinuteDataset {
                name: seen.name.clone(),
                lookups: 0,
                hits: 0,
                loads: 0,
                load_errors: 0,
                load_ms: 0.0,
            });
            sum.lookups += seen.lookups;
            sum.hits += seen.hits;
            sum.loads += seen.loads;
            sum.load_errors += seen.load_errors;
            sum.load_ms = micros(sum.load_ms + seen.load_ms.unwrap_or(0.0) * seen.loads as f64);
        }
    }

    /// What was seen, the most of each sort first. Times are kept to the microsecond and shares to a hundredth of a per cent:
    /// more digits would only take room.
    pub fn record(&self) -> MinuteRecord {
        MinuteRecord {
            at: self.at,
            readings: u64::from(self.readings),
            totals: self.totals.map(|totals| StatementTotals { total_ms: micros(totals.total_ms), ..totals }),
            statements: self.top_statements(),
            running: top(self.running.values().cloned(), MAX_RUNNING, |running| running.longest_ms),
            waits: self.top_waits(),
            wait_looks: self.wait_looks,
            states: self.session_states(),
            locks: top(self.locks.values().map(lock_tree), MAX_LOCK_TREES, |tree| {
                tree.longest_ms.unwrap_or(tree.waiters_total as f64)
            }),
            datasets: self.top_datasets(),
            coverage: self.coverage(),
        }
    }

    fn top_statements(&self) -> Vec<MinuteStatement> {
        let all_ms = self.totals.map_or(0.0, |totals| totals.total_ms);
        let mut sorted: Vec<(&i64, &Spent)> = self.statements.iter().collect();
        sorted.sort_by(|a, b| b.1.time_ms.total_cmp(&a.1.time_ms).then(a.0.cmp(b.0)));
        let statement = |(id, spent): (&i64, &Spent)| MinuteStatement {
            query_id: id.to_string(),
            text: spent.text.as_ref().map(|text| short(text, TEXT_CHARS)),
            calls: spent.calls,
            total_ms: micros(spent.time_ms),
            rows: spent.rows,
            share: if all_ms > 0.0 { part(spent.time_ms / all_ms) } else { 0.0 },
        };
        sorted.into_iter().take(MAX_STATEMENTS).map(statement).collect()
    }

    fn top_waits(&self) -> Vec<Wait> {
        let all = self.waits.values().sum::<u64>().max(1) as f64;
        let mut waits: Vec<Wait> = self
            .waits
            .iter()
            .map(|((kind, event), seen)| Wait {
                kind: kind.clone(),
                event: event.clone(),
                seen: *seen,
                share: part(*seen as f64 / all),
            })
            .collect();
        waits.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| (&a.kind, &a.event).cmp(&(&b.kind, &b.event))));
        waits.truncate(MAX_WAITS);
        waits
    }

    /// By misses; of those that all hit, the most used first.
    fn top_datasets(&self) -> Vec<MinuteDataset> {
        let mut datasets: Vec<MinuteDataset> = self.datasets.values().cloned().collect();
        datasets.sort_by_key(|dataset| Reverse((dataset.misses(), dataset.lookups)));
        datasets.truncate(MAX_DATASETS);
        datasets
    }

    fn session_states(&self) -> Vec<StateCount> {
        // A reading without a session in some state is a zero of that state.
        let readings = self.coverage[1].readings.max(1) as f64;
        let count = |(state, states): (&String, &States)| StateCount {
            state: state.clone(),
            mean: micros(states.sum as f64 / readings),
            most: states.most,
        };
        self.states.iter().map(count).collect()
    }

    fn coverage(&self) -> Vec<Coverage> {
        let coverage = |(part, measured): (Part, &Measured)| Coverage {
            part,
            readings: measured.readings,
            missed: measured.missed,
            reason: measured.reason.clone(),
        };
        PARTS.into_iter().zip(&self.coverage).map(coverage).collect()
    }
}

fn lock_session(session: &Session, waits_for: Option<i32>) -> LockSession {
    LockSession {
        pid: session.key.pid,
        backend_start_us: Some(session.key.backend_start_us),
        waits_for,
        application: short(&session.application, NAME_CHARS),
        state: session.state.clone(),
        text: short(&session.statement, TEXT_CHARS),
        waited_ms: waits_for.and(session.lock_wait_ms).map(micros),
    }
}

/// Who blocks and is no client session.
fn unknown_holder(pid: i32) -> LockSession {
    // pg_blocking_pids reports prepared transactions as process 0.
    let state = if pid == 0 { "prepared transaction" } else { "no client session" };
    LockSession {
        pid,
        backend_start_us: None,
        waits_for: None,
        application: String::new(),
        state: state.to_owned(),
        text: String::new(),
        waited_ms: None,
    }
}

fn lock_tree(tree: &Tree) -> LockTree {
    let longest_ms = tree.waiters.values().map(|waiter| waiter.waited_ms).fold(None, longer);
    LockTree {
        root: tree.root.clone(),
        waiters: top(tree.waiters.values().cloned(), MAX_WAITERS, |waiter| waiter.waited_ms.unwrap_or(0.0)),
        waiters_total: tree.waiters.len() as u64,
        longest_ms,
        seen: tree.seen,
    }
}

fn longer(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// The largest by `by`, at most `most`; equals stay in order.
fn top<T>(values: impl Iterator<Item = T>, most: usize, by: impl Fn(&T) -> f64) -> Vec<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_by(|a, b| by(b).total_cmp(&by(a)));
    sorted.truncate(most);
    sorted
}

/// Milliseconds to the microsecond.
fn micros(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}

/// A share to a hundredth of a per cent.
fn part(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}
