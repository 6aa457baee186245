//! Blocking trees: the session at the root, not its victims.

use super::{MAX_OF_A_SORT, counted, one_line};
use crate::{
    collect::{Observation, Session},
    links::{Place, ask},
};
use headroom_model::{
    Band, Component,
    activity::SessionAct,
    format,
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
    let issues = worst.iter().take(MAX_OF_A_SORT).map(|(pid, tree)| issue(*pid, tree, observation, points)).collect();
    Blocking { issues, roots }
}

pub(crate) struct Tree {
    pub waiters: BTreeSet<i32>,
    pub wait_ms: f64,
}

/// Every pid that blocks and is not blocked itself, with all who wait for it, directly or behind others.
pub(crate) fn trees(sessions: &[Session]) -> BTreeMap<i32, Tree> {
    let blocked: BTreeSet<i32> = sessions.iter().filter(|s| !s.blocked_by.is_empty()).map(|s| s.key.pid).collect();
    let waits_for = waits_for(sessions);
    waits_for.keys().filter(|pid| !blocked.contains(pid)).map(|root| (*root, Tree::below(*root, &waits_for))).collect()
}

/// How many wait for each pid that blocks, root or not, directly or behind others.
pub(crate) fn behind(sessions: &[Session]) -> BTreeMap<i32, u64> {
    let waits_for = waits_for(sessions);
    waits_for.keys().map(|pid| (*pid, Tree::below(*pid, &waits_for).waiters.len() as u64)).collect()
}

fn waits_for(sessions: &[Session]) -> BTreeMap<i32, Vec<&Session>> {
    let mut waits_for: BTreeMap<i32, Vec<&Session>> = BTreeMap::new();
    for session in sessions {
        for blocker in &session.blocked_by {
            waits_for.entry(*blocker).or_default().push(session);
        }
    }
    waits_for
}

impl Tree {
    fn below(root: i32, waits_for: &BTreeMap<i32, Vec<&Session>>) -> Tree {
        let mut tree = Tree { waiters: BTreeSet::new(), wait_ms: 0.0 };
        let mut next = vec![root];
        // Ends: a session is followed only when it is first seen, so cycles and diamonds do no harm.
        while let Some(pid) = next.pop() {
            for waiter in waits_for.get(&pid).into_iter().flatten() {
                if waiter.key.pid != root && tree.waiters.insert(waiter.key.pid) {
                    tree.wait_ms = tree.wait_ms.max(waiter.lock_wait_ms.unwrap_or(0.0));
                    next.push(waiter.key.pid);
                }
            }
        }
        tree
    }
}

fn issue(pid: i32, tree: &Tree, observation: &Observation, points: u8) -> Issue {
    let target = &observation.sample.target;
    let waiters = tree.waiters.len();
    let others = if waiters == 1 { "1 other".to_owned() } else { format!("{} others", format::count(waiters as u64)) };
    let duration = format::duration_ms(tree.wait_ms);
    let critical = waiters >= CRITICAL_WAITERS || tree.wait_ms >= CRITICAL_WAIT_MS;
    let session = observation.sessions.iter().find(|session| session.key.pid == pid);
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
            Some(session) => Some(Remedy::Open(ask(Place::Locks, target, session.key, SessionAct::Terminate))),
            None if pid == 0 => Some(Remedy::Sql {
                label: "List prepared transactions".to_owned(),
                sql: "SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;".to_owned(),
            }),
            None => None,
        },
    }
}
