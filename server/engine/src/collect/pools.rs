//! The console's own connection lanes into a target.

use super::findings::Findings;
use crate::pool::{Lane, Pools};
use headroom_model::{MetricId, pool::LaneReport};

/// Remembers the counters of the previous reading.
#[derive(Debug, Default)]
pub(super) struct PoolReader {
    timeouts: Option<u64>,
}

impl PoolReader {
    #[expect(clippy::cast_precision_loss, reason = "a count of timeouts")]
    pub(super) fn read(&mut self, pools: &Pools, findings: &mut Findings) {
        let lanes = pools.snapshot();
        let sum = |count: fn(&LaneReport) -> u32| lanes.iter().map(|lane| f64::from(count(lane))).sum::<f64>();
        findings.set(MetricId::PoolInUse, sum(|lane| lane.in_use));
        findings.set(MetricId::PoolIdle, sum(|lane| lane.idle));
        findings.set(MetricId::PoolMax, sum(|lane| lane.max));
        findings.set(MetricId::PoolWaiting, sum(|lane| lane.waiting));
        findings.set(MetricId::PoolLeaks, sum(|lane| lane.leaks));
        // A warmup fills its own lane, and nobody waits for it.
        let others = lanes.iter().filter(|lane| lane.lane != Lane::Warmup.name());
        let fullest = others.map(|lane| 100.0 * f64::from(lane.in_use) / f64::from(lane.max)).reduce(f64::max);
        findings.set(MetricId::PoolUsed, fullest);
        findings.set(MetricId::PoolWaitP95, pools.take_wait_p95());
        let timeouts: u64 = lanes.iter().map(|lane| lane.timeouts).sum();
        // A reset in between makes the count fall: then this interval's is not known.
        let since = self.timeouts.replace(timeouts).and_then(|before| timeouts.checked_sub(before));
        findings.set(MetricId::PoolTimeouts, since.map(|count| count as f64));
    }
}
