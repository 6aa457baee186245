//! Reads `EXPLAIN (FORMAT JSON)` into a plan without literals.

use super::findings;
use crate::collect::redact;
use headroom_model::{
    Timestamp,
    plan::{MAX_NODES, Plan, PlanNode},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest condition kept, in characters.
const CONDITION_CHARS: usize = 400;
/// Deepest nesting that is followed; deeper nodes are left out and counted.
const MAX_DEPTH: u32 = 100;

/// Fields that hold a condition, and how they are written.
const CONDITIONS: &[&str] = &[
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "One-Time Filter",
    "Order By",
    "TID Cond",
];
/// Fields that hold a list of expressions.
const KEYS: &[&str] = &["Sort Key", "Group Key", "Presorted Key"];

/// Reads the answer of the server; none where it is no plan.
pub(super) fn read(answer: &Value, at: Timestamp, is_generic: bool) -> Option<Plan> {
    let top = answer.as_array().and_then(|plans| plans.first()).unwrap_or(answer);
    let root = top.get("Plan")?.as_object()?;
    let mut reader = Reader { nodes: Vec::new(), total: 0, shape: Sha256::new() };
    reader.node(root, 0);
    let execution_ms = number(top.as_object()?, "Execution Time");
    let is_measured = root.contains_key("Actual Total Time");
    let mut plan = Plan {
        fingerprint: reader.shape.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        at,
        is_generic,
        is_measured,
        total_cost: number(root, "Total Cost").unwrap_or_default(),
        execution_ms,
        nodes: reader.nodes,
        nodes_total: reader.total,
        findings: Vec::new(),
    };
    share(&mut plan);
    plan.findings = findings::of(&plan);
    Some(plan)
}

/// Each node's own part of the whole.
fn share(plan: &mut Plan) {
    let own = |node: &PlanNode| if plan.is_measured { node.own_ms.unwrap_or_default() } else { node.own_cost };
    let shares: Vec<f64> = plan.nodes.iter().map(own).collect();
    let all: f64 = shares.iter().sum();
    if all > 0.0 {
        for (node, own) in plan.nodes.iter_mut().zip(shares) {
            node.own_share = own / all;
        }
    }
}

struct Reader {
    nodes: Vec<PlanNode>,
    total: u32,
    shape: Sha256,
}

impl Reader {
    fn node(&mut self, raw: &Map<String, Value>, depth: u32) {
        self.total = self.total.saturating_add(1);
        let children: Vec<&Map<String, Value>> =
            raw.get("Plans").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
        let node = read_node(raw, depth, &children);
        // The shape is what is done on what; how often, how dear and with which values does not matter.
        for part in [depth.to_string().as_str(), &node.label, text(raw, "Parent Relationship")] {
            self.shape.update(part);
            self.shape.update([0]);
        }
        if self.nodes.len() < MAX_NODES {
            self.nodes.push(node);
        }
        if depth < MAX_DEPTH {
            children.iter().for_each(|child| self.node(child, depth + 1));
        }
    }
}

fn text<'a>(raw: &'a Map<String, Value>, key: &str) -> &'a str {
    raw.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(raw: &Map<String, Value>, key: &str) -> Option<f64> {
    raw.get(key).and_then(Value::as_f64)
}

/// Time of a node and its children, over all its loops and workers.
fn time_ms(raw: &Map<String, Value>) -> Option<f64> {
    Some(number(raw, "Actual Total Time")? * number(raw, "Actual Loops").unwrap_or(1.0))
}

fn read_node(raw: &Map<String, Value>, depth: u32, children: &[&Map<String, Value>]) -> PlanNode {
    let kind = kind(raw);
    let relation = raw.get("Relation Name").and_then(Value::as_str).map(|name| match text(raw, "Schema") {
        "" => name.to_owned(),
        schema => format!("{schema}.{name}"),
    });
    let index = raw.get("Index Name").and_then(Value::as_str).map(str::to_owned);
    let total_cost = number(raw, "Total Cost").unwrap_or_default();
    // A child that runs once for each row of its sister is paid for by its parent: what it costs in all is not told.
    let below: f64 = children.iter().filter_map(|child| number(child, "Total Cost")).sum();
    let below_ms: f64 = children.iter().filter_map(|child| time_ms(child)).sum();
    let mut label = kind.clone();
    if let Some(index) = &index {
        label.push_str(&format!(" using {index}"));
    }
    let on = relation.clone().or_else(|| {
        let other = ["CTE Name", "Function Name", "Subplan Name"].iter().map(|key| text(raw, key));
        other.into_iter().find(|name| !name.is_empty()).map(str::to_owned)
    });
    if let Some(on) = on {
        label.push_str(&format!(" on {on}"));
    }
    PlanNode {
        depth,
        kind,
        label,
        relation,
        index,
        conditions: conditions(raw),
        total_cost,
        own_cost: (total_cost - below).max(0.0),
        own_share: 0.0,
        rows: number(raw, "Plan Rows").unwrap_or_default(),
        width: number(raw, "Plan Width").unwrap_or_default(),
        loops: number(raw, "Actual Loops"),
        rows_actual: number(raw, "Actual Rows"),
        own_ms: time_ms(raw).map(|ms| (ms - below_ms).max(0.0)),
        rows_removed: number(raw, "Rows Removed by Filter").or_else(|| number(raw, "Rows Removed by Join Filter")),
        disk_kb: (text(raw, "Sort Space Type") == "Disk")
            .then(|| number(raw, "Sort Space Used"))
            .flatten()
            .or_else(|| number(raw, "Disk Usage")),
        batches: number(raw, "Hash Batches").or_else(|| number(raw, "HashAgg Batches")),
    }
}

