//! The console's own HTTP latencies by route, exact (HDR histograms).

use std::time::Duration;

/// Counts requests. Shared by the HTTP layer that records and the collector that reads.
#[derive(Debug, Default)]
pub struct RequestStats {}

/// One route's figures since the last reset.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteFigures {
    /// Method and route pattern (`GET /api/v1/health`).
    pub route: String,
    /// Requests.
    pub count: u64,
    /// Answers with status 500 and above.
    pub errors: u64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
}

impl RequestStats {
    /// Records one answered request. `route` is the pattern, never the raw path; at most 500 are kept apart.
    pub fn record(&self, _route: &str, _status: u16, _elapsed: Duration) {
        unimplemented!()
    }

    /// Figures by route, most requests first.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteFigures> {
        unimplemented!()
    }

    /// Totals start from zero.
    pub fn reset(&self) {
        unimplemented!()
    }
}
