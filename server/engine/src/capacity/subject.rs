//! What is known of a resource before it is forecast: its hours, its limit and who says so.

use crate::{history::Hours, target::CapacityLimits};
use headroom_model::{
    MetricId as M, Timestamp,
    capacity::{Limit, LimitSource, Part, Past, Resource},
    forecast::Measure,
    metric::Unit,
    sample::Figures,
};

const HOURS_A_DAY: usize = 24;
const DAY_MS: i64 = 86_400_000;

/// The metrics that a resource is computed from.
pub(super) fn metrics(resource: Resource) -> &'static [M] {
    match resource {
        Resource::Cpu => &[M::HostCpu],
        Resource::Memory => &[M::HostMemoryUsed],
        Resource::Storage => &[M::HostDiskUsed, M::DatabaseSize, M::WalSize],
        Resource::Connections => &[M::Connections],
        Resource::CacheMemory => &[M::RedisMemory],
        Resource::Network => &[M::HostNetworkIn, M::HostNetworkOut, M::RedisNetworkIn, M::RedisNetworkOut],
        Resource::QueueDepth => &[],
        Resource::TransactionIds => &[M::TransactionIdAge],
        Resource::Sequences => &[M::SequenceUsed],
    }
}

/// One resource of one target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub resource: Resource,
    /// What it is computed from; empty where nothing is measured.
    pub metrics: Vec<M>,
    pub unit: Unit,
    pub measure: Measure,
    /// Start of the first hour.
    pub from: Timestamp,
    /// One value an hour, the first and the last measured: its mean; its highest where a moment is enough to fail, as for
    /// connections. A processor that is busy for seconds has not run out.
    pub hours: Vec<Option<f64>>,
    pub limit: Option<Limit>,
    /// How to say what it can hold, where nobody does.
    pub limit_help: Option<String>,
    pub parts: Vec<Part>,
    /// Why nothing is measured.
    pub absent: Option<String>,
}

/// What a subject is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub hours: &'a Hours,
    /// The newest figures.
    pub figures: &'a Figures,
    /// What configuration says.
    pub limits: &'a CapacityLimits,
    pub has_redis: bool,
}

impl Known<'_> {
    /// The means of the hours of one metric; empty where it was never measured.
    fn level(&self, metric: M) -> Vec<Option<f64>> {
        self.column(metric, |tally| tally.mean())
    }

    /// Their highest values.
    fn peak(&self, metric: M) -> Vec<Option<f64>> {
        self.column(metric, |tally| tally.max)
    }

    fn column(&self, metric: M, of: fn(&crate::store::Tally) -> f64) -> Vec<Option<f64>> {
        let column: Vec<_> = self.hours.of(metric).iter().map(|slot| slot.as_ref().map(of)).collect();
        if column.iter().all(Option::is_none) { Vec::new() } else { column }
    }

    fn now(&self, metric: M) -> Option<f64> {
        self.figures.get(&metric).copied()
    }

    fn parts(&self, metrics: &[M]) -> Vec<Part> {
        metrics.iter().filter_map(|metric| Some(Part { metric: *metric, value: self.now(*metric)? })).collect()
    }

    /// A subject over hours; those before the first and after the last measurement say nothing.
    fn over(&self, resource: Resource, metrics: &[M], measure: Measure, hours: Vec<Option<f64>>) -> Subject {
        let first = hours.iter().position(Option::is_some).unwrap_or(0);
        let last = hours.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        Subject {
            resource,
            metrics: metrics.to_vec(),
            unit: metrics.first().map_or(Unit::Count, |metric| metric.metric().unit),
            measure,
            from: self.hours.start_of(first),
            hours: hours.get(first..last).unwrap_or_default().to_vec(),
            limit: None,
            limit_help: None,
            parts: Vec::new(),
            absent: None,
        }
    }

    fn absent(&self, resource: Resource, unit: Unit, why: &str) -> Subject {
        let empty = self.over(resource, &[], Measure::Level, Vec::new());
        Subject { unit, absent: Some(why.to_owned()), ..empty }
    }
}

