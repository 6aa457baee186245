//! A private PostgreSQL.

mod replica;

use crate::{
    Binaries, Error, PostgresInstallation, Result,
    error::Context,
    host::Host,
    port,
    process::{self, pid_of},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const NAME: &str = "postgres";
const CLUSTER: &str = "cluster";
/// Where `initdb` works; renamed once it is through, so that a crash never leaves half a cluster under the real name.
const UNFINISHED: &str = "cluster.unfinished";
const SUPERUSER: &str = "postgres";
/// Longest path of a Unix socket that Linux takes (sun_path is 108 bytes with its zero).
const SOCKET_PATH_MAX: usize = 107;
const SOCKET_NAME: &str = "/.s.PGSQL.65535";
/// Another process may take a free port before the server does; then the next one is tried.
const PORT_TRIES: usize = 5;
const POLL: Duration = Duration::from_millis(20);

/// How a private PostgreSQL is to be started. The default is a temporary one from the newest installation.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Where it keeps its data, kept afterwards; none for a temporary folder that goes with the server.
    pub data_dir: Option<PathBuf>,
    /// Which installation; none for the one that made the data, or else [`Binaries::postgres`].
    pub installation: Option<PostgresInstallation>,
    /// TCP port on 127.0.0.1; none for a free one.
    pub port: Option<u16>,
    /// Further server settings, as (`work_mem`, `8MB`); they win over ours.
    pub settings: Vec<(String, String)>,
    /// How long the server may take to answer after it was started.
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { data_dir: None, installation: None, port: None, settings: Vec::new(), patience: Duration::from_secs(60) }
    }
}

impl PostgresOptions {
    /// A temporary server of the given installation.
    #[must_use]
    pub fn of(installation: &PostgresInstallation) -> Self {
        Self { installation: Some(installation.clone()), ..Self::default() }
    }
}

/// A private PostgreSQL with pg_stat_statements, auto_explain and track_io_timing. Dropping it stops it (blocking for as
/// long as it takes to end, at most some seconds) and removes temporary data.
#[derive(Debug)]
pub struct Postgres {
    host: Host,
    installation: PostgresInstallation,
    settings: Vec<(String, String)>,
    patience: Duration,
    port: u16,
    password: String,
}

