//! Drivers, consequences, remedies: what the figures of a resource mean to people.

use super::plan;
use crate::{
    collect::{Observation, SequenceFigures, TableFigures},
    issues::table_name,
    links::{self, Place},
};
use headroom_model::{
    TargetId, Timestamp,
    capacity::{Limit, LimitSource, Resource, ResourceReport},
    forecast::Crossing,
    format,
    observation::Remedy,
};
use std::collections::{BTreeMap, HashMap};

/// Growth of tables is told once it was watched so long.
const WATCHED_MS: i64 = 3_600_000;
const DAY_MS: f64 = 86_400_000.0;
/// Sizes that are remembered are taken anew after so long.
const REMEMBERED_MS: i64 = 7 * 86_400_000;

/// Sizes of tables at an earlier moment: the collector knows the present ones only.
#[derive(Debug, Default)]
pub(super) struct TableSizes {
    at: Timestamp,
    /// At most as many as an observation holds.
    bytes: HashMap<(String, String), i64>,
}

impl TableSizes {
    /// The table that grew most since the sizes were taken, in bytes a day; takes them where there are none, or old ones.
    pub(super) fn fastest(&mut self, tables: &[TableFigures], now: Timestamp) -> Option<(String, f64)> {
        if tables.is_empty() {
            return None;
        }
        let watched = now.0 - self.at.0;
        let growth = |table: &TableFigures| {
            let before = self.bytes.get(&(table.schema.clone(), table.name.clone()))?;
            let added = (table.size_bytes - before) as f64;
            (added > 0.0).then(|| (table_name(&table.schema, &table.name), added * DAY_MS / watched as f64))
        };
        let fastest = if watched >= WATCHED_MS && !self.bytes.is_empty() {
            tables.iter().filter_map(growth).max_by(|one, other| one.1.total_cmp(&other.1))
        } else {
            None
        };
        if self.bytes.is_empty() || watched > REMEMBERED_MS {
            self.at = now;
            let sizes = tables.iter().map(|table| ((table.schema.clone(), table.name.clone()), table.size_bytes));
            self.bytes = sizes.collect();
        }
        fastest
    }
}

/// What drives a resource, as far as an observation and the forecast tell.
pub(super) fn driver(
    report: &ResourceReport,
    observation: Option<&Observation>,
    fastest_table: Option<&(String, f64)>,
) -> Option<String> {
    let seen = observation.and_then(|observation| match report.resource {
        Resource::Storage => storage(observation, fastest_table),
        Resource::Connections => connections(observation),
        Resource::Cpu => statement(observation),
        Resource::Sequences => observation.sequence.as_ref().map(sequence),
        _ => None,
    });
    let growth = report.forecast().map(|forecast| {
        let growth = forecast.growth_per_day;
        let large = report.current.is_none_or(|current| growth.abs() * 365.0 >= current.abs() * 0.02);
        match (large, growth > 0.0) {
            (false, _) => "steady".to_owned(),
            (true, true) => format!("+{} a day", format::value(growth, report.unit)),
            (true, false) => format!("{} a day", format::value(growth, report.unit)),
        }
    });
    match (growth, seen) {
        (Some(growth), Some(seen)) => Some(format!("{seen}; {growth}")),
        (growth, seen) => seen.or(growth),
    }
}

fn storage(observation: &Observation, fastest: Option<&(String, f64)>) -> Option<String> {
    if let Some((table, growth)) = fastest {
        return Some(format!("{table} +{} a day", format::bytes(*growth)));
    }
    let largest = observation.tables.first()?;
    let size = format::bytes(largest.size_bytes as f64);
    Some(format!("largest table {}, {size}", table_name(&largest.schema, &largest.name)))
}

fn connections(observation: &Observation) -> Option<String> {
    let mut by_application: BTreeMap<&str, usize> = BTreeMap::new();
    for session in &observation.sessions {
        *by_application.entry(session.application.as_str()).or_default() += 1;
    }
    let (name, most) = by_application.into_iter().max_by_key(|(_, count)| *count)?;
    let name = if name.is_empty() { "sessions without a name" } else { name };
    Some(format!("{name}: {most} of {}", observation.sessions.len()))
}

fn statement(observation: &Observation) -> Option<String> {
    let first = observation.statements.first().filter(|statement| statement.time_share >= 0.1)?;
    let text: String = first.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    Some(format!("{} % of statement time: {text}", format::number(first.time_share * 100.0)))
}

fn sequence(sequence: &SequenceFigures) -> String {
    let name = table_name(&sequence.schema, &sequence.name);
    match &sequence.column {
        Some(column) => format!("{name}, which fills {column}"),
        None => name,
    }
}

