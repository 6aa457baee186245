//! The plan of a statement: the tree with its costly nodes, what is wrong, and how it differs from the one before.

use super::{
    copy::CopyButton,
    notices::NotRead,
    skeleton::Skeleton,
    status::{Mark, MarkOnly},
};
use crate::{
    data::reads::Reads,
    error::AppError,
    functions::{EXPLAIN_STATEMENT, explain_statement, statement_plans},
    layout::use_frame,
};
use headroom_model::{
    Band, Role, format,
    plan::{KnownPlan, Plan, PlanNode, diff},
};
use leptos::{ev, prelude::*};

/// A node with more of the plan than this is marked.
const COSTLY: f64 = 0.5;

/// Rows, whole.
fn rows(count: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows, not below zero")]
    format::count(count.max(0.0).round() as u64)
}

/// "Expected 5, came 900" as a cell: what came, and what was expected where that differs.
fn row_cell(node: &PlanNode) -> String {
    node.rows_actual.map_or_else(|| rows(node.rows), rows)
}

/// The plan as text, to be copied.
#[must_use]
pub fn as_text(plan: &Plan) -> String {
    let line = |node: &PlanNode| {
        let indent = "  ".repeat(node.depth as usize);
        let mut text = format!(
            "{indent}{}  (cost={:.2} rows={:.0} width={:.0})",
            node.label, node.total_cost, node.rows, node.width
        );
        for condition in &node.conditions {
            text.push_str(&format!("\n{indent}    {condition}"));
        }
        text
    };
    plan.nodes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The tree of a plan with what is wrong below each node.
#[component]
pub fn PlanTree(plan: Plan) -> impl IntoView {
    let measured = plan.is_measured;
    let node = |(at, node): (usize, &PlanNode)| {
        let hot = node.own_share > COSTLY;
        let findings: Vec<_> = plan.findings.iter().filter(|finding| finding.node as usize == at).cloned().collect();
        let is_bad = hot || !findings.is_empty();
        let share = (node.own_share * 100.0).clamp(0.0, 100.0);
        let depth = format!("--d:{}", node.depth);
        let conditions = node.conditions.join("; ");
        let why = findings
            .into_iter()
            .map(|finding| {
                view! {
                    <div class="why" style=depth.clone()>
                        {finding.what}
                        " "
                        <span>{finding.remedy}</span>
                    </div>
                }
            })
            .collect_view();
        let title = if conditions.is_empty() { node.label.clone() } else { format!("{}; {conditions}", node.label) };
        view! {
            <div
                class="node"
                class:hot=is_bad
                style=depth.clone()
                role="treeitem"
                attr:aria-level=(node.depth + 1).to_string()
            >
                <span class="name clip" title=title>
                    {(node.depth > 0).then(|| view! { <i class="br" aria-hidden="true"></i> })}
                    {is_bad.then(|| view! { <MarkOnly status=Some(Band::Critical)/> " " })}
                    <b>{node.kind.clone()}</b>
                    " "
                    <span class="sub">{node.label.strip_prefix(&node.kind).unwrap_or_default().trim().to_owned()}</span>
                    {(!conditions.is_empty()).then(|| view! { <span class="sub">" · " {conditions.clone()}</span> })}
                </span>
                <span class="num">{format::number(node.total_cost)}</span>
                <span class="num">{row_cell(node)}</span>
                <span class="barcell">
                    <span class="meter" aria-hidden="true">
                        <i style=format!("inline-size:{share:.0}%")></i>
                    </span>
                    <span class="num">{format!("{share:.0} %")}</span>
                </span>
            </div>
            {why}
        }
    };
    let nodes = plan.nodes.iter().enumerate().map(node).collect_view();
    let left = u64::from(plan.nodes_total).saturating_sub(plan.nodes.len() as u64);
    view! {
        <div class="plan">
            <div class="node head" style="--d:0" aria-hidden="true">
                <span>"Node"</span>
                <span class="num">"Cost"</span>
                <span class="num">"Rows"</span>
                <span class="num">{if measured { "Own time" } else { "Own cost" }}</span>
            </div>
            <div role="tree" aria-label="Plan">
                {nodes}
            </div>
            {(left > 0).then(|| view! { <p class="note">{format!("{} more", format::counted(left, "node"))}</p> })}
        </div>
    }
    .into_any()
}

/// Two plans side by side: nodes that stayed share a row.
#[component]
pub fn PlanDifference(before: KnownPlan, now: Plan) -> impl IntoView {
    let moment = use_frame().now.get_untracked();
    let cell = |node: Option<&PlanNode>, other: bool| {
        let class = match (node.is_some(), other) {
            (true, false) => "only",
            _ => "",
        };
        match node {
            Some(node) => view! {
                <td class=class>
                    <span style=format!("padding-inline-start:{}rem", f64::from(node.depth.min(12)) * 0.75)>{node.label.clone()}</span>
                </td>
                <td class="num">{format::number(node.total_cost)}</td>
            }
            .into_any(),
            None => view! {
                <td></td>
                <td class="num"></td>
            }
            .into_any(),
        }
    };
    let rows = diff(&before.plan, &now)
        .into_iter()
        .map(|(a, b)| {
            let (a, b) = (a.and_then(|at| before.plan.nodes.get(at)), b.and_then(|at| now.nodes.get(at)));
            view! { <tr>{cell(a, b.is_some())} {cell(b, a.is_some())}</tr> }
        })
        .collect_view();
    let total = |plan: &Plan| format::number(plan.total_cost);
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="Plans side by side">
            <table class="tbl plan-diff" style="min-inline-size:40rem">
                <caption class="vh">"The plan before and the one of now"</caption>
                <thead>
                    <tr>
                        <th scope="col">{format!("Until {}", format::moment(before.last_at, moment))}</th>
                        <th scope="col" class="num">{format!("Cost {}", total(&before.plan))}</th>
                        <th scope="col">"Now"</th>
                        <th scope="col" class="num">{format!("Cost {}", total(&now))}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// What is known of a statement's plans, or why that could not be read.
pub type KnownPlans = Result<Vec<KnownPlan>, AppError>;

/// The plans of a statement: the newest that is known, the one before beside it, and, for operators, a new one.
///
/// What is kept is shown first, so that looking asks no server; the background round keeps the dearest statements fresh.
#[component]
pub fn PlanPanel(
    target: String,
    query_id: String,
    /// What the page read for its first paint; without it the panel reads once it is alive.
    #[prop(optional_no_strip)]
    first: Option<KnownPlans>,
) -> impl IntoView {
    let frame = use_frame();
    let must_read = first.is_none();
    let (plans, reads) = Reads::begin(first.unwrap_or_else(|| Ok(Vec::new())));
    let known = RwSignal::new(plans.unwrap_or_default());
    let is_read = RwSignal::new(!must_read);
    let notes = RwSignal::new(Vec::<String>::new());
    let refused = RwSignal::new(None::<AppError>);
    let busy = RwSignal::new(false);
    let of = StoredValue::new((target, query_id));
    let again = Callback::new(move |()| {
        let (target, id) = of.get_value();
        reads.ask(statement_plans(Some(target), id), move |plans| {
            known.set(plans);
            is_read.set(true);
        });
    });
    Effect::new(move |_| {
        if must_read {
            again.run(());
        }
    });
    let explain = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let (target, id) = of.get_value();
        leptos::task::spawn_local(async move {
            let answer = explain_statement(Some(target), id).await;
            busy.try_set(false);
            match answer {
                Ok(report) => {
                    refused.try_set(None);
                    notes.try_set(report.notes);
                    again.try_run(());
                }
                Err(error) => {
                    refused.try_set(Some(error));
                }
            }
        });
    };
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let head = move || {
        known.with(|known| match known.first() {
            Some(newest) => format!(
                "{} plan, cost {}, seen {}",
                if newest.plan.is_generic { "generic" } else { "measured" },
                format::number(newest.plan.total_cost),
                format::moment(newest.last_at, minute.get()),
            ),
            None => "not known yet".to_owned(),
        })
    };
    let text =
        Signal::derive(move || known.with(|known| known.first().map(|it| as_text(&it.plan)).unwrap_or_default()));
    let body = move || {
        known.with(|known| match known.as_slice() {
            [] if !is_read.get() => {
                view! { <p aria-busy="true"><Skeleton width="60%"/></p> }.into_any()
            }
            [] => view! {
                <p class="sub">
                    "No plan of this statement is kept. The background round explains the statements that take most time; others are explained when asked."
                </p>
            }
            .into_any(),
            [newest, rest @ ..] => {
                let before = rest.first().cloned();
                let now = newest.plan.clone();
                view! {
                    <PlanTree plan=newest.plan.clone()/>
                    {before
                        .map(|before| {
                            let said = format!("Compare with the plan before ({})", format::number(before.plan.total_cost));
                            view! {
                                <details class="plan-before">
                                    <summary class="btn s">{said}</summary>
                                    <PlanDifference before now/>
                                </details>
                            }
                        })}
                }
                .into_any()
            }
        })
    };
    view! {
        <div class="cell-head">
            <h3>"Plan"</h3>
            <small>{head}</small>
            <span class="push flow">
                {move || (!text.with(String::is_empty)).then(|| view! { <CopyButton text/> })}
                <Show when=move || frame.may(Role::Operator)>
                    <form method="post" action=EXPLAIN_STATEMENT on:submit=explain>
                        <input type="hidden" name="target" value=of.with_value(|of| of.0.clone())/>
                        <input type="hidden" name="query_id" value=of.with_value(|of| of.1.clone())/>
                        <button class="btn s" aria-busy=move || busy.get().then_some("true")>
                            {move || if busy.get() { "Explaining…" } else { "Explain now" }}
                        </button>
                    </form>
                </Show>
            </span>
        </div>
        <NotRead error=reads.error what="Known plans could not be read." retry=again/>
        {move || refused.get().map(|error| view! { <p role="alert"><Mark status=Some(Band::Critical) text="Not explained"/> <br/> {error.message}</p> })}
        {move || notes.get().into_iter().map(|note| view! { <p class="note">{note}</p> }).collect_view()}
        {body}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::Timestamp;

    #[test]
    fn a_plan_is_copied_as_text() {
        let node = |depth: u32, label: &str, conditions: &[&str]| PlanNode {
            depth,
            label: label.into(),
            total_cost: 12.5,
            rows: 3.0,
            width: 8.0,
            conditions: conditions.iter().map(|it| (*it).to_owned()).collect(),
            ..PlanNode::default()
        };
        let plan = Plan {
            fingerprint: String::new(),
            at: Timestamp(0),
            is_generic: true,
            is_measured: false,
            total_cost: 12.5,
            execution_ms: None,
            nodes: vec![node(0, "Limit", &[]), node(1, "Seq Scan on t", &["Filter: (a = $1)"])],
            nodes_total: 2,
            findings: vec![],
        };
        assert_eq!(
            as_text(&plan),
            "Limit  (cost=12.50 rows=3 width=8)\n  Seq Scan on t  (cost=12.50 rows=3 width=8)\n      Filter: (a = $1)"
        );
    }
}