/// `Aggregate` with its strategy, joins with their kind: as the text form names them.
fn kind(raw: &Map<String, Value>) -> String {
    let kind = text(raw, "Node Type");
    let mut name = match (kind, text(raw, "Strategy"), text(raw, "Join Type"), text(raw, "Operation")) {
        ("Aggregate", "Hashed", ..) => "HashAggregate".to_owned(),
        ("Aggregate", "Sorted", ..) => "GroupAggregate".to_owned(),
        ("ModifyTable", _, _, operation) if !operation.is_empty() => operation.to_owned(),
        ("Nested Loop", _, join, _) if !matches!(join, "" | "Inner") => format!("Nested Loop {join} Join"),
        ("Hash Join" | "Merge Join", _, join, _) if !matches!(join, "" | "Inner") => {
            kind.replace(" Join", &format!(" {join} Join"))
        }
        _ => kind.to_owned(),
    };
    if raw.get("Scan Direction").and_then(Value::as_str) == Some("Backward") {
        name.push_str(" Backward");
    }
    if raw.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        name.insert_str(0, "Parallel ");
    }
    name
}

fn conditions(raw: &Map<String, Value>) -> Vec<String> {
    let one = CONDITIONS.iter().filter_map(|key| Some((*key, raw.get(*key)?.as_str()?.to_owned())));
    let lists = KEYS.iter().filter_map(|key| {
        let list = raw.get(*key)?.as_array()?;
        Some((*key, list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")))
    });
    one.chain(lists).map(|(key, condition)| format!("{key}: {}", redact(&condition, CONDITION_CHARS))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: &str, cost: f64) -> Value {
        json!([{ "Plan": { "Node Type": "Limit", "Total Cost": cost, "Plan Rows": 20, "Plan Width": 24, "Plans": [
            { "Node Type": "Sort", "Parent Relationship": "Outer", "Total Cost": cost - 1.0, "Plan Rows": 20,
              "Sort Key": ["total_cents DESC"], "Plans": [
                { "Node Type": "Seq Scan", "Parent Relationship": "Outer", "Schema": "shop", "Relation Name": "orders",
                  "Total Cost": cost - 2.0, "Plan Rows": 20_000, "Plan Width": 24,
                  "Filter": format!("((customer_id = $1) AND (status = '{status}'::text))") }] }] } }])
    }

    #[test]
    fn a_tree_is_read_without_its_literals() {
        let plan = read(&answer("secret", 100.0), Timestamp(0), true).unwrap();
        let labels: Vec<&str> = plan.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["Limit", "Sort", "Seq Scan on shop.orders"]);
        assert_eq!((plan.nodes[2].own_cost, plan.nodes[2].own_share), (98.0, 0.98));
        assert_eq!(plan.nodes[2].conditions, ["Filter: ((customer_id = $1) AND (status = ?::text))"]);
        assert_eq!(plan.nodes[1].conditions, ["Sort Key: total_cents DESC"]);
    }

    #[test]
    fn a_fingerprint_is_of_the_shape_alone() {
        let print = |answer: &Value| read(answer, Timestamp(0), true).unwrap().fingerprint;
        assert_eq!(print(&answer("a", 100.0)), print(&answer("b", 900.0)));
        let mut other = answer("a", 100.0);
        other[0]["Plan"]["Plans"][0]["Plans"][0]["Node Type"] = "Index Scan".into();
        assert_ne!(print(&answer("a", 100.0)), print(&other));
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for answer in [json!([]), json!([{}]), json!({"Plan": 3}), json!(null)] {
            assert!(read(&answer, Timestamp(0), true).is_none(), "{answer}");
        }
    }
}
