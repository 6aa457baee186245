//! Which metrics make one chart, and how each is drawn: related ones together, any other one alone.

use crate::chart::{Floor, Weight};
use headroom_model::{
    MetricId,
    metric::{Good, Unit},
};

/// How a metric is drawn among others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The metric.
    pub metric: MetricId,
    /// What it is called beside the others.
    pub name: &'static str,
    /// Colour slot, fixed for each metric.
    pub color: &'static str,
    /// How heavy it is drawn.
    pub weight: Weight,
}

/// Metrics that are read together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// What the chart shows.
    pub name: &'static str,
    /// Of what, in a few words.
    pub note: &'static str,
    /// The lines.
    pub lines: &'static [Drawn],
    /// The one that is read first and compared.
    pub lead: MetricId,
    /// The figure that limits them.
    pub ceiling: Option<MetricId>,
}

const fn line(metric: MetricId, name: &'static str, color: &'static str, weight: Weight) -> Drawn {
    Drawn { metric, name, color, weight }
}

const fn percentiles(metrics: [MetricId; 3]) -> [Drawn; 3] {
    let [p50, p95, p99] = metrics;
    [line(p99, "p99", "o3", Weight::Thin), line(p95, "p95", "o2", Weight::Bold), line(p50, "p50", "o1", Weight::Normal)]
}

const fn normal(metric: MetricId, name: &'static str, color: &'static str) -> Drawn {
    line(metric, name, color, Weight::Normal)
}

const QUERY_LATENCY: [Drawn; 3] =
    percentiles([MetricId::QueryLatencyP50, MetricId::QueryLatencyP95, MetricId::QueryLatencyP99]);
const MEMORY_LATENCY: [Drawn; 3] =
    percentiles([MetricId::CacheMemoryLatencyP50, MetricId::CacheMemoryLatencyP95, MetricId::CacheMemoryLatencyP99]);
const REDIS_LATENCY: [Drawn; 3] =
    percentiles([MetricId::CacheRedisLatencyP50, MetricId::CacheRedisLatencyP95, MetricId::CacheRedisLatencyP99]);
const LOAD_LATENCY: [Drawn; 3] =
    percentiles([MetricId::CacheLoadLatencyP50, MetricId::CacheLoadLatencyP95, MetricId::CacheLoadLatencyP99]);

const fn alone(name: &'static str, note: &'static str, lines: &'static [Drawn]) -> Preset {
    Preset { name, note, lead: lines[0].metric, lines, ceiling: None }
}

const fn latency(name: &'static str, note: &'static str, lines: &'static [Drawn; 3]) -> Preset {
    Preset { name, note, lead: lines[1].metric, lines, ceiling: None }
}

