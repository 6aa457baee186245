//! Sessions that hold something for too long: idle in a transaction, or one statement that does not end.

use super::{
    MAX_OF_A_SORT,
    blocking::{cancel, terminate},
    one_line,
};
use crate::collect::{Observation, Session};
use headroom_model::{
    Band, Timestamp, format,
    observation::{Issue, IssueKind},
};
use std::collections::BTreeSet;

/// Idle in a transaction for longer counts as a leak.
const LEAK_MS: u64 = 60_000;
/// From here on a leak is critical: vacuum is held up for as long.
const LEAK_CRITICAL_MS: u64 = 600_000;
/// A statement that runs for longer is worth a look.
const LONG_MS: u64 = 5_000;
/// From here on a statement is critical.
const LONG_CRITICAL_MS: u64 = 60_000;

/// Leaks and long statements, longest first. Sessions in `named` have an issue already.
pub(super) fn draw(observation: &Observation, named: &BTreeSet<i32>) -> Vec<Issue> {
    let now = observation.sample.at;
    let mut idle = Vec::new();
    let mut long = Vec::new();
    for session in observation.sessions.iter().filter(|session| !named.contains(&session.pid)) {
        let age = session.state_since.map_or(0, |since| age_ms(since, now));
        let waits = session.lock_wait_ms.is_some() || !session.blocked_by.is_empty();
        if session.state.starts_with("idle in transaction") && age >= LEAK_MS {
            idle.push((age, session));
        } else if session.state == "active" && age >= LONG_MS && !waits {
            long.push((age, session));
        }
    }
    worst(long)
        .into_iter()
        .map(|(age, s)| long_statement(age, s))
        .chain(worst(idle).into_iter().map(|(age, s)| leak(age, s)))
        .collect()
}

fn age_ms(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)
}

fn worst(mut found: Vec<(u64, &Session)>) -> Vec<(u64, &Session)> {
    found.sort_by(|(a, a_session), (b, b_session)| b.cmp(a).then(a_session.pid.cmp(&b_session.pid)));
    found.truncate(MAX_OF_A_SORT);
    found
}

fn leak(age: u64, session: &Session) -> Issue {
    let pid = session.pid;
    Issue {
        id: format!("idle-in-transaction:{pid}"),
        kind: IssueKind::Active,
        band: Some(if age >= LEAK_CRITICAL_MS { Band::Critical } else { Band::Degraded }),
        title: format!("Session {pid} has been idle in transaction for {}", format::duration_ms(age as f64)),
        detail: format!(
            "Last statement {}, application {}, role {}. It keeps its locks and holds up vacuum.",
            one_line(&session.statement),
            session.application,
            session.user
        ),
        remedy: Some(terminate(session)),
        gain: Some("rolls its transaction back and releases its locks".to_owned()),
    }
}

fn long_statement(age: u64, session: &Session) -> Issue {
    let pid = session.pid;
    Issue {
        id: format!("long-statement:{pid}"),
        kind: IssueKind::Active,
        band: Some(if age >= LONG_CRITICAL_MS { Band::Critical } else { Band::Degraded }),
        title: format!("Session {pid} has run one statement for {}", format::duration_ms(age as f64)),
        detail: format!("{}, application {}, role {}", one_line(&session.statement), session.application, session.user),
        remedy: Some(cancel(session)),
        gain: Some("stops the statement; the session stays connected".to_owned()),
    }
}
