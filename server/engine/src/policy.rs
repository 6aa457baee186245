//! Auto-terminate: ends sessions by rule, for those who opted in. Off until a target's configuration has a limit.
//!
//! It acts on what every sample shows, through the same action as the button: identity and state are checked again in the
//! statement that signals, the end is verified, and audit and timeline name the policy. It touches only what its lists
//! allow, never a console's own session, and so many a minute at most; with `dry_run` it says what it would have done and
//! does nothing.

use crate::{
    actions::{self, ActionError, Ending, Request, Standing},
    collect::{Observation, Session},
    console::Console,
    spine::slot::Slot,
};
use headroom_model::{
    Actor, Role, Timestamp,
    access::Proof,
    activity::{AutoTerminate, AutoTerminateAct, AutoTerminateRules, SessionAct, SessionKey},
    event::{EventKind, NewEvent},
    format,
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who acts, in audit and timeline.
pub const ACTOR: &str = "policy auto-terminate";
/// Acts that are told.
const MOST_ACTS: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// The policy of one target, and what it did.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    rules: Option<AutoTerminateRules>,
    acts: Mutex<VecDeque<AutoTerminateAct>>,
}

impl Policy {
    pub fn new(rules: Option<AutoTerminateRules>) -> Self {
        Policy { rules, acts: Mutex::default() }
    }

    /// What it may do and what it did, newest first.
    pub fn state(&self) -> AutoTerminate {
        let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        AutoTerminate { rules: self.rules.clone(), acts: acts.iter().cloned().collect() }
    }

    fn note(&self, act: AutoTerminateAct) {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        acts.push_front(act);
        acts.truncate(MOST_ACTS);
    }
}

/// A session that a rule meets.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    session: Session,
    idle_in_transaction: bool,
    limit_ms: f64,
    age_ms: f64,
}

impl Case {
    /// What a session does: it is dealt with once for that.
    fn name(&self) -> Name {
        (self.session.key, self.session.statement_start_us)
    }

    fn reason(&self) -> String {
        format!(
            "{} for {}, limit {}",
            if self.idle_in_transaction { "idle in transaction" } else { "one statement has run" },
            format::duration_ms(self.age_ms),
            format::duration_ms(self.limit_ms)
        )
    }

    fn ending(&self, act: SessionAct) -> Ending {
        Ending {
            key: self.session.key,
            act,
            statement_start_us: self.session.statement_start_us,
            only_while: Some(Standing { idle_in_transaction: self.idle_in_transaction, for_ms: self.limit_ms }),
        }
    }
}

type Name = (SessionKey, Option<i64>);

/// Sessions in a database past a limit that the lists allow to touch, longest first. Those of other databases on the server
/// are other people's.
fn cases(rules: &AutoTerminateRules, observation: &Observation, database: &str) -> Vec<Case> {
    let now = observation.sample.at;
    let allowed = |session: &Session| {
        let listed = |list: &[String], name: &str| list.is_empty() || list.iter().any(|entry| matches(entry, name));
        !session.own
            && session.database == database
            && listed(&rules.applications, &session.application)
            && listed(&rules.users, &session.user)
    };
    let case = |session: &Session| {
        let idle_in_transaction = session.is_idle_in_transaction();
        let limit = match session.state.as_str() {
            "active" => rules.long_running_ms,
            _ if idle_in_transaction => rules.idle_in_transaction_ms,
            _ => None,
        };
        let (limit_ms, age_ms) = (limit? as f64, session.state_ms(now)?);
        (age_ms >= limit_ms).then(|| Case { session: session.clone(), idle_in_transaction, limit_ms, age_ms })
    };
    let mut cases: Vec<Case> =
        observation.sessions.iter().filter(|session| allowed(session)).filter_map(case).collect();
    cases.sort_by(|a, b| b.age_ms.total_cmp(&a.age_ms));
    cases
}

/// Whether a name is an entry of a list; `*` at the end of an entry stands for any rest.
fn matches(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == entry,
    }
}

/// The task of one target. It ends when it is told to, or with the console.
pub(crate) struct Enforcer {
    console: Weak<Console>,
    slot: Arc<Slot>,
    /// What was dealt with already, as long as it is seen.
    dealt_with: BTreeSet<Name>,
    /// Acts of the last minute.
    recent: VecDeque<Instant>,
}

impl Enforcer {
    pub fn new(console: &Arc<Console>, slot: Arc<Slot>) -> Self {
        Enforcer { console: Arc::downgrade(console), slot, dealt_with: BTreeSet::new(), recent: VecDeque::new() }
    }

    /// Looks at every sample until told to stop; returns at once where the policy is off.
    pub async fn run(mut self, stop: CancellationToken) {
        let Some(rules) = self.slot.policy.rules.clone() else { return };
        let mut samples = self.slot.watch();
        while let Some(Ok(())) = stop.run_until_cancelled(samples.changed()).await {
            let observation = samples.borrow_and_update().observation.clone();
            // Where nothing was seen, nothing is over.
            let Some(observation) = observation.filter(|seen| seen.postgres_error.is_none()) else { continue };
            if stop.run_until_cancelled(self.enforce(&rules, &observation)).await.is_none() {
                return;
            }
        }
    }

