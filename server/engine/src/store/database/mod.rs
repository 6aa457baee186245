//! SQLite and PostgreSQL behind one small interface, so that every statement of the store is written once.
//!
//! Both read `$1` placeholders and `ON CONFLICT`; what differs is how to open them and how values are bound and decoded.
//! No call waits longer than [`PATIENCE`] for a connection, and as long again for its answer.

/// A statement with its arguments bound. A macro because the types that a database binds are not one type.
macro_rules! bound {
    ($statement:expr, $args:expr) => {
        $args.into_iter().fold($statement, |statement, arg| match arg {
            Arg::Int(value) => statement.bind(value),
            Arg::Real(value) => statement.bind(value),
            Arg::Text(value) => statement.bind(value),
            Arg::Bytes(value) => statement.bind(value),
            Arg::Flag(value) => statement.bind(value),
        })
    };
}

mod postgres;
mod query;
mod sqlite;

pub(super) use query::{Arg, Query, Row};

use super::StoreError;
use query::Cell;
use sqlx::{Connection, Executor, IntoArguments, Pool};
use std::time::Duration;
use tokio::time::timeout;

/// The longest a statement or a transaction may take, and the longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the two databases.
#[derive(Debug)]
pub(super) enum Database {
    /// One file, or memory.
    Sqlite(sqlite::Pools),
    /// A schema of a server that others use too.
    Postgres(Pool<sqlx::Postgres>),
}

impl Database {
    /// Opens the database that `url` names and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => sqlite::open(url).await.map(Database::Sqlite),
            Some("postgres" | "postgresql") => postgres::open(url).await.map(Database::Postgres),
            _ => Err(StoreError::Url),
        }
    }

    /// Rows of a statement that changes nothing.
    pub async fn read(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match self {
            Database::Sqlite(pools) => fetch(&pools.readers, query).await,
            Database::Postgres(pool) => fetch(pool, query).await,
        }
    }

    /// Rows of a statement that writes (`RETURNING`).
    pub async fn write_returning(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match self {
            Database::Sqlite(pools) => fetch(&pools.writer, query).await,
            Database::Postgres(pool) => fetch(pool, query).await,
        }
    }

    /// Runs one statement; answers how many rows it touched.
    pub async fn write(&self, query: Query) -> Result<u64, StoreError> {
        Ok(self.transaction(vec![query]).await?.into_iter().sum())
    }

    /// Runs statements one after another, all or none; answers how many rows each touched. It runs to its end even when
    /// nobody waits for it any longer.
    pub async fn transaction(&self, queries: Vec<Query>) -> Result<Vec<u64>, StoreError> {
        match self {
            Database::Sqlite(pools) => transaction(pools.writer.clone(), queries).await,
            Database::Postgres(pool) => transaction(pool.clone(), queries).await,
        }
    }
}

/// What differs between the two when a statement runs.
trait Engine: sqlx::Database<Arguments: IntoArguments<Self>> {
    /// Begins a transaction that writes.
    const BEGIN: &'static str;
    /// A statement of ours, ready to run.
    fn prepare(query: Query) -> sqlx::query::Query<'static, Self, Self::Arguments>;
    /// One value of a row; none for types that our schema does not use.
    fn decode(row: &Self::Row, column: usize) -> Result<Cell, sqlx::Error>;
}

async fn fetch<E>(pool: &Pool<E>, query: Query) -> Result<Vec<Row>, StoreError>
where
    E: Engine,
    for<'c> &'c mut E::Connection: Executor<'c, Database = E>,
{
    let mut connection = pool.acquire().await?;
    let Ok(rows) = timeout(PATIENCE, E::prepare(query).fetch_all(&mut *connection)).await else {
        // Its answer may still come: the next user must not read it.
        connection.close_on_drop();
        return Err(StoreError::Timeout);
    };
    let decode = |row: E::Row| {
        let cells = (0..sqlx::Row::len(&row)).map(|column| E::decode(&row, column)).collect::<Result<Vec<_>, _>>()?;
        Ok(Row::new(cells))
    };
    rows?.into_iter().map(decode).collect()
}

async fn transaction<E>(pool: Pool<E>, queries: Vec<Query>) -> Result<Vec<u64>, StoreError>
where
    E: Engine,
    for<'c> &'c mut E::Connection: Executor<'c, Database = E>,
    E::QueryResult: Affected,
{
    // In a task of its own: dropping `begin` half-way would hand a connection with an open transaction back to the pool
    // (sqlx#4393). It ends by itself within twice PATIENCE.
    let task = tokio::spawn(async move {
        let mut connection = pool.acquire().await?;
        let run = async {
            let mut transaction = connection.begin_with(E::BEGIN).await?;
            let mut affected = Vec::with_capacity(queries.len());
            for query in queries {
                affected.push(E::prepare(query).execute(&mut *transaction).await?.rows_affected());
            }
            transaction.commit().await?;
            Ok(affected)
        };
        match timeout(PATIENCE, run).await {
            Ok(outcome) => outcome,
            Err(_) => {
                connection.close_on_drop();
                Err(StoreError::Timeout)
            }
        }
    });
    task.await.unwrap_or_else(|_panicked| Err(sqlx::Error::WorkerCrashed.into()))
}

/// How many rows a statement touched.
trait Affected {
    fn rows_affected(&self) -> u64;
}

impl Affected for sqlx::sqlite::SqliteQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

impl Affected for sqlx::postgres::PgQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}