impl Postgres {
    /// Makes the data folder where there is none, starts the server and waits until it answers. What a crash left in the
    /// folder (running processes, an old pid file, half a cluster) is cleared first. Safe to cancel.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let host = Host::open(NAME, options.data_dir.as_deref(), CLUSTER).await?;
        let installation = choose(options.installation, host.home())?;
        let password = prepare(&host, &installation).await?;
        let mut server =
            Self { host, installation, settings: options.settings, patience: options.patience, port: 0, password };
        server.launch(options.port).await?;
        server.create_extensions().await?;
        Ok(server)
    }

    /// Connection string of the superuser for a database; the server itself always has `postgres`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, database)
    }

    /// Connection string of a role made with [`Postgres::create_login`].
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// A superuser connection to a database.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.connect_options(database)).await?)
    }

    /// Makes a role without rights that may log in with the server's password; one that is there stays as it is.
    pub async fn create_login(&self, role: &str) -> Result<()> {
        let mut connection = self.connect("postgres").await?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut connection)
            .await?;
        if !there {
            // pg_stat_statements keeps the text of such statements as it is, password and all.
            sqlx::query("SET pg_stat_statements.track = 'none'").execute(&mut connection).await?;
            let statement = format!("CREATE ROLE {} LOGIN PASSWORD '{}'", quoted(role), self.password);
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    /// Makes an empty database. `name`: lower-case letters, digits and underscores.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let mut connection = self.connect("postgres").await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {}", quoted(name)))).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Removes a database and ends its connections; one that is not there is fine.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let mut connection = self.connect("postgres").await?;
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// The installation that it runs from.
    #[must_use]
    pub fn installation(&self) -> &PostgresInstallation {
        &self.installation
    }

    /// TCP port on 127.0.0.1; stays the same over [`Postgres::stop`] and [`Postgres::restart`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server runs; false after [`Postgres::stop`] and when somebody else has ended it.
    pub fn is_running(&mut self) -> bool {
        self.host.is_running()
    }

    /// Process number of the postmaster while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.host.pid()
    }

    /// The data folder (`PGDATA`).
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.host.home()
    }

    /// The server's log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.host.log_path()
    }

    /// Stops the server (a fast shutdown); data, port and this handle stay.
    pub async fn stop(&mut self) {
        self.host.stop().await;
    }

    /// Kills the server, as a crash would.
    pub async fn kill(&mut self) {
        self.host.kill().await;
    }

    /// Starts the server again, on the same port and data, stopping it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.host.stop().await;
        self.launch(Some(self.port)).await
    }

    /// Freezes every process of the server: connections stay open and nothing answers. Linux.
    pub fn pause(&self) {
        self.host.pause();
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        self.host.resume();
    }

    fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(SUPERUSER)
            .password(&self.password)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("headroom-sandbox")
            .disable_statement_logging() // one of them holds a password
    }

    async fn launch(&mut self, wanted: Option<u16>) -> Result<()> {
        if let Some(port) = wanted.filter(|port| !port::is_free(*port)) {
            return Err(Error::PortTaken { port });
        }
        let mut tries = 0;
        loop {
            tries += 1;
            self.port = wanted.map_or_else(port::free, Ok)?;
            remove_stale_pid_file(self.host.home())?;
            let command = self.command();
            self.host.launch(command, Stdio::null())?;
            match self.wait_until_it_answers().await {
                Err(Error::Died { .. }) if !port::is_free(self.port) => {
                    if wanted.is_some() || tries == PORT_TRIES {
                        return Err(Error::PortTaken { port: self.port });
                    }
                }
                other => return other,
            }
        }
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.host.ended() {
                return Err(Error::Died { server: "PostgreSQL", status, log: self.host.log_tail() });
            }
            let options = self.connect_options("postgres");
            let attempt = PgConnection::connect_with(&options);
            match tokio::time::timeout(Duration::from_secs(5), attempt).await {
                Ok(Ok(connection)) => return Ok(connection.close().await?),
                // Wrong password: somebody else's server took the port before ours could.
                Ok(Err(sqlx::Error::Database(error))) if !still_starting(error.code().as_deref()) => {
                    return Err(sqlx::Error::Database(error).into());
                }
                _ => {}
            }
            if begin.elapsed() > self.patience {
                self.host.stop().await;
                let log = self.host.log_tail();
                return Err(Error::Silent { server: "PostgreSQL", waited: self.patience, log });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// In `template1` too, so that every database made later has them.
    async fn create_extensions(&self) -> Result<()> {
        for database in ["template1", "postgres"] {
            let mut connection = self.connect(database).await?;
            sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&mut connection).await?;
            connection.close().await?;
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = program(&self.installation, "postgres");
        command.arg("-D").arg(self.host.home());
        let port = self.port.to_string();
        let sockets = self.socket_folder();
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &port);
        set("unix_socket_directories", &sockets);
        for (name, value) in SETTINGS {
            set(name, value);
        }
        if self.host.is_temporary() {
            // Nothing here outlives the server, so nothing needs to reach the disk.
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                set(name, "off");
            }
        }
        for (name, value) in &self.settings {
            set(name, value);
        }
        command
    }

    /// Beside the data, where its path is short enough for a socket; else there is none and TCP serves alone.
    fn socket_folder(&self) -> String {
        self.host
            .folder()
            .to_str()
            .filter(|path| path.len() + SOCKET_NAME.len() <= SOCKET_PATH_MAX)
            .unwrap_or_default()
            .to_owned()
    }
}

