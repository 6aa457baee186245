//! Auto-terminate: ends sessions by rule, for those who opted in. Off until a target's configuration has a limit.
//!
//! It acts on what every sample shows, through the same action as the button: identity and state are checked again in the
//! statement that signals, the end is verified, and audit and timeline name the policy. It touches only what its lists
//! allow, never a console's own session, and so many a minute at most; with `dry_run` it says what it would have done and
//! does nothing. An act that failed is tried again with the next look, then after ever more of them, five times in all; each
//! signal goes into the audit, and each refusal once. A session is ended for its statement only once a cancel of it was seen
//! not to help.

use crate::{
    actions::{self, Ending, Request, Signal, Standing, Unended},
    collect::{Observation, Session},
    console::Console,
    spine::slot::Slot,
};
use headroom_model::{
    Actor, Role, TargetId, Timestamp,
    access::Proof,
    activity::{AutoTerminate, AutoTerminateAct, AutoTerminateRules, SessionAct, SessionKey},
    event::{EventKind, NewEvent},
    format,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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
/// Attempts at one session, the first included.
const MOST_ATTEMPTS: u32 = 5;

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

    /// A later attempt stands in place of the one before it.
    fn note(&self, act: AutoTerminateAct) {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = acts.iter().position(|known| act.attempts > 1 && known.key == act.key);
        if let Some(earlier) = earlier {
            acts.remove(earlier);
        }
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
    /// What a session does: it is dealt with for that, and again for what it does next.
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

/// What was tried on a session.
#[derive(Debug, Default)]
struct Attempts {
    made: u32,
    /// Looks to come before the next one.
    pause: u32,
    /// It is dealt with.
    is_done: bool,
    /// Failures that are on record, in their words. Two an attempt at most.
    recorded: Vec<(SessionAct, String)>,
}

impl Attempts {
    /// Another look sees it.
    fn look(&mut self) {
        self.pause = self.pause.saturating_sub(1);
    }

    fn is_due(&self) -> bool {
        !self.is_done && self.pause == 0 && self.made < MOST_ATTEMPTS
    }

    fn begin(&mut self) {
        self.made += 1;
    }

    /// How an attempt ended, in words. After a failure the next one is due at the next look, then two, four, eight later.
    fn end(&mut self, done: Result<String, Unended>) -> String {
        match done {
            Ok(outcome) => {
                self.is_done = true;
                outcome
            }
            Err(unended) if self.made >= MOST_ATTEMPTS => format!("{}; given up", unended.error),
            Err(unended) => {
                self.pause = 1 << self.made.saturating_sub(1);
                unended.error.to_string()
            }
        }
    }
}

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
    /// What was tried already, as long as it is seen.
    attempts: BTreeMap<Name, Attempts>,
    /// Acts of the last minute.
    recent: VecDeque<Instant>,
}

impl Enforcer {
    pub fn new(console: &Arc<Console>, slot: Arc<Slot>) -> Self {
        Enforcer { console: Arc::downgrade(console), slot, attempts: BTreeMap::new(), recent: VecDeque::new() }
    }

    /// Looks at every sample until told to stop; returns at once where the policy is off.
    pub async fn run(mut self, stop: CancellationToken) {
        let Some(rules) = self.slot.policy.rules.clone() else { return };
        let mut samples = self.slot.watch();
        while let Some(Ok(())) = stop.run_until_cancelled(samples.changed()).await {
            let observation = samples.borrow_and_update().observation.clone();
            // Where nothing was seen, nothing is over.
            let is_seen = |seen: &Arc<Observation>| seen.postgres_error.is_none() && !seen.sessions.is_empty();
            let Some(observation) = observation.filter(is_seen) else { continue };
            if stop.run_until_cancelled(self.enforce(&rules, &observation)).await.is_none() {
                return;
            }
        }
    }

    async fn enforce(&mut self, rules: &AutoTerminateRules, observation: &Observation) {
        let mut cases = cases(rules, observation, self.slot.target.database());
        let standing: BTreeSet<Name> = cases.iter().map(Case::name).collect();
        self.attempts.retain(|name, _| standing.contains(name));
        self.attempts.values_mut().for_each(Attempts::look);
        // Whoever cannot be ended must not use up what a minute allows for the others.
        cases.sort_by_key(|case| self.attempts.get(&case.name()).map_or(0, |attempts| attempts.made));
        for case in cases {
            if !self.attempts.get(&case.name()).is_none_or(Attempts::is_due) {
                continue;
            }
            self.recent.retain(|act| act.elapsed() < MINUTE);
            if self.recent.len() >= rules.most_per_minute as usize {
                // Whoever still stands then is met again with the next sample.
                return;
            }
            let Some(console) = self.console.upgrade() else { return };
            self.recent.push_back(Instant::now());
            let attempts = self.attempts.entry(case.name()).or_default();
            attempts.begin();
            let done = match rules.dry_run {
                true => Ok(tell(&console, &self.slot.target.id, &case)),
                false => end(&console, &self.slot.target.id, &case, attempts).await,
            };
            let outcome = attempts.end(done);
            self.slot.policy.note(AutoTerminateAct {
                at: console.clock.now(),
                key: case.session.key,
                application: case.session.application.clone(),
                user: case.session.user.clone(),
                reason: case.reason(),
                outcome,
                attempts: attempts.made,
            });
        }
    }
}

/// Marks on the timeline what would have been done.
fn tell(console: &Console, target: &TargetId, case: &Case) -> String {
    let act = if case.idle_in_transaction { "terminated" } else { "cancelled" };
    let at: Timestamp = console.clock.now();
    console.feed().mark_soon(NewEvent {
        at,
        target: Some(target.clone()),
        kind: EventKind::Action,
        band: None,
        title: format!("Dry run: session {} would be {act}", case.session.key.pid),
        detail: Some(format!("{}; application {}", case.reason(), case.session.application)),
        actor: Some(ACTOR.to_owned()),
    });
    format!("dry run: would be {act}")
}

/// A session idle in its transaction is ended; a statement is cancelled, and its session ended where that did not help.
/// After a cancel of which nobody knows, the next attempt cancels again.
async fn end(
    console: &Arc<Console>,
    target: &TargetId,
    case: &Case,
    attempts: &mut Attempts,
) -> Result<String, Unended> {
    let request = Request {
        actor: Actor { name: ACTOR.to_owned(), role: Role::Operator, proof: Proof::Loopback },
        origin: None,
        reason: Some(case.reason()),
    };
    let mut end = async |act| {
        let of_act = attempts.recorded.iter().filter(|(recorded, _)| *recorded == act).map(|(_, words)| words.clone());
        let done = actions::end_again(console, target, case.ending(act), &request, of_act.collect()).await;
        if let Err(unended) = &done
            && unended.is_recorded
        {
            let failure = (act, unended.error.to_string());
            if !attempts.recorded.contains(&failure) {
                attempts.recorded.push(failure);
            }
        }
        done
    };
    let done = if case.idle_in_transaction {
        end(SessionAct::Terminate).await
    } else {
        match end(SessionAct::Cancel).await {
            Err(unended) if did_not_help(&unended) => end(SessionAct::Terminate).await,
            done => done,
        }
    };
    done.map(|outcome| outcome.effect)
}

/// Whether the statement was seen to go on for the whole grace period after its cancel.
fn did_not_help(cancel: &Unended) -> bool {
    cancel.signal == Signal::Outlived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::ActionError;
    use headroom_model::Sample;

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
        let sample = Sample { target: TargetId("orders".into()), at: NOW, figures: [].into() };
        Observation { sessions, ..Observation::bare(sample, "Not read.") }
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

    #[test]
    fn what_failed_is_tried_with_the_next_look_and_then_ever_later() {
        let mut attempts = Attempts::default();
        let mut tried_at = Vec::new();
        let mut said = Vec::new();
        for look in 0..100 {
            attempts.look();
            if attempts.is_due() {
                tried_at.push(look);
                attempts.begin();
                let refused = ActionError::Refused("no".into());
                said.push(attempts.end(Err(Unended { error: refused, signal: Signal::NotSent, is_recorded: true })));
            }
        }
        assert_eq!(tried_at, [0, 1, 3, 7, 15]);
        assert_eq!(said, ["no", "no", "no", "no", "no; given up"]);
    }

    #[test]
    fn a_session_is_ended_only_after_a_cancel_that_was_seen_not_to_help() {
        for (signal, escalates) in [(Signal::NotSent, false), (Signal::MayBeSent, false), (Signal::Outlived, true)] {
            let error = ActionError::NotVerified("the signal may have been sent".into());
            assert_eq!(did_not_help(&Unended { error, signal, is_recorded: true }), escalates, "{signal:?}");
        }
    }

    #[test]
    fn what_is_done_is_not_tried_again() {
        let mut attempts = Attempts::default();
        attempts.begin();
        assert_eq!(attempts.end(Ok("ended".into())), "ended");
        attempts.look();
        assert!(!attempts.is_due());
    }
}
