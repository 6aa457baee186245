//! Prometheus names and base units of the catalogue's metrics.

use super::text::Type;
use headroom_model::metric::{Kind, Metric, Unit};

/// How a metric is exposed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exposed {
    pub name: String,
    pub kind: Type,
    /// Multiplies a value into base units.
    pub factor: f64,
}

/// `database.query_latency_p95` in milliseconds becomes `headroom_database_query_latency_p95_seconds`.
pub(crate) fn exposed(metric: &Metric) -> Exposed {
    let (unit, factor) = match metric.unit {
        Unit::Percent => ("_ratio", 0.01),
        Unit::Milliseconds => ("_seconds", 0.001),
        Unit::Bytes => ("_bytes", 1.0),
        Unit::BytesPerSecond => ("_bytes_per_second", 1.0),
        Unit::PerSecond => ("_per_second", 1.0),
        Unit::Count | Unit::Score | Unit::Ratio | Unit::Flag => ("", 1.0),
    };
    let base = metric.id.as_str().replace('.', "_");
    // "buffer_hit_ratio" in per cent is a ratio already by name, "wal_bytes" names its unit.
    let unit = if base.ends_with(unit) { "" } else { unit };
    let base = match metric.unit {
        Unit::BytesPerSecond => base.trim_end_matches("_bytes"),
        _ => base.as_str(),
    };
    let (kind, total) = match metric.kind {
        Kind::Gauge => (Type::Gauge, ""),
        Kind::Delta => (Type::Counter, "_total"),
    };
    Exposed { name: format!("headroom_{base}{unit}{total}"), kind, factor }
}

/// Whether a metric tells about the console itself, the same for every target.
pub(super) fn is_of_console(metric: &Metric) -> bool {
    ["process.", "requests."].iter().any(|prefix| metric.id.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{MetricId, metric::CATALOGUE};

    #[test]
    fn names_carry_base_units() {
        for (id, name) in [
            (MetricId::QueryLatencyP95, "headroom_database_query_latency_p95_seconds"),
            (MetricId::BufferHitRatio, "headroom_database_buffer_hit_ratio"),
            (MetricId::ConnectionsUsed, "headroom_database_connections_used_ratio"),
            (MetricId::WalBytes, "headroom_database_wal_bytes_per_second"),
            (MetricId::ReplicationLagBytes, "headroom_database_replication_lag_bytes"),
            (MetricId::Deadlocks, "headroom_locks_deadlocks_total"),
            (MetricId::CheckpointWriteTime, "headroom_database_checkpoint_write_time_seconds_total"),
            (MetricId::Queries, "headroom_database_queries_per_second"),
            (MetricId::DatabaseUp, "headroom_database_up"),
            (MetricId::CacheHitRate, "headroom_cache_hit_rate_ratio"),
            (MetricId::CacheRedisLatencyP95, "headroom_cache_redis_latency_p95_seconds"),
            (MetricId::CachePoison, "headroom_cache_poison_total"),
        ] {
            assert_eq!(exposed(id.metric()).name, name);
        }
    }

    #[test]
    fn names_are_valid_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in CATALOGUE {
            let name = exposed(metric).name;
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(seen.insert(name.clone()), "{name} stands twice");
        }
    }
}
