//! What an import leaves in the audit and on the timeline.

use crate::store::{NewAudit, NewImport};
use headroom_model::{
    Role,
    event::{EventKind, NewEvent},
    format::count,
    origin::ImportReport,
};
use serde_json::json;

/// The audit row and the event of an import that is done; both name what came from where.
#[must_use]
pub fn records(what: &NewImport, report: &ImportReport, role: Role, origin: Option<String>) -> (NewAudit, NewEvent) {
    let span = report
        .from
        .zip(report.to)
        .map_or_else(String::new, |(from, to)| format!(", {} to {}", from.to_rfc3339(), to.to_rfc3339()));
    let done = format!(
        "{} points of {} metrics from {}{span}; {} left out",
        count(report.points),
        report.metrics,
        what.source,
        count(report.skipped.total())
    );
    let audit = NewAudit {
        at: what.at,
        actor: what.actor.clone(),
        role,
        origin,
        action: "history.import".to_owned(),
        target: Some(what.target.clone()),
        parameters: json!({"source": what.source, "lines": report.lines, "import": report.id}),
        reason: None,
        outcome: done.clone(),
        succeeded: true,
    };
    let event = NewEvent {
        at: what.at,
        target: Some(what.target.clone()),
        kind: EventKind::Action,
        band: None,
        title: "History imported".to_owned(),
        detail: Some(done),
        actor: Some(what.actor.clone()),
    };
    (audit, event)
}
