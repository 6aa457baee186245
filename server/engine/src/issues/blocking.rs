//! Blocking trees: the session at the root, not its victims.

use super::{MAX_OF_A_SORT, counted, one_line};
use crate::collect::{Observation, Session};
use headroom_model::{
    Band, Component, format,
    health::Health,
    observation::{Issue, IssueKind, Remedy},
};
use std::collections::{BTreeMap, BTreeSet};

/// Waits below this are the ordinary life of locks.
const WORTH_TELLING_MS: f64 = 1000.0;
/// From here on a blocker is critical.
const CRITICAL_WAIT_MS: f64 = 30_000.0;
/// From here on a blocker is critical.
const CRITICAL_WAITERS: usize = 10;

/// Blockers, and who they are, so that nobody is named twice.
pub(super) struct Blocking {
    pub issues: Vec<Issue>,
    pub roots: BTreeSet<i32>,
}

/// The roots of all blocking trees, longest wait first.
pub(super) fn draw(observation: &Observation, health: &Health) -> Blocking {
    let trees = trees(&observation.sessions);
    let mut worst: Vec<(i32, Tree)> = trees.into_iter().filter(|(_, tree)| tree.wait_ms >= WORTH_TELLING_MS).collect();
    worst.sort_by(|(_, a), (_, b)| b.wait_ms.total_cmp(&a.wait_ms));
    let roots = worst.iter().map(|(pid, _)| *pid).collect();
    // The points come back only when this was the one blocker.
    let points = match worst.as_slice() {
        [_] => health.deductions.iter().filter(|d| d.component == Component::Locks).map(|d| d.points).sum(),
        _ => 0u8,
    };
    let issues =
        worst.iter().take(MAX_OF_A_SORT).map(|(pid, tree)| issue(*pid, tree, &observation.sessions, points)).collect();
    Blocking { issues, roots }
}

pub(crate) struct Tree {
    pub waiters: BTreeSet<i32>,
    pub wait_ms: f64,
}

/// Every pid that blocks and is not blocked itself, with all who wait for it, directly or behind others.
pub(crate) fn trees(sessions: &[Session]) -> BTreeMap<i32, Tree> {
    let mut waits_for: BTreeMap<i32, Vec<&Session>> = BTreeMap::new();
    for session in sessions {
        for blocker in &session.blocked_by {
            waits_for.entry(*blocker).or_default().push(session);
        }
    }
    let blocked: BTreeSet<i32> = sessions.iter().filter(|s| !s.blocked_by.is_empty()).map(|s| s.pid).collect();
    let mut trees = BTreeMap::new();
    for root in waits_for.keys().copied().filter(|pid| !blocked.contains(pid)) {
        let mut tree = Tree { waiters: BTreeSet::new(), wait_ms: 0.0 };
        let mut next = vec![root];
        // Ends: a session is followed only when it is first seen, so cycles and diamonds do no harm.
        while let Some(pid) = next.pop() {
            for waiter in waits_for.get(&pid).into_iter().flatten() {
                if tree.waiters.insert(waiter.pid) {
                    tree.wait_ms = tree.wait_ms.max(waiter.lock_wait_ms.unwrap_or(0.0));
                    next.push(waiter.pid);
                }
            }
        }
        trees.insert(root, tree);
    }
    trees
}

fn issue(pid: i32, tree: &Tree, sessions: &[Session], points: u8) -> Issue {
    let waiters = tree.waiters.len();
    let others = if waiters == 1 { "1 other".to_owned() } else { format!("{} others", format::count(waiters as u64)) };
    let duration = format::duration_ms(tree.wait_ms);
    let critical = waiters >= CRITICAL_WAITERS || tree.wait_ms >= CRITICAL_WAIT_MS;
    let session = sessions.iter().find(|session| session.pid == pid);
    let who = match pid {
        // pg_blocking_pids reports prepared transactions as process 0.
        0 => "A prepared transaction".to_owned(),
        _ if session.is_some() => format!("Session {pid}"),
        _ => format!("Process {pid}"),
    };
    let mut gain = format!("frees {}", counted(waiters, "session"));
    if points > 0 {
        gain.push_str(&format!(", +{points} points"));
    }
    Issue {
        id: format!("blocking:{pid}"),
        kind: IssueKind::Active,
        band: Some(if critical { Band::Critical } else { Band::Degraded }),
        title: format!("{who} has blocked {others} for {duration}"),
        detail: session.map_or_else(
            || match pid {
                0 => "It keeps its locks until COMMIT PREPARED or ROLLBACK PREPARED.".to_owned(),
                _ => "It is no client session: a maintenance process or a replication worker.".to_owned(),
            },
            |s| format!("{}, {}, application {}, role {}", one_line(&s.statement), s.state, s.application, s.user),
        ),
        gain: session.map(|_| gain),
        remedy: match session {
            Some(session) => Some(terminate(session)),
            None if pid == 0 => Some(Remedy::Sql {
                label: "List prepared transactions".to_owned(),
                sql: "SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;".to_owned(),
            }),
            None => None,
        },
    }
}

/// Ends a session, and that session alone: process ids are reused, so its start is checked in the same statement.
pub(super) fn terminate(session: &Session) -> Remedy {
    Remedy::Sql { label: format!("Terminate {}", session.pid), sql: signal("pg_terminate_backend", session) }
}

/// Stops what a session runs; the session itself stays.
pub(super) fn cancel(session: &Session) -> Remedy {
    Remedy::Sql { label: format!("Cancel {}", session.pid), sql: signal("pg_cancel_backend", session) }
}

/// The start is known to the millisecond, the server knows it to the microsecond: hence the interval.
fn signal(function: &str, session: &Session) -> String {
    let started = |millis: i64| session.backend_start.plus_millis(millis).to_rfc3339();
    format!(
        "SELECT {function}(pid) FROM pg_stat_activity WHERE pid = {} AND backend_type = 'client backend' \
         AND backend_start BETWEEN '{}' AND '{}';",
        session.pid,
        started(-1),
        started(1),
    )
}