/// The subject of a resource.
pub(super) fn of(resource: Resource, known: &Known<'_>) -> Subject {
    match resource {
        Resource::Cpu => machine(resource, M::HostCpu, known),
        Resource::Memory => machine(resource, M::HostMemoryUsed, known),
        Resource::Storage => storage(known),
        Resource::Connections => connections(known),
        Resource::CacheMemory => cache_memory(known),
        Resource::Network => network(known),
        Resource::QueueDepth => known.absent(resource, Unit::Count, "There is no job queue on this target."),
        Resource::TransactionIds => {
            let label = "2,147,483,648 ids: PostgreSQL stops writing shortly before; autovacuum freezes from \
                         autovacuum_freeze_max_age on";
            share(resource, M::TransactionIdAge, label, known)
        }
        Resource::Sequences => {
            share(resource, M::SequenceUsed, "end of the sequence, or of the column it fills", known)
        }
    }
}

fn limit(value: f64, source: LimitSource, label: impl Into<String>) -> Option<Limit> {
    (value > 0.0).then(|| Limit { value, source, label: label.into() })
}

fn machine(resource: Resource, metric: M, known: &Known<'_>) -> Subject {
    let hours = known.level(metric);
    if hours.is_empty() {
        let why = format!("{} is measured only where the target runs on the console's own machine.", resource.name());
        return known.absent(resource, Unit::Percent, &why);
    }
    let planned = known.limits.planned_percent;
    let label = if planned < 100.0 { "planned limit; the machine ends at 100 %" } else { "all of the machine" };
    let limit = limit(planned, LimitSource::Configuration, label);
    Subject { limit, ..known.over(resource, &[metric], Measure::DailyPeak, hours) }
}

/// The file system where it is measured and nobody configured less; else the database with its write-ahead log.
fn storage(known: &Known<'_>) -> Subject {
    let (disk, size) = (known.level(M::HostDiskUsed), known.level(M::DatabaseSize));
    let measured = |hours: &[Option<f64>]| hours.iter().flatten().count();
    let parts = known.parts(&[M::DatabaseSize, M::LargestTable, M::WalSize, M::HostDiskUsed]);
    let configured = known.limits.storage_bytes;
    if size.is_empty() && disk.is_empty() {
        return known.absent(Resource::Storage, Unit::Bytes, "No size has been measured yet.");
    }
    if configured.is_none() && measured(&disk) * 2 >= measured(&size) {
        let size = known.now(M::HostDiskSize).unwrap_or(0.0);
        let subject = known.over(Resource::Storage, &[M::HostDiskUsed], Measure::Level, disk);
        let limit = limit(size, LimitSource::Host, "file system of the data directory");
        return Subject { limit, parts, limit_help: Some(help("storage = \"500GiB\"")), ..subject };
    }
    let wal = known.level(M::WalSize);
    let (metrics, hours): (&[M], _) = if measured(&wal) * 2 >= measured(&size) {
        let sum = |(size, wal): (&Option<f64>, &Option<f64>)| Some((*size)? + (*wal)?);
        (&[M::DatabaseSize, M::WalSize], size.iter().zip(&wal).map(sum).collect())
    } else {
        (&[M::DatabaseSize], size)
    };
    let subject = known.over(Resource::Storage, metrics, Measure::Level, hours);
    // What is there may grow by what is free, as long as nothing else takes it.
    let free = known.now(M::HostDiskSize).zip(known.now(M::HostDiskUsed)).map(|(size, used)| size - used);
    let now: Option<f64> = metrics.iter().map(|metric| known.now(*metric)).sum();
    let limit = match (configured, free.zip(now)) {
        (Some(bytes), _) => limit(bytes as f64, LimitSource::Configuration, "limits.storage of the target"),
        (None, Some((free, now))) => limit(now + free, LimitSource::Host, "what is there and what is free on its disk"),
        (None, None) => None,
    };
    Subject { limit, parts, limit_help: Some(help("storage = \"500GiB\"")), ..subject }
}

fn connections(known: &Known<'_>) -> Subject {
    let hours = known.peak(M::Connections);
    if hours.is_empty() {
        return known.absent(Resource::Connections, Unit::Count, "No connection has been counted yet.");
    }
    let subject = known.over(Resource::Connections, &[M::Connections], Measure::DailyPeak, hours);
    let most = known.now(M::ConnectionsMax).unwrap_or(0.0);
    let limit = limit(most, LimitSource::Server, "max_connections less the reserved ones");
    let parts = known.parts(&[M::SessionsActive, M::SessionsIdleInTransaction]);
    Subject { limit, parts, limit_help: Some("It is read from the server; it has not answered yet.".into()), ..subject }
}

