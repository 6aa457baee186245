//! Issues that are a figure past its limit: taken from the deductions, with what the observation adds to the cause.

use super::{counted, statements::open_trends};
use crate::{
    collect::Observation,
    links::{Place, link},
};
use headroom_model::{
    MetricId, format,
    health::{Deduction, Health},
    observation::{Issue, IssueKind, Remedy},
};
use std::collections::BTreeMap;

/// One issue a deduction that no other source explains better. Deductions whose target is met again are no longer wrong.
pub(super) fn draw(observation: &Observation, health: &Health) -> Vec<Issue> {
    let failing = health.deductions.iter().filter(|deduction| deduction.met_since.is_none());
    failing.filter_map(|deduction| issue(deduction, observation)).collect()
}

fn issue(deduction: &Deduction, observation: &Observation) -> Option<Issue> {
    let target = &observation.sample.target;
    let open = || open_trends(target);
    let connections = || Remedy::Open(link(Place::Connections, target));
    let (detail, remedy) = match deduction.check.as_str() {
        "postgres-down" => (observation.postgres_error.clone().unwrap_or_default(), open()),
        "redis-down" => (observation.redis_error.clone().unwrap_or_default(), open()),
        "connections" => (who_connects(observation), connections()),
        "redis-hit-rate" | "redis-evictions" | "redis-memory" => (redis_room(observation), open()),
        "transaction-ids" => (oldest_transaction(observation), freeze("age(datfrozenxid)")),
        "multixacts" => (oldest_transaction(observation), freeze("mxid_age(datminmxid)")),
        "pool-leaks" => ("A page or task of the console keeps its connection".to_owned(), connections()),
        "replication-delay" | "replication-lag" => {
            let replicas = observation.sample.get(MetricId::Replicas).unwrap_or(0.0);
            (format!("{} connected", counted(replicas as usize, "replica")), open())
        }
        _ => return None,
    };
    let outage = matches!(deduction.check.as_str(), "postgres-down" | "redis-down");
    Some(Issue {
        id: deduction.check.clone(),
        kind: IssueKind::Active,
        band: Some(deduction.band),
        title: deduction.cause.clone(),
        detail,
        remedy: Some(remedy),
        gain: (!outage).then(|| format!("+{} points", deduction.points)),
    })
}

/// "order-sync holds 120 of 168 sessions, 90 of them idle".
fn who_connects(observation: &Observation) -> String {
    let mut by_application: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for session in &observation.sessions {
        let (all, idle) = by_application.entry(&session.application).or_default();
        *all += 1;
        *idle += usize::from(session.state == "idle");
    }
    let Some((application, (all, idle))) = by_application.iter().max_by_key(|(_, (all, _))| *all) else {
        return "Who holds them could not be read".to_owned();
    };
    let name = if application.is_empty() { "an application without a name" } else { application };
    format!("{name} holds {all} of {}, {idle} of them idle", counted(observation.sessions.len(), "session"))
}

/// What room Redis has, and what it throws out.
fn redis_room(observation: &Observation) -> String {
    let figure = |metric: MetricId| format::value_or_missing(observation.sample.get(metric), metric.metric().unit);
    format!(
        "Memory {} of {}, {} evictions, {} keys",
        figure(MetricId::RedisMemory),
        figure(MetricId::RedisMemoryMax),
        figure(MetricId::RedisEvictions),
        figure(MetricId::RedisKeys),
    )
}

fn oldest_transaction(observation: &Observation) -> String {
    let age = observation.sample.get(MetricId::LongestTransaction).map(format::duration_ms);
    let oldest = age.map_or_else(|| "unknown".to_owned(), |age| format!("{age} old"));
    format!("Vacuum must freeze old rows before the ids run out; the oldest open transaction is {oldest}")
}

fn freeze(age: &str) -> Remedy {
    Remedy::Sql {
        label: "List databases by age".to_owned(),
        sql: format!("SELECT datname, {age} AS age FROM pg_database ORDER BY age DESC;"),
    }
}
