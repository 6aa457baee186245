//! PostgreSQL: one lease, one statement a source, every source on its own. A source that fails leaves its figures absent
//! and the others alive.

pub(crate) mod activity;
mod checkpoints;
mod databases;
mod io;
mod locks;
mod replication;
mod sequences;
mod server;
mod statements;
mod tables;
mod wal;

pub(crate) use tables::vacuum_threshold;

use super::{CollectSettings, SequenceFigures, ServerFacts, StatementFigures, TableFigures, findings::Findings};
use crate::{
    pool::{Lane, Lease, PoolError},
    target::Target,
};
use headroom_model::{MetricId, Timestamp, sample::Figures, target::Limitation};
use server::Server;
use sqlx::PgConnection;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};

/// How long a collection waits for a connection and the first answer.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);

/// A heartbeat that takes longer counts as none.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(1);

/// How much longer than its limit on the server a statement may take to be answered.
const ANSWER_SLACK: Duration = Duration::from_millis(200);

/// The heavy part stays out of a collection whose live part took longer than this share of the time between samples.
const SLOW_SHARE: u32 = 3;

/// Failures of what is read less often double the wait for the next attempt, this often at most.
const MAX_DOUBLINGS: u32 = 3;

/// Why a collection ended early.
enum Stop {
    /// The connection is gone.
    Lost(sqlx::Error),
    /// Time is up; a statement may still run on the connection.
    Late,
}

/// The sources of one target and what they remember.
#[derive(Debug)]
pub(super) struct Postgres {
    target: Arc<Target>,
    settings: CollectSettings,
    /// Start of the server at the previous collection.
    started_at: Option<i64>,
    facts: ServerFacts,
    databases: databases::Databases,
    io: io::Io,
    checkpoints: checkpoints::Checkpoints,
    replication: replication::Replication,
    statements: statements::Statements,
    statement_figures: Vec<StatementFigures>,
    heavy: Heavy,
}

/// The heavy part. Each source has times of its own: one that fails is asked less often and delays no other.
#[derive(Debug, Default)]
struct Heavy {
    tables: tables::Tables,
    table_figures: Vec<TableFigures>,
    sequence: Option<SequenceFigures>,
    data_directory: Option<PathBuf>,
    of_tables: Part,
    of_wal: Part,
    of_sequences: Part,
}

/// What a heavy source saw last, carried into every sample until it is too old, and when it is asked again.
#[derive(Debug, Default)]
struct Part {
    figures: Figures,
    limitations: Vec<Limitation>,
    taken: Option<Instant>,
    due: Option<Instant>,
    failures: u32,
}

/// Asks the server for a sign of life, on a connection that is open already where there is one. When that one breaks, a
/// new one tells whether the server is gone or only ended that session.
pub(super) async fn heartbeat(target: &Target) -> Result<(), String> {
    let ask = async || {
        let mut lease = target.pools.acquire(Lane::Monitor).await?;
        match sqlx::query("SELECT /* headroom */ 1").execute(&mut *lease).await {
            Ok(_) => Ok(()),
            Err(error) => {
                lease.discard();
                Err(PoolError::Connect(error))
            }
        }
    };
    let beat = async {
        match ask().await {
            Err(PoolError::Connect(_)) => ask().await,
            answer => answer,
        }
    };
    match timeout(HEARTBEAT_TIMEOUT, beat).await {
        Ok(answer) => answer.map_err(|error| target.explain(&error)),
        Err(_) => Err(no_answer(target, HEARTBEAT_TIMEOUT)),
    }
}

fn no_answer(target: &Target, within: Duration) -> String {
    format!("PostgreSQL at {} did not answer within {} s", target.postgres_address, within.as_secs())
}

impl Postgres {
    pub(super) fn new(target: Arc<Target>, settings: CollectSettings) -> Self {
        Postgres {
            target,
            settings,
            started_at: None,
            facts: ServerFacts::default(),
            databases: databases::Databases::default(),
            io: io::Io::default(),
            checkpoints: checkpoints::Checkpoints::default(),
            replication: replication::Replication::default(),
            statements: statements::Statements::default(),
            statement_figures: Vec::new(),
            heavy: Heavy::default(),
        }
    }

    pub(super) fn statements(&self) -> Vec<StatementFigures> {
        self.statement_figures.clone()
    }

    pub(super) fn tables(&self) -> Vec<TableFigures> {
        self.heavy.table_figures.clone()
    }

    pub(super) fn sequence(&self) -> Option<SequenceFigures> {
        self.heavy.sequence.clone()
    }

    /// Where the server keeps its data, as its machine names it; none before it is known.
    pub(super) fn data_directory(&self) -> Option<&PathBuf> {
        self.heavy.data_directory.as_ref()
    }

