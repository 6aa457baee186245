//! Keeps a server from outliving us.
//!
//! A destructor does not run when a process is killed, nor for a `static`. `PR_SET_PDEATHSIG` would need unsafe code and
//! follows the *thread* that forked, which a test runtime ends early. So a tiny shell process waits on a pipe from us:
//! the kernel closes it when we end, and the guard then stops the server and removes its temporary folder.

use crate::{Result, error::Context};
use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

const SCRIPT: &str = include_str!("guard.sh");

/// A guard process; armed with [`Guard::watch`], dismissed by [`Guard::release`]. Dropped without release it does its work.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts a guard that will stop its server with `signal` and then remove `folder`.
    pub(crate) fn start(signal: &str, folder: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "headroom-guard", signal]);
        match folder {
            Some(folder) => command.arg(folder),
            None => command.arg(""),
        };
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Its own process group: Ctrl-C and a test runner's group kill must reach us and not the guard.
        command.process_group(0);
        Ok(Self { child: command.spawn().on("start", "/bin/sh")? })
    }

    /// From now on this process is to be stopped if we die. It must be our child and not yet waited for: then its
    /// number cannot be given to another process while the guard knows it.
    pub(crate) fn watch(&mut self, pid: u32) {
        self.tell(&format!("watch {pid}\n"));
    }

    /// Call before the watched process is waited for.
    pub(crate) fn forget(&mut self) {
        self.tell("forget\n");
    }

    /// Ends the guard; its work is done.
    pub(crate) fn release(&mut self) {
        self.tell("release\n");
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            tracing::debug!(%error, "the guard could not be waited for");
        }
    }

    fn tell(&mut self, line: &str) {
        let Some(pipe) = &mut self.child.stdin else { return };
        if let Err(error) = pipe.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the guard of a private server is gone: if we are killed, the server will stay");
        }
    }
}
