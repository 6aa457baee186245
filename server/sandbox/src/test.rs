//! Databases for tests: one server a test process and major version, one fresh database a test.
//!
//! Servers start when first asked for and end with the test process, see the crate's documentation. Statistics views that
//! span a server (`pg_stat_activity`, `pg_stat_statements`, Redis INFO) show the neighbours' traffic too: filter by
//! database, or start a server of your own with [`Postgres::start`] or [`Redis::start`]. Fault tests always do.

use crate::{Binaries, Error, Postgres, PostgresInstallation, PostgresOptions, Redis, RedisOptions, Result};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

type Cell<T> = Arc<OnceCell<Arc<T>>>;

// A test binary has no other place that all its tests share. Handles hold no connection, so they may be used from the
// many runtimes of a test binary.
static POSTGRES: LazyLock<Mutex<BTreeMap<u16, Cell<Postgres>>>> = LazyLock::new(Mutex::default);
static REDIS: OnceCell<Arc<Redis>> = OnceCell::const_new();

const REDIS_DATABASES: u16 = 4096;

/// A database of its own on the shared server of the newest PostgreSQL; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    server: Arc<Postgres>,
    name: String,
}

/// A fresh database on the newest PostgreSQL found.
pub async fn database() -> Result<TestDatabase> {
    database_on(Binaries::find()?.postgres()?).await
}

/// A fresh database on a given PostgreSQL.
pub async fn database_on(installation: &PostgresInstallation) -> Result<TestDatabase> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let server = server(installation).await?;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).await?;
    Ok(TestDatabase { server, name })
}

/// Runs a test once on every major version of PostgreSQL that this machine has, with a fresh database each.
///
/// # Panics
/// When there is no PostgreSQL at all or a database cannot be made: a test that silently does nothing would pass.
pub async fn on_each_postgres<F, Fut>(test: F)
where
    F: Fn(TestDatabase) -> Fut,
    Fut: Future<Output = ()>,
{
    let found = Binaries::find().unwrap_or_else(|error| panic!("{error}"));
    let versions = found.all_postgres();
    assert!(!versions.is_empty(), "{}", Error::PostgresMissing);
    for installation in versions {
        // Shown by the test runner only when the test fails: then it says on which version.
        eprintln!("on PostgreSQL {} ({})", installation.version, installation.bin.display());
        let database = database_on(installation).await;
        test(database.unwrap_or_else(|error| panic!("PostgreSQL {}: {error}", installation.version))).await;
    }
}

async fn server(installation: &PostgresInstallation) -> Result<Arc<Postgres>> {
    let cell = {
        let mut servers = POSTGRES.lock().unwrap_or_else(PoisonError::into_inner);
        servers.entry(installation.major).or_default().clone()
    };
    let start = || async { Postgres::start(PostgresOptions::of(installation)).await.map(Arc::new) };
    cell.get_or_try_init(start).await.cloned()
}

impl TestDatabase {
    /// Connection string (superuser).
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's major version, as 18.
    #[must_use]
    pub fn major(&self) -> u16 {
        self.server.installation().major
    }

    /// The shared server. Never stop or pause it: other tests use it.
    #[must_use]
    pub fn server(&self) -> &Postgres {
        &self.server
    }

    /// A connection to this database.
    pub async fn connect(&self) -> Result<sqlx::PgConnection> {
        self.server.connect(&self.name).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // A destructor cannot wait on the test's runtime, which may have one thread: ours. So a thread with its own.
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let _left_to_the_server =
                    tokio::time::timeout(Duration::from_secs(5), server.drop_database(&name)).await;
            });
            Ok::<_, std::io::Error>(())
        });
        let _whole_server_goes_later = worker.join();
    }
}

/// A database of its own on the shared Redis.
#[derive(Clone, Debug)]
pub struct TestRedis {
    server: Arc<Redis>,
    database: u16,
}

/// An empty database on the shared Redis (64 MiB, `allkeys-lru`). `FLUSHALL` would empty the neighbours' too.
pub async fn redis() -> Result<TestRedis> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = || async {
        let options = RedisOptions { databases: REDIS_DATABASES, ..RedisOptions::default() };
        Redis::start(options).await.map(Arc::new)
    };
    let server = REDIS.get_or_try_init(start).await?.clone();
    let database = NEXT
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| (next < REDIS_DATABASES).then_some(next + 1))
        .map_err(|_| Error::RedisDatabases)?;
    Ok(TestRedis { server, database })
}

impl TestRedis {
    /// Connection string, with the database's number.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(self.database)
    }
}
