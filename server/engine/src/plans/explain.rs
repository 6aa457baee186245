//! A session of its own that explains statements and nothing else.
//!
//! Each explanation is a read-only transaction with short limits that is rolled back, and the session is closed
//! afterwards: what a statement may leave behind in one (advisory locks, settings) goes with it. Before the server plans a
//! text it has proven itself that the text is one statement: `PREPARE` over the extended protocol takes no second one.
//!
//! What the server says of a statement can hold its values, so errors are told by their code; its words are repeated only
//! where they name nothing but objects and types.

use super::{screen::Screened, tree};
use crate::{sql::quote_identifier, target::Target};
use headroom_model::{Timestamp, plan::Plan};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgDatabaseError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::timeout;

/// How long planning waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);
/// The server ends a statement by itself; waiting longer means that it does not answer at all.
const ANSWER_SLACK: Duration = Duration::from_secs(3);
/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// First server with `EXPLAIN (GENERIC_PLAN)`.
const GENERIC_PLAN: i32 = 160_000;
/// Schemas that names are looked for in behind the role's own search_path.
const MAX_SCHEMAS: i64 = 50;

/// Characters read of a text: more than may be explained, so that one that is too long is told as such.
const MAX_TEXT_CHARS: i32 = 32_768;

/// Volatile functions of `pg_catalog` that do no harm.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_backend_pid",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// Why there is no plan. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The server does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The server refused; the sentence says what and what helps.
    #[error("{0}")]
    Refused(String),
}

/// A session that explains.
pub(crate) struct Explainer {
    connection: PgConnection,
    version: i32,
    limit: Duration,
}

/// How the server is asked for a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it would be for any values, to be shown and kept.
    Generic,
    /// The same by a prepared statement: its text is the same for all statements, so that hundreds of questions fill one
    /// place of pg_stat_statements.
    Prepared,
    /// Run and measured.
    Measured,
}

impl Explainer {
    /// Opens a session whose statements end after `limit`.
    pub async fn open(target: &Target, limit: Duration) -> Result<Self, ExplainError> {
        let connect = target.connect("explain").await;
        let connection = connect.map_err(|error| ExplainError::Unreachable(target.explain(&error)))?;
        let mut explainer = Explainer { connection, version: 0, limit };
        let setup = explainer.setup();
        let setup = timeout(limit + ANSWER_SLACK, setup).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        setup.map_err(|error| told(&error))?;
        Ok(explainer)
    }

    async fn setup(&mut self) -> sqlx::Result<()> {
        let row = sqlx::query(
            "SELECT /* headroom */ set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false), \
             set_config('idle_in_transaction_session_timeout', '60000', false), \
             set_config('plan_cache_mode', 'force_generic_plan', false), \
             set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), (\
                 SELECT string_agg(quote_ident(nspname), ', ') FROM (\
                     SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' \
                     AND has_schema_privilege(oid, 'USAGE') ORDER BY nspname LIMIT $3) AS schemas)), false), \
             current_setting('server_version_num')::int4",
        )
        .bind(self.limit.as_millis().to_string())
        .bind(LOCK_TIMEOUT.as_millis().to_string())
        .bind(MAX_SCHEMAS)
        .persistent(false)
        .fetch_one(&mut self.connection)
        .await?;
        self.version = row.try_get(5)?;
        Ok(())
    }

    /// Whether one of these functions may not be called while planning, as the catalogue tells; its name with its schema. What
    /// somebody who is no superuser made would run with the rights of this session, whatever it is declared as.
    pub async fn volatile(&mut self, functions: &BTreeSet<String>) -> Result<Option<String>, ExplainError> {
        if functions.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = functions.iter().map(String::as_str).collect();
        let query = sqlx::query_scalar(
            "SELECT /* headroom */ quote_ident(n.nspname) || '.' || quote_ident(p.proname) FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner \
             WHERE p.proname = ANY($1) AND p.prokind IN ('f', 'p') \
             AND (p.provolatile = 'v' AND NOT (n.nspname = 'pg_catalog' AND p.proname = ANY($2)) \
                 OR n.nspname <> 'pg_catalog' AND NOT r.rolsuper AND NOT EXISTS (SELECT FROM pg_depend d \
                     WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')) \
             ORDER BY 1 LIMIT 1",
        );
        let query = query.bind(names).bind(HARMLESS).persistent(false).fetch_optional(&mut self.connection);
        bounded(self.limit, query).await
    }

    /// Explains a statement that was screened. `text` is its text as the server is to read it.
    pub async fn plan(
        &mut self,
        text: &str,
        screened: &Screened,
        way: Way,
        at: Timestamp,
    ) -> Result<Plan, ExplainError> {
        let limit = self.limit;
        let answer = bounded(limit, self.transaction(text, screened.parameters, way)).await;
        // Whatever happened, the next question begins outside a transaction.
        let undone = timeout(limit, sqlx::raw_sql("ROLLBACK /* headroom */").execute(&mut self.connection)).await;
        let answer = answer?;
        if !matches!(undone, Ok(Ok(_))) {
            return Err(ExplainError::Unreachable("The connection to PostgreSQL broke while it explained.".to_owned()));
        }
        tree::read(&answer, at, way != Way::Measured)
            .ok_or_else(|| ExplainError::Refused("PostgreSQL answered with something that is no plan.".to_owned()))
    }

