//! VACUUM (ANALYZE) of one table: as an operation with progress, cancel and a checked effect.

use super::{Look, LookError, Site, Tables, counter, list::table_name_of, maybe_counter, moment, unknown, vacuum};
use crate::{
    actions::{ActionError, Request},
    console::Console,
    operations::{Done, Failure, OperationContext, OperationSpec},
    pool::{Lane, Lease},
    sql::quote_identifier,
};
use headroom_model::{
    Role, TargetId, Timestamp,
    format::{bytes, count, counted},
    operation::Operation,
    tables::OptimizePreview,
    target::Limitation,
};
use sqlx::{AssertSqlSafe, Row};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// The kind of the operation.
pub(crate) const KIND: &str = "table.optimize";
/// Between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long one of them may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a vacuum may take.
const LONGEST: &str = "SET /* headroom */ statement_timeout = '12h'";
/// How long a vacuum that was told to stop may take to do so, before its connection is closed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may take to count a vacuum that has ended: before version 15 a process of its own counts.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

/// What is known of a table before and after. `may` is whether the role may vacuum it: the server only warns and skips a
/// table otherwise.
const STATE: &str = "
SELECT /* headroom */ c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
    pg_get_userbyid(c.relowner)::text AS owner, pg_total_relation_size(c.oid) AS size, s.n_dead_tup AS dead,
    s.vacuum_count AS vacuums, floor(extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum)) * 1000)::int8 AS vacuumed,
    pg_has_role(current_user, c.relowner, 'USAGE') OR (SELECT pg_has_role(current_user, d.datdba, 'USAGE')
        FROM pg_database d WHERE d.datname = current_database()) AS may
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND (n.nspname || '.' || c.relname = $1 OR n.nspname = 'public' AND c.relname = $1)
ORDER BY n.nspname || '.' || c.relname <> $1 LIMIT 1";

/// From version 17 on a right of its own.
const MAINTAIN: &str = "SELECT /* headroom */ has_table_privilege($1::int8::oid, 'MAINTAIN')";

/// Blocks read and to read, of a vacuum or of an analyze that follows it.
const PROGRESS: &str = "
SELECT /* headroom */ p.phase, p.heap_blks_scanned AS done, p.heap_blks_total AS total, p.index_vacuum_count AS passes
FROM pg_catalog.pg_stat_progress_vacuum p WHERE p.pid = $1
UNION ALL
SELECT 'analyzing: ' || a.phase, a.sample_blks_scanned, a.sample_blks_total, 0
FROM pg_catalog.pg_stat_progress_analyze a WHERE a.pid = $1 LIMIT 1";

/// A table at one moment.
#[derive(Clone, Debug)]
struct State {
    schema: String,
    name: String,
    size_bytes: Option<u64>,
    dead_rows: u64,
    vacuums: u64,
    vacuumed_at: Option<Timestamp>,
    missing: Option<Limitation>,
    hindrance: Option<String>,
}

impl State {
    async fn read(to: &mut Look, table: &str) -> sqlx::Result<Option<Self>> {
        let Some(row) = sqlx::query(STATE).bind(table).fetch_optional(to.connection()).await? else { return Ok(None) };
        let has_maintain = to.server.version >= 170_000;
        let mut may: bool = row.try_get("may")?;
        if !may && has_maintain {
            may = sqlx::query_scalar(MAINTAIN).bind(row.try_get::<i64, _>("oid")?).fetch_one(to.connection()).await?;
        }
        let (schema, name): (String, String) = (row.try_get("schema")?, row.try_get("name")?);
        let role = to.server.role();
        let missing = (!may).then(|| Limitation {
            what: format!("The role may not vacuum {}.", table_name_of(&schema, &name)),
            remedy: if has_maintain {
                let table = format!("{}.{}", quote_identifier(&schema), quote_identifier(&name));
                format!("GRANT MAINTAIN ON TABLE {table} TO {role}; -- or for all tables: GRANT pg_maintain TO {role};")
            } else {
                let owner: String = row.try_get("owner").unwrap_or_default();
                format!("GRANT {} TO {role}; -- before version 17 only the owner may", quote_identifier(&owner))
            },
        });
        let oldest = vacuum::holders(to).await?.into_iter().find(|holder| holder.is_here);
        // A snapshot of this moment holds nothing back.
        let hindrance = oldest.filter(|holder| holder.age > 1000).map(|holder| {
            format!(
                "The {} {} ({}) keeps rows that died within the last {} transactions: they stay.",
                holder.kind,
                holder.name,
                holder.detail,
                count(u64::try_from(holder.age).unwrap_or(0))
            )
        });
        Ok(Some(State {
            schema,
            name,
            size_bytes: maybe_counter(&row, "size")?,
            dead_rows: counter(&row, "dead")?,
            vacuums: counter(&row, "vacuums")?,
            vacuumed_at: moment(&row, "vacuumed")?,
            missing,
            hindrance,
        }))
    }