/// Charts of several lines, in the order offered.
pub const PRESETS: &[Preset] = &[
    latency("Query latency", "all statements, weighted by calls", &QUERY_LATENCY),
    alone(
        "Cache hit rate",
        "lookups of datasets answered by L1 or L2",
        &[
            line(MetricId::CacheHitRate, "L1 + L2", "s1", Weight::Bold),
            normal(MetricId::CacheMemoryShare, "L1", "s3"),
            normal(MetricId::CacheRedisShare, "L2", "s7"),
            normal(MetricId::CacheStaleShare, "Stale", "s5"),
            normal(MetricId::CacheMissShare, "Miss", "s2"),
        ],
    ),
    Preset {
        ceiling: Some(MetricId::ConnectionsMax),
        ..alone(
            "Connections",
            "sessions of the whole server",
            &[
                line(MetricId::Connections, "In use", "s1", Weight::Bold),
                normal(MetricId::SessionsActive, "Active", "s6"),
                normal(MetricId::SessionsIdleInTransaction, "Idle in transaction", "s5"),
                normal(MetricId::LocksBlocked, "Waiting on a lock", "s4"),
            ],
        )
    },
    alone(
        "Rows",
        "of the watched database",
        &[normal(MetricId::RowsReturned, "Read", "s1"), normal(MetricId::RowsWritten, "Written", "s2")],
    ),
    alone(
        "Health scores",
        "100 minus the deductions",
        &[
            line(MetricId::HealthScore, "Overall", "s1", Weight::Bold),
            normal(MetricId::HealthDatabase, "Database", "s3"),
            normal(MetricId::HealthCache, "Cache", "s7"),
            normal(MetricId::HealthApplication, "Application", "s2"),
            normal(MetricId::HealthLocks, "Locks", "s4"),
        ],
    ),
    Preset {
        ceiling: Some(MetricId::PoolMax),
        ..alone(
            "Console pools",
            "connections of the console itself, all lanes",
            &[
                line(MetricId::PoolInUse, "In use", "s1", Weight::Bold),
                normal(MetricId::PoolIdle, "Idle", "s5"),
                normal(MetricId::PoolWaiting, "Waiting", "s4"),
            ],
        )
    },
    alone(
        "Block input and output",
        "blocks a second, pg_stat_io",
        &[normal(MetricId::IoReads, "Read", "s1"), normal(MetricId::IoWrites, "Written", "s2")],
    ),
    alone(
        "Checkpoints",
        "started in each slot",
        &[normal(MetricId::CheckpointsRequested, "Requested", "s2"), normal(MetricId::CheckpointsTimed, "Timed", "s1")],
    ),
    latency("L1 latency", "answers from the console's memory", &MEMORY_LATENCY),
    latency("L2 latency", "reads from Redis as second tier", &REDIS_LATENCY),
    latency("Miss latency", "loads from PostgreSQL", &LOAD_LATENCY),
    alone(
        "Redis keys that left",
        "a second",
        &[normal(MetricId::RedisEvictions, "Evicted", "s2"), normal(MetricId::RedisExpirations, "Expired", "s5")],
    ),
    Preset {
        ceiling: Some(MetricId::RedisMemoryMax),
        ..alone("Redis memory", "used_memory", &[normal(MetricId::RedisMemory, "Redis memory", "s1")])
    },
    Preset {
        ceiling: Some(MetricId::CacheMemoryMax),
        ..alone("Cache memory", "datasets in the console's memory", &[normal(MetricId::CacheMemory, "L1 memory", "s1")])
    },
];

/// The charts of a page whose URL names none. A hit rate is that of the datasets, where they are, else the server's own.
#[cfg(any(feature = "ssr", test))]
#[must_use]
pub fn first_charts(measured: impl Fn(MetricId) -> bool) -> Vec<Vec<MetricId>> {
    let of = |name: &str| -> Vec<MetricId> {
        PRESETS
            .iter()
            .filter(|preset| preset.name == name)
            .flat_map(|preset| preset.lines.iter().map(|line| line.metric))
            .collect()
    };
    // Their keys are counted from the first sample on, so that the choice does not change with the first lookups.
    let hits = if measured(MetricId::CacheKeys) {
        vec![MetricId::CacheHitRate, MetricId::CacheMemoryShare]
    } else if measured(MetricId::RedisHitRatio) {
        vec![MetricId::RedisHitRatio]
    } else {
        vec![MetricId::BufferHitRatio]
    };
    vec![of("Query latency"), vec![MetricId::Queries], hits, of("Connections")]
}

/// The preset that all these metrics belong to.
#[must_use]
pub fn preset_of(metrics: &[MetricId]) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| {
        !metrics.is_empty() && metrics.iter().all(|metric| preset.lines.iter().any(|line| line.metric == *metric))
    })
}

/// How the lines of a chart are drawn, its name, and the words beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What the chart shows.
    pub name: &'static str,
    /// Of what, in a few words; the catalogue's help where a metric stands alone.
    pub note: &'static str,
    /// Which line is read first.
    pub lead: usize,
    /// The lines.
    pub lines: Vec<Drawn>,
    /// The figure that limits them.
    pub ceiling: Option<MetricId>,
}