const SETTINGS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_stat_statements,auto_explain"),
    ("pg_stat_statements.track_planning", "on"),
    ("track_io_timing", "on"),
    ("track_activity_query_size", "4096"),
    ("track_functions", "pl"),
    ("auto_explain.log_min_duration", "1s"),
    ("auto_explain.log_nested_statements", "off"),
    ("log_lock_waits", "on"),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
    ("max_connections", "100"),
    ("jit", "off"),
];

/// The server is up but does not let anybody in yet (`cannot_connect_now`).
fn still_starting(code: Option<&str>) -> bool {
    code == Some("57P03")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A program of an installation, without the environment's PG* variables (PGPORT and the like would change what it does)
/// and with messages in English, in a folder that any account may be in.
fn program(installation: &PostgresInstallation, name: &str) -> Command {
    let mut command = Command::new(installation.program(name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PG") {
            command.env_remove(variable);
        }
    }
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// The installation that was asked for, else the one that wrote the data, else the preferred one.
fn choose(wanted: Option<PostgresInstallation>, cluster: &Path) -> Result<PostgresInstallation> {
    let version_file = cluster.join("PG_VERSION");
    let Ok(text) = fs::read_to_string(&version_file) else {
        return match wanted {
            Some(installation) => Ok(installation),
            None => Binaries::find()?.postgres().cloned(),
        };
    };
    let major: u16 = text.trim().parse().map_err(|_| Error::ForeignFolder {
        folder: cluster.to_path_buf(),
        reason: "its PG_VERSION is not a version number",
    })?;
    let found = Binaries::find()?;
    wanted.filter(|w| w.major == major).or_else(|| found.postgres_of(major).cloned()).ok_or_else(|| {
        let versions: Vec<_> = found.all_postgres().iter().map(|p| p.version.clone()).collect();
        Error::VersionMissing { folder: cluster.to_path_buf(), wanted: major, found: versions.join(", ") }
    })
}

/// Makes the cluster where there is none; gives back the superuser's password.
async fn prepare(host: &Host, installation: &PostgresInstallation) -> Result<String> {
    let cluster = host.home();
    let password_file = host.folder().join("password");
    let unfinished = host.folder().join(UNFINISHED);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).on("remove", &unfinished)?;
    }
    if cluster.join("PG_VERSION").exists() {
        let password = fs::read_to_string(&password_file).on("read", &password_file)?;
        return Ok(password.trim().to_owned());
    }
    if cluster.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::ForeignFolder {
            folder: cluster.to_path_buf(),
            reason: "it holds something else than a database cluster",
        });
    }
    let password = format!("{:032x}", rand::random::<u128>());
    fs::write(&password_file, "").on("create", &password_file)?;
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600)).on("close off", &password_file)?;
    fs::write(&password_file, &password).on("write", &password_file)?;
    host.account().own(&password_file)?;
    initdb(host, installation, &unfinished, &password_file).await?;
    if cluster.exists() {
        fs::remove_dir(cluster).on("replace", cluster)?;
    }
    fs::rename(&unfinished, cluster).on("create", cluster)?;
    Ok(password)
}

async fn initdb(host: &Host, installation: &PostgresInstallation, into: &Path, password_file: &Path) -> Result<()> {
    let mut command = program(installation, "initdb");
    command
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--username", SUPERUSER])
        .arg("--pwfile")
        .arg(password_file)
        .arg("--pgdata")
        .arg(into);
    if host.is_temporary() {
        command.arg("--no-sync");
    }
    host.account().apply(&mut command);
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .on("start", installation.program("initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Program { program: "initdb", status: output.status, output: text })
}

/// An old pid file stops a start when its number belongs to any living process by now. We hold the folder's lock and have
/// stopped what worked in it, so a file that names no process of this folder is stale.
fn remove_stale_pid_file(cluster: &Path) -> Result<()> {
    let file = cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    let owner = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let alive = owner.is_some_and(|pid| process::processes_in(cluster, NAME).contains(&pid_of(pid)));
    if alive || !cfg!(target_os = "linux") {
        return Ok(());
    }
    fs::remove_file(&file).on("remove", &file)
}
