//! Collectors: read a target into one [`Observation`].

use headroom_model::{Sample, Timestamp, event::NewEvent, target::Limitation};

/// A client backend of the watched server.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Process id; reused by the server, so acting on it also needs `backend_start`.
    pub pid: i32,
    /// When the backend started.
    pub backend_start: Timestamp,
    /// Role.
    pub user: String,
    /// application_name.
    pub application: String,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// When that state began.
    pub state_since: Option<Timestamp>,
    /// When the open transaction began.
    pub transaction_since: Option<Timestamp>,
    /// wait_event_type, when waiting.
    pub wait_kind: Option<String>,
    /// How long it has waited for a lock.
    pub lock_wait_ms: Option<f64>,
    /// Pids that block it.
    pub blocked_by: Vec<i32>,
    /// Statement text with its literals replaced, at most 500 characters.
    pub statement: String,
}

/// One statement over the interval since the previous heavy collection.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementFigures {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Normalised text (constants are already `$n`), at most 2,000 characters.
    pub text: String,
    /// Calls in the interval.
    pub calls: u64,
    /// Mean execution time in the interval.
    pub mean_ms: f64,
    /// Population standard deviation in the interval, where it can be derived.
    pub deviation_ms: Option<f64>,
    /// Share of all execution time in the interval, 0 to 1.
    pub time_share: f64,
    /// Rows in the interval.
    pub rows: u64,
}

/// One table, as of the last heavy collection.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFigures {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Total size with indexes and TOAST.
    pub size_bytes: i64,
    /// Live rows, estimated.
    pub live_rows: i64,
    /// Dead rows, estimated.
    pub dead_rows: i64,
    /// Dead rows at which autovacuum starts, from settings and reloptions.
    pub vacuum_threshold: f64,
    /// Sequential scans in the interval.
    pub seq_scans: u64,
    /// Rows read by sequential scans in the interval.
    pub seq_rows: u64,
    /// Index scans in the interval.
    pub index_scans: u64,
    /// Last (auto)vacuum.
    pub vacuumed_at: Option<Timestamp>,
}

/// What is known of the servers themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// `15.18`.
    pub postgres_version: Option<String>,
    /// Start of the server.
    pub postgres_started_at: Option<Timestamp>,
    /// In recovery.
    pub replica: Option<bool>,
    /// `7.0.15`.
    pub redis_version: Option<String>,
    /// When pg_stat_statements was last reset.
    pub statements_reset_at: Option<Timestamp>,
}

/// Everything one collection saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The figures.
    pub sample: Sample,
    /// The servers.
    pub facts: ServerFacts,
    /// Client backends, longest transaction first, at most 500.
    pub sessions: Vec<Session>,
    /// Statements by time, most first, at most 200. From the last collection of statements.
    pub statements: Vec<StatementFigures>,
    /// Tables by size, largest first, at most 500. From the last heavy collection.
    pub tables: Vec<TableFigures>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
    /// Restarts and statistics resets noticed.
    pub events: Vec<NewEvent>,
    /// Why PostgreSQL did not answer; its figures are absent then.
    pub postgres_error: Option<String>,
    /// Why Redis did not answer; its figures are absent then.
    pub redis_error: Option<String>,
}

use crate::{clock::Clock, target::Target};
use headroom_model::sample::Figures;
use std::{sync::Arc, time::Duration};

/// How often and how patiently to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectSettings {
    /// Between samples. Default 5 s.
    pub live_every: Duration,
    /// Between heavy collections (tables, sizes). Default 60 s.
    pub heavy_every: Duration,
    /// Between the checks whether the servers answer. Default 2 s.
    pub heartbeat_every: Duration,
    /// Limit of every collector statement. Default 3 s.
    pub statement_timeout: Duration,
    /// How long a collector waits for a lock. Default 100 ms.
    pub lock_timeout: Duration,
}

/// Whether the servers answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// PostgreSQL: the cause when it does not.
    pub postgres: Result<(), String>,
    /// Redis, where one is configured.
    pub redis: Option<Result<(), String>>,
}

/// Reads one target. One in flight: both methods take `&mut self`.
#[derive(Debug)]
pub struct Collector {}

impl Collector {
    /// A collector; nothing connects before it is asked to.
    #[must_use]
    pub fn new(_target: Arc<Target>, _clock: Clock, _settings: CollectSettings) -> Self {
        unimplemented!()
    }

    /// Reads everything that is due into one observation; `process` joins it. Never fails: what could not be read is
    /// absent, and the observation says why.
    pub async fn collect(&mut self, _process: &Figures) -> Observation {
        unimplemented!()
    }

    /// Asks both servers for a sign of life.
    pub async fn heartbeat(&mut self) -> Heartbeat {
        unimplemented!()
    }
}

/// Reads this process and its machine.
#[derive(Debug)]
pub struct ProcessCollector {}

impl ProcessCollector {
    /// Must be called inside the runtime it measures; starts the loop-lag probe, which ends with the collector.
    #[must_use]
    pub fn start(_requests: Arc<crate::requests::RequestStats>) -> Self {
        unimplemented!()
    }

    /// Figures since the previous call: process, host, requests.
    pub fn collect(&mut self) -> Figures {
        unimplemented!()
    }
}
