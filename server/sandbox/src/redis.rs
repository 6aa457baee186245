//! A private Redis.

use crate::{Binaries, Error, Result, error::Context, host::Host, port};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const NAME: &str = "redis-server";
const HOME: &str = "redis";
const PORT_TRIES: usize = 5;
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// How a private Redis is to be started. The default is a temporary one with 64 MiB and `allkeys-lru`.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Where it keeps its snapshot; none for a temporary folder that goes with the server.
    pub data_dir: Option<PathBuf>,
    /// TCP port on 127.0.0.1; none for a free one.
    pub port: Option<u16>,
    /// Memory limit in bytes; 0 for none.
    pub maxmemory_bytes: u64,
    /// What happens at the limit, as `allkeys-lru` or `noeviction`.
    pub maxmemory_policy: String,
    /// Number of databases.
    pub databases: u16,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            port: None,
            maxmemory_bytes: 64 << 20,
            maxmemory_policy: "allkeys-lru".to_owned(),
            databases: 16,
        }
    }
}

/// What a server is among others.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Lines of configuration beyond those that every server has.
    pub(crate) lines: String,
    /// A Sentinel keeps no data, and writes what it learns into its configuration.
    pub(crate) is_sentinel: bool,
}

/// A private Redis. Dropping it stops it and removes temporary data.
#[derive(Debug)]
pub struct Redis {
    host: Host,
    program: PathBuf,
    options: RedisOptions,
    part: Part,
    port: u16,
    password: String,
}

/// A password for one server, or for several that belong together.
pub(crate) fn new_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Redis {
    /// Starts the server and waits until it answers. Safe to cancel.
    pub async fn start(options: RedisOptions) -> Result<Self> {
        Self::start_as(Part::default(), options, new_password()).await
    }

    /// [`Redis::start`] for a server that belongs to others.
    pub(crate) async fn start_as(part: Part, options: RedisOptions, password: String) -> Result<Self> {
        let program = Binaries::find()?.redis()?.to_path_buf();
        let host = Host::open(NAME, options.data_dir.as_deref(), HOME).await?;
        fs::create_dir_all(host.home()).on("create", host.home())?;
        host.account().own(host.home())?;
        let wanted = options.port;
        let mut server = Self { host, program, options, part, port: 0, password };
        server.launch(wanted).await?;
        Ok(server)
    }

    /// Connection string of a database, 0 by default in most clients.
    #[must_use]
    pub fn url(&self, database: u16) -> String {
        format!("redis://default:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// TCP port on 127.0.0.1; stays the same over [`Redis::stop`] and [`Redis::restart`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server runs; false after [`Redis::stop`] and when somebody else has ended it.
    pub fn is_running(&mut self) -> bool {
        self.host.is_running()
    }

    /// Process number while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.host.pid()
    }

    /// The folder it works in.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.host.home()
    }

    /// Stops the server; port and this handle stay, data only with a `data_dir`.
    pub async fn stop(&mut self) {
        self.host.stop().await;
    }

    /// Kills the server, as a crash would.
    pub async fn kill(&mut self) {
        self.host.kill().await;
    }

    /// Starts the server again on the same port and with the same password, stopping it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.host.stop().await;
        self.launch(Some(self.port)).await
    }

    /// Freezes the server: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.host.pause();
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        self.host.resume();
    }

    async fn launch(&mut self, wanted: Option<u16>) -> Result<()> {
        if let Some(port) = wanted.filter(|port| !port::is_free(*port)) {
            return Err(Error::PortTaken { port });
        }
        let mut tries = 0;
        loop {
            tries += 1;
            self.port = wanted.map_or_else(port::free, Ok)?;
            let mut command = Command::new(&self.program);
            command.current_dir(self.host.home());
            if self.part.is_sentinel {
                command.arg(self.write_sentinel_configuration()?).arg("--sentinel");
                self.host.launch(command, Stdio::null())?;
            } else {
                // From standard input: the process table must not show the password.
                command.arg("-");
                let configuration = Stdio::from(self.write_configuration()?);
                self.host.launch(command, configuration)?;
            }
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

    fn write_configuration(&self) -> Result<File> {
        let save = if self.host.is_temporary() { "\"\"" } else { "300 100" };
        let text = format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\nmaxmemory {}\nmaxmemory-policy {}\ndatabases {}\nsave {save}\n\
             appendonly no\ndaemonize no\n{}",
            self.port,
            self.password,
            self.options.maxmemory_bytes,
            self.options.maxmemory_policy,
            self.options.databases,
            self.part.lines,
        );
        // The folder is closed to others (0700), so the password in the file is too.
        let path = self.host.folder().join("redis.conf");
        fs::write(&path, text).on("write", &path)?;
        File::open(&path).on("read", &path)
    }

    /// A file that the Sentinel itself rewrites: at a restart on the same port it goes on with what it knew.
    fn write_sentinel_configuration(&self) -> Result<PathBuf> {
        let path = self.host.home().join(format!("sentinel-{}.conf", self.port));
        if !path.exists() {
            let lines = &self.part.lines;
            let text = format!("bind 127.0.0.1\nport {}\nrequirepass {}\n{lines}", self.port, self.password);
            fs::write(&path, text).on("write", &path)?;
            self.host.account().own(&path)?;
        }
        Ok(path)
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.host.ended() {
                return Err(Error::Died { server: "Redis", status, log: self.host.log_tail() });
            }
            if matches!(tokio::time::timeout(Duration::from_secs(2), self.ping()).await, Ok(Ok(true))) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                self.host.stop().await;
                return Err(Error::Silent { server: "Redis", waited: PATIENCE, log: self.host.log_tail() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// True once it takes our password and answers; false while it still loads its data.
    async fn ping(&self) -> std::io::Result<bool> {
        const ANSWER: &[u8] = b"+OK\r\n+PONG\r\n";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(format!("AUTH {}\r\nPING\r\n", self.password).as_bytes()).await?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer == *ANSWER)
    }
}
