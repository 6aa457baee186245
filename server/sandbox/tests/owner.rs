//! The servers never outlive their owner, however it ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_sandbox::{Postgres, PostgresOptions};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::HashMap,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A process that runs both servers, and what it printed.
struct Owner {
    child: Child,
    variables: HashMap<String, String>,
}

impl Owner {
    fn start(folder: Option<&Path>) -> Self {
        use std::io::BufRead;
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom-sandbox"));
        command.args(folder).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let pairs = lines.take(6).map(|line| line.unwrap().split_once('=').map(|(a, b)| (a.into(), b.into())).unwrap());
        let variables = pairs.collect();
        Self { child, variables }
    }

    fn servers(&self) -> [u32; 2] {
        ["POSTGRES_PID", "REDIS_PID"].map(|name| self.variables[name].parse().unwrap())
    }

    fn folder(&self) -> PathBuf {
        Path::new(&self.variables["PGDATA"]).parent().unwrap().to_path_buf()
    }

    fn end_by(&mut self, signal: Signal) {
        kill(pid(self.child.id()), signal).unwrap();
        self.child.wait().unwrap();
    }

    fn guards(&self) -> Vec<u32> {
        children_of(self.child.id()).into_iter().filter(|pid| !self.servers().contains(pid)).collect()
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

fn children_of(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Ended; one that nobody has waited for yet has ended too.
fn ended(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}

fn within(patience: Duration, done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    done()
}

#[test]
fn ctrl_c_stops_everything_before_the_owner_ends() {
    let mut owner = Owner::start(None);
    let (servers, folder) = (owner.servers(), owner.folder());
    // As a terminal does it: to the whole process group.
    kill(Pid::from_raw(-pid(owner.child.id()).as_raw()), Signal::SIGINT).unwrap();
    assert!(owner.child.wait().unwrap().success());
    assert!(servers.into_iter().all(ended));
    assert!(!folder.exists());
}

#[test]
fn a_killed_owner_takes_its_servers_and_folders_along() {
    let mut owner = Owner::start(None);
    let (servers, folder) = (owner.servers(), owner.folder());
    owner.end_by(Signal::SIGKILL);
    assert!(within(Duration::from_secs(15), || servers.into_iter().all(ended)), "a server outlived its owner");
    assert!(within(Duration::from_secs(15), || !folder.exists()), "{} is still there", folder.display());
}

#[tokio::test]
async fn servers_left_by_a_crash_of_owner_and_guard_are_stopped_at_the_next_start() {
    let folder = tempfile::Builder::new().prefix("headroom-test-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut owner = Owner::start(Some(folder.path()));
    let [postgres, redis] = owner.servers();
    for guard in owner.guards() {
        kill(pid(guard), Signal::SIGKILL).unwrap();
    }
    owner.end_by(Signal::SIGKILL);
    assert!(!ended(postgres) && !ended(redis), "nothing was left, so this test shows nothing");

    let data_dir = Some(folder.path().join("postgres"));
    let server = Postgres::start(PostgresOptions { data_dir, ..PostgresOptions::default() }).await.unwrap();
    assert!(ended(postgres));
    server.connect("postgres").await.unwrap();
    drop(server);

    let mut next = Owner::start(Some(folder.path()));
    assert!(ended(redis));
    next.end_by(Signal::SIGINT);
}
