//! How each figure of the generated year goes: every one ends at what was first measured, so that the two meet.

use super::plan::{DAY, DAYS, HOUR, MINUTE, Plan};
use headroom_model::{MetricId, Timestamp};

/// How a figure behaves.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Follows what is asked of the shop, to a power; and how much single minutes differ.
    Load(f64, f64),
    /// As load, never above this.
    Share(f64, f64, f64),
    /// Time a statement takes: longer under load, much longer in an incident.
    Latency(f64),
    /// Per cent that are answered: worse in an incident.
    Hits,
    /// Grows from this share of its end, and shrinks with the purge by this share.
    Growth(f64, f64),
    /// Memory that fills after a restart.
    Filling(i64),
    /// Goes from 0 upwards and never back.
    Counting,
    /// Stays.
    Fixed,
    /// Rare and counted: only in an incident.
    Trouble,
    /// A score: lower in an incident.
    Score,
}

/// What the generated year tells of.
pub const FIGURES: &[(MetricId, Shape)] = &[
    (MetricId::HealthScore, Shape::Score),
    (MetricId::HealthDatabase, Shape::Score),
    (MetricId::QueryLatencyP50, Shape::Latency(0.15)),
    (MetricId::QueryLatencyP95, Shape::Latency(0.3)),
    (MetricId::QueryLatencyP99, Shape::Latency(0.4)),
    (MetricId::QueryLatencyMean, Shape::Latency(0.25)),
    (MetricId::Queries, Shape::Load(1.0, 0.12)),
    (MetricId::Transactions, Shape::Load(1.0, 0.12)),
    (MetricId::RowsReturned, Shape::Load(1.0, 0.2)),
    (MetricId::RowsWritten, Shape::Load(0.9, 0.2)),
    (MetricId::BufferHitRatio, Shape::Hits),
    (MetricId::Connections, Shape::Load(0.7, 0.12)),
    (MetricId::ConnectionsUsed, Shape::Share(0.7, 0.12, 98.0)),
    (MetricId::ConnectionsMax, Shape::Fixed),
    (MetricId::SessionsActive, Shape::Load(0.9, 0.5)),
    (MetricId::DatabaseSize, Shape::Growth(0.52, 0.13)),
    (MetricId::LargestTable, Shape::Growth(0.48, 0.2)),
    (MetricId::WalSize, Shape::Load(0.3, 0.15)),
    (MetricId::WalBytes, Shape::Load(0.9, 0.3)),
    (MetricId::TransactionIdAge, Shape::Counting),
    (MetricId::SequenceUsed, Shape::Counting),
    (MetricId::Deadlocks, Shape::Trouble),
    (MetricId::LocksWaiting, Shape::Trouble),
    (MetricId::CacheHitRate, Shape::Hits),
    (MetricId::CacheLookups, Shape::Load(1.0, 0.15)),
    (MetricId::CacheMemory, Shape::Filling(9 * HOUR)),
    (MetricId::CacheMemoryUsed, Shape::Filling(9 * HOUR)),
    (MetricId::CacheMemoryMax, Shape::Fixed),
    (MetricId::RedisHitRatio, Shape::Hits),
    (MetricId::RedisCommands, Shape::Load(1.0, 0.15)),
    (MetricId::RedisMemory, Shape::Growth(0.7, 0.0)),
    (MetricId::RedisMemoryUsed, Shape::Growth(0.7, 0.0)),
    (MetricId::RedisMemoryMax, Shape::Fixed),
    (MetricId::RedisKeys, Shape::Growth(0.7, 0.0)),
    (MetricId::RedisNetworkIn, Shape::Load(1.0, 0.15)),
    (MetricId::RedisNetworkOut, Shape::Load(1.0, 0.15)),
    (MetricId::HostCpu, Shape::Share(0.6, 0.2, 96.0)),
    (MetricId::HostMemoryUsed, Shape::Share(0.08, 0.03, 94.0)),
    (MetricId::HostNetworkIn, Shape::Load(1.0, 0.2)),
    (MetricId::HostNetworkOut, Shape::Load(1.0, 0.2)),
    (MetricId::HostNetworkSpeed, Shape::Fixed),
    (MetricId::HostDiskUsed, Shape::Growth(0.93, 0.004)),
    (MetricId::HostDiskSize, Shape::Fixed),
];

/// Within this of the end every figure comes to what was measured.
const MEET: i64 = 40 * MINUTE;

/// A figure at a moment, where it was `last` at the end.
pub fn value(plan: &Plan, metric: MetricId, shape: Shape, last: f64, at: Timestamp) -> f64 {
    let free = relative(plan, metric, shape, last, at);
    let value = match shape {
        // These are what they are; the end is their own.
        Shape::Fixed | Shape::Counting | Shape::Growth(..) => free,
        _ => {
            let left = ((plan.end.0 - at.0) as f64 / MEET as f64).clamp(0.0, 1.0);
            last + (free - last) * left
        }
    };
    match metric {
        MetricId::Connections | MetricId::SessionsActive | MetricId::RedisKeys | MetricId::LocksWaiting => {
            value.round()
        }
        _ => value,
    }
}

