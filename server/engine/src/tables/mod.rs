//! What a server says of its tables, vacuum, sizes, replication and settings: read when someone asks.
//!
//! None of this is in the collection: it is heavy, and nobody looks most of the time. Each look is one lease of the interactive
//! lane in a read-only transaction with its own statement and lock timeouts, an end ([`PATIENCE`]), and is kept for some
//! seconds; who asks meanwhile gets the same, and while one look runs the others wait for it instead of adding theirs. A
//! failure is kept too, so that a slow server is not asked by everyone in turn.

mod detail;
mod growth;
mod list;
pub(crate) mod optimize;
mod replication;
mod server;
mod settings;
mod size;
mod stats;
mod vacuum;

pub use list::table_name_of;

use crate::{
    clock::Clock,
    console::Console,
    pool::{Lane, Lease, PoolError},
    spine::slot::Slot,
    store::{DAY_MS, HOUR_MS, StateStore},
    target::Target,
};
use futures::future::BoxFuture;
use growth::Growth;
use headroom_model::{
    TargetId, Timestamp,
    series::Series,
    tables::{
        DatabaseStats, MeasuredBloat, ReplicationReport, SettingsReport, SizeReport, TableDetail, TableList,
        VacuumReport,
    },
};
use server::Server;
use sqlx::{PgConnection, postgres::PgRow};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a look takes at most.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How long measuring a table takes at most: its statement has 20 s.
const MEASURE_PATIENCE: Duration = Duration::from_secs(25);
/// Limit of each of its statements on the server, and of its waits for locks.
const LIMITS: &str = "BEGIN /* headroom */ READ ONLY; SET /* headroom */ LOCAL statement_timeout = '5s'; \
     SET /* headroom */ LOCAL lock_timeout = '200ms'; SET /* headroom */ LOCAL search_path = pg_catalog";
/// How long a failure is kept.
const FAILED_FOR: Duration = Duration::from_secs(2);
/// How long a look is kept: one that walks through all tables, one that is quick, and one that changes with the configuration.
const HEAVY: Duration = Duration::from_secs(10);
const LIGHT: Duration = Duration::from_secs(2);
const RARE: Duration = Duration::from_secs(30);

/// Between two looks for tables whose size was not noted today.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Why a look found nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// No target has this name.
    #[error("no target \"{0}\"")]
    UnknownTarget(TargetId),
    /// No table has this name.
    #[error("there is no table \"{0}\" in this database")]
    UnknownTable(String),
    /// The target does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("{0}")]
    Timeout(String),
    /// A right or an extension is missing.
    #[error("{what} Remedy: {remedy}")]
    NotAllowed {
        /// What is missing.
        what: String,
        /// The exact statement that helps.
        remedy: String,
    },
    /// It refused or failed. The words hold no values.
    #[error("{0}")]
    Failed(String),
}

/// All that a server says of itself, each part by itself.
#[derive(Debug)]
pub struct ServerLooks {
    /// Sizes.
    pub size: Result<SizeReport, LookError>,
    /// Counters, checkpoints, input and output.
    pub stats: Result<Arc<DatabaseStats>, LookError>,
    /// Vacuum and freeze.
    pub vacuum: Result<Arc<VacuumReport>, LookError>,
    /// Replication.
    pub replication: Result<Arc<ReplicationReport>, LookError>,
    /// Settings worth a look.
    pub settings: Result<Arc<SettingsReport>, LookError>,
}

/// A look that is kept for a while. One at a time.
pub(crate) type Kept<T> = Mutex<Option<(Instant, Result<Arc<T>, LookError>)>>;

pub(crate) async fn kept<T>(
    place: &Kept<T>,
    keep: Duration,
    look: impl Future<Output = Result<T, LookError>>,
) -> Result<Arc<T>, LookError> {
    let mut place = place.lock().await;
    if let Some((at, outcome)) = &*place {
        let keep = if outcome.is_ok() { keep } else { FAILED_FOR };
        if at.elapsed() < keep {
            return outcome.clone();
        }
    }
    let outcome = look.await.map(Arc::new);
    *place = Some((Instant::now(), outcome.clone()));
    outcome
}

/// What is kept of one target.
struct Site {
    target: Arc<Target>,
    growth: Growth,
    list: Kept<TableList>,
    vacuum: Kept<VacuumReport>,
    size: Kept<SizeReport>,
    stats: Kept<DatabaseStats>,
    replication: Kept<ReplicationReport>,
    settings: Kept<SettingsReport>,
}

/// Looks at the tables of every target.
pub struct Tables {
    clock: Clock,
    sites: BTreeMap<TargetId, Site>,
}

