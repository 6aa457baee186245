//! Plans of statements: the tree, what is wrong with it, and how two of them differ.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// Most nodes kept of a plan; a plan with more says how many it has.
pub const MAX_NODES: usize = 500;
/// Nodes from which on two plans are not compared node by node.
const MAX_DIFF: usize = MAX_NODES;

/// What is to be explained: a text, or a statement by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanAsk {
    /// Text of one statement; `$1`, `$2`, … stand for values.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 20_000))]
    pub query: Option<String>,
    /// Or its id in pg_stat_statements, as text: it may be too large for a number of JavaScript.
    #[serde(default)]
    pub query_id: Option<String>,
    /// Run it and measure. For administrators, where the configuration allows it.
    #[serde(default)]
    pub analyze: bool,
}

/// One node of a plan. Nodes stand in the order in which plans are read: a parent before its children.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanNode {
    /// How deep it stands; the root is 0.
    pub depth: u32,
    /// What it does: `Seq Scan`.
    pub kind: String,
    /// What it does, on what: `Index Scan using orders_pkey on shop.orders`.
    pub label: String,
    /// The table that it reads.
    pub relation: Option<String>,
    /// The index that it uses.
    pub index: Option<String>,
    /// Its conditions, without literals.
    pub conditions: Vec<String>,
    /// Cost up to its last row, its children's included.
    pub total_cost: f64,
    /// Cost of its own.
    pub own_cost: f64,
    /// Its own part of the whole plan, 0 to 1: of the time where that was measured, else of the cost.
    pub own_share: f64,
    /// Rows expected each time that it runs.
    pub rows: f64,
    /// Bytes a row.
    pub width: f64,
    /// Times that it ran; measured plans alone, as everything below.
    pub loops: Option<f64>,
    /// Rows each time.
    pub rows_actual: Option<f64>,
    /// Time of its own, in milliseconds, all times together.
    pub own_ms: Option<f64>,
    /// Rows that its filter threw away each time.
    pub rows_removed: Option<f64>,
    /// Kilobytes that it sorted or hashed on disk.
    pub disk_kb: Option<f64>,
    /// Parts in which a hash did not fit into memory at once.
    pub batches: Option<f64>,
}

/// What may be wrong with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum PlanFindingKind {
    /// A large table is read from end to end.
    SequentialScan,
    /// Far more or fewer rows came than were expected.
    RowEstimate,
    /// A join runs its inner side once for each of many rows.
    NestedLoop,
    /// A sort did not fit into memory.
    DiskSort,
    /// A hash did not fit into memory.
    HashBatches,
    /// Most rows read were thrown away.
    RowsRemoved,
}

/// Something wrong with a node, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanFinding {
    /// Which node, counted from 0.
    pub node: u32,
    /// What is wrong.
    pub kind: PlanFindingKind,
    /// What is wrong, in numbers.
    pub what: String,
    /// What helps.
    pub remedy: String,
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The shape of the plan: the same for plans that differ in cost and numbers alone.
    pub fingerprint: String,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it holds for any values.
    pub is_generic: bool,
    /// Whether the statement ran and times are measured.
    pub is_measured: bool,
    /// Cost of the whole.
    pub total_cost: f64,
    /// Time of the whole in milliseconds, where measured.
    pub execution_ms: Option<f64>,
    /// Its nodes, at most 500.
    pub nodes: Vec<PlanNode>,
    /// How many nodes it has in all.
    pub nodes_total: u32,
    /// What may be wrong, most of the plan first.
    pub findings: Vec<PlanFinding>,
}

/// A plan that a statement had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnownPlan {
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
    /// The plan, as seen last.
    pub plan: Plan,
}

/// The answer to a [`PlanAsk`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// The statement's id, where it was asked for by it.
    pub query_id: Option<String>,
    /// What was explained, without literals.
    pub statement: String,
    /// The plan of now.
    pub plan: Plan,
    /// What limits its meaning: rewritten casts, an unknown LIMIT.
    pub notes: Vec<String>,
    /// The plans that the statement had before with another shape, newest first, at most 9.
    pub earlier: Vec<KnownPlan>,
}

/// Two plans side by side: which node of one stands where which node of the other does.
pub type PlanDiff = Vec<(Option<usize>, Option<usize>)>;

/// Aligns the nodes of two plans: the longest common subsequence of their shapes. Same places hold both, others one.
#[must_use]
pub fn diff(before: &Plan, now: &Plan) -> PlanDiff {
    let key = |node: &PlanNode| (node.depth, node.label.clone());
    let a: Vec<_> = before.nodes.iter().take(MAX_DIFF).map(key).collect();
    let b: Vec<_> = now.nodes.iter().take(MAX_DIFF).map(key).collect();
    let width = b.len() + 1;
    // lengths[i * width + j]: of the longest common subsequence of a[i..] and b[j..].
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut aligned = Vec::with_capacity(a.len().max(b.len()));
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            aligned.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
            aligned.push((Some(i), None));
            i += 1;
        } else {
            aligned.push((None, Some(j)));
            j += 1;
        }
    }
    aligned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nodes: &[(u32, &str)]) -> Plan {
        let node =
            |(depth, label): &(u32, &str)| PlanNode { depth: *depth, label: (*label).into(), ..PlanNode::default() };
        Plan {
            fingerprint: String::new(),
            at: Timestamp(0),
            is_generic: true,
            is_measured: false,
            total_cost: 0.0,
            execution_ms: None,
            nodes: nodes.iter().map(node).collect(),
            nodes_total: nodes.len() as u32,
            findings: vec![],
        }
    }

    #[test]
    fn what_stayed_stands_side_by_side() {
        let before = plan(&[(0, "Limit"), (1, "Sort"), (2, "Seq Scan on orders")]);
        let now = plan(&[(0, "Limit"), (1, "Index Scan using i on orders")]);
        assert_eq!(diff(&before, &now), [(Some(0), Some(0)), (Some(1), None), (Some(2), None), (None, Some(1))]);
        assert_eq!(diff(&before, &before).len(), 3);
        assert_eq!(diff(&plan(&[]), &now), [(None, Some(0)), (None, Some(1))]);
    }
}
