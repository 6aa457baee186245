//! All counters of statements: blocks, temporary files, I/O time, write-ahead log, planning.
//!
//! The server hands them out at nearly the same cost as calls and times alone, but they are four times as much to send and to
//! read. So they come with every reading only while there are at most [`FEW`] statements, else with the heavy part.

use super::{Change, Key, MAX_TEXTS, Snapshot, Statements, Text, Totals};
use crate::collect::{
    KnownText, StatementWork, Work, Workload,
    postgres::server::{ExtensionVersion, Server},
};
use headroom_model::statements::{MAX_IN_SLOT, MAX_ROLES};
use sqlx::{PgConnection, Row};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// So many statements are read in full every time.
const FEW: usize = 1_000;
/// Places for the statements with most calls, beside those with most time.
const BY_CALLS: usize = 50;
/// Roles whose names are remembered.
const MAX_NAMES: usize = 1_000;

/// The last reading of all counters, and names of roles.
#[derive(Debug, Default)]
pub(super) struct Detail {
    last: Option<Arc<Snapshot>>,
    roles: HashMap<i64, Arc<str>>,
    /// Texts that nobody was told of yet.
    learned: HashMap<i64, KnownText>,
    /// What statements did of which it is not known yet whether they are the console's own, and how often.
    waiting: HashMap<Key, (Work, f64)>,
}

/// What one statement did, and who ran it how often.
#[derive(Debug)]
struct Sum {
    work: Work,
    users: HashMap<i64, f64>,
}

/// What was added between two readings of all counters.
#[derive(Debug)]
pub(super) struct Spent {
    earlier: Arc<Snapshot>,
    pub(super) deltas: HashMap<Key, Totals>,
}

impl Detail {
    /// Whether the next reading takes all counters: at least each minute, which is what their history is made of.
    pub(super) fn is_due(&self, heavy_every: Duration) -> bool {
        let every = heavy_every.min(Duration::from_secs(60));
        self.last.as_ref().is_none_or(|last| last.rows.len() <= FEW || last.taken.elapsed() >= every)
    }

    /// Takes the next reading; answers what was added since the last one that had all counters.
    pub(super) fn advance(&mut self, next: &Arc<Snapshot>) -> Option<Spent> {
        next.counters.as_ref()?;
        let earlier = self.last.replace(Arc::clone(next))?;
        match next.since(&earlier) {
            Change::Moved(deltas) => Some(Spent { earlier, deltas }),
            Change::Reset { .. } => None,
        }
    }

    /// What lies between this reading and the one before is not known.
    pub(super) fn restart(&mut self, next: &Arc<Snapshot>) {
        self.last = (next.counters.is_some() && next.hidden == 0).then(|| Arc::clone(next));
        self.waiting.clear();
    }

    pub(super) fn forget(&mut self) {
        self.last = None;
        self.waiting.clear();
    }

    /// Takes note of a text, for the next reading of all counters.
    pub(super) fn learned(&mut self, query_id: i64, known: &Text) {
        if self.learned.len() < MAX_TEXTS {
            let (text, tags) = (Arc::clone(&known.text), Arc::clone(&known.tags));
            self.learned.insert(query_id, KnownText { query_id, text, tags });
        }
    }

    pub(super) fn take_learned(&mut self) -> Vec<KnownText> {
        std::mem::take(&mut self.learned).into_values().collect()
    }

    /// Asks for the names of roles that were not met before.
    pub(super) async fn learn_roles(
        &mut self,
        connection: &mut PgConnection,
        deltas: &HashMap<Key, Totals>,
    ) -> sqlx::Result<()> {
        let users: HashSet<i64> = deltas.keys().map(|key| key.user).collect();
        let unknown: Vec<i64> = users.iter().filter(|user| !self.roles.contains_key(*user)).copied().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.roles.len() + unknown.len() > MAX_NAMES {
            self.roles.retain(|user, _| users.contains(user));
        }
        let query = "SELECT /* headroom */ r.oid::int8, r.rolname::text FROM pg_roles r WHERE r.oid::int8 = ANY($1)";
        for row in sqlx::query(query).bind(&unknown).fetch_all(connection).await? {
            let name: String = row.try_get(1)?;
            self.roles.insert(row.try_get(0)?, name.into());
        }
        Ok(())
    }
}

