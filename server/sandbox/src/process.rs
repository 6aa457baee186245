//! One server process: spawn, signal, stop in steps; and what an earlier run left.

use crate::{Error, Result, error::Context};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(10);

/// Signals to try one after the other, each with how long to wait for its effect.
pub(crate) type Steps = &'static [(Signal, Duration)];

/// A child that is a server. We alone wait for it.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        // Its own process group: Ctrl-C is for us, and we decide how the server stops.
        command.process_group(0);
        let program = command.get_program().to_owned();
        Ok(Self { child: command.spawn().on("start", program)? })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the process; true when it is gone.
    pub(crate) async fn stop(&mut self, steps: Steps) -> bool {
        let mut stopping = Stopping::new(steps);
        loop {
            match stopping.advance(self) {
                Progress::Gone => return true,
                Progress::GaveUp => return false,
                Progress::Waiting => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The same for destructors, which cannot wait asynchronously.
    pub(crate) fn stop_blocking(&mut self, steps: Steps) -> bool {
        let mut stopping = Stopping::new(steps);
        loop {
            match stopping.advance(self) {
                Progress::Gone => return true,
                Progress::GaveUp => return false,
                Progress::Waiting => thread::sleep(POLL),
            }
        }
    }
}

enum Progress {
    Gone,
    Waiting,
    GaveUp,
}

/// Where a stop has got to: one signal after the other, each given its time.
struct Stopping {
    steps: std::slice::Iter<'static, (Signal, Duration)>,
    until: Instant,
}

impl Stopping {
    fn new(steps: Steps) -> Self {
        Self { steps: steps.iter(), until: Instant::now() }
    }

    fn advance(&mut self, process: &mut ServerProcess) -> Progress {
        if process.ended().is_some() {
            return Progress::Gone;
        }
        if Instant::now() >= self.until {
            let Some((signal, patience)) = self.steps.next() else { return Progress::GaveUp };
            signal_all(&[pid_of(process.id())], *signal);
            self.until = Instant::now() + *patience;
        }
        Progress::Waiting
    }
}

pub(crate) fn pid_of(id: u32) -> Pid {
    // The kernel's process numbers fit: pid_max is at most 2^22.
    Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX))
}

/// Sends a signal, and CONT after it, since a frozen process obeys nothing else. One that is gone is fine.
pub(crate) fn signal_all(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _gone = kill(*pid, signal);
        if signal != Signal::SIGSTOP {
            let _gone = kill(*pid, Signal::SIGCONT);
        }
    }
}

/// The processes of the program `name` that work in `home`.
///
/// Both servers change into their data folder and stay there, and so do PostgreSQL's children. That tells ours from any
/// other more surely than a number in an old pid file, which another process may have by now. Linux only; elsewhere the
/// list is empty and the server's own pid file decides.
pub(crate) fn processes_in(home: &Path, name: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = fs::read_link(entry.path().join("cwd")).ok()?;
            let program = fs::read_to_string(entry.path().join("comm")).ok()?;
            (folder == home && program.trim_end().starts_with(name)).then(|| Pid::from_raw(pid))
        })
        .collect()
}

/// Stops what an earlier run left in `home`: politely, then not.
pub(crate) async fn clear_leftovers(home: &Path, name: &'static str) -> Result<()> {
    let steps = [
        (Signal::SIGINT, Duration::from_secs(5)),
        (Signal::SIGQUIT, Duration::from_secs(5)),
        (Signal::SIGKILL, Duration::from_secs(3)),
    ];
    for (signal, patience) in steps {
        let left = processes_in(home, name);
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(folder = %home.display(), processes = left.len(), "stopping {name} left by an earlier run");
        // PostgreSQL's children take SIGINT for something else, so the polite request goes to the parent alone.
        let to = if signal == Signal::SIGINT { roots(&left) } else { left };
        signal_all(&to, signal);
        let until = Instant::now() + patience;
        while Instant::now() < until && !processes_in(home, name).is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    match processes_in(home, name).first() {
        None => Ok(()),
        Some(pid) => Err(Error::Leftover { server: name, pid: pid.as_raw() }),
    }
}

/// Freezes the processes of `name` in `home`.
///
/// A signal takes effect some time after it was sent, and a parent that is not frozen yet may fork once more: so this
/// looks again until all that it found are frozen and nobody has joined them.
pub(crate) fn freeze(home: &Path, name: &str) {
    const ROUNDS: usize = 1000;
    let mut known = Vec::new();
    for _ in 0..ROUNDS {
        let found = processes_in(home, name);
        signal_all(&found, Signal::SIGSTOP);
        let frozen = found.iter().all(|pid| status(*pid).is_some_and(|status| status.is_stopped));
        if frozen && found == known {
            return;
        }
        known = found;
        thread::sleep(Duration::from_millis(1));
    }
    tracing::warn!(folder = %home.display(), "{name} could not be frozen");
}

struct Status {
    is_stopped: bool,
    parent: Pid,
}

fn status(pid: Pid) -> Option<Status> {
    // "1234 (name) S 1 …": the name may hold spaces and brackets, so read from the last bracket on.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    Some(Status { is_stopped: state == "T", parent: Pid::from_raw(fields.next()?.parse().ok()?) })
}

/// Those whose parent is not among them.
fn roots(pids: &[Pid]) -> Vec<Pid> {
    pids.iter().copied().filter(|pid| status(*pid).is_none_or(|status| !pids.contains(&status.parent))).collect()
}
