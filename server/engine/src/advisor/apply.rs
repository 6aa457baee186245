//! Creating an advised index: an operation with progress, cancel, clean-up, verification, and the gain afterwards.

use super::{Advisor, KIND, ask, standing::Standing};
use crate::{
    actions::{ActionError, Request},
    console::Console,
    operations::{Done, Failure, OperationContext, OperationSpec},
    pool::Lane,
    target::Target,
};
use headroom_model::{
    Role, TargetId,
    advice::{AdviceState, ApplyPreview, IndexAdvice},
    format,
    metric::Unit,
    operation::Operation,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// How long a build waits for others: for its lock on the table, and for transactions that began before it. It blocks
/// neither readers nor writers meanwhile.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);
/// By how much the server's own limit is later than the console's: it ends a build whose console is gone.
const SERVER_SLACK: Duration = Duration::from_secs(60);
/// Between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);
/// How long a question to the catalogue may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a build that was asked to stop may take to do so.
const STOP: Duration = Duration::from_secs(1);
/// How long removing what is left behind may take.
const CLEAN_UP: Duration = Duration::from_secs(60);

/// An advice that may be created.
fn open(advisor: &Advisor, target: &TargetId, id: &str) -> Result<IndexAdvice, ActionError> {
    let advice = advisor.advice(target, id)?;
    match advice.state {
        state if state.is_open() => Ok(advice),
        AdviceState::Gone => {
            Err(ActionError::Refused(format!("{} is gone, and creating it is not advised any more.", advice.index)))
        }
        _ => Err(ActionError::Conflict(format!("{} was created already.", advice.index))),
    }
}

/// What creating it would do, by what stands under its name now.
pub(crate) async fn preview(console: &Console, target: &TargetId, id: &str) -> Result<ApplyPreview, ActionError> {
    let advice = open(&console.advisor, target, id)?;
    let slot = console.slot(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))?;
    let standing = ask(&slot.target, async |connection| Standing::read(connection, &advice, None).await).await?;
    if let Some(why) = standing.hindrance(&advice) {
        return Err(ActionError::Conflict(why));
    }
    let writers = format::value(100.0 * advice.write_overhead, Unit::Percent);
    let effect = format!(
        "Creates {} over {} of {}: about {} of disk, about {} to build. Readers and writers go on meanwhile; writing a \
         row then costs about {writers} more. It waits at most {} s for transactions that began before it, and ends after \
         {} at the latest.",
        advice.index,
        advice.keys,
        advice.table,
        format::bytes(advice.size_bytes),
        format::duration_ms(advice.build_ms),
        LOCK_TIMEOUT.as_secs(),
        shown(console.config.plans.build_timeout),
    );
    Ok(match standing {
        Standing::Leftover => ApplyPreview {
            sql: format!("{}\n{}", advice.drop_sql, advice.sql),
            effect: format!(
                "First removes the invalid index {} that a build which did not end left behind. {effect}",
                advice.index
            ),
        },
        _ => ApplyPreview { sql: advice.sql, effect },
    })
}

fn shown(span: Duration) -> String {
    format::duration_ms(span.as_secs_f64() * 1000.0)
}

/// Starts the build and answers its operation as queued.
pub(crate) async fn start(
    console: &Arc<Console>,
    target: &TargetId,
    id: &str,
    request: &Request,
) -> Result<Operation, ActionError> {
    let advice = open(&console.advisor, target, id)?;
    let slot = console.slot(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))?;
    let building = Building::begin(&console.advisor, target, &advice)?;
    let spec = OperationSpec {
        kind: KIND,
        title: format!("Create index {}", advice.index),
        target: Some(target.clone()),
        actor: request.actor.clone(),
        cancel_role: Role::Admin,
        reason: request.reason.clone(),
        unit: "blocks",
    };
    let build = Build {
        target: slot.target.clone(),
        advisor: console.advisor.clone(),
        limit: console.config.plans.build_timeout,
        advice,
        _building: building,
    };
    let work = move |context: OperationContext| build.work(context);
    Ok(console.operations.start(spec, work).await?)
}

/// The right to build on a target: one index at a time. Given up when dropped.
struct Building {
    advisor: Arc<Advisor>,
    target: TargetId,
}

impl Building {
    fn begin(advisor: &Arc<Advisor>, target: &TargetId, advice: &IndexAdvice) -> Result<Self, ActionError> {
        advisor.begin_building(target, &advice.id)?;
        Ok(Building { advisor: advisor.clone(), target: target.clone() })
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.advisor.end_building(&self.target);
    }
}

struct Build {
    target: Arc<Target>,
    advisor: Arc<Advisor>,
    limit: Duration,
    advice: IndexAdvice,
    _building: Building,
}

