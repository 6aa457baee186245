//! The console's own HTTP latencies by route, exact (HDR histograms).

use hdrhistogram::Histogram;
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Routes kept apart; what comes later counts as [`OTHER_ROUTES`].
const MAX_ROUTES: usize = 500;

/// The name of everything past the routes kept apart.
pub const OTHER_ROUTES: &str = "other routes";

/// Counts requests. Shared by the HTTP layer that records and the collector that reads.
#[derive(Default)]
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

#[derive(Default)]
struct Tally {
    routes: HashMap<String, Route, foldhash::fast::RandomState>,
    /// Everything since the previous reading; a reset of the totals does not touch it.
    interval: Option<Route>,
}

struct Route {
    errors: u64,
    latency: Histogram<u32>,
}

impl Route {
    /// Microseconds to one minute; two digits for a route (10 KiB each), three for the sum of all.
    fn new(digits: u8) -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000, digits).expect("1 ≤ low, 2·low ≤ high, digits ≤ 5");
        Route { errors: 0, latency }
    }

    fn record(&mut self, status: u16, micros: u64) {
        self.errors += u64::from(status >= 500);
        self.latency.saturating_record(micros);
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 6e7")]
        let micros = self.latency.value_at_quantile(quantile) as f64;
        micros / 1000.0
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
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut tally = self.tally();
        tally.interval.get_or_insert_with(|| Route::new(3)).record(status, micros);
        if let Some(figures) = tally.routes.get_mut(route) {
            return figures.record(status, micros);
        }
        let name = if tally.routes.len() < MAX_ROUTES { route } else { OTHER_ROUTES };
        tally.routes.entry(name.to_owned()).or_insert_with(|| Route::new(2)).record(status, micros);
    }

    /// Figures by route, most requests first.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteFigures> {
        let mut routes: Vec<RouteFigures> = self
            .tally()
            .routes
            .iter()
            .map(|(name, route)| RouteFigures {
                route: name.clone(),
                count: route.latency.len(),
                errors: route.errors,
                p50_ms: route.quantile_ms(0.5),
                p95_ms: route.quantile_ms(0.95),
                p99_ms: route.quantile_ms(0.99),
            })
            .collect();
        routes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.route.cmp(&b.route)));
        routes
    }

    /// Totals start from zero.
    pub fn reset(&self) {
        self.tally().routes.clear();
    }

    /// What was recorded since the previous call. One reader: the collector.
    pub(crate) fn take_interval(&self) -> Interval {
        let taken = self.tally().interval.take();
        taken.map_or(Interval { count: 0, errors: 0, p95_ms: None }, |route| Interval {
            count: route.latency.len(),
            errors: route.errors,
            p95_ms: Some(route.quantile_ms(0.95)),
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

    #[test]
    fn routes_are_bounded() {
        let stats = RequestStats::default();
        for i in 0..MAX_ROUTES + 50 {
            stats.record(&format!("GET /{i}"), 200, Duration::from_millis(1));
        }
        let routes = stats.routes();
        assert_eq!(routes.len(), MAX_ROUTES + 1);
        assert_eq!((routes[0].route.as_str(), routes[0].count), (OTHER_ROUTES, 50));
    }
}
