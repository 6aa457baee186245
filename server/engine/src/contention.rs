//! Who waits for whom, root first, now and over a range; what active sessions wait for; deadlocks.
//!
//! Trees come from the newest reading, their past from the records of minutes, classes of waits from the history.

use crate::{
    activity,
    collect::{CLASSES, Observation, Session},
    console::Console,
    issues::blocking,
    store::{EventQuery, HOUR_MS, MINUTE_MS, StoreError},
};
use headroom_model::{
    MetricId, TargetId,
    activity::{SessionView, Unknown},
    contention::{
        BlockingNode, BlockingTree, Contention, ContentionStretch, Deadlocks, MAX_EVENTS, MAX_STRETCHES,
        MAX_TREE_SESSIONS, MAX_TREES, WaitBreakdown, WaitClass,
    },
    event::{Event, EventKind},
    moment::{MinuteRecord, Wait},
    range::Resolved,
    series::Series,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Minutes whose records are read for the past: the newest day of a range.
const DETAILED_MS: i64 = 24 * HOUR_MS;
/// A stretch goes on over a minute without a sighting, not over two.
const GAP_MS: i64 = 2 * MINUTE_MS;
/// Marks of deadlocks that are told.
const MOST_MARKS: u32 = 20;

impl Console {
    /// Lock waits of a target: trees now, waits and contention over a range. None where no target has this name. Cancelling
    /// is safe.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn contention(&self, target: &TargetId, range: Resolved) -> Result<Option<Contention>, StoreError> {
        let Some(slot) = self.slot(target) else { return Ok(None) };
        let published = slot.published();
        let observation = published.observation.as_deref();
        let metrics: Vec<MetricId> = CLASSES.into_iter().chain([MetricId::Deadlocks]).collect();
        let details = Resolved { from: range.from.max(range.to.plus_millis(-DETAILED_MS)), ..range };
        let marks = EventQuery {
            target: Some(target.clone()),
            kinds: vec![EventKind::Deadlock],
            from: Some(range.from),
            to: Some(range.to),
            limit: MOST_MARKS,
            ..EventQuery::default()
        };
        let (series, records, events) = tokio::try_join!(
            self.history.series(target, &metrics, range),
            self.moments.records(target, details),
            self.store.events(&marks),
        )?;
        let of_target = |event: &Event| event.event.target.as_ref() == Some(target);
        let mut trees = observation.map(|seen| trees(seen, &self.views(seen))).unwrap_or_default();
        let trees_total = trees.len() as u64;
        trees.truncate(MAX_TREES);
        Ok(Some(Contention {
            target: target.clone(),
            range,
            at: observation.filter(|seen| seen.postgres_error.is_none()).map(|seen| seen.sample.at),
            missing: activity::missing(observation),
            trees,
            trees_total,
            waits: waits(&series, &records),
            stretches: stretches(&records),
            details_from: records.first().map(|record| record.at.max(details.from)),
            deadlocks: deadlocks(&series, events.into_iter().filter(of_target).collect(), observation),
        }))
    }

    fn views(&self, seen: &Observation) -> Vec<SessionView> {
        activity::views(seen, &self.config.health.session_limits())
    }
}

/// All blocking trees, longest wait first.
fn trees(seen: &Observation, views: &[SessionView]) -> Vec<BlockingTree> {
    let sessions: HashMap<i32, &Session> = seen.sessions.iter().map(|session| (session.key.pid, session)).collect();
    let views: HashMap<i32, &SessionView> = views.iter().map(|view| (view.key.pid, view)).collect();
    let behind = blocking::behind(&seen.sessions);
    let found = blocking::trees(&seen.sessions);
    let mut trees: Vec<BlockingTree> = found
        .iter()
        .map(|(root, tree)| {
            let mut nodes = Vec::new();
            let mut placed = BTreeSet::new();
            // Depth first; a session that waits for several is placed once, below the first that is met.
            let mut next = vec![(*root, None, 0)];
            while let Some((pid, waits_for, depth)) = next.pop() {
                if nodes.len() >= MAX_TREE_SESSIONS || !placed.insert(pid) {
                    continue;
                }
                nodes.push(BlockingNode {
                    depth,
                    waits_for,
                    pid,
                    session: views.get(&pid).map(|view| (*view).clone()),
                    locks: sessions.get(&pid).map(|session| session.locks.clone()).unwrap_or_default(),
                    blocks: behind.get(&pid).copied().unwrap_or(0),
                });
                let mut waiters: Vec<&Session> =
                    seen.sessions.iter().filter(|session| session.blocked_by.contains(&pid)).collect();
                // The longest wait is met first: it is the last to be laid down.
                waiters.sort_by(|a, b| a.lock_wait_ms.unwrap_or(0.0).total_cmp(&b.lock_wait_ms.unwrap_or(0.0)));
                next.extend(waiters.iter().map(|waiter| (waiter.key.pid, Some(pid), depth + 1)));
            }
            let is_known = tree.waiters.iter().any(|pid| sessions.get(pid).is_some_and(|s| s.lock_wait_ms.is_some()));
            BlockingTree { waiting: tree.waiters.len() as u64, longest_ms: is_known.then_some(tree.wait_ms), nodes }
        })
        .collect();
    trees.sort_by(|a, b| {
        b.longest_ms.unwrap_or(0.0).total_cmp(&a.longest_ms.unwrap_or(0.0)).then(b.waiting.cmp(&a.waiting))
    });
    trees
}