/// Why a statement did not do its work.
enum Ended {
    Refused(sqlx::Error),
    Cancelled,
    Late,
}

impl Build {
    async fn work(self, context: OperationContext) -> Result<Done, Failure> {
        let began = Instant::now();
        let deadline = began + self.limit;
        let mut connection = self.connect("index", self.limit + SERVER_SLACK).await?;
        let pid = self.asked(sqlx::query_scalar("SELECT /* headroom */ pg_backend_pid()").fetch_one(&mut connection));
        let pid: i32 = pid.await?;
        let standing = self.standing(&mut connection, None).await?;
        if let Some(why) = standing.hindrance(&self.advice) {
            return Err(Failure(why));
        }
        if standing == Standing::Leftover {
            context.log(self.advice.drop_sql.clone());
            if let Err(ended) = self.run(&mut connection, pid, &self.advice.drop_sql, &context, deadline).await {
                let why = self.why(&ended).await;
                return Err(Failure(format!(
                    "{why} The invalid index {} is still there and nothing was created; remove it: {}",
                    self.advice.index, self.advice.drop_sql
                )));
            }
        }
        context.log(self.advice.sql.clone());
        if let Err(ended) = self.run(&mut connection, pid, &self.advice.sql, &context, deadline).await {
            drop(connection);
            return Err(self.clean_up(ended, pid, &context).await);
        }
        let done = self.verify(&mut connection, began.elapsed()).await;
        let _closed_or_dropped = timeout(STOP, connection.close()).await;
        done
    }

    /// Runs a statement to its end, until someone stops it, or until the deadline, whatever the server does.
    async fn run(
        &self,
        connection: &mut PgConnection,
        pid: i32,
        sql: &str,
        context: &OperationContext,
        deadline: Instant,
    ) -> Result<(), Ended> {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = String::new();
        let statement = sqlx::raw_sql(AssertSqlSafe(marked(sql))).execute(connection);
        tokio::pin!(statement);
        let ended = loop {
            tokio::select! {
                biased;
                done = &mut statement => return done.map(drop).map_err(Ended::Refused),
                () = context.cancelled.cancelled() => break Ended::Cancelled,
                () = sleep_until(deadline) => break Ended::Late,
                _ = ticks.tick() => self.report(pid, context, &mut phase).await,
            }
        };
        self.stop_backend(pid).await;
        match timeout(STOP, &mut statement).await {
            // It was done before it could be stopped.
            Ok(Ok(_)) => Ok(()),
            _ => Err(ended),
        }
    }

    async fn connect(&self, purpose: &str, limit: Duration) -> Result<PgConnection, Failure> {
        let connection = self.target.connect(purpose).await;
        let mut connection =
            connection.map_err(|error| Failure(format!("{}. Nothing was done.", self.target.explain(&error))))?;
        let set = sqlx::query(
            "SELECT /* headroom */ set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)",
        );
        let set = set.bind(limit.as_millis().to_string()).bind(LOCK_TIMEOUT.as_millis().to_string());
        self.asked(set.execute(&mut connection)).await?;
        Ok(connection)
    }