    /// Reads all sources before `deadline`, then asks for a sign of life where one of them was late. The error says why
    /// there are no figures at all.
    pub(super) async fn collect(&mut self, findings: &mut Findings, deadline: Instant) -> Result<(), String> {
        let reached = self.reach().await;
        findings.set(MetricId::DatabaseUp, f64::from(u8::from(reached.is_ok())));
        let outcome = match reached {
            Ok((mut lease, server)) => match self.read_all(&mut lease, &server, findings, deadline).await {
                Ok(()) => Ok(()),
                Err(Stop::Lost(cause)) => {
                    lease.discard();
                    findings.set(MetricId::DatabaseUp, 0.0);
                    Err(self.target.explain(&PoolError::Connect(cause)))
                }
                Err(Stop::Late) => {
                    lease.discard();
                    findings.failed = true;
                    // While it answers, only slowly, what was read stays.
                    let answer = heartbeat(&self.target).await;
                    findings.set(MetricId::DatabaseUp, f64::from(u8::from(answer.is_ok())));
                    answer
                }
            },
            Err(reason) => Err(reason),
        };
        if outcome.is_err() {
            findings.failed = true;
            let up = findings.figures.get(&MetricId::DatabaseUp).copied();
            findings.figures.clear();
            findings.set(MetricId::DatabaseUp, up);
            findings.sessions.clear();
            findings.hidden_sessions = 0;
            findings.spending = Err("PostgreSQL did not answer.".to_owned());
        } else {
            self.heavy.carry(findings, self.settings.heavy_every);
        }
        let reset_at = findings.facts.statements_reset_at.or(self.facts.statements_reset_at);
        findings.facts = ServerFacts { statements_reset_at: reset_at, ..self.facts.clone() };
        self.facts.statements_reset_at = reset_at;
        outcome
    }

    /// A connection with the collector's limits, and what the server is. A connection that turns out to be broken is
    /// replaced once, as for the heartbeat.
    async fn reach(&self) -> Result<(Lease, Server), String> {
        let open = async || {
            let mut lease = self.target.pools.acquire(Lane::Monitor).await?;
            match prepare(&mut lease, &self.settings).await {
                Ok(server) => Ok((lease, server)),
                Err(error) => {
                    lease.discard();
                    Err(PoolError::Connect(error))
                }
            }
        };
        let reach = async {
            match open().await {
                Err(PoolError::Connect(_)) => open().await,
                answer => answer,
            }
        };
        match timeout(REACH_TIMEOUT, reach).await {
            Ok(reached) => reached.map_err(|error| self.target.explain(&error)),
            Err(_) => Err(no_answer(&self.target, REACH_TIMEOUT)),
        }
    }

    async fn read_all(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        findings: &mut Findings,
        deadline: Instant,
    ) -> Result<(), Stop> {
        let began = Instant::now();
        self.notice(server, findings);
        let patience = self.settings.statement_timeout + ANSWER_SLACK;
        let by = || deadline.min(Instant::now() + patience);

        settle(timeout_at(by(), activity::read(connection, server, findings)).await, "activity", server, findings)?;
        settle(timeout_at(by(), locks::read(connection, server, findings)).await, "locks", server, findings)?;
        let read = self.databases.read(connection, server, findings);
        settle(timeout_at(by(), read).await, "databases", server, findings)?;
        let read = self.replication.read(connection, server, findings);
        settle(timeout_at(by(), read).await, "replication", server, findings)?;
        let read = self.io.read(connection, server, findings);
        settle(timeout_at(by(), read).await, "input and output", server, findings)?;
        let read = self.checkpoints.read(connection, server, findings);
        settle(timeout_at(by(), read).await, "checkpoints", server, findings)?;
        let end = by();
        let read = self.statements.read(connection, server, &self.settings, end, findings);
        if let Some(statements) = settle(timeout_at(end, read).await, "statements", server, findings)? {
            self.statement_figures = statements;
        }

        let slow = began.elapsed() > self.settings.live_every / SLOW_SHARE;
        if !slow {
            self.heavy.read(connection, server, by, self.settings.heavy_every, findings).await?;
        }
        Ok(())
    }

    /// Takes note of the server: a new start time ends every interval.
    fn notice(&mut self, server: &Server, findings: &mut Findings) {
        if self.started_at.is_some_and(|before| before != server.started_at) {
            findings.restarted("PostgreSQL");
            self.databases.forget();
            self.io.forget();
            self.checkpoints.forget();
            self.replication.forget();
            self.statements.forget();
            self.statement_figures.clear();
            self.heavy.tables.forget();
        }
        self.started_at = Some(server.started_at);
        self.facts.postgres_version = Some(server.version_text.clone());
        self.facts.postgres_started_at = Some(Timestamp(server.started_at));
        self.facts.replica = Some(server.in_recovery);
        self.facts.logs_lock_waits = Some(server.logs_lock_waits);
        self.facts.deadlock_timeout = Some(server.deadlock_timeout.clone());
    }
}

