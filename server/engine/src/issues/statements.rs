//! The statement that takes most of the time.

use super::one_line;
use crate::{
    collect::{Observation, StatementFigures},
    links::{Place, link},
};
use headroom_model::{
    Band, TargetId, format,
    health::Health,
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
};

/// A statement below this share does not dominate.
const SHARE: f64 = 0.4;
/// A statement faster than this is frequent, not slow.
const SLOW_MS: f64 = 100.0;
/// The collector cuts texts at this length; a cut statement cannot be explained.
const TEXT_MAX: usize = 2000;

/// The dominating statement, if there is one. It is wrong now while the latency misses its target, else a suggestion.
pub(super) fn draw(observation: &Observation, health: &Health) -> Option<Issue> {
    let worst = observation.statements.iter().max_by(|a, b| a.time_share.total_cmp(&b.time_share))?;
    if worst.time_share < SHARE || worst.mean_ms < SLOW_MS {
        return None;
    }
    let latency = health.deductions.iter().find(|deduction| deduction.check == "query-latency");
    let (kind, band) = match latency {
        Some(deduction) => (IssueKind::Active, Some(deduction.band)),
        None => (IssueKind::Suggested, None::<Band>),
    };
    Some(Issue {
        id: format!("statement:{}", worst.query_id),
        kind,
        band,
        title: format!(
            "One statement takes {} of the execution time, {} a call",
            format::value(worst.time_share * 100.0, Unit::Percent),
            format::value(worst.mean_ms, Unit::Milliseconds),
        ),
        detail: format!("{}; {} calls in the last interval", one_line(&worst.text), format::count(worst.calls)),
        remedy: Some(explain(worst, observation)),
        gain: None,
    })
}

/// The statement that shows the plan, or the charts where the server cannot explain it: before 16 no normalised statement,
/// and never one in which a constant was replaced by `?`.
pub(super) fn explain(statement: &StatementFigures, observation: &Observation) -> Remedy {
    let major = observation.facts.postgres_version.as_deref().and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let text = statement.text.trim().trim_end_matches(';');
    let verb = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let explainable = matches!(verb.as_str(), "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "MERGE");
    if major.is_some_and(|major| major >= 16) && explainable && !text.contains('?') && text.chars().count() < TEXT_MAX {
        Remedy::Sql { label: "Show plan".to_owned(), sql: format!("EXPLAIN (GENERIC_PLAN) {text};") }
    } else {
        open_trends(&observation.sample.target)
    }
}

/// The charts, where no statement helps.
pub(super) fn open_trends(target: &TargetId) -> Remedy {
    Remedy::Open(link(Place::Trends, target))
}