impl Statements {
    /// What others did since the last reading of all counters. Whose a new statement is becomes known within seconds; until
    /// then it counts in the totals, and what it did waits.
    pub(super) fn workload(&mut self, next: &Snapshot, spent: &Spent) -> Workload {
        let mut by_id: HashMap<i64, Sum> = HashMap::new();
        let mut add = |key: &Key, work: &Work, calls: f64| {
            let sum = by_id.entry(key.query_id).or_insert_with(|| Sum { work: Work::ZERO, users: HashMap::new() });
            sum.work.add(work);
            *sum.users.entry(key.user).or_default() += calls;
        };
        let mut waiting = std::mem::take(&mut self.detail.waiting);
        let (mut calls, mut time_ms) = (0.0, 0.0);
        for (key, delta) in spent.deltas.iter().filter(|(key, _)| !self.is_own(key)) {
            let Some(work) = next.work(&spent.earlier, key, delta) else { continue };
            if !key.nested {
                calls += delta.calls;
                time_ms += delta.time_ms;
            }
            if self.own.contains_key(key) {
                add(key, &work, delta.calls);
            } else if waiting.len() < MAX_TEXTS || waiting.contains_key(key) {
                let (before, times) = waiting.entry(*key).or_insert((Work::ZERO, 0.0));
                before.add(&work);
                *times += delta.calls;
            }
        }
        waiting.retain(|key, (work, times)| match self.own.get(key) {
            None => next.rows.contains_key(key),
            Some(true) => false,
            Some(false) => {
                add(key, work, *times);
                false
            }
        });
        self.detail.waiting = waiting;
        let mut sorted: Vec<(i64, Sum)> = by_id.into_iter().collect();
        sorted.sort_by(|a, b| b.1.work.time_ms.total_cmp(&a.1.work.time_ms).then(a.0.cmp(&b.0)));
        let by_time = MAX_IN_SLOT - BY_CALLS;
        if sorted.len() > by_time {
            sorted[by_time..].sort_by(|a, b| b.1.work.calls.total_cmp(&a.1.work.calls).then(a.0.cmp(&b.0)));
            sorted.truncate(MAX_IN_SLOT);
        }
        let statement = |(query_id, Sum { work, users }): (i64, Sum)| {
            let known = self.texts.get(&query_id);
            let mut users: Vec<(i64, f64)> = users.into_iter().collect();
            users.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let roles = users.iter().filter_map(|(user, _)| self.detail.roles.get(user).cloned());
            StatementWork {
                query_id,
                text: known.map(|known| known.text.clone()),
                tags: known.map_or_else(|| Arc::new([]) as _, |known| known.tags.clone()),
                roles: roles.take(MAX_ROLES).collect(),
                work,
            }
        };
        let evictions = |snapshot: &Snapshot| snapshot.evictions.map(|(_, after)| after);
        Workload {
            interval: next.taken.duration_since(spent.earlier.taken),
            statements: sorted.into_iter().map(statement).collect(),
            calls,
            time_ms,
            evicted: evictions(next) > evictions(&spent.earlier),
            learned: Vec::new(),
        }
    }
}

/// The columns of [`crate::collect::Counter`], in its order, as one array.
pub(super) fn columns(server: &Server, version: ExtensionVersion) -> String {
    let unknown = "NULL";
    let from = |major, minor, column| if version >= ExtensionVersion(major, minor) { column } else { unknown };
    let plans = |column| if server.track_planning { from(1, 8, column) } else { unknown };
    let io = match version {
        _ if !server.track_io_timing => unknown,
        version if version >= ExtensionVersion(1, 11) => {
            "shared_blk_read_time + shared_blk_write_time + local_blk_read_time + local_blk_write_time \
             + temp_blk_read_time + temp_blk_write_time"
        }
        version if version >= ExtensionVersion(1, 10) => {
            "blk_read_time + blk_write_time + temp_blk_read_time + temp_blk_write_time"
        }
        _ => "blk_read_time + blk_write_time",
    };
    let columns = [
        plans("plans"),
        plans("total_plan_time"),
        "shared_blks_hit",
        "shared_blks_read",
        "shared_blks_dirtied",
        "shared_blks_written",
        "local_blks_hit + local_blks_read + local_blks_written",
        "temp_blks_read",
        "temp_blks_written",
        io,
        from(1, 8, "wal_records"),
        from(1, 8, "wal_bytes"),
        from(1, 10, "jit_generation_time + jit_inlining_time + jit_optimization_time + jit_emission_time"),
    ];
    format!("ARRAY[{}]", columns.map(|column| format!("({column})::float8")).join(", "))
}