fn waits(series: &[Series], records: &[MinuteRecord]) -> WaitBreakdown {
    let means: Vec<(MetricId, f64)> = series
        .iter()
        .filter(|series| CLASSES.contains(&series.metric))
        .filter_map(|series| Some((series.metric, series.summary()?.avg)))
        .collect();
    let active = (!means.is_empty()).then(|| means.iter().map(|(_, mean)| mean).sum::<f64>());
    let mut classes: Vec<WaitClass> = means
        .into_iter()
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(metric, mean)| WaitClass { metric, mean, share: mean / active.unwrap_or(mean).max(f64::MIN_POSITIVE) })
        .collect();
    classes.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    WaitBreakdown { classes, active, events: events(records) }
}

fn events(records: &[MinuteRecord]) -> Vec<Wait> {
    let mut seen: BTreeMap<(Option<String>, Option<String>), u64> = BTreeMap::new();
    // Records of before the looks counted readings: five times fewer sightings, so they would weigh too little.
    for record in records.iter().filter(|record| record.wait_looks > 0) {
        for wait in &record.waits {
            *seen.entry((wait.kind.clone(), wait.event.clone())).or_default() += wait.seen;
        }
    }
    let all = seen.values().sum::<u64>().max(1) as f64;
    let mut events: Vec<Wait> =
        seen.into_iter().map(|((kind, event), seen)| Wait { kind, event, seen, share: seen as f64 / all }).collect();
    events.sort_by_key(|wait| std::cmp::Reverse(wait.seen));
    events.truncate(MAX_EVENTS);
    events
}

/// Trees of following minutes with one session at the root are one stretch. Newest first.
fn stretches(records: &[MinuteRecord]) -> Vec<ContentionStretch> {
    let mut open: HashMap<(i32, Option<i64>), ContentionStretch> = HashMap::new();
    let mut ended = Vec::new();
    for record in records {
        for tree in &record.locks {
            let root = (tree.root.pid, tree.root.backend_start_us);
            let known = open.remove(&root);
            let mut stretch = match known {
                Some(known) if record.at.0 - known.to.0 <= GAP_MS => known,
                earlier => {
                    ended.extend(earlier);
                    ContentionStretch {
                        from: record.at,
                        to: record.at,
                        root: tree.root.clone(),
                        waiters: 0,
                        longest_ms: None,
                        seen: 0,
                    }
                }
            };
            stretch.to = record.at;
            stretch.root = tree.root.clone();
            stretch.waiters = stretch.waiters.max(tree.waiters_total);
            stretch.longest_ms = match (stretch.longest_ms, tree.longest_ms) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
            stretch.seen += tree.seen;
            open.insert(root, stretch);
        }
    }
    ended.extend(open.into_values());
    ended.sort_by(|a: &ContentionStretch, b| {
        b.to.cmp(&a.to).then(b.from.cmp(&a.from)).then(a.root.pid.cmp(&b.root.pid))
    });
    ended.truncate(MAX_STRETCHES);
    ended
}

fn deadlocks(series: &[Series], events: Vec<Event>, observation: Option<&Observation>) -> Deadlocks {
    let counted = series.iter().find(|series| series.metric == MetricId::Deadlocks);
    // Of what is counted, a slot holds the sum.
    let known: Vec<f64> = counted.map(|series| series.avg.iter().flatten().copied().collect()).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, never negative")]
    let count = (!known.is_empty()).then(|| known.iter().sum::<f64>().round() as u64);
    let facts = observation.map(|seen| &seen.facts);
    let timeout = facts.and_then(|facts| facts.deadlock_timeout.as_deref()).unwrap_or("deadlock_timeout");
    let details = facts.map(|facts| {
        let log = "PostgreSQL writes the statements and tables of a deadlock to its own log only, which the console does not \
                   read.";
        match facts.logs_lock_waits {
            Some(false) => Unknown {
                what: format!("{log} Waits longer than {timeout} (deadlock_timeout) are not logged."),
                remedy: Some("ALTER SYSTEM SET log_lock_waits = on; SELECT pg_reload_conf();".into()),
            },
            _ => Unknown {
                what: format!("{log} So are waits longer than {timeout} (log_lock_waits, deadlock_timeout)."),
                remedy: None,
            },
        }
    });
    Deadlocks { count, events, details }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        Timestamp,
        moment::{LockSession, LockTree},
    };

    #[test]
    fn a_process_id_that_was_used_again_begins_a_stretch_of_its_own() {
        let minute = |nth: i64, backend_start_us| MinuteRecord {
            at: Timestamp(nth * MINUTE_MS),
            readings: 12,
            locks: vec![LockTree {
                root: LockSession {
                    pid: 7,
                    backend_start_us,
                    waits_for: None,
                    application: "nightly".into(),
                    state: "idle in transaction".into(),
                    text: String::new(),
                    waited_ms: None,
                },
                waiters: Vec::new(),
                waiters_total: 1,
                longest_ms: None,
                seen: 12,
            }],
            ..MinuteRecord::default()
        };
        let of = |starts: [Option<i64>; 4]| -> Vec<(i64, i64, u64)> {
            let records: Vec<MinuteRecord> =
                starts.into_iter().zip(1..).map(|(start, nth)| minute(nth, start)).collect();
            let minutes = |at: Timestamp| at.0 / MINUTE_MS;
            stretches(&records).iter().map(|one| (minutes(one.from), minutes(one.to), one.seen)).collect()
        };
        assert_eq!(of([Some(5); 4]), [(1, 4, 48)]);
        assert_eq!(of([Some(5), Some(5), Some(9), Some(9)]), [(3, 4, 24), (1, 2, 24)]);
        assert_eq!(of([None, None, Some(9), Some(9)]), [(3, 4, 24), (1, 2, 24)], "before the start was kept");
    }
}
