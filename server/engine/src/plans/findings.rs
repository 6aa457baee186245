//! What may be wrong with a plan, and what helps.

use headroom_model::{
    format,
    plan::{Plan, PlanFinding, PlanFindingKind, PlanNode},
};

/// A scan of fewer rows is cheap however it is done.
const LARGE_ROWS: f64 = 10_000.0;
/// A sequential scan below this cost reads few pages.
const LARGE_COST: f64 = 1_000.0;
/// Estimates that are off by more than this mislead the planner.
const MISESTIMATE: f64 = 10.0;
/// Loops that few statements want.
const MANY_LOOPS: f64 = 10_000.0;
/// Most findings of a plan.
const MAX_FINDINGS: usize = 20;

/// The findings of a plan, those of its dearest nodes first.
pub(super) fn of(plan: &Plan) -> Vec<PlanFinding> {
    let mut found: Vec<(f64, PlanFinding)> = Vec::new();
    for (at, node) in plan.nodes.iter().enumerate() {
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        let about = |(kind, what, remedy): (PlanFindingKind, String, String)| {
            (node.own_share, PlanFinding { node: place, kind, what, remedy })
        };
        let outer_rows = (node.kind.starts_with("Nested Loop")).then(|| plan.nodes.get(at + 1)).flatten();
        let all = [
            sequential(node),
            estimate(node),
            outer_rows.and_then(nested_loop),
            disk(node),
            batches(node),
            removed(node),
        ];
        found.extend(all.into_iter().flatten().map(about));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(MAX_FINDINGS);
    found.into_iter().map(|(_, finding)| finding).collect()
}

type Found = Option<(PlanFindingKind, String, String)>;

fn rows(count: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows, rounded and not below zero")]
    let whole = count.max(0.0).round() as u64;
    format::counted(whole, "row")
}

fn is_sequential(node: &PlanNode) -> bool {
    node.kind.ends_with("Seq Scan")
}

fn filter(node: &PlanNode) -> Option<&str> {
    node.conditions.iter().find_map(|condition| condition.strip_prefix("Filter: "))
}

fn sequential(node: &PlanNode) -> Found {
    if !is_sequential(node) || node.total_cost < LARGE_COST {
        return None;
    }
    let table = node.relation.as_deref().unwrap_or("a table");
    let remedy = match filter(node) {
        Some(filter) => format!("An index over the columns of {filter} would read only the rows that pass."),
        None => "The statement asks for every row; ask for fewer, or keep the answer (a dataset, a summary table)."
            .to_owned(),
    };
    Some((
        PlanFindingKind::SequentialScan,
        format!("Reads all of {table} and expects {} of it.", rows(node.rows)),
        remedy,
    ))
}

fn estimate(node: &PlanNode) -> Found {
    let actual = node.rows_actual?;
    if node.loops == Some(0.0) {
        return None;
    }
    let factor = (actual.max(1.0) / node.rows.max(1.0)).max(node.rows.max(1.0) / actual.max(1.0));
    if factor < MISESTIMATE || actual.max(node.rows) < 100.0 {
        return None;
    }
    let remedy = match &node.relation {
        Some(table) => format!(
            "ANALYZE {table}; — where it stays, raise the statistics target of its columns, or CREATE STATISTICS over \
             columns that depend on each other."
        ),
        None => "The estimates of the nodes below mislead; begin with the deepest one.".to_owned(),
    };
    let what = format!("Expected {}, came {}: off by a factor of {factor:.0}.", rows(node.rows), rows(actual));
    Some((PlanFindingKind::RowEstimate, what, remedy))
}

/// `outer` gives the rows for each of which the inner side runs once.
fn nested_loop(outer: &PlanNode) -> Found {
    let times = outer.rows_actual.map_or(outer.rows, |rows| rows * outer.loops.unwrap_or(1.0));
    (times >= MANY_LOOPS).then(|| {
        (
            PlanFindingKind::NestedLoop,
            format!("Runs its inner side once for each of {}.", rows(times)),
            "A hash join would read the inner side once. If the outer side has fewer rows in truth, ANALYZE its table; if \
             not, look whether work_mem forbids the hash."
                .to_owned(),
        )
    })
}

fn disk(node: &PlanNode) -> Found {
    let kb = node.disk_kb.filter(|kb| *kb > 0.0)?;
    let megabytes = (kb / 1024.0 * 2.5).ceil().max(8.0);
    Some((
        PlanFindingKind::DiskSort,
        format!("Did not fit into memory: {} on disk.", format::bytes(kb * 1024.0)),
        format!(
            "SET LOCAL work_mem = '{megabytes:.0}MB' for this statement, an index in the order that it sorts by, or fewer \
             rows to sort."
        ),
    ))
}

fn batches(node: &PlanNode) -> Found {
    let batches = node.batches.filter(|batches| *batches > 1.0)?;
    Some((
        PlanFindingKind::HashBatches,
        format!("The hash was done in {batches:.0} parts because it did not fit into memory."),
        "More work_mem (or hash_mem_multiplier) for this statement, or fewer columns and rows in the hashed side."
            .to_owned(),
    ))
}

fn removed(node: &PlanNode) -> Found {
    let (removed, kept) = (node.rows_removed?, node.rows_actual?);
    if removed < LARGE_ROWS.min(1_000.0) || removed < 10.0 * kept.max(1.0) {
        return None;
    }
    let remedy = match filter(node) {
        Some(filter) => format!("Add what is filtered by to the index, so that those rows are not read: {filter}."),
        None => "A condition that an index can answer would spare reading them.".to_owned(),
    };
    Some((
        PlanFindingKind::RowsRemoved,
        format!("Threw away {} for {} that passed, each time.", rows(removed), rows(kept)),
        remedy,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::Timestamp;

    fn plan(nodes: Vec<PlanNode>) -> Plan {
        Plan {
            fingerprint: String::new(),
            at: Timestamp(0),
            is_generic: true,
            is_measured: true,
            total_cost: 0.0,
            execution_ms: None,
            nodes_total: nodes.len() as u32,
            nodes,
            findings: vec![],
        }
    }

    fn kinds(nodes: Vec<PlanNode>) -> Vec<PlanFindingKind> {
        of(&plan(nodes)).into_iter().map(|finding| finding.kind).collect()
    }

    fn node(kind: &str) -> PlanNode {
        PlanNode { kind: kind.into(), relation: Some("shop.orders".into()), ..PlanNode::default() }
    }

    #[test]
    fn each_finding_is_found() {
        use PlanFindingKind::*;
        assert_eq!(kinds(vec![PlanNode { total_cost: 5_000.0, ..node("Seq Scan") }]), [SequentialScan]);
        assert_eq!(kinds(vec![PlanNode { total_cost: 5_000.0, ..node("Parallel Seq Scan") }]), [SequentialScan]);
        assert_eq!(
            kinds(vec![PlanNode { rows: 1.0, rows_actual: Some(5_000.0), ..node("Index Scan") }]),
            [RowEstimate]
        );
        let outer = PlanNode { rows: 50_000.0, ..node("Index Scan") };
        assert_eq!(kinds(vec![node("Nested Loop"), outer, node("Index Scan")]), [NestedLoop]);
        assert_eq!(kinds(vec![PlanNode { disk_kb: Some(4_000.0), ..node("Sort") }]), [DiskSort]);
        assert_eq!(kinds(vec![PlanNode { batches: Some(8.0), ..node("Hash") }]), [HashBatches]);
        let filtered =
            PlanNode { rows: 5.0, rows_removed: Some(90_000.0), rows_actual: Some(5.0), ..node("Index Scan") };
        assert_eq!(kinds(vec![filtered]), [RowsRemoved]);
    }

    #[test]
    fn a_good_plan_has_none() {
        let good = PlanNode { total_cost: 8.4, rows: 1.0, rows_actual: Some(1.0), ..node("Index Scan") };
        assert!(kinds(vec![node("Limit"), good, PlanNode { total_cost: 90.0, ..node("Seq Scan") }]).is_empty());
    }
}
