//! Indexes that are suggested, each with the page where its proof stands and where it is created.

use super::MAX_OF_A_SORT;
use crate::links::suggested_index;
use headroom_model::{
    TargetId,
    advice::{IndexAdvice, Proof},
    format,
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
};

/// One suggestion an index.
pub(super) fn draw(target: &TargetId, indexes: &[IndexAdvice]) -> Vec<Issue> {
    indexes.iter().take(MAX_OF_A_SORT).map(|advice| issue(target, advice)).collect()
}

fn issue(target: &TargetId, advice: &IndexAdvice) -> Issue {
    let basis = match advice.proof {
        Proof::Planner => "planned by the server with the index",
        Proof::Estimate => "from statistics",
    };
    let saving = format::value(advice.saving() * 100.0, Unit::Percent);
    Issue {
        id: format!("index:{}", advice.id),
        kind: IssueKind::Suggested,
        band: None,
        title: format!("An index on {} {} is worth creating", advice.table, advice.keys),
        detail: advice.reason.clone(),
        remedy: Some(Remedy::Open(suggested_index(target, &advice.id))),
        gain: Some(format!("estimate: saves {saving} of the planner cost of its statements, {basis}")),
    }
}
