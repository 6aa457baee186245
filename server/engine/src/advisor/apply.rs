//! Creating an advised index: an operation with progress, cancel, clean-up, verification, and the gain afterwards.

use super::{
    Advisor, KIND, ask,
    leftover::{self, Leftover},
    standing::Standing,
};
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
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

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
    let (standing, aside) = ask(&slot.target, async |connection| {
        let standing = Standing::read(&mut *connection, &advice, None).await?;
        Ok((standing, leftover::aside(connection, &advice).await?))
    })
    .await?;
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
    let mut removed = Vec::new();
    let mut steps = Vec::new();
    if let Standing::Leftover(leftover) = standing {
        removed.push(advice.index.clone());
        steps.extend([leftover.aside_sql(&advice), leftover.drop_sql(&advice)]);
    }
    for leftover in aside {
        removed.push(leftover.shown(&advice));
        steps.push(leftover.drop_sql(&advice));
    }
    let first = match removed.as_slice() {
        [] => String::new(),
        [one] => format!("First removes the invalid index {one} that a build which did not end left behind. "),
        _ => format!(
            "First removes the invalid indexes {} that builds which did not end left behind. ",
            removed.join(" and ")
        ),
    };
    steps.push(advice.sql);
    Ok(ApplyPreview { sql: steps.join("\n"), effect: format!("{first}{effect}") })
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

/// What a build that did not end well leaves under its name.
enum Left {
    /// A valid index of so many bytes.
    Valid(i64),
    /// Nothing, or what this sentence says.
    Told(String),
}

impl Build {
    async fn work(self, context: OperationContext) -> Result<Done, Failure> {
        let began = Instant::now();
        let deadline = began + self.limit;
        let mut connection = self.connect("index", self.limit + SERVER_SLACK).await?;
        let pid = self.asked(sqlx::query_scalar("SELECT /* headroom */ pg_backend_pid()").fetch_one(&mut connection));
        let pid: i32 = pid.await?;
        self.make_room(&mut connection, pid, &context, deadline).await?;
        context.log(self.advice.sql.clone());
        if let Err(ended) = self.run(&mut connection, pid, &marked(&self.advice.sql), &context, deadline).await {
            drop(connection);
            return self.clean_up(ended, pid, began, &context).await;
        }
        let done = self.verify(&mut connection, began.elapsed()).await;
        let _closed_or_dropped = timeout(STOP, connection.close()).await;
        done
    }

    /// Removes what builds that did not end left behind. Whatever else has the name ends this one.
    async fn make_room(
        &self,
        connection: &mut PgConnection,
        pid: i32,
        context: &OperationContext,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let standing = self.standing(connection, None).await?;
        if let Some(why) = standing.hindrance(&self.advice) {
            return Err(Failure(why));
        }
        let stays = |why: String, remedy: &str| {
            Failure(format!(
                "{why} The invalid index that a build left behind is still there and nothing was created. Creating the \
                 index again removes it first, as does: {remedy}"
            ))
        };
        let mut remedy = None;
        if let Standing::Leftover(leftover) = standing {
            context.log(leftover.aside_sql(&self.advice));
            let begin = leftover::begin_sql(&self.advice);
            if let Err(ended) = self.run(connection, pid, &begin, context, deadline).await {
                return Err(stays(self.why(&ended).await, &self.advice.drop_sql));
            }
            let is_aside = self.asked(leftover.set_aside(connection, &self.advice)).await;
            if is_aside.map_err(|Failure(why)| stays(why, &self.advice.drop_sql))? {
                remedy = Some(leftover.drop_sql(&self.advice));
            } else {
                self.free(connection).await?;
            }
        }
        let aside = self.asked(leftover::aside(connection, &self.advice)).await;
        for leftover in aside.map_err(|Failure(why)| match &remedy {
            Some(remedy) => stays(why, remedy),
            None => Failure(why),
        })? {
            let sql = leftover.drop_sql(&self.advice);
            context.log(sql.clone());
            if let Err(ended) = self.run(connection, pid, &marked(&sql), context, deadline).await {
                return Err(stays(self.why(&ended).await, &sql));
            }
        }
        Ok(())
    }

    /// Fails where the name is taken, also by what would be removed otherwise.
    async fn free(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        let standing = self.standing(connection, None).await?;
        if standing == Standing::Free {
            return Ok(());
        }
        let why = standing.hindrance(&self.advice).unwrap_or_else(|| {
            format!("What is named {} changed meanwhile; nothing was done. Try it again.", self.advice.index)
        });
        Err(Failure(why))
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
        let statement = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection);
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

