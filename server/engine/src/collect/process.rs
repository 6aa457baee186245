//! This process: CPU, memory, files, the runtime, its own HTTP answers.

use crate::requests::RequestStats;
use headroom_model::{MetricId, sample::Figures};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::{
    runtime::{Handle, RuntimeMetrics},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the probe asks for its turn.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// CPU time is counted in steps of 10 ms and more: over a shorter interval a rate says nothing.
const SHORTEST_SECS: f64 = 0.2;

/// Reads this process and its machine.
#[derive(Debug)]
pub struct ProcessCollector {
    requests: Arc<RequestStats>,
    system: System,
    pid: Option<Pid>,
    runtime: RuntimeMetrics,
    /// Worst delay of the probe since the previous reading, in microseconds.
    lag: Arc<AtomicU64>,
    previous: Previous,
    _stop_probe: DropGuard,
}

/// What rates are counted from.
#[derive(Debug)]
struct Previous {
    at: Instant,
    cpu_ms: Option<u64>,
    busy: Duration,
}

impl ProcessCollector {
    /// Must be called inside the runtime it measures; starts the loop-lag probe, which ends with the collector.
    #[must_use]
    pub fn start(requests: Arc<RequestStats>) -> Self {
        let lag = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        tokio::spawn(probe(Arc::clone(&lag), stop.clone()));
        let runtime = Handle::current().metrics();
        let mut collector = ProcessCollector {
            requests,
            system: System::new(),
            pid: sysinfo::get_current_pid().ok(),
            previous: Previous { at: Instant::now(), cpu_ms: None, busy: busy(&runtime) },
            runtime,
            lag,
            _stop_probe: stop.drop_guard(),
        };
        collector.previous.cpu_ms = collector.refresh().map(|(cpu_ms, ..)| cpu_ms);
        collector
    }

    /// CPU time in milliseconds, resident bytes, open files.
    fn refresh(&mut self) -> Option<(u64, u64, Option<usize>)> {
        let pid = self.pid?;
        let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, wanted);
        let process = self.system.process(pid)?;
        Some((process.accumulated_cpu_time(), process.memory(), process.open_files()))
    }

    /// Figures since the previous call: process, runtime, requests.
    #[expect(clippy::cast_precision_loss, reason = "counts, bytes and milliseconds far below 2^53")]
    pub fn collect(&mut self) -> Figures {
        let mut figures = Figures::new();
        let mut set = |metric, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                figures.insert(metric, value);
            }
        };
        let process = self.refresh();
        let now =
            Previous { at: Instant::now(), cpu_ms: process.map(|(cpu_ms, ..)| cpu_ms), busy: busy(&self.runtime) };
        let before = std::mem::replace(&mut self.previous, now);
        let seconds = self.previous.at.duration_since(before.at).as_secs_f64();
        let rate = |amount: f64| (seconds >= SHORTEST_SECS).then(|| amount / seconds);

        let cpu_ms = self.previous.cpu_ms.zip(before.cpu_ms).and_then(|(now, before)| now.checked_sub(before));
        set(MetricId::ProcessCpu, cpu_ms.and_then(|ms| rate(ms as f64 / 10.0)));
        set(MetricId::ProcessMemory, process.map(|(_, bytes, _)| bytes as f64));
        set(MetricId::ProcessOpenFiles, process.and_then(|(.., files)| files).map(|files| files as f64));
        set(MetricId::ProcessLoopLag, Some(self.lag.swap(0, Relaxed) as f64 / 1000.0));
        let busy = self.previous.busy.saturating_sub(before.busy).as_secs_f64();
        let workers = self.runtime.num_workers().max(1) as f64;
        set(MetricId::ProcessWorkersBusy, rate(100.0 * busy / workers).map(|share| share.min(100.0)));
        set(MetricId::ProcessTasks, Some(self.runtime.num_alive_tasks() as f64));

        let requests = self.requests.take_interval();
        set(MetricId::RequestRate, rate(requests.count as f64));
        let errors = (requests.count > 0).then(|| 100.0 * requests.errors as f64 / requests.count as f64);
        set(MetricId::RequestErrors, errors);
        set(MetricId::RequestP95, requests.p95_ms);
        figures
    }
}

/// Time that all workers together have been busy.
fn busy(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum()
}

/// Asks for its turn every [`PROBE_EVERY`] and notes how much later it got it. One task, ends with `stop`.
async fn probe(lag: Arc<AtomicU64>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(due) = stop.run_until_cancelled(ticks.tick()).await {
        let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        lag.fetch_max(late, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn sees_a_blocked_worker_and_its_own_requests() {
        let requests = Arc::new(RequestStats::default());
        let mut collector = ProcessCollector::start(Arc::clone(&requests));
        tokio::time::sleep(Duration::from_millis(120)).await;
        requests.record("GET /", 500, Duration::from_millis(3));
        // Keeps the one worker busy, so that the probe's turn comes late and CPU time passes.
        tokio::spawn(async {
            let end = std::time::Instant::now() + Duration::from_millis(300);
            while std::time::Instant::now() < end {
                std::hint::spin_loop();
            }
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        let figures = collector.collect();
        assert!(figures[&MetricId::ProcessLoopLag] > 150.0, "{figures:?}");
        assert!(figures[&MetricId::ProcessCpu] > 20.0 && figures[&MetricId::ProcessWorkersBusy] > 20.0, "{figures:?}");
        assert!(figures[&MetricId::ProcessMemory] > 1e6 && figures[&MetricId::ProcessOpenFiles] >= 3.0);
        assert!(figures[&MetricId::ProcessTasks] >= 1.0);
        assert_eq!(figures[&MetricId::RequestErrors], 100.0);
        assert!(figures[&MetricId::RequestRate] > 0.0 && (figures[&MetricId::RequestP95] - 3.0).abs() < 0.1);
        let quiet = collector.collect();
        assert!(!quiet.contains_key(&MetricId::RequestErrors) && !quiet.contains_key(&MetricId::RequestP95));
    }
}