impl Heavy {
    /// Reads what is due.
    async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        by: impl Fn() -> Instant,
        every: Duration,
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let nothing = || Findings::new(findings.at, findings.target.clone());
        let (mut of_tables, mut of_wal, mut of_sequences) = (nothing(), nothing(), nothing());
        if self.of_tables.is_due() {
            let read = timeout_at(by(), read_tables(&mut self.tables, connection, &mut of_tables)).await;
            if let Some(tables) = self.of_tables.take(read, "tables", server, every, of_tables, findings)? {
                self.table_figures = tables;
            }
        }
        if self.of_wal.is_due() {
            let read = timeout_at(by(), wal::read(connection, &mut of_wal)).await;
            let directory = self.of_wal.take(read, "size of the write-ahead log", server, every, of_wal, findings)?;
            self.data_directory = directory.flatten().or(self.data_directory.take());
        }
        if self.of_sequences.is_due() {
            let read = timeout_at(by(), sequences::read(connection, server, &mut of_sequences)).await;
            let sequence = self.of_sequences.take(read, "sequences", server, every, of_sequences, findings)?;
            // One that failed leaves name and figure as they were.
            if self.of_sequences.failures == 0 {
                self.sequence = sequence.flatten();
            }
        }
        Ok(())
    }

    fn carry(&self, findings: &mut Findings, every: Duration) {
        for part in [&self.of_tables, &self.of_wal, &self.of_sequences] {
            part.carry(findings, every);
        }
    }
}

async fn read_tables(
    tables: &mut tables::Tables,
    connection: &mut PgConnection,
    seen: &mut Findings,
) -> sqlx::Result<Vec<TableFigures>> {
    tables::read_sizes(connection, seen).await?;
    let tables = tables.read(connection, seen).await?;
    seen.set(MetricId::LargestTable, tables.first().map(|table| table.size_bytes as f64));
    Ok(tables)
}

impl Part {
    fn is_due(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() >= due)
    }

    /// What becomes of a reading, as for every source; one that failed leaves what was seen last and is repeated later.
    fn take<T>(
        &mut self,
        read: Result<sqlx::Result<T>, Elapsed>,
        source: &'static str,
        server: &Server,
        every: Duration,
        mut seen: Findings,
        findings: &mut Findings,
    ) -> Result<Option<T>, Stop> {
        let settled = settle(read, source, server, &mut seen);
        findings.failed |= seen.failed;
        if settled.is_ok() && !seen.failed {
            (self.figures, self.limitations) = (seen.figures, seen.limitations);
            self.taken = Some(Instant::now());
            self.failures = 0;
        } else {
            self.failures = (self.failures + 1).min(MAX_DOUBLINGS);
        }
        self.due = Some(Instant::now() + every * 2_u32.pow(self.failures));
        settled
    }

    /// Figures stay true for three intervals; then they are too old to be shown as current.
    fn carry(&self, findings: &mut Findings, every: Duration) {
        if self.taken.is_some_and(|taken| taken.elapsed() <= every * 3) {
            findings.figures.extend(&self.figures);
            for Limitation { what, remedy } in &self.limitations {
                findings.limit(what, remedy);
            }
        }
    }
}

/// Limits the session and asks what the server is. The search path keeps objects of the application from being mistaken for
/// the catalogue's.
async fn prepare(connection: &mut PgConnection, settings: &CollectSettings) -> sqlx::Result<Server> {
    sqlx::query(
        "SELECT /* headroom */ set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
            set_config('search_path', 'pg_catalog', false)",
    )
    .bind(settings.statement_timeout.as_millis().to_string())
    .bind(settings.lock_timeout.as_millis().to_string())
    .execute(&mut *connection)
    .await?;
    Server::read(connection).await
}

/// What becomes of a source's outcome: its value, an absence that is explained, or the end of the collection.
fn settle<T>(
    outcome: Result<sqlx::Result<T>, Elapsed>,
    source: &'static str,
    server: &Server,
    findings: &mut Findings,
) -> Result<Option<T>, Stop> {
    let error = match outcome {
        Ok(Ok(value)) => return Ok(Some(value)),
        Err(_) => {
            tracing::warn!(target = %findings.target, source, "collection: time is up");
            return Err(Stop::Late);
        }
        Ok(Err(error)) => error,
    };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(|code| code.into_owned());
    match code.as_deref() {
        // insufficient_privilege: not a failure, a grant is missing.
        Some("42501") => {
            findings.limit(format!("The role may not read the {source}."), server.grant_monitor());
            return Ok(None);
        }
        // The server is going down, or someone ended this session.
        Some("57P01" | "57P02" | "57P03") => return Err(Stop::Lost(error)),
        Some(_) => {}
        // Neither an answer of the server nor a value that could not be read: the connection.
        None if !matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound) => {
            return Err(Stop::Lost(error));
        }
        None => {}
    }
    findings.failed = true;
    tracing::warn!(target = %findings.target, source, code, "collection: a source failed");
    Ok(None)
}
