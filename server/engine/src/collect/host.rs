//! CPU, memory, network and disk of the machine, for targets that run on it.

use super::{
    findings::Findings,
    interval::{Counters, Reading},
};
use headroom_model::MetricId;
use nix::sys::statvfs::statvfs;
use std::{path::Path, time::Duration};
use sysinfo::{Networks, System};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout},
};

/// How long a file system may take to say how full it is. A network file system whose server is gone never does.
const DISK_TIMEOUT: Duration = Duration::from_millis(200);

/// Megabits a second in bytes a second.
const MEGABIT: f64 = 125_000.0;

#[derive(Debug)]
pub(super) struct Host {
    system: System,
    previous: Option<Instant>,
    networks: Networks,
    traffic: Counters<2>,
    /// A question about the disk that has no answer yet: no second one is asked meanwhile.
    disk: Option<JoinHandle<Option<Disk>>>,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Disk {
    used: f64,
    /// Used and free; what is reserved for the superuser is neither.
    size: f64,
}

impl Host {
    pub(super) fn new() -> Self {
        let (networks, traffic) = (Networks::new_with_refreshed_list(), Counters::default());
        Host { system: System::new(), previous: None, networks, traffic, disk: None }
    }

    /// Memory and disk as of now; CPU since the previous call, unless that was a moment ago; network since the previous
    /// call.
    pub(super) async fn read(&mut self, data_directory: Option<&impl AsRef<Path>>, findings: &mut Findings) {
        self.system.refresh_memory();
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let [total, available] = [self.system.total_memory() as f64, self.system.available_memory() as f64];
        if total > 0.0 {
            findings.set(MetricId::HostMemoryUsed, 100.0 * (total - available) / total);
        }
        self.network(findings);
        if let Some(directory) = data_directory
            && let Some(disk) = self.disk(directory.as_ref()).await
        {
            findings.set(MetricId::HostDiskUsed, disk.used);
            findings.set(MetricId::HostDiskSize, disk.size);
        }
        let now = Instant::now();
        if self.previous.is_some_and(|before| now.duration_since(before) < sysinfo::MINIMUM_CPU_UPDATE_INTERVAL) {
            return;
        }
        self.system.refresh_cpu_usage();
        if self.previous.replace(now).is_some() {
            findings.set(MetricId::HostCpu, f64::from(self.system.global_cpu_usage()));
        }
    }

    /// Traffic and speed of the interfaces with hardware behind them; of all but loopback where none has (in a container).
    /// Bridges and tunnels would count the same bytes again.
    fn network(&mut self, findings: &mut Findings) {
        self.networks.refresh(true);
        let outside = || self.networks.iter().filter(|(name, _)| *name != "lo");
        let is_real = |name: &str| Path::new("/sys/class/net").join(name).join("device").exists();
        let any_real = outside().any(|(name, _)| is_real(name));
        let interfaces: Vec<_> = outside().filter(|(name, _)| !any_real || is_real(name)).collect();
        if interfaces.is_empty() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "bytes of traffic")]
        let values = interfaces.iter().fold([0.0, 0.0], |[received, sent], (_, data)| {
            [received + data.total_received() as f64, sent + data.total_transmitted() as f64]
        });
        let reading = Reading { taken: Instant::now(), epoch: i64::try_from(interfaces.len()).ok(), values };
        if let Some(interval) = self.traffic.advance(reading).moved() {
            let [received, sent] = interval.rates();
            findings.set(MetricId::HostNetworkIn, received);
            findings.set(MetricId::HostNetworkOut, sent);
        }
        // Interfaces that are down or virtual say nothing, or −1.
        let speeds = interfaces.iter().filter_map(|(name, _)| speed(name));
        findings.set(MetricId::HostNetworkSpeed, speeds.reduce(|sum, speed| sum + speed));
    }

    /// None where the directory is not on this machine, or its file system does not answer.
    async fn disk(&mut self, directory: &Path) -> Option<Disk> {
        let directory = directory.to_owned();
        let mut asked = self.disk.take().unwrap_or_else(|| spawn_blocking(move || disk(&directory)));
        match timeout(DISK_TIMEOUT, &mut asked).await {
            Ok(answer) => answer.ok().flatten(),
            Err(_) => {
                self.disk = Some(asked);
                None
            }
        }
    }
}

fn speed(interface: &str) -> Option<f64> {
    let text = std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("speed")).ok()?;
    text.trim().parse::<f64>().ok().filter(|megabits| *megabits > 0.0).map(|megabits| megabits * MEGABIT)
}

fn disk(directory: &Path) -> Option<Disk> {
    let answer = statvfs(directory).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "blocks of a file system")]
    let bytes = |blocks: nix::libc::fsblkcnt_t| blocks as f64 * answer.fragment_size() as f64;
    let used = bytes(answer.blocks()) - bytes(answer.blocks_free());
    let size = used + bytes(answer.blocks_available());
    (size > 0.0).then_some(Disk { used, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_says_how_full_it_is() {
        let here = disk(Path::new("/")).unwrap();
        assert!(here.used > 0.0 && here.used <= here.size, "{here:?}");
        assert_eq!(disk(Path::new("/nothing/there")), None);
    }
}
