//! Sessions that hold something for too long: idle in a transaction, or one statement that does not end.

use super::{MAX_OF_A_SORT, one_line};
use crate::{
    collect::{Observation, Session},
    health::{Limits, SessionLimits},
    links::{Place, ask},
};
use headroom_model::{
    Band, TargetId,
    activity::SessionAct,
    format,
    observation::{Issue, IssueKind, Remedy},
};
use std::collections::BTreeSet;

/// Leaks and long statements, longest first. Sessions in `named` have an issue already.
pub(super) fn draw(observation: &Observation, limits: &SessionLimits, named: &BTreeSet<i32>) -> Vec<Issue> {
    let (now, target) = (observation.sample.at, &observation.sample.target);
    let mut idle = Vec::new();
    let mut long = Vec::new();
    for session in observation.sessions.iter().filter(|session| !named.contains(&session.key.pid)) {
        let age = session.state_ms(now).unwrap_or(0.0);
        if session.is_idle_in_transaction() && age >= limits.idle_in_transaction.degraded {
            idle.push((age, session));
        } else if session.state == "active" && age >= limits.long_statement.degraded && !session.is_blocked() {
            long.push((age, session));
        }
    }
    worst(long)
        .into_iter()
        .map(|(age, session)| long_statement(age, session, target, limits.long_statement))
        .chain(worst(idle).into_iter().map(|(age, session)| leak(age, session, target, limits.idle_in_transaction)))
        .collect()
}

fn worst(mut found: Vec<(f64, &Session)>) -> Vec<(f64, &Session)> {
    found.sort_by(|(a, a_session), (b, b_session)| b.total_cmp(a).then(a_session.key.cmp(&b_session.key)));
    found.truncate(MAX_OF_A_SORT);
    found
}

fn band(age: f64, limits: Limits) -> Option<Band> {
    Some(if age >= limits.critical { Band::Critical } else { Band::Degraded })
}

fn leak(age: f64, session: &Session, target: &TargetId, limits: Limits) -> Issue {
    let pid = session.key.pid;
    Issue {
        id: format!("idle-in-transaction:{pid}"),
        kind: IssueKind::Active,
        band: band(age, limits),
        title: format!("Session {pid} has been idle in transaction for {}", format::duration_ms(age)),
        detail: format!(
            "Last statement {}, application {}, role {}. It keeps its locks and holds up vacuum.",
            one_line(&session.statement),
            session.application,
            session.user
        ),
        remedy: Some(Remedy::Open(ask(Place::Connections, target, session.key, SessionAct::Terminate))),
        gain: Some("rolls its transaction back and releases its locks".to_owned()),
    }
}

fn long_statement(age: f64, session: &Session, target: &TargetId, limits: Limits) -> Issue {
    let pid = session.key.pid;
    Issue {
        id: format!("long-statement:{pid}"),
        kind: IssueKind::Active,
        band: band(age, limits),
        title: format!("Session {pid} has run one statement for {}", format::duration_ms(age)),
        detail: format!("{}, application {}, role {}", one_line(&session.statement), session.application, session.user),
        remedy: Some(Remedy::Open(ask(Place::Connections, target, session.key, SessionAct::Cancel))),
        gain: Some("stops the statement; the session stays connected".to_owned()),
    }
}