    /// A question to the server, within bounds.
    async fn asked<T>(&self, question: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failure> {
        match timeout(PATIENCE, question).await {
            Ok(answer) => answer.map_err(|error| Failure(words(&error))),
            Err(_) => Err(Failure("PostgreSQL does not answer.".to_owned())),
        }
    }

    async fn standing(&self, connection: &mut PgConnection, own: Option<i32>) -> Result<Standing, Failure> {
        self.asked(Standing::read(connection, &self.advice, own)).await
    }

    /// Reports how far the build is. What cannot be read now can be read the next time.
    async fn report(&self, pid: i32, context: &OperationContext, phase: &mut String) {
        let read = async {
            let mut lease = self.target.pools.acquire(Lane::Monitor).await.ok()?;
            let row: Option<(String, i64, i64, i64, i64)> = sqlx::query_as(
                "SELECT /* headroom */ phase, blocks_done, blocks_total, lockers_done, lockers_total \
                 FROM pg_stat_progress_create_index WHERE pid = $1",
            )
            .bind(pid)
            .fetch_optional(&mut *lease)
            .await
            .ok()?;
            row
        };
        let Ok(Some((now, done, total, lockers_done, lockers))) = timeout(LOOK * 4, read).await else { return };
        if *phase != now {
            let waits =
                if lockers > 0 { format!(", {lockers_done} of {lockers} transactions ended") } else { String::new() };
            context.log(format!("{now}{waits}"));
            *phase = now;
        }
        if total > 0 {
            context.progress(done.max(0) as u64, Some(total.max(0) as u64));
        }
    }

    /// Asks the server to stop the build.
    async fn stop_backend(&self, pid: i32) {
        let stop = async {
            if let Ok(mut lease) = self.target.pools.acquire(Lane::Interactive).await {
                // The pid is this connection's own, and it is open: nobody else can have it.
                let cancel = sqlx::query("SELECT /* headroom */ pg_cancel_backend($1)").bind(pid);
                if let Err(error) = cancel.execute(&mut *lease).await {
                    tracing::warn!(%error, "a build of an index could not be asked to stop");
                }
            }
        };
        let _asked_or_not = timeout(STOP, stop).await;
    }

    /// Removes the invalid index that the failed build of the process `pid` leaves behind.
    async fn clean_up(&self, ended: Ended, pid: i32, context: &OperationContext) -> Failure {
        let why = self.why(&ended).await;
        // Somebody else's index of this name is not ours to drop.
        if code(&ended).as_deref() == Some("42P07") {
            return Failure(why);
        }
        let cleaning = async {
            let mut connection = self.connect("index", CLEAN_UP).await?;
            match self.standing(&mut connection, Some(pid)).await? {
                Standing::Free => Ok("Nothing is left behind."),
                Standing::Index(_) => Ok("The index was completed before it stopped; it stays."),
                Standing::Leftover => {
                    context.log("removing the invalid index");
                    let dropped = sqlx::raw_sql(AssertSqlSafe(marked(&self.advice.drop_sql)));
                    dropped.execute(&mut connection).await.map_err(|error| Failure(words(&error)))?;
                    Ok("The invalid index that it left was removed.")
                }
                Standing::UnderWay(_) | Standing::Other => Ok("What now has its name is not of this build and stays."),
            }
        };
        match timeout(CLEAN_UP, cleaning).await {
            Ok(Ok(left)) => Failure(format!("{why} {left}")),
            Ok(Err(Failure(_))) | Err(_) => Failure(format!(
                "{why} An invalid index may be left behind. Creating the index again removes it first, as does: {}",
                self.advice.drop_sql
            )),
        }
    }

    /// Why a build failed; of a missing right, the grant.
    async fn why(&self, ended: &Ended) -> String {
        let error = match ended {
            Ended::Cancelled => return "It was stopped.".to_owned(),
            Ended::Late => {
                return format!("It took longer than {} (plans.build_timeout) and was stopped.", shown(self.limit));
            }
            Ended::Refused(error) => error,
        };
        match code(ended).as_deref() {
            Some("57014") => "It was stopped on the server.".to_owned(),
            Some("55P03") => {
                format!("Transactions that began before it did not end within {} s.", LOCK_TIMEOUT.as_secs())
            }
            Some("42501") => match self.owner().await {
                Some((owner, role)) => format!(
                    "The role {role} does not own {}. Nothing was done. Remedy: GRANT {owner} TO {role};",
                    self.advice.table
                ),
                None => format!("The console's role does not own {}.", self.advice.table),
            },
            Some("53100") => "The disk of the server is full.".to_owned(),
            Some("25006") => "The server is read-only.".to_owned(),
            _ => words(error),
        }
    }

    async fn owner(&self) -> Option<(String, String)> {
        let mut lease = self.target.pools.acquire(Lane::Interactive).await.ok()?;
        sqlx::query_as(
            "SELECT /* headroom */ quote_ident(pg_get_userbyid(c.relowner)::text), quote_ident(current_user::text) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
        )
        .bind(&self.advice.schema)
        .bind(&self.advice.table_name)
        .fetch_optional(&mut *lease)
        .await
        .ok()?
    }

    /// Looks whether the index is there and valid, and begins to measure what it brings.
    async fn verify(&self, connection: &mut PgConnection, took: Duration) -> Result<Done, Failure> {
        match self.standing(connection, None).await? {
            Standing::Index(size) => {
                self.advisor.created(&self.target.id, &self.advice, size as f64).await;
                let size = format::bytes(size as f64);
                Ok(Done {
                    outcome: format!("{} is created: {size}, in {}.", self.advice.index, shown(took)),
                    effect: "It is valid. What it brings is measured from here on.".to_owned(),
                })
            }
            _ => Err(Failure(format!("{} is not there as a valid index after it was built.", self.advice.index))),
        }
    }
}

/// A statement with the console's mark.
fn marked(sql: &str) -> String {
    sql.replacen(" INDEX", " /* headroom */ INDEX", 1)
}

fn code(ended: &Ended) -> Option<Cow<'_, str>> {
    match ended {
        Ended::Refused(error) => error.as_database_error()?.code(),
        Ended::Cancelled | Ended::Late => None,
    }
}

/// The server's words on statements of ours name objects, never values.
fn words(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(refused) => format!("PostgreSQL refused: {}.", refused.message()),
        None => "The connection to PostgreSQL broke.".to_owned(),
    }
}