fn relative(plan: &Plan, metric: MetricId, shape: Shape, last: f64, at: Timestamp) -> f64 {
    let noise = |scale| plan.noise(metric as u64, at, scale) * 2.0 - 1.0;
    let jitter = |width: f64| 1.0 + width * (0.6 * noise(MINUTE) + 0.4 * noise(3 * HOUR));
    let asked = || load(plan, at) / load(plan, plan.end);
    let slow = plan.slowness(at);
    match shape {
        Shape::Load(power, width) => last * asked().powf(power) * jitter(width),
        Shape::Share(power, width, most) => (last * asked().powf(power) * jitter(width)).min(most.max(last)),
        Shape::Latency(power) => last * asked().powf(power) * slow * jitter(0.25),
        Shape::Hits => (100.0 - (100.0 - last) * (1.0 + 0.35 * noise(HOUR)) * slow.sqrt()).clamp(0.0, 100.0),
        Shape::Growth(first, purged) => {
            let gone = (plan.end.0 - at.0) as f64 / (DAYS * DAY) as f64;
            let before = if plan.is_purged(at) { 0.0 } else { purged };
            last * (1.0 - (1.0 - first) * gone + before)
        }
        Shape::Filling(time) => {
            let filled = plan.since_restart(at).map_or(1.0, |since| 1.0 - (-3.0 * since as f64 / time as f64).exp());
            last * filled * (0.97 + 0.03 * noise(HOUR))
        }
        Shape::Counting => last * (1.0 - (plan.end.0 - at.0) as f64 / (1.4 * (DAYS * DAY) as f64)),
        Shape::Fixed => last,
        Shape::Trouble => f64::from(u8::from(slow > 1.0 && plan.noise(metric as u64, at, MINUTE) > 0.6)),
        Shape::Score => (last.max(90.0) - if slow > 1.0 { 31.0 } else { 0.0 } + 1.5 * noise(HOUR)).clamp(0.0, 100.0),
    }
}

/// What is asked of the shop: by day, by week, more from month to month, most in a sale.
fn load(plan: &Plan, at: Timestamp) -> f64 {
    let hour = at.0.rem_euclid(DAY) as f64 / HOUR as f64;
    let bell = |centre: f64, width: f64| (-((hour - centre) / width).powi(2)).exp();
    let day = 0.42 + 0.5 * bell(13.5, 4.5) + 0.35 * bell(20.0, 2.5);
    // 1 January 1970 was a Thursday.
    let weekday = (at.0.div_euclid(DAY) + 3).rem_euclid(7);
    let week =
        [1.0, 0.98, 0.99, 1.02, 1.08, 0.8, 0.74].get(usize::try_from(weekday).unwrap_or(0)).copied().unwrap_or(1.0);
    let grown = 1.0 - 0.3 * (plan.end.0 - at.0) as f64 / (DAYS * DAY) as f64;
    day * week * grown * plan.rush(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { end: Timestamp(1_795_098_720_000), seed: 7 };

    #[test]
    fn every_figure_meets_what_was_measured() {
        for (metric, shape) in FIGURES {
            let last = match shape {
                Shape::Trouble => 0.0,
                Shape::Score => 97.0,
                _ => 40.0,
            };
            let end = value(&PLAN, *metric, *shape, last, PLAN.end.plus_millis(-MINUTE));
            assert!((end - last).abs() <= 0.05 * last.max(1.0), "{metric}: {end}");
        }
    }

    #[test]
    fn values_are_finite_and_not_below_zero() {
        for (metric, shape) in FIGURES {
            for hour in 0..DAYS * 24 {
                let value = value(&PLAN, *metric, *shape, 60.0, PLAN.start().plus_millis(hour * HOUR));
                assert!(value.is_finite() && value >= 0.0, "{metric}: {value}");
            }
        }
    }

    #[test]
    fn days_are_busier_than_nights_and_storage_shrinks_once() {
        let noon = Timestamp(PLAN.end.0 - 100 * DAY).floor_to(DAY).plus_millis(13 * HOUR);
        assert!(load(&PLAN, noon) > 1.7 * load(&PLAN, noon.plus_millis(-10 * HOUR)));
        let size = |day: i64| {
            value(&PLAN, MetricId::DatabaseSize, Shape::Growth(0.52, 0.13), 100.0, PLAN.end.plus_millis(-day * DAY))
        };
        let shrinks = (1..DAYS).filter(|day| size(*day) < size(day + 1)).count();
        assert_eq!(shrinks, 1);
    }
}