/// What happens when a resource is at its limit.
pub(super) fn consequence(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "Statements wait for the processor, and every latency rises.",
        Resource::Memory => "The system pages out or ends processes.",
        Resource::Storage => "PostgreSQL stops when the disk is full.",
        Resource::Connections => "New clients are refused.",
        Resource::CacheMemory => "Redis evicts keys or refuses writes; PostgreSQL answers instead.",
        Resource::Network => "Answers queue on the wire.",
        Resource::QueueDepth => "Jobs wait.",
        Resource::TransactionIds => "PostgreSQL refuses writes until it is vacuumed.",
        Resource::Sequences => "Inserts that need a new number fail.",
    }
}

/// Whether one step ends the matter.
pub(super) fn is_final(resource: Resource) -> bool {
    matches!(resource, Resource::TransactionIds | Resource::Sequences)
}

/// What that step achieves.
pub(super) fn final_effect(resource: Resource) -> &'static str {
    match resource {
        Resource::Sequences => "a bigint holds 9,223,372,036,854,775,807",
        _ => "frozen rows no longer count",
    }
}

/// A step of a plan: from one limit to the next.
pub(super) fn step(report: &ResourceReport, from: f64, to: f64) -> String {
    let (unit, source) = (report.unit, report.limit.as_ref().map(|limit| limit.source));
    let [from_words, to_words] = [from, to].map(|value| format::value(value, unit).to_string());
    let times = format::number((to / from.max(f64::MIN_POSITIVE) * 100.0).round() / 100.0);
    match report.resource {
        Resource::Cpu => format!("Take load off the processor, or have {times} times as much of it"),
        Resource::Memory => format!("Have {times} times as much memory, or give less to processes"),
        Resource::Storage => {
            format!("Grow storage from {from_words} to {to_words}, or remove what is no longer needed")
        }
        Resource::Connections => {
            format!(
                "Put a pooler before PostgreSQL, or raise max_connections by {}",
                format::number((to - from).ceil())
            )
        }
        Resource::CacheMemory if source == Some(LimitSource::Server) => {
            format!("Raise maxmemory of Redis from {from_words} to {to_words}, or shorten lives of keys")
        }
        Resource::CacheMemory => format!("Give Redis {to_words} instead of {from_words}, or shorten lives of keys"),
        Resource::Network => format!("Grow the network from {from_words} to {to_words}, or send less"),
        Resource::QueueDepth => "Add workers".to_owned(),
        Resource::TransactionIds => {
            "Find what holds back vacuum (old transactions, slots), then VACUUM (FREEZE)".to_owned()
        }
        Resource::Sequences => {
            let which = report.driver.as_deref().and_then(|driver| driver.split(';').next()).unwrap_or("the sequence");
            format!("Make sequence and column bigint, which rewrites the table: {which}")
        }
    }
}

/// What helps now, and what that achieves. None while nothing is near.
pub(super) fn remedy(report: &ResourceReport, target: &TargetId) -> (Option<Remedy>, Option<String>) {
    let Some(forecast) = report.forecast() else { return (None, None) };
    let day = match forecast.crossing {
        Crossing::Reached => 0.0,
        Crossing::Within { p10, p50, .. } => p10.or(p50).unwrap_or(0.0),
        _ => return (None, None),
    };
    let Some(Limit { value: limit, .. }) = report.limit else { return (None, None) };
    let needed = plan::needed(forecast, day);
    let to = plan::next_limit(report.resource, limit, needed);
    let impact = match report.resource {
        Resource::Cpu | Resource::Memory => None,
        resource if is_final(resource) => Some(final_effect(resource).to_owned()),
        _ => Some(format!(
            "estimate: a year later nine of ten outcomes stay below {}",
            format::value(needed, report.unit)
        )),
    };
    let remedy = match report.resource {
        Resource::Cpu => Remedy::Open(links::link(Place::Issues, target)),
        Resource::Connections => Remedy::Sql {
            label: "Raise max_connections".into(),
            sql: format!(
                "-- a pooler before PostgreSQL costs less than more connections\n\
                 SELECT format('ALTER SYSTEM SET max_connections = %s;  -- then restart PostgreSQL', \
                 current_setting('max_connections')::int + {});",
                (to - limit).ceil()
            ),
        },
        Resource::TransactionIds => Remedy::Sql {
            label: "Find what holds back vacuum".into(),
            sql: "SELECT pid, backend_xmin, state, xact_start FROM pg_stat_activity WHERE backend_xmin IS NOT NULL \
                  ORDER BY age(backend_xmin) DESC LIMIT 5;\n\
                  SELECT slot_name, xmin, catalog_xmin FROM pg_replication_slots;\n\
                  SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') \
                  ORDER BY age(relfrozenxid) DESC LIMIT 5;  -- then VACUUM (FREEZE) these"
                .into(),
        },
        _ => Remedy::Text { text: format!("{}.", step(report, limit, to)) },
    };
    (Some(remedy), impact)
}
