//! Collectors: read a target into one [`Observation`].
//!
//! One module a source. A source sets the figures it measured and leaves absent what it could not; counters become rates
//! and differences between two readings, and a restart, a reset or a falling counter leaves a gap and an event, never a
//! cliff. A collection has one connection, one statement at a time, and an end: [`COLLECT_BUDGET`].

mod cache;
mod findings;
mod host;
mod interval;
pub(crate) mod literals;
mod pools;
pub(crate) mod postgres;
mod process;
mod pulse;
mod redis;
mod session;
mod tags;
mod waits;
mod work;

pub(crate) use literals::redact;
pub(crate) use postgres::vacuum_threshold;
pub use process::ProcessCollector;
pub use pulse::{Heartbeat, Pulse};
pub use session::Session;
pub(crate) use waits::CLASSES;
pub use waits::{WaitSampler, WaitTally, Waits};
pub use work::{COUNTERS, Counter, Counters, Work};

use crate::{
    cache::{Cache, Tally},
    clock::Clock,
    dataset::Page,
    target::Target,
};
use findings::Findings;
use headroom_model::{
    MetricId, Sample, Timestamp, event::NewEvent, sample::Figures, statements::Tag, target::Limitation,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The title of the event of a reset of pg_stat_statements, whoever made and whoever noticed it.
pub(crate) const STATEMENTS_RESET: &str = "Statement statistics were reset";

/// No collection takes longer.
pub const COLLECT_BUDGET: Duration = Duration::from_millis(4500);

/// One statement over a sliding window: the last one to two heavy intervals, less after the start or a reset. The console's
/// own statements are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementFigures {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Normalised text (constants are already `$n`), at most 2,000 characters.
    pub text: String,
    /// Calls in the window.
    pub calls: u64,
    /// Mean execution time in the window.
    pub mean_ms: f64,
    /// Population standard deviation in the window; none for a single call.
    pub deviation_ms: Option<f64>,
    /// Share of all execution time in the window, 0 to 1.
    pub time_share: f64,
    /// Rows in the window.
    pub rows: u64,
}

/// What one statement did since the previous reading.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementSpend {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Normalised text, at most 2,000 characters; none while it is not known.
    pub text: Option<Arc<str>>,
    /// Calls that ended.
    pub calls: u64,
    /// Their execution time in all.
    pub time_ms: f64,
    /// Their rows.
    pub rows: u64,
}

/// What the statements of others did between two readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Spending {
    /// Between the two readings.
    pub interval: Duration,
    /// The statements that took most time, at most 200.
    pub statements: Vec<StatementSpend>,
    /// Calls of all statements.
    pub calls: u64,
    /// Execution time of all statements.
    pub time_ms: f64,
}

/// What one statement did between two readings of all counters, whoever ran it.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementWork {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Normalised text, at most 2,000 characters; none while it is not known.
    pub text: Option<Arc<str>>,
    /// Tags from its comment.
    pub tags: Arc<[Tag]>,
    /// Roles that ran it, most calls first, at most eight.
    pub roles: Vec<Arc<str>>,
    /// What it did.
    pub work: Work,
}

/// What all statements did between two readings of all counters.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Between the two readings.
    pub interval: Duration,
    /// The statements that took most time and those with most calls, at most 250.
    pub statements: Vec<StatementWork>,
    /// Calls of all statements that clients ran.
    pub calls: f64,
    /// Their execution time in all, in milliseconds.
    pub time_ms: f64,
    /// Whether the server forgot statements meanwhile, so that sums are incomplete.
    pub evicted: bool,
    /// Texts that the server told since the last of these: also of statements that ran before.
    pub learned: Vec<KnownText>,
}

/// The text of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownText {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Normalised, at most 2,000 characters.
    pub text: Arc<str>,
    /// Tags from its comment.
    pub tags: Arc<[Tag]>,
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

/// The fullest sequence, as of the last heavy collection.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceFigures {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `table.column` of the narrowest column that it fills.
    pub column: Option<String>,
    /// What it gave last; none before the first.
    pub last_value: Option<f64>,
    /// Where it ends, or the column does.
    pub ends_at: f64,
    /// Used share, 0 to 100.
    pub used_percent: f64,
}

/// One dataset over an interval, as the console's cache counted it.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetFigures {
    /// Name.
    pub name: String,
    /// How often it was asked for.
    pub lookups: u64,
    /// Answers from a tier, stale ones included.
    pub hits: u64,
    /// Answers with a page past its time.
    pub stale: u64,
    /// Loads that ended well.
    pub loads: u64,
    /// Loads that failed or took too long.
    pub load_errors: u64,
    /// Pages that left memory for lack of room.
    pub evicted: u64,
    /// Pages too large to be kept.
    pub oversized: u64,
    /// Values of Redis that could not be read.
    pub poison: u64,
    /// Mean time of a load; none without one.
    pub load_ms: Option<f64>,
}

