//! Reset of pg_stat_statements, of the watched database alone.

use super::{
    ActionError,
    ask::{bounded, code, lease, unreachable},
};
use crate::{
    sql::{load_statements, quote_identifier},
    target::Target,
};
use sqlx::{AssertSqlSafe, PgConnection};

/// What the statistics of the watched database hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Totals {
    pub statements: u64,
    pub calls: u64,
    pub seconds: f64,
}

/// Counts what a reset would discard.
pub(super) async fn totals(target: &Target) -> Result<Totals, ActionError> {
    bounded(async {
        let mut lease = lease(target).await?;
        let schema = schema(&mut lease).await?;
        count(&mut lease, &schema).await
    })
    .await
}

/// Resets and answers the totals before and after.
pub(super) async fn reset(target: &Target) -> Result<(Totals, Totals), ActionError> {
    bounded(async {
        let mut lease = lease(target).await?;
        let schema = schema(&mut lease).await?;
        let before = count(&mut lease, &schema).await?;
        // (0, database, 0): every user and statement of this database, and of no other.
        let sql = format!(
            "SELECT /* headroom */ {schema}.pg_stat_statements_reset(0, oid, 0)::text FROM pg_database \
             WHERE datname = current_database()"
        );
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut *lease).await;
        if let Err(error) = done {
            return Err(match code(&error).as_deref() {
                Some("42501") => not_granted(&mut lease, &schema).await?,
                _ => unreachable(&error),
            });
        }
        let after = count(&mut lease, &schema).await?;
        Ok((before, after))
    })
    .await
}

/// The quoted schema of the extension: it may be installed anywhere.
async fn schema(connection: &mut PgConnection) -> Result<String, ActionError> {
    let sql = "SELECT /* headroom */ n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
               WHERE e.extname = 'pg_stat_statements'";
    let schema: Option<String> =
        sqlx::query_scalar(sql).fetch_optional(connection).await.map_err(|error| unreachable(&error))?;
    schema.map(|schema| quote_identifier(&schema)).ok_or_else(|| ActionError::NotAllowed {
        what: "pg_stat_statements is not installed in this database.".to_owned(),
        remedy: "CREATE EXTENSION pg_stat_statements;".to_owned(),
    })
}

async fn count(connection: &mut PgConnection, schema: &str) -> Result<Totals, ActionError> {
    let sql = format!(
        "SELECT /* headroom */ count(*), coalesce(sum(calls), 0)::bigint, \
         coalesce(sum(total_exec_time), 0)::float8 / 1000 FROM {schema}.pg_stat_statements(false) \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let row: Result<(i64, i64, f64), sqlx::Error> = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await;
    match row {
        Ok((statements, calls, seconds)) => {
            Ok(Totals { statements: statements.max(0) as u64, calls: calls.max(0) as u64, seconds })
        }
        // 55000: the library is installed but not loaded.
        Err(error) if code(&error).as_deref() == Some("55000") => Err(ActionError::NotAllowed {
            what: "pg_stat_statements is installed but not loaded.".to_owned(),
            remedy: load_statements(None),
        }),
        Err(error) => Err(unreachable(&error)),
    }
}

/// The exact grant that is missing. The function's parameters differ by version of the extension, so the server names
/// them.
async fn not_granted(connection: &mut PgConnection, schema: &str) -> Result<ActionError, ActionError> {
    let sql = "SELECT /* headroom */ current_user::text, pg_get_function_identity_arguments(p.oid) FROM pg_proc p \
               JOIN pg_extension e ON e.extnamespace = p.pronamespace AND e.extname = 'pg_stat_statements' \
               WHERE p.proname = 'pg_stat_statements_reset' ORDER BY p.pronargs DESC LIMIT 1";
    let (role, arguments): (String, String) =
        sqlx::query_as(sql).fetch_one(connection).await.map_err(|error| unreachable(&error))?;
    let role = quote_identifier(&role);
    Ok(ActionError::NotAllowed {
        what: format!("The role {role} may not reset pg_stat_statements."),
        remedy: format!("GRANT EXECUTE ON FUNCTION {schema}.pg_stat_statements_reset({arguments}) TO {role};"),
    })
}
