//! The state store in a SQLite file: WAL, so that pages read while minutes are written.

use super::{grid::Grid, rows::*, sql::implement_state_store, *};
use headroom_model::{Band, metric::CATALOGUE, operation::OperationState};
use sqlx::{
    QueryBuilder, Sqlite, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

implement_state_store!(
    SqliteStore, Sqlite, SqlitePool, "sqlite",
    size: "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
);

/// Opens the file, making it where there is none, readable by its owner alone.
pub async fn open(url: &str) -> Result<Arc<SqliteStore>, StoreError> {
    let options: SqliteConnectOptions = url.parse()?;
    let in_memory = url.contains(":memory:");
    if !in_memory {
        make_private(options.get_filename())?;
    }
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5));
    // A database in memory belongs to its one connection.
    let pool = SqlitePoolOptions::new()
        .max_connections(if in_memory { 1 } else { 4 })
        .min_connections(1)
        .idle_timeout(if in_memory { None } else { Some(Duration::from_secs(300)) })
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await?;
    sqlx::migrate!("../../migrations/sqlite").run(&pool).await?;
    SqliteStore::over(pool).await
}

fn make_private(file: &Path) -> Result<(), sqlx::Error> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    Ok(())
}
