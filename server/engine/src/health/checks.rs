//! The table of checks: which figure, which limits, what it costs, how it is said.

use super::{phrase::Phrase, settings::Limits};
use crate::links::Place;
use headroom_model::{Component, MetricId};

/// Which side of its limits a figure fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Too much is bad.
    Above,
    /// Too little is bad.
    Below,
    /// A server does not answer: the finding ends as soon as it does.
    Outage,
}

/// One check of the score.
#[derive(Debug)]
pub struct Check {
    /// Name in settings, the ledger and the API.
    pub id: &'static str,
    /// The component that loses the points.
    pub component: Component,
    /// The figure.
    pub metric: MetricId,
    /// How it fails.
    pub rule: Rule,
    /// Default limits, in the metric's unit.
    pub limits: Limits,
    /// Points of the component that the figure costs at its critical limit.
    pub cost: f64,
    pub(super) phrase: Phrase,
    pub(super) evidence: Place,
}

/// Severity just past the first limit.
pub(super) const FIRST: f64 = 0.4;
/// No figure is ever more severe than this.
pub(super) const MOST: f64 = 1.5;

impl Check {
    /// How bad a value is: 0 while it keeps its limit, 0.4 just past it, 1 at the critical limit, straight in between and
    /// beyond, at most 1.5. A failed check costs severity × [`cost`](Check::cost) points of its component.
    #[must_use]
    pub fn severity(&self, value: f64, limits: Limits) -> f64 {
        let (past, span) = match self.rule {
            Rule::Above => (value - limits.degraded, limits.critical - limits.degraded),
            Rule::Below => (limits.degraded - value, limits.degraded - limits.critical),
            Rule::Outage => return if value < 0.5 { 1.0 } else { 0.0 },
        };
        if past > 0.0 { (FIRST + (1.0 - FIRST) * past / span).min(MOST) } else { 0.0 }
    }
}

/// The check with this name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

macro_rules! checks {
    ($($id:literal $component:ident $metric:ident $rule:ident $degraded:literal / $critical:literal costs $cost:literal
        $phrase:expr, $place:ident;)+) => {
        &[$(Check {
            id: $id, component: Component::$component, metric: MetricId::$metric, rule: Rule::$rule,
            limits: Limits { degraded: $degraded as f64, critical: $critical as f64 },
            cost: $cost as f64, phrase: $phrase, evidence: Place::$place,
        }),+]
    };
}

use Phrase::{Counted, Figure, Outage};