impl Tables {
    pub(crate) fn new(targets: impl Iterator<Item = Arc<Target>>, store: &Arc<dyn StateStore>, clock: &Clock) -> Self {
        let site = |target: Arc<Target>| Site {
            growth: Growth::new(store.clone(), target.id.clone()),
            target,
            list: Kept::default(),
            vacuum: Kept::default(),
            size: Kept::default(),
            stats: Kept::default(),
            replication: Kept::default(),
            settings: Kept::default(),
        };
        Tables { clock: clock.clone(), sites: targets.map(|target| (target.id.clone(), site(target))).collect() }
    }

    fn site(&self, target: &TargetId) -> Result<&Site, LookError> {
        self.sites.get(target).ok_or_else(|| LookError::UnknownTarget(target.clone()))
    }

    /// What is kept of a target is outdated: something was just done to it.
    pub(crate) async fn forget(&self, target: &TargetId) {
        if let Some(site) = self.sites.get(target) {
            *site.list.lock().await = None;
            *site.vacuum.lock().await = None;
        }
    }

    /// The largest 500 tables with sizes, growth, scans, dead rows and estimated bloat. Kept for 10 s.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn list(&self, target: &TargetId) -> Result<Arc<TableList>, LookError> {
        let site = self.site(target)?;
        kept(&site.list, HEAVY, async {
            let at = self.clock.now();
            let mut list = site.ask("list of tables", |to| Box::pin(list::read(to, at))).await?;
            site.growth.fill(&mut list.tables, at).await;
            Ok(list)
        })
        .await
    }

    /// One table with its indexes, foreign keys, ages and vacuums. `name` is `schema.table`, or a table of `public`.
    ///
    /// # Errors
    /// No such target or table, or it does not answer.
    pub async fn detail(&self, target: &TargetId, name: &str) -> Result<TableDetail, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        let owned = name.to_owned();
        let found =
            site.ask("one table", move |to| Box::pin(async move { detail::read(to, &owned, at).await })).await?;
        let mut detail = found.ok_or_else(|| unknown(name))?;
        site.growth.fill(std::slice::from_mut(&mut detail.table), at).await;
        Ok(detail)
    }

    /// Measures the wasted space of a table with `pgstattuple_approx`, which reads what may hold dead rows: 20 s at most.
    ///
    /// # Errors
    /// As [`Tables::detail`]; or the extension or the right to use it is missing.
    pub async fn measure(&self, target: &TargetId, name: &str) -> Result<MeasuredBloat, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        let owned = name.to_owned();
        let measured = site.ask_within(MEASURE_PATIENCE, "measuring a table", move |to| {
            Box::pin(async move { detail::measure(to, &owned, at).await })
        });
        match measured.await? {
            detail::Measured::Done(measured) => Ok(measured),
            detail::Measured::NoTable => Err(unknown(name)),
            detail::Measured::Missing(missing) => {
                Err(LookError::NotAllowed { what: missing.what, remedy: missing.remedy })
            }
        }
    }

    /// Freeze ages, running vacuums, and who keeps dead rows from being removed. Kept for 2 s.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn vacuum(&self, target: &TargetId) -> Result<Arc<VacuumReport>, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        kept(&site.vacuum, LIGHT, site.ask("vacuum and freeze", |to| Box::pin(vacuum::read(to, at)))).await
    }

    /// Bytes of the database, its parts and its neighbours. Kept for 30 s. `growth` is not filled in.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn size(&self, target: &TargetId) -> Result<Arc<SizeReport>, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        kept(&site.size, RARE, site.ask("sizes", |to| Box::pin(size::read(to, at)))).await
    }

    /// Counters of the database, checkpoints, input and output. Kept for 2 s.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn stats(&self, target: &TargetId) -> Result<Arc<DatabaseStats>, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        kept(&site.stats, LIGHT, site.ask("statistics of the database", |to| Box::pin(stats::read(to, at)))).await
    }

    /// Standbys, slots, and what a replica receives. Kept for 2 s.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn replication(&self, target: &TargetId) -> Result<Arc<ReplicationReport>, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        kept(&site.replication, LIGHT, site.ask("replication", |to| Box::pin(replication::read(to, at)))).await
    }

    /// Settings that are worth a look, each with its reason and source. Kept for 30 s.
    ///
    /// # Errors
    /// No such target, or it does not answer.
    pub async fn settings(&self, target: &TargetId) -> Result<Arc<SettingsReport>, LookError> {
        let (site, at) = (self.site(target)?, self.clock.now());
        kept(&site.settings, RARE, site.ask("settings", |to| Box::pin(settings::read(to, at)))).await
    }
}

/// Notes the sizes of a target's tables as the collector sees them, until stopped or the console is gone.
pub(crate) async fn note_sizes(console: Weak<Console>, slot: Arc<Slot>, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(NOTE_EVERY)).await.is_some() {
        let Some(console) = console.upgrade() else { return };
        let (Some(seen), Some(growth)) =
            (slot.published().observation, console.tables.sites.get(&slot.target.id).map(|site| &site.growth))
        else {
            continue;
        };
        growth.note(&seen.tables, seen.sample.at).await;
    }
}