impl DatasetFigures {
    fn new(name: &str, tally: &Tally) -> Self {
        DatasetFigures {
            name: name.to_owned(),
            lookups: tally.lookups(),
            hits: tally.hits(),
            stale: tally.hits_stale,
            loads: tally.loads,
            load_errors: tally.load_errors,
            evicted: tally.evicted,
            oversized: tally.oversized,
            poison: tally.poison,
            load_ms: (tally.loads > 0).then(|| tally.load_micros as f64 / tally.loads as f64 / 1000.0),
        }
    }
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
    /// Whether the server logs long lock waits (log_lock_waits).
    pub logs_lock_waits: Option<bool>,
    /// After how long a wait is looked at for a deadlock, and logged (`1s`).
    pub deadlock_timeout: Option<String>,
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
    /// Sessions of other roles that the server does not show to this one.
    pub hidden_sessions: u64,
    /// What active sessions waited for since the previous reading; none where nobody looked.
    pub waits: Option<WaitTally>,
    /// Statements by time, most first, at most 200.
    pub statements: Vec<StatementFigures>,
    /// What statements did since the previous reading, or why that is not known.
    pub spending: Result<Spending, String>,
    /// What statements did since the previous reading of all counters; none where this reading did not take them.
    pub workload: Option<Workload>,
    /// Tables by size, largest first, at most 500. From the last heavy collection.
    pub tables: Vec<TableFigures>,
    /// The fullest sequence; none where there is none, or not all may be read.
    pub sequence: Option<SequenceFigures>,
    /// Datasets of this target in configured order, at most 1,000. Empty for the first reading and after a reset.
    pub datasets: Vec<DatasetFigures>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
    /// Restarts and statistics resets noticed.
    pub events: Vec<NewEvent>,
    /// Why PostgreSQL did not answer; its figures are absent then.
    pub postgres_error: Option<String>,
    /// Why Redis did not answer; its figures are absent then.
    pub redis_error: Option<String>,
}

impl Observation {
    /// One that saw nothing but a sample; `why` says why it does not know what statements did.
    #[must_use]
    pub fn bare(sample: Sample, why: &str) -> Self {
        Observation {
            sample,
            facts: ServerFacts::default(),
            sessions: Vec::new(),
            hidden_sessions: 0,
            waits: None,
            statements: Vec::new(),
            spending: Err(why.to_owned()),
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
}

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
    /// Between looks at what active sessions wait for. Default 1 s.
    pub waits_every: Duration,
}

impl Default for CollectSettings {
    fn default() -> Self {
        CollectSettings {
            live_every: Duration::from_secs(5),
            heavy_every: Duration::from_secs(60),
            heartbeat_every: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(3),
            lock_timeout: Duration::from_millis(100),
            waits_every: Duration::from_secs(1),
        }
    }
}

/// Reads one target. One in flight: it takes `&mut self`. Dropping its future is safe, but what lies between the counters
/// that it had read already and the previous ones is lost.
#[derive(Debug)]
pub struct Collector {
    target: Arc<Target>,
    clock: Clock,
    postgres: postgres::Postgres,
    redis: Option<redis::Redis>,
    host: Option<host::Host>,
    pools: pools::PoolReader,
    cache: Option<cache::CacheReader>,
    waits: Option<Arc<Waits>>,
}

impl Collector {
    /// A collector; nothing connects before it is asked to.
    #[must_use]
    pub fn new(target: Arc<Target>, clock: Clock, settings: CollectSettings) -> Self {
        Collector {
            postgres: postgres::Postgres::new(Arc::clone(&target), settings),
            redis: redis::Redis::new(&target),
            host: target.is_local.then(host::Host::new),
            pools: pools::PoolReader::default(),
            cache: None,
            waits: None,
            target,
            clock,
        }
    }

    /// Reads the cache of the target's datasets as well.
    #[must_use]
    pub fn with_cache(self, cache: Cache<Page>) -> Self {
        Collector { cache: Some(cache::CacheReader::new(cache)), ..self }
    }

    /// Takes in what a sampler of waits counts.
    #[must_use]
    pub fn with_waits(self, waits: Arc<Waits>) -> Self {
        Collector { waits: Some(waits), ..self }
    }

    /// Reads everything that is due into one observation; `process` joins it. Never fails: what could not be read is
    /// absent, and the observation says why. Ends within [`COLLECT_BUDGET`].
    pub async fn collect(&mut self, process: &Figures) -> Observation {
        let began = Instant::now();
        let deadline = began + COLLECT_BUDGET - postgres::HEARTBEAT_TIMEOUT;
        let at = self.clock.now();
        let mut findings = Findings::new(at, self.target.id.clone());
        let mut cache = Findings::new(at, self.target.id.clone());
        let (postgres_error, redis_error) = tokio::join!(self.postgres.collect(&mut findings, deadline), async {
            match &mut self.redis {
                Some(redis) => redis.collect(&mut cache).await,
                None => Ok(()),
            }
        });
        findings.figures.append(&mut cache.figures);
        findings.limitations.append(&mut cache.limitations);
        findings.events.append(&mut cache.events);
        findings.facts.redis_version = cache.facts.redis_version;
        findings.failed |= cache.failed;

        self.pools.read(&self.target.pools, &mut findings);
        if let Some(cache) = &mut self.cache {
            cache.read(&mut findings);
        }
        if let Some(host) = &mut self.host {
            host.read(self.postgres.data_directory(), &mut findings).await;
        }
        let waits = self.waits.as_ref().and_then(|waits| waits.take());
        if let Some(waits) = &waits {
            waits.figures(&mut findings);
        }
        findings.figures.extend(process);
        findings.set(MetricId::SelfFailures, f64::from(u8::from(findings.failed)));
        findings.set(MetricId::SelfCollectTime, began.elapsed().as_secs_f64() * 1000.0);
        let answered = postgres_error.is_ok();
        Observation {
            sample: Sample { target: findings.target, at, figures: findings.figures },
            facts: findings.facts,
            sessions: findings.sessions,
            hidden_sessions: findings.hidden_sessions,
            waits,
            statements: if answered { self.postgres.statements() } else { Vec::new() },
            spending: findings.spending,
            workload: findings.workload.filter(|_| answered),
            tables: if answered { self.postgres.tables() } else { Vec::new() },
            sequence: if answered { self.postgres.sequence() } else { None },
            datasets: findings.datasets,
            limitations: findings.limitations,
            events: findings.events,
            postgres_error: postgres_error.err(),
            redis_error: redis_error.err(),
        }
    }
}
