//! PostgreSQL: a few connections into the schema `headroom`, so that the store can share a database.

use super::{Arg, Cell, Engine, PATIENCE, Query, StoreError};
use crate::{pool::read_url, sql::MARK};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Pool, Postgres, Row, TypeInfo, ValueRef, migrate::Migrator,
    postgres::PgPoolOptions,
};
use std::time::Duration;
use tokio::time::timeout;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Connections an instance opens at most.
const CONNECTIONS: u32 = 5;
/// How long to wait for a connection: a page would rather say that there is no history than make its reader wait.
const CONNECT: Duration = Duration::from_secs(5);
/// Keeps instances that start at once from creating the schema twice. Any number that nobody else uses: "headroom".
const SCHEMA_LOCK: i64 = 0x6865_6164_726f_6f6d;

pub async fn open(url: &str) -> Result<Pool<Postgres>, StoreError> {
    let options = read_url(url)
        .map_err(|error| sqlx::Error::Configuration(error.into()))?
        .application_name("headroom/state")
        .options([("search_path", "headroom"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "30s")]);
    let patient = options.clone().options([("statement_timeout", "5min")]);
    let mut first =
        timeout(PATIENCE, PgConnection::connect_with(&patient)).await.map_err(|_| StoreError::Timeout)??;
    migrate(&mut first).await?;
    first.close().await?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT);
    Ok(pool.connect_lazy_with(options.options([("statement_timeout", "9s")])))
}

/// Creates the schema and brings it up to date. The lock goes with the connection, whatever happens.
async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    // Waiting for another instance's migration may take longer than waiting for a row.
    connection.execute("SET lock_timeout = '5min'").await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(SCHEMA_LOCK).execute(&mut *connection).await?;
    // Looked up first: `IF NOT EXISTS` asks for the right to create even where there is nothing to do.
    let exists: bool =
        sqlx::query_scalar("SELECT to_regnamespace('headroom') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !exists {
        connection.execute("CREATE SCHEMA headroom").await?;
    }
    MIGRATIONS.run_direct(None, connection, false).await?;
    Ok(())
}

impl Engine for Postgres {
    const BEGIN: &'static str = "BEGIN";

    fn prepare(query: Query) -> sqlx::query::Query<'static, Self, Self::Arguments> {
        // Marked behind the first keyword, as all our statements are: the store may live in a watched database.
        let (keyword, rest) = query.sql.split_once(' ').unwrap_or((&query.sql, ""));
        let marked = format!("{keyword} {MARK} {rest}");
        bound!(sqlx::query(AssertSqlSafe(marked)).persistent(query.reused), query.args)
    }

    fn decode(row: &Self::Row, column: usize) -> Result<Cell, sqlx::Error> {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let info = value.type_info();
        match info.name() {
            "INT8" => row.try_get_unchecked(column).map(Cell::Int),
            "INT4" => row.try_get_unchecked(column).map(|value: i32| Cell::Int(value.into())),
            "BOOL" => row.try_get_unchecked(column).map(|value: bool| Cell::Int(value.into())),
            "FLOAT8" => row.try_get_unchecked(column).map(Cell::Real),
            "TEXT" => row.try_get_unchecked(column).map(Cell::Text),
            "BYTEA" => row.try_get_unchecked(column).map(Cell::Bytes),
            other => Err(sqlx::Error::Decode(format!("type {other} is not used by the state store").into())),
        }
    }
}
