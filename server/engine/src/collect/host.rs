//! CPU and memory of the machine, for targets that run on it.

use super::findings::Findings;
use headroom_model::MetricId;
use sysinfo::System;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Host {
    system: System,
    previous: Option<Instant>,
}

impl Host {
    pub(super) fn new() -> Self {
        Host { system: System::new(), previous: None }
    }

    /// Memory as of now; CPU since the previous call, unless that was a moment ago.
    pub(super) fn read(&mut self, findings: &mut Findings) {
        self.system.refresh_memory();
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let [total, available] = [self.system.total_memory() as f64, self.system.available_memory() as f64];
        if total > 0.0 {
            findings.set(MetricId::HostMemoryUsed, 100.0 * (total - available) / total);
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
}
