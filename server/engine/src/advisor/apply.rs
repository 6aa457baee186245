//! Creating an advised index: an operation with progress, cancel, clean-up, verification, and the gain afterwards.

use super::{Advisor, KIND};
use crate::{
    actions::{ActionError, Request},
    console::Console,
    operations::{Done, Failure, OperationContext, OperationSpec},
    pool::Lane,
    sql::quote_identifier,
    target::Target,
};
use headroom_model::{
    Role, TargetId,
    advice::{ApplyPreview, IndexAdvice},
    format,
    metric::Unit,
    operation::Operation,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a build waits for others: for its lock on the table, and for transactions that began before it. It blocks
/// neither readers nor writers meanwhile.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);
/// How long a build that was asked to stop may take to do so.
const STOP: Duration = Duration::from_secs(1);
/// How long removing what is left behind may take.
const CLEAN_UP: Duration = Duration::from_secs(60);

/// What creating it would do.
pub(crate) fn preview(advice: &IndexAdvice) -> ApplyPreview {
    let writers = format::value(100.0 * advice.write_overhead, Unit::Percent);
    ApplyPreview {
        sql: advice.sql.clone(),
        effect: format!(
            "Creates {} over {} of {}: about {} of disk, about {} to build. Readers and writers go on meanwhile; writing a \
             row then costs about {writers} more. It waits at most {} s for transactions that began before it.",
            advice.index,
            advice.keys,
            advice.table,
            format::bytes(advice.size_bytes),
            format::duration_ms(advice.build_ms),
            LOCK_TIMEOUT.as_secs(),
        ),
    }
}

/// Starts the build and answers its operation as queued.
pub(crate) async fn start(
    console: &Arc<Console>,
    target: &TargetId,
    id: &str,
    request: &Request,
) -> Result<Operation, ActionError> {
    let advice = console.advisor.advice(target, id)?;
    if advice.state.is_built() {
        return Err(ActionError::Conflict(format!("{} was created already.", advice.index)));
    }
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

impl Build {
    async fn work(self, context: OperationContext) -> Result<Done, Failure> {
        context.log(self.advice.sql.clone());
        let mut connection = self.connect("index", self.limit).await?;
        let pid: i32 = sqlx::query_scalar("SELECT /* headroom */ pg_backend_pid()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| self.failure(&error, ""))?;
        if self.is_there(&mut connection).await?.is_some() {
            return Err(Failure(format!("An index {} exists already; nothing was done.", self.advice.index)));
        }
        let sql = self.advice.sql.trim_end_matches(';').replacen("CREATE INDEX", "CREATE /* headroom */ INDEX", 1);
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = String::new();
        let outcome = {
            let build = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection);
            tokio::pin!(build);
            loop {
                tokio::select! {
                    biased;
                    built = &mut build => break Some(built.map(drop)),
                    () = context.cancelled.cancelled() => {
                        self.stop_backend(pid).await;
                        break timeout(STOP, &mut build).await.ok().map(|built| built.map(drop));
                    }
                    _ = ticks.tick() => self.report(pid, &context, &mut phase).await,
                }
            }
        };
        match outcome {
            Some(Ok(())) => {}
            failed => {
                drop(connection);
                return Err(self.clean_up(failed.and_then(Result::err), &context).await);
            }
        }
        let done = self.verify(&mut connection).await;
        let _closed_or_dropped = timeout(STOP, connection.close()).await;
        done
    }

    async fn connect(&self, purpose: &str, limit: Duration) -> Result<PgConnection, Failure> {
        let connection = self.target.connect(purpose).await;
        let mut connection =
            connection.map_err(|error| Failure(format!("{}. Nothing was done.", self.target.explain(&error))))?;
        let set = sqlx::query(
            "SELECT /* headroom */ set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)",
        );
        set.bind(limit.as_millis().to_string())
            .bind(LOCK_TIMEOUT.as_millis().to_string())
            .execute(&mut connection)
            .await
            .map_err(|error| self.failure(&error, "Nothing was done."))?;
        Ok(connection)
    }

    /// Schema and name of the index, apart.
    fn name(&self) -> (&str, &str) {
        (&self.advice.schema, &self.advice.index_name)
    }

    /// Whether the index is there, and valid, and how large.
    async fn is_there(&self, connection: &mut PgConnection) -> Result<Option<(bool, i64)>, Failure> {
        let (schema, name) = self.name();
        sqlx::query_as(
            "SELECT /* headroom */ i.indisvalid, pg_relation_size(c.oid) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid \
             WHERE n.nspname = $1 AND c.relname = $2",
        )
        .bind(schema)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| self.failure(&error, ""))
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

    /// Removes the invalid index that a failed build leaves behind.
    async fn clean_up(&self, error: Option<sqlx::Error>, context: &OperationContext) -> Failure {
        let why = match &error {
            Some(error) => self.why(error).await,
            None => "It was stopped and the server has not answered yet.".to_owned(),
        };
        // Somebody else's index of this name is not ours to drop.
        let code = error.as_ref().and_then(|error| error.as_database_error()?.code().map(|code| code.into_owned()));
        if code.as_deref() == Some("42P07") {
            return Failure(why);
        }
        let (schema, name) = self.name();
        let drop =
            format!("DROP /* headroom */ INDEX CONCURRENTLY {}.{}", quote_identifier(schema), quote_identifier(name));
        let cleaning = async {
            let mut connection = self.connect("index", CLEAN_UP).await?;
            match self.is_there(&mut connection).await? {
                None => Ok("Nothing is left behind.".to_owned()),
                Some((true, _)) => Ok("The index was completed before it stopped; it stays.".to_owned()),
                Some((false, _)) => {
                    context.log("removing the invalid index");
                    let dropped = sqlx::raw_sql(AssertSqlSafe(drop.clone())).execute(&mut connection).await;
                    dropped.map_err(|error| self.failure(&error, ""))?;
                    Ok("The invalid index that it left was removed.".to_owned())
                }
            }
        };
        let left = match timeout(CLEAN_UP, cleaning).await {
            Ok(Ok(left)) => left,
            Ok(Err(Failure(_))) | Err(_) => {
                format!("An invalid index may be left behind; remove it: {}", drop.replace("/* headroom */ ", ""))
            }
        };
        Failure(format!("{why} {left}"))
    }

    /// Why a build failed; of a missing right, the grant.
    async fn why(&self, error: &sqlx::Error) -> String {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some("57014") => "It was stopped, or took longer than it may.".to_owned(),
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
            _ => self.failure(error, "").0,
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

    /// The server's words on statements of ours name objects, never values.
    fn failure(&self, error: &sqlx::Error, left: &str) -> Failure {
        let what = match error.as_database_error() {
            Some(refused) => format!("PostgreSQL refused: {}.", refused.message()),
            None => "The connection to PostgreSQL broke.".to_owned(),
        };
        Failure(format!("{what} {left}").trim_end().to_owned())
    }

    /// Looks whether the index is there and valid, and begins to measure what it brings.
    async fn verify(&self, connection: &mut PgConnection) -> Result<Done, Failure> {
        match self.is_there(connection).await? {
            Some((true, size)) => {
                self.advisor.created(&self.target.id, &self.advice, size as f64).await;
                let size = format::bytes(size as f64);
                Ok(Done {
                    outcome: format!("{} is created: {size}.", self.advice.index),
                    effect: "It is valid. What it brings is measured from here on.".to_owned(),
                })
            }
            _ => Err(Failure(format!("{} is not there as a valid index after it was built.", self.advice.index))),
        }
    }
}
