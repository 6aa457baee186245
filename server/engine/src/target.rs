//! A target as the engines hold it: what was configured, its connection lanes and its Redis.

use crate::{
    cache::{RedisPool, Servers},
    pool::{self, APPLICATION, PoolError, PoolProfile, Pools, ReplicaConfig},
};
use headroom_model::{TargetId, activity::AutoTerminateRules};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::time::timeout;

/// How long a caller waits for a Redis connection, and Redis for being reached.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection of its own may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What configuration says a target can hold, where nothing that is measured says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityLimits {
    /// What the databases may take of the disk, in bytes.
    pub storage_bytes: Option<u64>,
    /// What the network carries each way, in bytes a second.
    pub network_bytes_per_second: Option<f64>,
    /// What Redis may take, in bytes, where its maxmemory is not set.
    pub cache_memory_bytes: Option<u64>,
    /// Share of CPU and memory, in per cent, that is planned with. Default 85.
    pub planned_percent: f64,
}

impl Default for CapacityLimits {
    fn default() -> Self {
        CapacityLimits {
            storage_bytes: None,
            network_bytes_per_second: None,
            cache_memory_bytes: None,
            planned_percent: 85.0,
        }
    }
}

/// What configuration says of a target. Connection strings carry secrets: never log them, `Debug` leaves them out.
#[derive(Clone)]
pub struct TargetConfig {
    /// Short name, unique.
    pub id: TargetId,
    /// Connection string of the watched PostgreSQL database.
    pub database_url: String,
    /// A replica that may answer reads of datasets.
    pub replica: Option<ReplicaConfig>,
    /// Its Redis, if it has one.
    pub redis: Option<Servers>,
    /// Sizes and timeouts of the lanes.
    pub pool: PoolProfile,
    /// What it can hold.
    pub limits: CapacityLimits,
    /// Which sessions are ended without being asked; none where that is off, as it is by default.
    pub auto_terminate: Option<AutoTerminateRules>,
}

impl fmt::Debug for TargetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetConfig").field("id", &self.id).field("redis", &self.redis).finish_non_exhaustive()
    }
}

/// A target with its connections. Cheap to share behind an `Arc`; connecting happens when something is first asked.
pub struct Target {
    /// Short name.
    pub id: TargetId,
    /// Lanes into PostgreSQL.
    pub pools: Pools,
    /// Lanes of applications in this process, which are watched as well.
    applications: RwLock<Vec<Arc<Pools>>>,
    /// Connections to Redis, where one is configured.
    pub redis: Option<RedisPool>,
    /// Whether PostgreSQL runs on this machine (loopback or a Unix socket), so that its CPU can be measured here.
    pub is_local: bool,
    /// What configuration says it can hold.
    pub limits: CapacityLimits,
    /// Where PostgreSQL listens, as messages name it: `db.example:5432` or the path of a socket folder.
    pub postgres_address: String,
    /// Where Redis listens, or how its servers are found, as messages name it.
    pub redis_address: Option<String>,
    options: PgConnectOptions,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("id", &self.id)
            .field("postgres", &self.postgres_address)
            .field("redis", &self.redis_address)
            .field("pools", &self.pools)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Prepares lanes and Redis connections; nothing connects before it is asked to.
    ///
    /// # Errors
    /// A connection string cannot be read. The error names the rule it breaks, not the string.
    pub fn new(config: &TargetConfig) -> Result<Self, PoolError> {
        let options = pool::read_url(&config.database_url)?;
        let redis = config.redis.as_ref().map(|servers| RedisPool::new(servers, REDIS_TIMEOUT));
        let redis = redis.transpose().map_err(|error| PoolError::Url(format!("Redis: {error}")))?;
        Ok(Target {
            id: config.id.clone(),
            is_local: is_local(&options),
            limits: config.limits,
            postgres_address: address(&options),
            pools: Pools::named(config, APPLICATION)?,
            applications: RwLock::default(),
            redis,
            redis_address: config.redis.as_ref().map(ToString::to_string),
            options,
        })
    }

    /// Watches the lanes of an application in this process beside the console's own: in the list of pools, and for leaks.
    pub fn watch_pools(&self, pools: Arc<Pools>) {
        self.applications.write().unwrap_or_else(PoisonError::into_inner).push(pools);
    }

    /// Calls `look` with the console's own lanes and with those of each application in this process.
    pub fn each_pools(&self, mut look: impl FnMut(&Pools)) {
        look(&self.pools);
        for pools in &*self.applications.read().unwrap_or_else(PoisonError::into_inner) {
            look(pools);
        }
    }

