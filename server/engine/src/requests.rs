//! The console's own HTTP latencies by route, exact (HDR histograms).

use crate::latencies::{Latencies, Latency};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The name of everything past the 500 routes kept apart.
pub const OTHER_ROUTES: &str = "other routes";

/// Counts requests. Shared by the HTTP layer that records and the collector that reads.
pub struct RequestStats(Mutex<Tally>);

impl fmt::Debug for RequestStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStats").field("routes", &self.tally().routes.len()).finish_non_exhaustive()
    }
}

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

/// All routes since the previous reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) p95_ms: Option<f64>,
}

struct Tally {
    routes: Latencies,
    /// Everything since the previous reading; a reset of the totals does not touch it.
    interval: Option<Latency>,
}

impl Default for RequestStats {
    fn default() -> Self {
        RequestStats(Mutex::new(Tally { routes: Latencies::new(OTHER_ROUTES), interval: None }))
    }
}

impl RequestStats {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Whole after every statement, so also after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records one answered request. `route` is the pattern, never the raw path; at most 500 are kept apart. Streams are
    /// not to be recorded: their length says nothing of their latency.
    pub fn record(&self, route: &str, status: u16, elapsed: Duration) {
        let failed = status >= 500;
        let mut tally = self.tally();
        // Three digits for the sum of all.
        tally.interval.get_or_insert_with(|| Latency::new(3)).record(failed, elapsed);
        tally.routes.record(route, failed, elapsed);
    }

    /// Figures by route, most requests first.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteFigures> {
        self.tally().routes.list(|route, latency| RouteFigures {
            route: route.to_owned(),
            count: latency.count(),
            errors: latency.errors,
            p50_ms: latency.quantile_ms(0.5),
            p95_ms: latency.quantile_ms(0.95),
            p99_ms: latency.quantile_ms(0.99),
        })
    }

    /// Totals start from zero.
    pub fn reset(&self) {
        self.tally().routes.clear();
    }

    /// What was recorded since the previous call. One reader: the collector.
    pub(crate) fn take_interval(&self) -> Interval {
        let taken = self.tally().interval.take();
        taken.map_or(Interval { count: 0, errors: 0, p95_ms: None }, |all| Interval {
            count: all.count(),
            errors: all.errors,
            p95_ms: Some(all.quantile_ms(0.95)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_route_and_by_interval() {
        let stats = RequestStats::default();
        for ms in 1..=100 {
            stats.record("GET /a", 200, Duration::from_millis(ms));
        }
        stats.record("GET /b", 503, Duration::from_millis(7));
        let routes = stats.routes();
        assert_eq!((routes[0].route.as_str(), routes[0].count, routes[0].errors), ("GET /a", 100, 0));
        assert!((routes[0].p50_ms - 50.0).abs() < 1.0 && (routes[0].p95_ms - 95.0).abs() < 1.5, "{routes:?}");
        assert_eq!((routes[1].count, routes[1].errors), (1, 1));

        stats.reset();
        assert!(stats.routes().is_empty());
        let interval = stats.take_interval();
        assert_eq!((interval.count, interval.errors), (101, 1));
        assert!((interval.p95_ms.unwrap() - 95.0).abs() < 1.0);
        assert_eq!(stats.take_interval(), Interval { count: 0, errors: 0, p95_ms: None });
    }
}