    fn full_name(&self) -> String {
        table_name_of(&self.schema, &self.name)
    }

    fn statement(&self) -> String {
        format!("VACUUM (ANALYZE) {}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }
}

impl Site {
    async fn state(&self, table: &str) -> Result<State, LookError> {
        let owned = table.to_owned();
        let found =
            self.ask("a table to vacuum", move |to| Box::pin(async move { State::read(to, &owned).await })).await?;
        found.ok_or_else(|| unknown(table))
    }
}

impl From<LookError> for ActionError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::UnknownTarget(target) => ActionError::UnknownTarget(target),
            LookError::NotAllowed { what, remedy } => ActionError::NotAllowed { what, remedy },
            LookError::UnknownTable(_) | LookError::Failed(_) => ActionError::Refused(error.to_string()),
            LookError::Unreachable(_) | LookError::Timeout(_) => ActionError::Unreachable(error.to_string()),
        }
    }
}

impl Tables {
    /// What VACUUM (ANALYZE) of a table would do.
    ///
    /// # Errors
    /// No such target or table, or it does not answer.
    pub async fn preview_optimize(&self, target: &TargetId, table: &str) -> Result<OptimizePreview, LookError> {
        let state = self.site(target)?.state(table).await?;
        let size =
            state.size_bytes.map_or_else(|| "its pages".to_owned(), |size| format!("at most {}", bytes(size as f64)));
        Ok(OptimizePreview {
            table: state.full_name(),
            statement: state.statement(),
            effect: format!(
                "Reads {size}, makes the room of about {} usable again and renews the planner's statistics. Reads and writes go \
                 on; changes of the table's definition wait. The file hardly gets smaller.",
                counted(state.dead_rows, "dead row")
            ),
            size_bytes: state.size_bytes,
            dead_rows: state.dead_rows,
            vacuumed_at: state.vacuumed_at,
            hindrance: state.hindrance,
            missing: state.missing,
        })
    }
}

/// What the operation on a table is called.
pub(crate) fn title(schema: &str, name: &str) -> String {
    format!("Optimise {}", table_name_of(schema, name))
}

/// Starts VACUUM (ANALYZE) of a table and answers its operation as queued.
pub(crate) async fn start(
    console: &Arc<Console>,
    target: &TargetId,
    table: &str,
    request: &Request,
) -> Result<Operation, ActionError> {
    let before = console.tables.site(target)?.state(table).await?;
    if let Some(Limitation { what, remedy }) = before.missing {
        return Err(ActionError::NotAllowed { what, remedy });
    }
    let name = before.full_name();
    let title = title(&before.schema, &before.name);
    let is_this =
        |operation: &Operation| operation.kind == KIND && operation.title == title && !operation.state.is_final();
    if let Some(running) = console.operations.list(Some(target)).iter().find(|operation| is_this(operation)) {
        return Err(ActionError::Conflict(format!("{name} is being optimised already, for {}.", running.actor)));
    }
    let spec = OperationSpec {
        kind: KIND,
        title,
        target: Some(target.clone()),
        actor: request.actor.clone(),
        cancel_role: Role::Operator,
        reason: request.reason.clone(),
        unit: "blocks",
    };
    let run = Run { console: console.clone(), target: target.clone(), before };
    Ok(console.operations.start(spec, move |context| run.work(context)).await?)
}

struct Run {
    console: Arc<Console>,
    target: TargetId,
    before: State,
}

impl Run {
    fn site(&self) -> Result<&Site, Failure> {
        self.console.tables.site(&self.target).map_err(|error| Failure(error.to_string()))
    }

    async fn work(self, context: OperationContext) -> Result<Done, Failure> {
        let site = self.site()?;
        let pools = &site.target.pools;
        let lease = pools.acquire(Lane::Batch).await.map_err(|error| Failure(site.target.explain(&error)))?;
        let lease = lease.purpose(&format!("VACUUM of {}", self.before.full_name())).long_work();
        let began = Instant::now();
        context.log(self.before.statement());
        if let Some(hindrance) = &self.before.hindrance {
            context.log(hindrance.clone());
        }
        self.run(lease, &context).await?;
        let took = began.elapsed();
        let after = self.counted().await?;
        self.console.tables.forget(&self.target).await;
        let size = |state: &State| {
            state.size_bytes.map_or_else(|| "unknown".to_owned(), |size| bytes(size as f64).to_string())
        };
        Ok(Done {
            outcome: format!("VACUUM (ANALYZE) of {} ended after {:.1} s", self.before.full_name(), took.as_secs_f64()),
            effect: format!(
                "Checked: the server counts the vacuum; dead rows {} → {}, size {} → {}.",
                count(self.before.dead_rows),
                count(after.dead_rows),
                size(&self.before),
                size(&after),
            ),
        })
    }