    /// Opens a connection outside the lanes, for work that leaves traces in its session. `purpose` shows in its
    /// `application_name`. It has no timeouts yet; whoever opens it sets them and closes it.
    ///
    /// # Errors
    /// The server refuses, or does not answer within five seconds.
    pub async fn connect(&self, purpose: &str) -> Result<PgConnection, PoolError> {
        let options = self.options.clone().application_name(&format!("{APPLICATION}/{purpose}"));
        match timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(connection) => connection.map_err(PoolError::Connect),
            Err(_) => Err(PoolError::Connect(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// The watched database.
    #[must_use]
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// Why PostgreSQL could not be reached, in one sentence without credentials.
    #[must_use]
    pub fn explain(&self, error: &PoolError) -> String {
        let at = &self.postgres_address;
        match error {
            PoolError::Timeout { in_use, max, .. } if in_use >= max => {
                format!("All {max} connections of the console to PostgreSQL at {at} are lent out")
            }
            PoolError::Timeout { waited, .. } => {
                format!("PostgreSQL at {at} did not answer within {:.1} s", waited.as_secs_f64())
            }
            PoolError::Connect(cause) => explain_connect(at, cause),
            PoolError::Closed => format!("The connections to PostgreSQL at {at} are closed"),
            PoolError::Url(_) => "The connection string of PostgreSQL cannot be read".into(),
        }
    }
}

fn explain_connect(at: &str, cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::Io(io) => match io.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("PostgreSQL at {at} refuses connections"),
            std::io::ErrorKind::NotFound => format!("PostgreSQL at {at} has no socket there"),
            std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::BrokenPipe
            | std::io::ErrorKind::UnexpectedEof => format!("PostgreSQL at {at} closed the connection"),
            std::io::ErrorKind::TimedOut => format!("PostgreSQL at {at} did not answer in time"),
            std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                format!("PostgreSQL at {at} cannot be reached over the network")
            }
            // The resolver's failures have no kind of their own.
            _ if io.raw_os_error().is_none() => format!("The host name of PostgreSQL at {at} cannot be resolved"),
            kind => format!("PostgreSQL at {at} cannot be reached: {kind}"),
        },
        sqlx::Error::Tls(_) => format!("PostgreSQL at {at}: the TLS handshake failed"),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01") => format!("PostgreSQL at {at} refuses the password"),
            Some("28000") => format!("PostgreSQL at {at} refuses the role (see pg_hba.conf and LOGIN)"),
            Some("3D000") => format!("PostgreSQL at {at} has no database of that name"),
            Some("42501") => format!("PostgreSQL at {at}: the role may not connect to this database"),
            Some("53300") => format!("PostgreSQL at {at} has no connection left (max_connections or CONNECTION LIMIT)"),
            Some("57P03") => format!("PostgreSQL at {at} is starting up, shutting down or recovering"),
            Some("57P01" | "57P02") => format!("PostgreSQL at {at} is shutting down"),
            code => format!("PostgreSQL at {at} answers with error {}", code.unwrap_or("of unknown kind")),
        },
        _ => format!("PostgreSQL at {at} does not speak the protocol that was expected"),
    }
}

pub(crate) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None if options.get_host().starts_with('/') => options.get_host().to_owned(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || is_this_machine(options.get_host())
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/') || host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(database_url: &str, redis_url: Option<&str>) -> TargetConfig {
        TargetConfig {
            id: TargetId("shop".into()),
            database_url: database_url.into(),
            replica: None,
            redis: redis_url.map(|url| Servers::Single(url.into())),
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        }
    }

    #[test]
    fn knows_what_runs_on_this_machine() {
        for (url, local) in [
            ("postgres://app@localhost/shop", true),
            ("postgres://app@127.0.0.1:5433/shop", true),
            ("postgres://app@[::1]:5433/shop", true),
            ("postgres:///shop?user=app&host=/var/run/postgresql", true),
            ("postgres://app@db.example/shop", false),
            ("postgres://app@10.0.0.7/shop", false),
        ] {
            assert_eq!(Target::new(&config(url, None)).unwrap().is_local, local, "{url}");
        }
    }

    #[test]
    fn secrets_stay_out_of_errors_and_debug() {
        let good = config("postgres://app:hunter2@db.example/shop", Some("redis://cache:hunter2@cache.example:6380/1"));
        let target = Target::new(&good).unwrap();
        assert_eq!(target.postgres_address, "db.example:5432");
        assert_eq!(target.redis_address.as_deref(), Some("cache.example:6380"));
        assert!(!format!("{target:?} {good:?} {:?}", target.pools).contains("hunter2"));
        for redis in ["redis://cache:hunter2@", "http://cache:hunter2@host", "redis://cache:hunter2@host:notaport"] {
            let error = Target::new(&config("postgres://app@db/shop", Some(redis))).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
