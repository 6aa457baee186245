//! SQLite: one writer and a few readers over one file in WAL mode, so that a page never waits for a flush.

use super::{Arg, Cell, Engine, PATIENCE, Query, StoreError};
use sqlx::{
    AssertSqlSafe, Connection, Pool, Row, Sqlite, SqliteConnection, TypeInfo, ValueRef,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    str::FromStr,
    sync::Mutex,
    time::Duration,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// Connections that read. A page asks for its series side by side; more than this only queue for the disk.
const READERS: u32 = 4;
/// How long to wait for another process that writes (the command line adds a user while the console runs).
const BUSY: Duration = Duration::from_secs(5);
/// Attempts to open while another process is just creating the file, 100 ms apart.
const OPEN_ATTEMPTS: u32 = 50;

/// The writer and the readers.
#[derive(Debug)]
pub struct Pools {
    pub writer: Pool<Sqlite>,
    pub readers: Pool<Sqlite>,
    /// Memory lives as long as a connection to it. A pool may close its own at any time (a caller that goes away while
    /// one is handed out), so one stays open beside it.
    _anchor: Option<Mutex<SqliteConnection>>,
}

pub async fn open(url: &str) -> Result<Pools, StoreError> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY);
    let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(PATIENCE);
    if is_memory(&options) {
        let mut anchor = SqliteConnection::connect_with(&options).await?;
        migrate(&mut anchor).await?;
        // One connection for everything: several that share memory would refuse each other instead of waiting.
        let single = pool(1).connect_lazy_with(options);
        return Ok(Pools { writer: single.clone(), readers: single, _anchor: Some(Mutex::new(anchor)) });
    }
    make_private(options.get_filename())?;
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let mut attempt = 1;
    loop {
        match first_connection(&options).await {
            Ok(()) => break,
            Err(error) if attempt < OPEN_ATTEMPTS && is_busy(&error) => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
    let writer = pool(1).connect_lazy_with(options.clone());
    let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Pools { writer, readers, _anchor: None })
}

fn is_memory(options: &SqliteConnectOptions) -> bool {
    // sqlx names its in-memory databases so; a file of ours never has this prefix.
    options.get_filename().to_str().is_some_and(|name| name == ":memory:" || name.starts_with("file:sqlx-in-memory"))
}

/// Switches the file to WAL and brings its schema up to date. SQLite cannot wait for the lock that both need.
async fn first_connection(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    migrate(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// All migrations in one transaction that keeps a second process out (sqlx takes no lock on SQLite).
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(())
}

fn is_busy(error: &StoreError) -> bool {
    let code = match error {
        StoreError::Database(error) => error.as_database_error().and_then(|error| error.code()),
        _ => None,
    };
    // SQLITE_BUSY is 5; extended codes carry it in their low byte.
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

/// Creates the file for its owner alone before SQLite would create it for everyone; the files beside it inherit that.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let make = || -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                }
                Ok(())
            }
            other => other.map(drop),
        }
    };
    make().map_err(|cause| StoreError::File { path: path.to_owned(), cause })
}

impl Engine for Sqlite {
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    fn prepare(query: Query) -> sqlx::query::Query<'static, Self, Self::Arguments> {
        bound!(sqlx::query(AssertSqlSafe(query.sql)).persistent(query.reused), query.args)
    }

    fn decode(row: &Self::Row, column: usize) -> Result<Cell, sqlx::Error> {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let info = value.type_info();
        match info.name() {
            "INTEGER" | "INT4" | "BOOLEAN" => row.try_get_unchecked(column).map(Cell::Int),
            "REAL" => row.try_get_unchecked(column).map(Cell::Real),
            "TEXT" => row.try_get_unchecked(column).map(Cell::Text),
            "BLOB" => row.try_get_unchecked(column).map(Cell::Bytes),
            other => Err(sqlx::Error::Decode(format!("type {other} is not used by the state store").into())),
        }
    }
}