    /// Removes the invalid index that the failed build of the process `pid` leaves behind. One that is valid by then is
    /// created, whenever someone asked to stop.
    async fn clean_up(
        &self,
        ended: Ended,
        pid: i32,
        began: Instant,
        context: &OperationContext,
    ) -> Result<Done, Failure> {
        let why = self.why(&ended).await;
        // Somebody else's index of this name is not ours to drop.
        if code(&ended).as_deref() == Some("42P07") {
            return Err(Failure(why));
        }
        let mut remedy = self.advice.drop_sql.clone();
        let cleaning = self.clean(pid, context, &mut remedy);
        Err(Failure(match timeout(CLEAN_UP, cleaning).await {
            // What the server itself refused is never valid: this is another one.
            Ok(Ok(Left::Valid(_))) if code(&ended).is_some() => {
                format!("{why} A valid index {} is there and stays.", self.advice.index)
            }
            Ok(Ok(Left::Valid(size))) => return Ok(self.done(size, began.elapsed()).await),
            Ok(Ok(Left::Told(left))) => format!("{why} {left}"),
            Ok(Err(Failure(_))) | Err(_) => format!(
                "{why} An invalid index may be left behind. Creating the index again removes it first, as does: {remedy}"
            ),
        }))
    }

    /// Looks what is left, and removes it where it is invalid. `remedy` is what removes it by hand from then on.
    async fn clean(&self, pid: i32, context: &OperationContext, remedy: &mut String) -> Result<Left, Failure> {
        let mut connection = self.connect("index", CLEAN_UP).await?;
        loop {
            let leftover = match self.standing(&mut connection, Some(pid)).await? {
                Standing::Free => return Ok(Left::Told("Nothing is left behind.".to_owned())),
                Standing::Index(size) => return Ok(Left::Valid(size)),
                Standing::Leftover(leftover) => leftover,
                Standing::UnderWay(other) => {
                    return Ok(Left::Told(format!(
                        "Process {other} builds an index of {} meanwhile, so what is named {} stays. Once that has ended, \
                         creating the index again removes what is left.",
                        self.advice.table, self.advice.index
                    )));
                }
                Standing::Other => {
                    return Ok(Left::Told("What now has its name is not of this build and stays.".to_owned()));
                }
            };
            context.log("removing the invalid index");
            if self.remove(&mut connection, leftover, remedy).await.map_err(|error| Failure(words(&error)))? {
                return Ok(Left::Told("The invalid index that it left was removed.".to_owned()));
            }
            // It is valid now or about to be.
            sleep(LOOK).await;
        }
    }

    /// Removes a leftover; false where it is none any more.
    async fn remove(
        &self,
        connection: &mut PgConnection,
        leftover: Leftover,
        remedy: &mut String,
    ) -> sqlx::Result<bool> {
        let begin = leftover::begin_sql(&self.advice);
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await?;
        if !leftover.set_aside(connection, &self.advice).await? {
            return Ok(false);
        }
        *remedy = leftover.drop_sql(&self.advice);
        sqlx::raw_sql(AssertSqlSafe(marked(remedy))).execute(connection).await?;
        Ok(true)
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
                format!(
                    "A build or VACUUM of the table, or transactions that began before it, did not end within {} s.",
                    LOCK_TIMEOUT.as_secs()
                )
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

    /// Looks whether the index is there and valid.
    async fn verify(&self, connection: &mut PgConnection, took: Duration) -> Result<Done, Failure> {
        match self.standing(connection, None).await? {
            Standing::Index(size) => Ok(self.done(size, took).await),
            _ => Err(Failure(format!("{} is not there as a valid index after it was built.", self.advice.index))),
        }
    }

    /// The index is there: begins to measure what it brings.
    async fn done(&self, size: i64, took: Duration) -> Done {
        self.advisor.created(&self.target.id, &self.advice, size as f64).await;
        let size = format::bytes(size as f64);
        Done {
            outcome: format!("{} is created: {size}, in {}.", self.advice.index, shown(took)),
            effect: "It is valid. What it brings is measured from here on.".to_owned(),
        }
    }
}

/// A statement about an index with the console's mark.
fn marked(sql: &str) -> String {
    sql.replacen(" INDEX", " /* headroom */ INDEX", 1)
}

fn code(ended: &Ended) -> Option<Cow<'_, str>> {
    match ended {
        Ended::Refused(error) => error.as_database_error()?.code(),
        Ended::Cancelled | Ended::Late => None,
    }
}

/// Why the server refused a statement of ours.
fn words(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(refused) => refusal(&refused.code().unwrap_or_default(), refused.message()),
        None => "The connection to PostgreSQL broke.".to_owned(),
    }
}

/// What a refusal means. An index over an expression reads every row, so the server's words can hold values; they are
/// repeated only where they name nothing but objects.
fn refusal(code: &str, words: &str) -> String {
    match code {
        "3F000" | "42703" | "42704" | "42809" | "42883" | "42P01" | "42P07" | "42P17" => {
            format!("PostgreSQL refused: {words}.")
        }
        "54000" => "A value is too large for the index (error 54000).".to_owned(),
        _ if code.starts_with("57P") => format!("PostgreSQL ended the connection (error {code})."),
        _ => format!("PostgreSQL refused (error {code}); its own words may hold values of rows and are not repeated."),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn only_words_about_objects_are_repeated() {
        assert_eq!(
            refusal("42P01", "relation \"x\" does not exist"),
            "PostgreSQL refused: relation \"x\" does not exist."
        );
        for code in ["22P02", "22003", "23505", "P0001", "XX000", "54000", "57P01", ""] {
            let told = refusal(code, "invalid input syntax for type integer: \"secret\"");
            assert!(!told.contains("secret"), "{told}");
        }
        assert!(refusal("22P02", "").contains("22P02"));
    }
}