fn cache_memory(known: &Known<'_>) -> Subject {
    let hours = known.level(M::RedisMemory);
    if hours.is_empty() {
        let why = if known.has_redis {
            "Redis has told no memory figures yet; of a Cluster they are not collected."
        } else {
            "This target has no Redis."
        };
        return known.absent(Resource::CacheMemory, Unit::Bytes, why);
    }
    let subject = known.over(Resource::CacheMemory, &[M::RedisMemory], Measure::Level, hours);
    let limit = match (known.now(M::RedisMemoryMax), known.limits.cache_memory_bytes) {
        (Some(most), _) => limit(most, LimitSource::Server, "maxmemory of Redis"),
        (None, Some(bytes)) => limit(bytes as f64, LimitSource::Configuration, "limits.cache_memory of the target"),
        (None, None) => None,
    };
    let help = format!("Set maxmemory in Redis. Or {}", help("cache_memory = \"8GiB\""));
    Subject { limit, limit_help: Some(help), parts: known.parts(&[M::RedisKeys]), ..subject }
}

/// The busier direction of the machine's network; of Redis alone where the machine's is not measured.
fn network(known: &Known<'_>) -> Subject {
    let [mut input, mut output] = [M::HostNetworkIn, M::HostNetworkOut];
    let mut hours = busier(&known.level(input), &known.level(output));
    let is_host = !hours.is_empty();
    if !is_host {
        [input, output] = [M::RedisNetworkIn, M::RedisNetworkOut];
        hours = busier(&known.level(input), &known.level(output));
    }
    if hours.is_empty() {
        let why = "The network is measured only where the target runs on the console's own machine, and of Redis.";
        return known.absent(Resource::Network, Unit::BytesPerSecond, why);
    }
    let limit = match (known.limits.network_bytes_per_second, known.now(M::HostNetworkSpeed).filter(|_| is_host)) {
        (Some(rate), _) => limit(rate, LimitSource::Configuration, "limits.network of the target"),
        (None, Some(speed)) => limit(speed, LimitSource::Host, "speed of the machine's interfaces"),
        (None, None) => None,
    };
    let subject = known.over(Resource::Network, &[input, output], Measure::DailyPeak, hours);
    let parts = known.parts(&[input, output]);
    Subject { limit, parts, limit_help: Some(help("network = \"1 Gbit/s\"")), ..subject }
}

fn busier(input: &[Option<f64>], output: &[Option<f64>]) -> Vec<Option<f64>> {
    input.iter().zip(output).map(|(input, output)| Some((*input)?.max((*output)?))).collect()
}

/// A share that ends at 100 %.
fn share(resource: Resource, metric: M, label: &str, known: &Known<'_>) -> Subject {
    let hours = known.level(metric);
    if hours.is_empty() {
        let why = match resource {
            Resource::Sequences => "There is no sequence, or not all of them may be read.",
            _ => "It has not been measured yet.",
        };
        return known.absent(resource, Unit::Percent, why);
    }
    let limit = limit(100.0, LimitSource::Server, label);
    Subject { limit, ..known.over(resource, &[metric], Measure::Level, hours) }
}

fn help(setting: &str) -> String {
    format!("Write {setting} under [targets.limits] in headroom.toml.")
}

impl Subject {
    /// The newest value of what is looked at: of the last 24 measured hours.
    pub(super) fn current(&self) -> Option<f64> {
        let last = &self.hours[self.hours.len().saturating_sub(HOURS_A_DAY)..];
        combine(last, self.measure)
    }

    /// The past by day; the last step may be a part of one.
    pub(super) fn past(&self) -> Past {
        // Days begin at midnight, hours wherever the first measurement was.
        let from = self.from.floor_to(DAY_MS);
        let lead = usize::try_from((self.from.0 - from.0) / crate::store::HOUR_MS).unwrap_or(0).min(HOURS_A_DAY - 1);
        let mut values = Vec::with_capacity(self.hours.len() / HOURS_A_DAY + 2);
        let (first, rest) = self.hours.split_at(self.hours.len().min(HOURS_A_DAY - lead));
        for day in std::iter::once(first).chain(rest.chunks(HOURS_A_DAY)).filter(|day| !day.is_empty()) {
            values.push(combine(day, self.measure));
        }
        Past { from, step_ms: DAY_MS, values }
    }
}

/// What is looked at of some hours: their highest or their mean; none where none was measured.
pub(super) fn combine(hours: &[Option<f64>], measure: Measure) -> Option<f64> {
    let values = || hours.iter().flatten().copied();
    match measure {
        Measure::DailyPeak => values().reduce(f64::max),
        Measure::Level => {
            let count = values().count();
            (count > 0).then(|| values().sum::<f64>() / count as f64)
        }
    }
}