    async fn transaction(&mut self, text: &str, parameters: usize, way: Way) -> sqlx::Result<Value> {
        let connection = &mut self.connection;
        sqlx::raw_sql("BEGIN /* headroom */ READ ONLY").execute(&mut *connection).await?;
        let prepare = format!("PREPARE /* headroom */ headroom_plan AS {text}");
        sqlx::query(AssertSqlSafe(prepare)).persistent(false).execute(&mut *connection).await?;
        let explain = match way {
            Way::Measured => format!("EXPLAIN /* headroom */ (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) {text}"),
            Way::Generic if self.version >= GENERIC_PLAN => {
                format!("EXPLAIN /* headroom */ (GENERIC_PLAN, VERBOSE, FORMAT JSON) {text}")
            }
            Way::Generic | Way::Prepared => {
                let nulls = vec!["NULL"; parameters].join(", ");
                let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
                format!("EXPLAIN /* headroom */ (VERBOSE, FORMAT JSON) EXECUTE headroom_plan{arguments}")
            }
        };
        let row = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(&mut *connection).await;
        // A prepared statement outlives a rollback.
        let forgotten = sqlx::raw_sql("DEALLOCATE /* headroom */ headroom_plan");
        if row.is_ok() {
            forgotten.execute(&mut *connection).await?;
        } else {
            sqlx::raw_sql("ROLLBACK /* headroom */").execute(&mut *connection).await?;
            forgotten.execute(&mut *connection).await?;
        }
        let text: String = row?.try_get_unchecked(0)?;
        serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }

    /// Runs a question to the catalogue or to hypopg within the session's limit.
    pub async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, ExplainError> {
        bounded(self.limit, question(&mut self.connection)).await
    }

    /// Says goodbye, within bounds.
    pub async fn close(self) {
        if timeout(CLOSE_TIMEOUT, self.connection.close()).await.is_err() {
            tracing::debug!("a session that explained did not close in time and was dropped");
        }
    }
}

async fn bounded<T>(limit: Duration, step: impl Future<Output = sqlx::Result<T>>) -> Result<T, ExplainError> {
    match timeout(limit + ANSWER_SLACK, step).await {
        Ok(answer) => answer.map_err(|error| told(&error)),
        Err(_) => Err(ExplainError::Unreachable("PostgreSQL does not answer.".to_owned())),
    }
}

/// What an error means, without the values that its words may hold.
pub(crate) fn told(error: &sqlx::Error) -> ExplainError {
    let sqlx::Error::Database(refused) = error else {
        return ExplainError::Unreachable("The connection to PostgreSQL broke while it explained.".to_owned());
    };
    let code = refused.code().unwrap_or_default().into_owned();
    let words = refused.message();
    let place = refused.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::position);
    let place = match place {
        Some(sqlx::postgres::PgErrorPosition::Original(at)) => format!(" (near character {at})"),
        _ => String::new(),
    };
    ExplainError::Refused(match code.as_str() {
        // These words name tables, columns, functions, operators and types.
        "42P01" | "42703" | "42883" | "42704" | "3F000" | "42P02" => {
            format!("PostgreSQL does not find what the statement names: {words}.")
        }
        "42501" => format!(
            "The console's role may not read what the statement reads: {words}. GRANT SELECT on it, or membership in its \
             owner, makes its plans visible."
        ),
        "42725" | "42P18" | "42P08" | "42804" => format!(
            "PostgreSQL cannot tell the types of its parameters: {words}. Write casts ($1::int) where they are missing."
        ),
        "42601" => format!(
            "PostgreSQL cannot read the statement{place}. Where a constant became $n in a place that allows none, explain \
             the text with a value written there."
        ),
        "55P03" => "A table of the statement is locked; its plan was not waited for.".to_owned(),
        "57014" => "Explaining took too long and was ended.".to_owned(),
        "25006" => "The statement would write; it ran in a read-only transaction and was stopped.".to_owned(),
        "53300" => "The server has no connection left.".to_owned(),
        code if code.starts_with("57P") => {
            return ExplainError::Unreachable("PostgreSQL is shutting down or starting.".to_owned());
        }
        code => format!(
            "PostgreSQL refuses to explain it (error {code}); its own words may hold values and are not repeated."
        ),
    })
}

/// The text of a statement of the watched database.
pub(crate) async fn text_of(explainer: &mut Explainer, query_id: i64) -> Result<Option<String>, ExplainError> {
    Ok(texts_of(explainer, &[query_id]).await?.remove(&query_id))
}

/// The texts of statements of the watched database that are known, at most [`MAX_TEXT_CHARS`] of each. One question, since
/// the server reads the texts of all statements to answer it.
pub(crate) async fn texts_of(
    explainer: &mut Explainer,
    query_ids: &[i64],
) -> Result<BTreeMap<i64, String>, ExplainError> {
    let Some(schema) = statements_schema(explainer).await? else {
        return Err(ExplainError::Refused(
            "Statements are found by their id in pg_stat_statements, which is not installed: CREATE EXTENSION \
             pg_stat_statements;"
                .to_owned(),
        ));
    };
    let sql = format!(
        "SELECT /* headroom */ DISTINCT ON (queryid) queryid, left(query, $2) FROM {schema}.pg_stat_statements(true) \
         WHERE queryid = ANY($1) AND query IS NOT NULL \
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let found: Vec<(i64, String)> = explainer
        .ask(async |connection| {
            let query = sqlx::query_as(AssertSqlSafe(sql)).bind(query_ids).bind(MAX_TEXT_CHARS);
            query.persistent(false).fetch_all(connection).await
        })
        .await?;
    Ok(found.into_iter().collect())
}

/// The quoted schema of pg_stat_statements, where it is installed.
async fn statements_schema(explainer: &mut Explainer) -> Result<Option<String>, ExplainError> {
    let name: Option<String> = explainer
        .ask(async |connection| {
            sqlx::query_scalar(
                "SELECT /* headroom */ n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
                 WHERE e.extname = 'pg_stat_statements'",
            )
            .persistent(false)
            .fetch_optional(connection)
            .await
        })
        .await?;
    Ok(name.map(|name| quote_identifier(&name)))
}