    /// Runs the statement and reports what the server says of its progress. Its connection is closed in any case: its limits
    /// were changed, and a statement that was told to stop may still run there.
    async fn run(&self, mut lease: Lease, context: &OperationContext) -> Result<(), Failure> {
        let pid: i32 = sqlx::query_scalar("SELECT /* headroom */ pg_catalog.pg_backend_pid()")
            .fetch_one(&mut *lease)
            .await
            .map_err(|error| self.failure(&error))?;
        sqlx::raw_sql(LONGEST).execute(&mut *lease).await.map_err(|error| self.failure(&error))?;
        let sql = self.before.statement().replacen("VACUUM", "VACUUM /* headroom */", 1);
        let outcome = {
            let mut statement = std::pin::pin!(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *lease));
            let mut phase = String::new();
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut statement => break Some(outcome),
                    () = context.cancelled.cancelled() => {
                        self.stop(pid).await;
                        break timeout(STOP_PATIENCE, &mut statement).await.ok();
                    }
                    () = sleep(LOOK_EVERY) => self.report(pid, &mut phase, context).await,
                }
            }
        };
        lease.discard();
        let stopped = "Stopped; what was cleaned until then stays clean, nothing is half done.";
        match outcome {
            // Done is done, also when someone asked to stop meanwhile.
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) if context.cancelled.is_cancelled() => Err(Failure(stopped.to_owned())),
            Some(Err(error)) => Err(self.failure(&error)),
            None => {
                Err(Failure(format!("{stopped} PostgreSQL had not confirmed it within {} s.", STOP_PATIENCE.as_secs())))
            }
        }
    }

    /// A look that fails leaves the progress as it was.
    async fn report(&self, pid: i32, phase: &mut String, context: &OperationContext) {
        let Ok(site) = self.site() else { return };
        let look = async {
            let mut lease = site.target.pools.acquire(Lane::Interactive).await.ok()?.purpose("progress of a vacuum");
            let row = sqlx::query(PROGRESS).bind(pid).fetch_optional(&mut *lease).await.ok()??;
            let phase: Option<String> = row.try_get("phase").ok()?;
            Some((phase?, counter(&row, "done").ok()?, counter(&row, "total").ok()?, counter(&row, "passes").ok()?))
        };
        let Ok(Some((now, done, total, passes))) = timeout(LOOK_TIMEOUT, look).await else { return };
        if now != *phase {
            let passes = if passes > 0 { format!(", {}", counted(passes, "pass")) } else { String::new() };
            context.log(format!("{now}{passes}"));
            *phase = now;
        }
        context.progress(done.min(total), (total > 0).then_some(total));
    }

    /// Cancels the statement. The pid is ours as long as our connection lives, and that we hold.
    async fn stop(&self, pid: i32) {
        let Ok(site) = self.site() else { return };
        let cancel = async {
            let mut lease = site.target.pools.acquire(Lane::Interactive).await.ok()?.purpose("cancel of a vacuum");
            sqlx::query("SELECT /* headroom */ pg_catalog.pg_cancel_backend($1)")
                .bind(pid)
                .execute(&mut *lease)
                .await
                .ok()
        };
        if !matches!(timeout(LOOK_TIMEOUT, cancel).await, Ok(Some(_))) {
            tracing::warn!(target_id = %self.target, pid, "a vacuum could not be cancelled; its connection is closed");
        }
    }

    /// The state once the server has counted the vacuum: it skips what the role may not vacuum with a mere warning.
    async fn counted(&self) -> Result<State, Failure> {
        let site = self.site()?;
        let end = Instant::now() + COUNTED_WITHIN;
        loop {
            let state = match site.state(&self.before.full_name()).await {
                Ok(state) => state,
                // Someone may hold the table at this moment: the vacuum ran all the same.
                Err(error) if Instant::now() >= end => {
                    return Err(Failure(format!("VACUUM ran to its end; its effect was not verified: {error}")));
                }
                Err(_) => {
                    sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            if state.vacuums > self.before.vacuums {
                return Ok(state);
            }
            if Instant::now() >= end {
                let missing = state.missing.map(|missing| format!(" {} Remedy: {}", missing.what, missing.remedy));
                return Err(Failure(format!(
                    "Not verified: PostgreSQL counts no new vacuum of {}.{}",
                    self.before.full_name(),
                    missing.unwrap_or_default()
                )));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn failure(&self, error: &sqlx::Error) -> Failure {
        let name = self.before.full_name();
        let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        Failure(match code.as_deref() {
            Some("55P03") => format!("Someone else changes or vacuums {name}; nothing was done."),
            Some("57014") => {
                "It ran into its time limit or was cancelled in PostgreSQL; what was cleaned stays clean.".to_owned()
            }
            Some("42P01") => format!("{name} is gone; nothing was done."),
            Some("57P01" | "57P02" | "57P03") => {
                "PostgreSQL went down; what was cleaned until then stays clean.".to_owned()
            }
            Some(code) => format!("PostgreSQL refused to vacuum {name} (SQLSTATE {code})."),
            None => "The connection to PostgreSQL broke; what was cleaned until then stays clean.".to_owned(),
        })
    }
}