    async fn enforce(&mut self, rules: &AutoTerminateRules, observation: &Observation) {
        let cases = cases(rules, observation, self.slot.target.database());
        let standing: BTreeSet<Name> = cases.iter().map(Case::name).collect();
        self.dealt_with.retain(|name| standing.contains(name));
        for case in cases {
            if self.dealt_with.contains(&case.name()) {
                continue;
            }
            self.recent.retain(|act| act.elapsed() < MINUTE);
            if self.recent.len() >= rules.most_per_minute as usize {
                // Whoever still stands then is met again with the next sample.
                return;
            }
            let Some(console) = self.console.upgrade() else { return };
            self.recent.push_back(Instant::now());
            self.dealt_with.insert(case.name());
            let outcome = if rules.dry_run { self.tell(&console, &case) } else { self.end(&console, &case).await };
            self.slot.policy.note(AutoTerminateAct {
                at: console.clock.now(),
                key: case.session.key,
                application: case.session.application.clone(),
                user: case.session.user.clone(),
                reason: case.reason(),
                outcome,
            });
        }
    }

    /// Marks on the timeline what would have been done.
    fn tell(&self, console: &Console, case: &Case) -> String {
        let act = if case.idle_in_transaction { "terminated" } else { "cancelled" };
        let at: Timestamp = console.clock.now();
        console.feed().mark_soon(NewEvent {
            at,
            target: Some(self.slot.target.id.clone()),
            kind: EventKind::Action,
            band: None,
            title: format!("Dry run: session {} would be {act}", case.session.key.pid),
            detail: Some(format!("{}; application {}", case.reason(), case.session.application)),
            actor: Some(ACTOR.to_owned()),
        });
        format!("dry run: would be {act}")
    }

    /// A session idle in its transaction is ended; a statement is cancelled, and its session ended where that did not help.
    async fn end(&self, console: &Arc<Console>, case: &Case) -> String {
        let request = Request {
            actor: Actor { name: ACTOR.to_owned(), role: Role::Operator, proof: Proof::Loopback },
            origin: None,
            reason: Some(case.reason()),
        };
        let target = &self.slot.target.id;
        let end = async |act| actions::end(console, target, case.ending(act), &request).await;
        let done = if case.idle_in_transaction {
            end(SessionAct::Terminate).await
        } else {
            match end(SessionAct::Cancel).await {
                Err(ActionError::NotVerified(_)) => end(SessionAct::Terminate).await,
                done => done,
            }
        };
        match done {
            Ok(outcome) => outcome.effect,
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::ServerFacts;
    use headroom_model::{Sample, TargetId};

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn rules() -> AutoTerminateRules {
        AutoTerminateRules {
            idle_in_transaction_ms: Some(60_000),
            long_running_ms: Some(30_000),
            applications: vec!["report-*".into(), "order-sync".into()],
            users: vec!["shop".into()],
            dry_run: false,
            most_per_minute: 3,
        }
    }

    fn seen(sessions: Vec<Session>) -> Observation {
        Observation {
            sample: Sample { target: TargetId("orders".into()), at: NOW, figures: [].into() },
            facts: ServerFacts::default(),
            sessions,
            hidden_sessions: 0,
            waits: None,
            statements: Vec::new(),
            spending: Err("Not read.".into()),
            workload: None,
            tables: Vec::new(),
            sequence: None,
            datasets: Vec::new(),
            limitations: Vec::new(),
            events: Vec::new(),
            postgres_error: None,
            redis_error: None,
        }
    }

    #[test]
    fn only_what_the_lists_allow_is_touched() {
        let of = |pid, state, secs, application: &str, user: &str| Session {
            application: application.into(),
            user: user.into(),
            ..Session::sample(pid, state, secs, NOW)
        };
        let observation = seen(vec![
            of(1, "idle in transaction", 61, "order-sync", "shop"),
            of(2, "idle in transaction", 59, "order-sync", "shop"),
            of(3, "idle in transaction (aborted)", 99, "report-7", "shop"),
            of(4, "active", 31, "report-7", "shop"),
            of(5, "active", 500, "psql", "shop"),
            of(6, "active", 500, "report-7", "ada"),
            of(7, "idle", 9_000, "order-sync", "shop"),
            Session { own: true, ..of(8, "active", 500, "report-7", "shop") },
        ]);
        let pids = |rules: &AutoTerminateRules| -> Vec<i32> {
            cases(rules, &observation, "orders").iter().map(|case| case.session.key.pid).collect()
        };
        assert_eq!(pids(&rules()), [3, 1, 4], "longest first");
        assert_eq!(pids(&AutoTerminateRules { long_running_ms: None, ..rules() }), [3, 1]);
        assert_eq!(pids(&AutoTerminateRules { applications: Vec::new(), ..rules() }), [5, 3, 1, 4]);
        assert_eq!(cases(&rules(), &observation, "orders")[2].reason(), "one statement has run for 31 s, limit 30 s");
    }
}