/// Growth in units a day between the ends of a series; none where it spans less than an hour.
pub(crate) fn growth_of(series: &Series) -> Option<f64> {
    let known = || series.avg.iter().enumerate().filter_map(|(slot, value)| Some((slot, (*value)?)));
    let ((first, from), (last, to)) = (known().next()?, known().next_back()?);
    let span_ms = i64::try_from(last - first).ok()? * series.step_ms;
    (span_ms >= HOUR_MS).then(|| (to - from) * DAY_MS as f64 / span_ms as f64)
}

fn unknown(name: &str) -> LookError {
    LookError::UnknownTable(name.chars().take(130).collect())
}

/// A connection inside the transaction of one look, and what the server is.
struct Look {
    lease: Lease,
    server: Server,
}

impl Look {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.lease
    }

    async fn all(&mut self, sql: &'static str) -> sqlx::Result<Vec<PgRow>> {
        sqlx::query(sql).fetch_all(self.connection()).await
    }
}

impl Site {
    fn ask<'s, T: Send + 's>(
        &'s self,
        purpose: &'static str,
        look: impl for<'l> FnOnce(&'l mut Look) -> BoxFuture<'l, sqlx::Result<T>> + Send + 's,
    ) -> BoxFuture<'s, Result<T, LookError>> {
        self.ask_within(PATIENCE, purpose, look)
    }

    /// Boxed: a page awaits several of these, and its own stack is deep already.
    fn ask_within<'s, T: Send + 's>(
        &'s self,
        patience: Duration,
        purpose: &'static str,
        look: impl for<'l> FnOnce(&'l mut Look) -> BoxFuture<'l, sqlx::Result<T>> + Send + 's,
    ) -> BoxFuture<'s, Result<T, LookError>> {
        Box::pin(async move {
            let pools = &self.target.pools;
            let work = async {
                let mut lease = pools.acquire(Lane::Interactive).await?.purpose(purpose);
                let begun = async {
                    sqlx::raw_sql(LIMITS).execute(&mut *lease).await?;
                    Server::read(&mut lease).await
                };
                let server = begun.await.map_err(PoolError::Connect)?;
                let mut to = Look { lease, server };
                let found = look(&mut to).await;
                // A rollback would count among the target's own. What failed is ended by the lane when the lease comes back.
                if found.is_ok() {
                    sqlx::raw_sql("COMMIT /* headroom */").execute(&mut *to.lease).await.map_err(PoolError::Connect)?;
                }
                found.map_err(PoolError::Connect)
            };
            match timeout(patience, pools.statements().time(purpose, work)).await {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(error)) => Err(self.failure(&error, purpose)),
                Err(_) => Err(LookError::Timeout(format!(
                    "PostgreSQL at {} did not answer within {} s",
                    self.target.postgres_address,
                    patience.as_secs()
                ))),
            }
        })
    }

    fn failure(&self, error: &PoolError, purpose: &str) -> LookError {
        let PoolError::Connect(sqlx::Error::Database(cause)) = error else {
            return match error {
                PoolError::Connect(sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound) => {
                    tracing::warn!(target_id = %self.target.id, purpose, "an answer of PostgreSQL could not be read");
                    LookError::Failed("PostgreSQL's answer could not be read".to_owned())
                }
                PoolError::Timeout { .. } => LookError::Timeout(self.target.explain(error)),
                _ => LookError::Unreachable(self.target.explain(error)),
            };
        };
        let code = cause.code().unwrap_or_default().into_owned();
        tracing::warn!(target_id = %self.target.id, purpose, code, "a look at PostgreSQL failed");
        match code.as_str() {
            "57014" => LookError::Timeout("the statement ran into its time limit".to_owned()),
            "55P03" => LookError::Timeout("a table is locked at the moment; try again".to_owned()),
            "57P01" | "57P02" | "57P03" | "28P01" | "28000" | "3D000" | "53300" => {
                LookError::Unreachable(self.target.explain(error))
            }
            _ => LookError::Failed(format!("PostgreSQL refused to tell about {purpose} (SQLSTATE {code})")),
        }
    }
}

/// Milliseconds since 1970 as a point in time.
fn moment(row: &PgRow, column: &str) -> sqlx::Result<Option<Timestamp>> {
    Ok(sqlx::Row::try_get::<Option<i64>, _>(row, column)?.map(Timestamp))
}

/// A counter of the server; one that is negative by mistake counts as zero.
fn counter(row: &PgRow, column: &str) -> sqlx::Result<u64> {
    Ok(u64::try_from(sqlx::Row::try_get::<i64, _>(row, column)?).unwrap_or(0))
}

/// As [`counter`], where it may be unknown.
fn maybe_counter(row: &PgRow, column: &str) -> sqlx::Result<Option<u64>> {
    Ok(sqlx::Row::try_get::<Option<i64>, _>(row, column)?.map(|value| u64::try_from(value).unwrap_or(0)))
}