/// How metrics of one unit are drawn in one chart.
#[must_use]
pub fn look(metrics: &[MetricId]) -> Look {
    let preset = preset_of(metrics);
    let own =
        |metric: MetricId| PRESETS.iter().flat_map(|preset| preset.lines).find(|line| line.metric == metric).copied();
    // Colours that no line of this chart has yet, for metrics that no preset gives one.
    let mut spare = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"]
        .into_iter()
        .filter(|slot| !metrics.iter().any(|metric| own(*metric).is_some_and(|line| line.color == *slot)))
        .collect::<Vec<_>>()
        .into_iter();
    let lines: Vec<Drawn> = metrics
        .iter()
        .map(|metric| {
            let entry = metric.metric();
            match (preset, own(*metric)) {
                (Some(preset), _) if metrics.len() > 1 => {
                    let of = preset.lines.iter().find(|line| line.metric == *metric);
                    of.copied().unwrap_or(normal(*metric, entry.name, "s1"))
                }
                (_, Some(line)) => Drawn { name: entry.name, weight: Weight::Normal, ..line },
                _ => normal(*metric, entry.name, spare.next().unwrap_or("s1")),
            }
        })
        .collect();
    let lead = preset.and_then(|preset| metrics.iter().position(|metric| *metric == preset.lead)).unwrap_or(0);
    let ceiling = preset.and_then(|preset| preset.ceiling);
    match (preset, metrics) {
        (Some(preset), [_, _, ..]) => Look { name: preset.name, note: preset.note, lead, lines, ceiling },
        (_, [metric]) => Look { name: metric.metric().name, note: "", lead: 0, lines, ceiling },
        _ => Look { name: lines.first().map_or("", |line| line.name), note: "", lead, lines, ceiling: None },
    }
}

/// Where the axis of a chart starts.
#[must_use]
pub fn floor(metric: MetricId) -> Floor {
    match (metric.metric().unit, metric.metric().good) {
        (Unit::Percent, Good::Up) => Floor::Share,
        (Unit::Score, _) => Floor::Full,
        _ => Floor::Zero,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_lines_of_a_preset_share_a_unit_and_tell_themselves_apart() {
        for preset in PRESETS {
            let units: BTreeSet<String> =
                preset.lines.iter().map(|line| format!("{:?}", line.metric.metric().unit)).collect();
            assert_eq!(units.len(), 1, "{}", preset.name);
            let colors: BTreeSet<&str> = preset.lines.iter().map(|line| line.color).collect();
            assert_eq!(colors.len(), preset.lines.len(), "{}", preset.name);
            assert!(preset.lines.iter().any(|line| line.metric == preset.lead));
            assert!(preset.ceiling.is_none_or(|limit| limit.metric().unit == preset.lines[0].metric.metric().unit));
        }
    }

    #[test]
    fn a_metric_keeps_its_colour_whatever_stands_beside_it() {
        let all = look(&[MetricId::Connections, MetricId::SessionsActive, MetricId::LocksBlocked]);
        let some = look(&[MetricId::LocksBlocked, MetricId::SessionsActive]);
        assert_eq!((all.name, some.name), ("Connections", "Connections"));
        assert_eq!(all.lines[2].color, some.lines[0].color);
        assert_eq!(look(&[MetricId::LocksBlocked]).lines[0].color, some.lines[0].color);
        assert_eq!((all.lead, all.ceiling), (0, Some(MetricId::ConnectionsMax)));
    }

    #[test]
    fn any_metrics_of_one_unit_make_a_chart() {
        let mixed = look(&[MetricId::LocksHeld, MetricId::Replicas, MetricId::SessionsActive]);
        let colors: BTreeSet<&str> = mixed.lines.iter().map(|line| line.color).collect();
        assert_eq!((mixed.name, colors.len()), ("Locks held", 3));
        assert_eq!(look(&[MetricId::Queries]).name, "Throughput");
    }

    #[test]
    fn the_first_charts_show_a_hit_rate_that_is_measured() {
        let hits = |metric: MetricId| first_charts(move |known| known == metric)[2].clone();
        assert_eq!(hits(MetricId::CacheKeys)[0], MetricId::CacheHitRate);
        assert_eq!(hits(MetricId::RedisHitRatio), [MetricId::RedisHitRatio]);
        assert_eq!(hits(MetricId::Queries), [MetricId::BufferHitRatio]);
    }
}
