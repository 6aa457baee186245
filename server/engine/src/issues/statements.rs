//! The statement that takes most of the time.

use super::{MAX_OF_A_SORT, one_line};
use crate::{
    collect::Observation,
    links::{Place, link},
    statements::SlowerStatement,
};
use headroom_model::{
    Band, TargetId, format,
    health::Health,
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
    statements::RowByRow,
};

/// A statement below this share does not dominate.
const SHARE: f64 = 0.4;
/// A statement faster than this is frequent, not slow.
const SLOW_MS: f64 = 100.0;

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
        remedy: Some(open(&observation.sample.target, worst.query_id)),
        gain: None,
    })
}

/// Statements that are slower than they used to be.
pub(super) fn slower(target: &TargetId, slower: &[SlowerStatement]) -> Vec<Issue> {
    let issue = |one: &SlowerStatement| {
        let since =
            one.regression.since.map(|since| format!("since {} UTC, ", format::clock(since))).unwrap_or_default();
        Issue {
            id: format!("slower:{}", one.query_id),
            kind: IssueKind::Suggested,
            band: None,
            title: format!(
                "A statement takes {} a call, {} is usual",
                format::value(one.regression.mean_ms, Unit::Milliseconds),
                format::value(one.regression.usual_ms, Unit::Milliseconds),
            ),
            detail: format!(
                "{since}by {}: {}",
                one.regression.basis,
                one.text.as_deref().map_or_else(String::new, one_line)
            ),
            remedy: Some(open(target, one.query_id)),
            gain: None,
        }
    };
    slower.iter().take(MAX_OF_A_SORT).map(issue).collect()
}

/// Rows that are fetched one by one.
pub(super) fn row_by_row(target: &TargetId, patterns: &[RowByRow]) -> Vec<Issue> {
    let issue = |one: &RowByRow| Issue {
        id: format!("row-by-row:{}", one.lookup_id),
        kind: IssueKind::Suggested,
        band: None,
        title: format!("One statement is run for each row of another, {} times a list", format::number(one.per_call),),
        detail: format!(
            "{} calls in {} of the last {} minutes: {}",
            format::count(one.calls),
            one.minutes,
            one.of,
            one_line(&one.lookup_text)
        ),
        remedy: Some(Remedy::Open(link(Place::Statement(one.lookup_id.parse().unwrap_or_default()), target))),
        gain: None,
    };
    patterns.iter().take(MAX_OF_A_SORT).map(issue).collect()
}

/// The page of a statement.
pub(super) fn open(target: &TargetId, query_id: i64) -> Remedy {
    Remedy::Open(link(Place::Statement(query_id), target))
}

/// The page of all statements.
pub(super) fn open_all(target: &TargetId) -> Remedy {
    Remedy::Open(link(Place::Queries, target))
}

/// The charts of the Overview.
pub(super) fn open_trends(target: &TargetId) -> Remedy {
    Remedy::Open(link(Place::Trends, target))
}