/// Every check: those of Redis about all of its users, those of the cache about this console's datasets. A headline figure costs 60 at its critical limit, which alone takes its component into the critical
/// band; figures that only warn cost less.
#[rustfmt::skip]
pub const CHECKS: &[Check] = checks! {
    "postgres-down" Database DatabaseUp Outage 1/1 costs 100 Outage("PostgreSQL"), Issues;
    "query-latency" Database QueryLatencyP95 Above 500/2000 costs 60 Figure("p95 query latency"), Queries;
    "connections" Database ConnectionsUsed Above 80/90 costs 60 Figure("Connections used"), Connections;
    "idle-in-transaction" Database LongestIdleInTransaction Above 60000/600000 costs 40 Figure("Longest idle in transaction"), Issues;
    "long-statement" Database LongestStatement Above 5000/60000 costs 30 Figure("Longest running statement"), Issues;
    "buffer-hit-ratio" Database BufferHitRatio Below 90/50 costs 30 Figure("Buffer hit ratio"), Trends;
    "transaction-ids" Database TransactionIdAge Above 50/75 costs 60 Figure("Transaction id age"), Issues;
    "multixacts" Database MultixactAge Above 50/75 costs 60 Figure("Multixact age"), Issues;
    "overdue-vacuum" Database TablesOverdueVacuum Above 2/10 costs 20 Counted("table", "tables", "overdue for vacuum"), Issues;
    "dead-rows" Database DeadRowsWorst Above 20/50 costs 20 Figure("Dead rows of the worst table"), Issues;
    "replication-delay" Database ReplicationLag Above 30000/300000 costs 40 Figure("Replication delay"), Trends;
    "replication-lag" Database ReplicationLagBytes Above 268435456/1073741824 costs 40 Figure("Replication lag"), Trends;
    "host-cpu" Database HostCpu Above 85/95 costs 40 Figure("CPU"), Trends;
    "host-memory" Database HostMemoryUsed Above 85/95 costs 40 Figure("Memory used"), Trends;

    "redis-down" Cache RedisUp Outage 1/1 costs 100 Outage("Redis"), Issues;
    "redis-hit-rate" Cache RedisHitRatio Below 50/20 costs 60 Figure("Redis hit rate"), Trends;
    "redis-evictions" Cache RedisEvictionShare Above 10/50 costs 40 Figure("Evicted share of the keys that left Redis"), Issues;
    "redis-memory" Cache RedisMemoryUsed Above 85/95 costs 40 Figure("Redis memory used"), Issues;
    "redis-clients" Cache RedisClientsUsed Above 80/90 costs 60 Figure("Redis clients used"), Trends;
    "redis-rejected" Cache RedisRejected Above 0/10 costs 60 Counted("Redis connection", "Redis connections", "rejected"), Trends;
    "redis-round-trip" Cache RedisRoundTrip Above 20/200 costs 40 Figure("Redis round trip"), Trends;
    "cache-hit-rate" Cache CacheHitRate Below 50/20 costs 60 Figure("Cache hit rate"), Cache;
    "cache-evictions" Cache CacheEvictionShare Above 10/50 costs 40 Figure("Evicted share of the pages that left memory"), Cache;
    "cache-load-errors" Cache CacheLoadErrors Above 1/20 costs 60 Figure("Failed cache loads"), Cache;
    "cache-stale" Cache CacheStaleShare Above 10/50 costs 40 Figure("Lookups answered stale"), Cache;
    "cache-second-tier" Cache CacheRedisUp Outage 1/1 costs 40 Outage("Redis as second tier"), Cache;
    "cache-invalidations" Cache CacheInvalidationsWaiting Above 0/1000 costs 30 Counted("invalidation", "invalidations", "waiting for Redis"), Cache;
    "cache-poison" Cache CachePoison Above 0/10 costs 30 Counted("value of Redis", "values of Redis", "unreadable"), Cache;

    "pool-used" Application PoolUsed Above 80/90 costs 60 Figure("Fullest pool used"), Connections;
    "pool-wait" Application PoolWaitP95 Above 50/500 costs 40 Figure("Pool checkout wait p95"), Connections;
    "pool-timeouts" Application PoolTimeouts Above 0/10 costs 60 Counted("pool checkout", "pool checkouts", "timed out"), Connections;
    "pool-leaks" Application PoolLeaks Above 0/5 costs 40 Counted("connection", "connections", "lent out over 60 s"), Connections;
    "request-errors" Application RequestErrors Above 1/5 costs 60 Figure("Request errors"), Trends;
    "request-latency" Application RequestP95 Above 500/2000 costs 40 Figure("p95 request latency"), Trends;
    "loop-lag" Application ProcessLoopLag Above 100/1000 costs 60 Figure("Event-loop lag"), Trends;

    "lock-waits" Locks LocksWaiting Above 0/10 costs 60 Counted("session", "sessions", "waiting on a lock over 1 s"), Issues;
    "lock-wait-time" Locks LocksLongestWait Above 5000/60000 costs 40 Figure("Longest lock wait"), Issues;
    "deadlocks" Locks Deadlocks Above 0/5 costs 60 Counted("deadlock", "deadlocks", "in one interval"), Locks;
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_is_sound() {
        let mut seen = std::collections::BTreeSet::new();
        for check in CHECKS {
            assert!(seen.insert(check.id), "{} stands twice", check.id);
            let Limits { degraded, critical } = check.limits;
            match check.rule {
                Rule::Above => assert!(critical > degraded, "{}", check.id),
                Rule::Below => assert!(critical < degraded, "{}", check.id),
                // Without its server nothing is left of a component; without its second tier the cache is slower.
                Rule::Outage => assert_eq!(check.cost < 100.0, check.id == "cache-second-tier", "{}", check.id),
            }
            assert!((10.0..=100.0).contains(&check.cost), "{}", check.id);
        }
    }

    #[test]
    fn severity_follows_the_curve() {
        let check = find("query-latency").unwrap();
        for (value, severity) in [(0.0, 0.0), (500.0, 0.0), (1250.0, 0.7), (2000.0, 1.0), (1e9, MOST)] {
            assert!((check.severity(value, check.limits) - severity).abs() < 1e-9, "{value}");
        }
        let check = find("cache-hit-rate").unwrap();
        for (value, severity) in [(100.0, 0.0), (50.0, 0.0), (35.0, 0.7), (20.0, 1.0), (0.0, 1.4)] {
            assert!((check.severity(value, check.limits) - severity).abs() < 1e-9, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_worse_value_is_never_less_severe(i in 0..CHECKS.len(), a in 0.0..1e6f64, b in 0.0..1e6f64) {
            let check = &CHECKS[i];
            let (good, bad) = match check.rule {
                Rule::Above => (a.min(b), a.max(b)),
                Rule::Below | Rule::Outage => (a.max(b), a.min(b)),
            };
            prop_assert!(check.severity(good, check.limits) <= check.severity(bad, check.limits));
        }
    }
}
