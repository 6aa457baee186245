//! One PostgreSQL session: how it is opened, and whether it may be lent again.

use super::{Doubts, Lane, PoolError};
use sqlx::{ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions};
use std::{str::FromStr, time::Duration};
use tokio::time::{Instant, timeout};

/// How long a session that comes back may take to say whether it is inside a transaction. A statement that its caller
/// abandoned may still run there; then the session is closed rather than waited for.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a session of a lane may do: statement, lock and idle-in-transaction timeouts in milliseconds.
fn limits(lane: Lane) -> [(&'static str, &'static str); 3] {
    let (statement, wait) = match lane {
        Lane::Interactive => ("30000", "2000"),
        Lane::Monitor => ("5000", "100"),
        // Long work sets its own limit; an hour is the backstop.
        Lane::Batch => ("3600000", "5000"),
        Lane::Data | Lane::Replica | Lane::Warmup => ("20000", "2000"),
    };
    [
        ("statement_timeout", statement),
        ("lock_timeout", wait),
        ("idle_in_transaction_session_timeout", if lane == Lane::Batch { "600000" } else { "60000" }),
    ]
}

/// Parameters of a connection string that the driver knows.
const KNOWN: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads a connection string. Parameters that the driver does not know are left out and named in the log: the driver
/// itself would log their values as well.
///
/// # Errors
/// It cannot be read. The error names the rule it breaks, not the string.
pub fn read_url(url: &str) -> Result<PgConnectOptions, PoolError> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(PoolError::Url("it does not start with postgres:// or postgresql://".into()));
    }
    let known = match url.split_once('?') {
        None => url.to_owned(),
        Some((base, query)) => {
            let keep: Vec<&str> = query
                .split('&')
                .filter(|pair| {
                    let key = pair.split('=').next().unwrap_or_default();
                    let known = KNOWN.contains(&key) || key.starts_with("options[");
                    if !known && !key.is_empty() {
                        tracing::warn!(parameter = key, "connection string: parameter is not supported, left out");
                    }
                    known
                })
                .collect();
            if keep.is_empty() { base.to_owned() } else { format!("{base}?{}", keep.join("&")) }
        }
    };
    PgConnectOptions::from_str(&known).map(ConnectOptions::disable_statement_logging).map_err(|error| {
        // The driver's messages name a rule or a parameter ("invalid port number"), never the string itself, except
        // for values of enumerations; so only the rule is kept.
        PoolError::Url(match error {
            sqlx::Error::Configuration(cause) => {
                let cause = cause.to_string();
                if url.contains(&cause) { "a parameter has a value that is not allowed".into() } else { rule(&cause) }
            }
            _ => "it is not a URL of the form postgres://user:password@host:port/database".into(),
        })
    })
}

/// Keeps the part of a driver message in front of any quoted value.
fn rule(cause: &str) -> String {
    cause.split(['"', '\'', '`']).next().unwrap_or_default().trim_end_matches([' ', ':']).to_owned()
}

/// An open session and when it must be replaced.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) replace_at: Instant,
    pub(super) idle_since: Instant,
    /// When it answered last.
    pub(super) checked_at: Instant,
    /// Its backend, as the server told when it was opened. A pooler in between may hand it to another backend later.
    pub(super) pid: Option<i32>,
    /// How many doubts there were when it last answered. A newer one takes the trust away.
    pub(super) trusted_at: u64,
}

impl Session {
    /// Opens a session and gives it its lane's limits.
    ///
    /// The limits are set by a statement, not by the start packet's `options`: poolers in between refuse those.
    pub(super) async fn open(
        options: &PgConnectOptions,
        lane: Lane,
        max_lifetime: Duration,
        doubts: &Doubts,
    ) -> sqlx::Result<Self> {
        let trusted_at = doubts.count();
        let mut connection = options.connect().await?;
        let [statement, lock, idle] = limits(lane);
        let row = sqlx::query(
            "SELECT /* headroom */ pg_catalog.set_config($1, $2, false), pg_catalog.set_config($3, $4, false), \
             pg_catalog.set_config($5, $6, false), pg_catalog.pg_backend_pid()",
        )
        .bind(statement.0)
        .bind(statement.1)
        .bind(lock.0)
        .bind(lock.1)
        .bind(idle.0)
        .bind(idle.1)
        .fetch_one(&mut connection)
        .await?;
        if matches!(lane, Lane::Data | Lane::Replica | Lane::Warmup) {
            let sql = "SET /* headroom */ SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        // A tenth either way, so that sessions opened together are not replaced together.
        let lifetime = max_lifetime.mul_f64(rand::random_range(0.9..1.1));
        let now = Instant::now();
        let pid = row.try_get(3).ok();
        Ok(Session { connection, replace_at: now + lifetime, idle_since: now, checked_at: now, pid, trusted_at })
    }

    /// Whether the server still answers on this session.
    pub(super) async fn answers(&mut self, within: Duration, doubts: &Doubts) -> bool {
        let trusted_at = doubts.count();
        let answers = matches!(timeout(within, self.connection.ping()).await, Ok(Ok(())));
        self.checked_at = Instant::now();
        if answers {
            self.trusted_at = trusted_at;
        }
        answers
    }

    /// Makes the session fit to be lent again: outside any transaction, no statement running. False: close it.
    ///
    /// sqlx does not know of a transaction whose `begin()` was cancelled between the two messages, so the server is
    /// asked: inside a transaction `now()` is the time of its first statement, outside it is the time of this one. That
    /// holds in the simple protocol alone: in the extended one each message has a time of its own.
    pub(super) async fn tidy(&mut self) -> bool {
        let check = async {
            let row = sqlx::raw_sql(
                "SELECT /* headroom */ pg_catalog.now() IS DISTINCT FROM pg_catalog.statement_timestamp()",
            )
            .fetch_one(&mut self.connection)
            .await?;
            if row.try_get::<bool, _>(0)? {
                sqlx::raw_sql("ROLLBACK /* headroom */").execute(&mut self.connection).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        // An error here includes "current transaction is aborted": closing the session rolls it back.
        matches!(timeout(CHECK_TIMEOUT, check).await, Ok(Ok(()))) && !self.connection.is_in_transaction()
    }

    /// Says goodbye, within bounds.
    pub(super) async fn close(self) {
        if timeout(CLOSE_TIMEOUT, self.connection.close()).await.is_err() {
            tracing::debug!("a connection did not close in time and was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_string_is_not_repeated() {
        for url in [
            "postgres://app:hunter2@db:notaport/shop",
            "postgres://app:hunter2@[::1/shop",
            "app:hunter2@db",
            "postgres://app:hunter2@db/shop?sslmode=hunter2",
            "postgres://app:hunter2@db/shop?statement-cache-capacity=hunter2",
        ] {
            let error = read_url(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn parameters_of_other_drivers_do_not_stop_us() {
        let options =
            read_url("postgres://app:hunter2@db:5433/shop?connect_timeout=3&sslmode=require&channel_binding=prefer")
                .unwrap();
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db", 5433, Some("shop")));
        assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::Require));
    }
}
