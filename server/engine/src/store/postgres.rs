//! The state store in PostgreSQL, schema `headroom`, so that it may share a database and several instances may share it.

use super::{grid::Grid, rows::*, sql::implement_state_store, *};
use headroom_model::{Band, metric::CATALOGUE, operation::OperationState};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, QueryBuilder,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

implement_state_store!(
    PostgresStore, Postgres, PgPool, "postgres",
    size: "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
           WHERE c.relnamespace = 'headroom'::regnamespace AND c.relkind = 'r'"
);

/// Connects, making the schema where there is none.
pub async fn open(url: &str) -> Result<Arc<PostgresStore>, StoreError> {
    let options: PgConnectOptions = url.parse::<PgConnectOptions>()?.application_name("headroom/state").options([
        ("search_path", "headroom"),
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ]);
    let mut connection = PgConnection::connect_with(&options).await?;
    let there: bool =
        sqlx::query_scalar("SELECT to_regnamespace('headroom') IS NOT NULL").fetch_one(&mut connection).await?;
    if !there {
        // Two instances may start at once; PostgreSQL reports the loser as a unique violation despite IF NOT EXISTS.
        match sqlx::query("CREATE SCHEMA IF NOT EXISTS headroom").execute(&mut connection).await {
            Err(error) if !error.as_database_error().is_some_and(|cause| cause.is_unique_violation()) => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    connection.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(6)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(300))
        .connect_with(options)
        .await?;
    sqlx::migrate!("../../migrations/postgres").run(&pool).await?;
    PostgresStore::over(pool).await
}
