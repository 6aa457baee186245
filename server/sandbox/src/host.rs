//! What PostgreSQL and Redis have in common: a folder, a process in it, and a guard over both.

use crate::{
    Result,
    account::Account,
    error::Context,
    folder::Folder,
    guard::Guard,
    process::{self, ServerProcess, Steps},
};
use nix::sys::signal::Signal;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

/// How a server that keeps its data is stopped: with time to write.
const ORDERLY: Steps = &[
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];
/// How a server is stopped whose data is thrown away.
const AT_ONCE: Steps = &[(Signal::SIGQUIT, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(5))];
const KILL: Steps = &[(Signal::SIGKILL, Duration::from_secs(5))];

/// A log larger than this is emptied at the next start.
const LOG_BYTES_MAX: u64 = 16 << 20;
const LOG_TAIL_BYTES: u64 = 4096;

/// One server's surroundings. Dropping it stops the server and removes a temporary folder.
#[derive(Debug)]
pub(crate) struct Host {
    /// The program's name, as the process table shows it.
    name: &'static str,
    account: Account,
    folder: Folder,
    /// Where the server's processes work.
    home: PathBuf,
    guard: Guard,
    process: Option<ServerProcess>,
}

impl Host {
    /// Takes the folder and clears what an earlier run left running in its `home`.
    pub(crate) async fn open(name: &'static str, given: Option<&Path>, home: &str) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::open(given, account)?;
        let home = folder.path().join(home);
        if !folder.is_temporary() {
            process::clear_leftovers(&home, name).await?;
        }
        let guard = match folder.is_temporary() {
            true => Guard::start("QUIT", Some(folder.path()))?,
            false => Guard::start("INT", None)?,
        };
        Ok(Self { name, account, folder, home, guard, process: None })
    }

    pub(crate) fn account(&self) -> Account {
        self.account
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.folder.is_temporary()
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Starts the server as the unprivileged account, under the guard, its output in our log file.
    pub(crate) fn launch(&mut self, mut command: Command, stdin: Stdio) -> Result<&mut ServerProcess> {
        let path = self.log_path();
        if fs::metadata(&path).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
            fs::remove_file(&path).on("remove", &path)?;
        }
        let log = File::options().create(true).append(true).open(&path).on("create", &path)?;
        command.stdin(stdin).stdout(log.try_clone().on("open", &path)?).stderr(log);
        self.account.apply(&mut command);
        let process = ServerProcess::spawn(command)?;
        self.guard.watch(process.id());
        Ok(self.process.insert(process))
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// The last lines of the log, for an error.
    pub(crate) fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log_path())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// The server's status if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.ended()?;
        self.forget();
        Some(status)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_some() && self.ended().is_none()
    }

    /// Stops the server, if it runs, with time to write.
    pub(crate) async fn stop(&mut self) {
        self.stop_by(ORDERLY).await;
    }

    /// Kills the server, as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.stop_by(KILL).await;
        // Children of a killed PostgreSQL notice by themselves; its port and memory are free when they have gone.
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        while !process::processes_in(&self.home, self.name).is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop_by(&mut self, steps: Steps) {
        let Some(process) = &mut self.process else { return };
        if !process.stop(steps).await {
            tracing::warn!(pid = process.id(), "{} does not end", self.name);
        }
        self.forget();
    }

    /// Freezes every process of the server: connections stay open and nothing answers. Linux.
    pub(crate) fn pause(&self) {
        if self.process.is_some() {
            process::freeze(&self.home, self.name);
        }
    }

    /// Wakes a frozen server.
    pub(crate) fn resume(&self) {
        if self.process.is_some() {
            process::signal_all(&process::processes_in(&self.home, self.name), Signal::SIGCONT);
        }
    }

    fn forget(&mut self) {
        self.guard.forget();
        self.process = None;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let steps = if self.folder.is_temporary() { AT_ONCE } else { ORDERLY };
            process.stop_blocking(steps);
        }
        self.folder.clear();
        self.guard.release();
    }
}
