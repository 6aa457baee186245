//! Advice about indexes: which to create, which nobody uses, which say the same twice.

use crate::{TargetId, Timestamp, operation::Operation};
use serde::{Deserialize, Serialize};

/// How an index's gain is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// The server planned the statements with a hypothetical index (hypopg).
    Planner,
    /// Computed from the statistics of the table.
    Estimate,
}

/// Where an advice stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum AdviceState {
    /// Estimated.
    Suggested,
    /// The server's planner would use it.
    Proven,
    /// It exists; its gain is being measured.
    Created,
    /// It exists and made its statements faster.
    Measured,
    /// It exists and helped too little: dropping it is advised.
    RevertAdvised,
    /// It was created from here and is not there any more, or not valid.
    Gone,
}

impl AdviceState {
    /// The name stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AdviceState::Suggested => "suggested",
            AdviceState::Proven => "proven",
            AdviceState::Created => "created",
            AdviceState::Measured => "measured",
            AdviceState::RevertAdvised => "revertAdvised",
            AdviceState::Gone => "gone",
        }
    }

    /// Whether the index was created from here, and is there.
    #[must_use]
    pub fn is_built(self) -> bool {
        matches!(self, AdviceState::Created | AdviceState::Measured | AdviceState::RevertAdvised)
    }

    /// Whether creating the index is advised.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, AdviceState::Suggested | AdviceState::Proven)
    }
}

/// A statement that an index would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdvisedStatement {
    /// Its id in pg_stat_statements, as text.
    pub query_id: String,
    /// Its text, at most 500 characters.
    pub text: String,
    /// Calls an hour, as seen lately.
    pub calls_per_hour: f64,
    /// Planner cost of a call without the index.
    pub cost_before: f64,
    /// Planner cost of a call with it.
    pub cost_after: f64,
    /// Mean time of a call before the index was created, in milliseconds.
    pub mean_before_ms: Option<f64>,
    /// Mean time of a call since, in milliseconds; none while too few were seen.
    pub mean_after_ms: Option<f64>,
    /// Calls that `mean_after_ms` is of.
    pub calls_after: u64,
}

/// An index worth creating, or one that was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IndexAdvice {
    /// Stable while the advice is the same.
    pub id: String,
    /// Where it stands.
    pub state: AdviceState,
    /// How its gain is known.
    pub proof: Proof,
    /// The table: `shop.orders`.
    pub table: String,
    /// The index: `shop.orders_customer_id_status_idx`.
    pub index: String,
    /// Schema of both.
    pub schema: String,
    /// The table's name alone.
    pub table_name: String,
    /// The index's name alone.
    pub index_name: String,
    /// What it is over: `(customer_id, status)`.
    pub keys: String,
    /// The exact statement that creates it.
    pub sql: String,
    /// The exact statement that takes it back.
    pub drop_sql: String,
    /// Why it helps, in one sentence.
    pub reason: String,
    /// Planner cost an hour of all its statements without it.
    pub cost_before: f64,
    /// The same with it.
    pub cost_after: f64,
    /// What keeping it up costs writers: the share by which writing a row gets dearer, 0 and up. An estimate.
    pub write_overhead: f64,
    /// Row writes an hour of the table, as seen since its statistics were reset.
    pub writes_per_hour: Option<f64>,
    /// Its size. An estimate until it exists.
    pub size_bytes: f64,
    /// How long creating it takes. An estimate.
    pub build_ms: f64,
    /// The statements that it helps, most saved first, at most 10.
    pub statements: Vec<AdvisedStatement>,
    /// When it was advised first.
    pub found_at: Timestamp,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was found gone.
    #[serde(default)]
    pub gone_at: Option<Timestamp>,
    /// The exact statement that removes what a build that did not end left behind under its name; creating it runs that first.
    #[serde(default)]
    pub leftover: Option<String>,
}

/// An index that leaves more than this of the time helped too little.
const TOO_LITTLE: f64 = 0.9;

impl IndexAdvice {
    /// Part of the planner cost of its statements that it saves, 0 to 1.
    #[must_use]
    pub fn saving(&self) -> f64 {
        if self.cost_before > 0.0 { (1.0 - self.cost_after / self.cost_before).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Mean time of its statements before and since, weighted by the calls since; none while nothing is measured.
    #[must_use]
    pub fn measured(&self) -> Option<(f64, f64)> {
        let (mut calls, mut before, mut after) = (0.0, 0.0, 0.0);
        for statement in &self.statements {
            if let (Some(was), Some(is)) = (statement.mean_before_ms, statement.mean_after_ms) {
                let weight = statement.calls_after as f64;
                (calls, before, after) = (calls + weight, before + was * weight, after + is * weight);
            }
        }
        (calls > 0.0).then(|| (before / calls, after / calls))
    }

    /// Whether it was measured that a tenth of the time at most was gained.
    #[must_use]
    pub fn helped_too_little(&self) -> bool {
        self.measured().is_some_and(|(before, after)| after > before * TOO_LITTLE)
    }
}

/// The anchor of an advice on the page of indexes.
#[must_use]
pub fn anchor(id: &str) -> String {
    format!("advice-{id}")
}

/// An index that was considered and is not advised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RejectedAdvice {
    /// The table.
    pub table: String,
    /// What it would be over.
    pub keys: String,
    /// Why not.
    pub why_not: String,
    /// Planner cost an hour of its statements without and with it, where that was computed.
    pub cost: Option<(f64, f64)>,
}

/// A statement that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SkippedStatement {
    /// Its id.
    pub query_id: String,
    /// Its text, at most 200 characters.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// Something that is missing, and what brings it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// What is missing, and what that costs.
    pub what: String,
    /// The exact statement that helps.
    pub remedy: String,
}

/// Advice for a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdviceReport {
    /// Which.
    pub target: TargetId,
    /// When it was computed; none before the first time.
    pub computed_at: Option<Timestamp>,
    /// Whether it is being computed now.
    pub is_computing: bool,
    /// Why the last attempt failed.
    pub failed: Option<String>,
    /// How gains are known.
    pub proof: Proof,
    /// What would make advice better.
    pub missing: Vec<Missing>,
    /// Statements that were looked at.
    pub statements: u32,
    /// Hours of workload behind it.
    pub hours_seen: f64,
    /// Planner cost an hour of all of them as it is.
    pub cost_before: f64,
    /// The same with every suggestion created.
    pub cost_after: f64,
    /// Most saved first, at most 20. Those created from here stay for 30 days, or for a day once they are gone.
    pub suggestions: Vec<IndexAdvice>,
    /// What was considered and why it is not advised, at most 50.
    pub rejected: Vec<RejectedAdvice>,
    /// Statements that could not be looked at, at most 20.
    pub skipped: Vec<SkippedStatement>,
    /// The index that is being created.
    pub building: Option<Operation>,
}

/// A rule that an unused index must meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What was found.
    pub found: String,
    /// Whether it speaks for dropping the index.
    pub met: bool,
}

/// An index without scans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnusedIndex {
    /// The table: `shop.events`.
    pub table: String,
    /// The index: `shop.events_kind_idx`.
    pub index: String,
    /// Its definition.
    pub definition: String,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Whether every rule is met.
    pub is_proven: bool,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What to think of first.
    pub warnings: Vec<String>,
    /// The statement that drops it.
    pub drop_sql: String,
}

/// Indexes without scans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnusedReport {
    /// Which target.
    pub target: TargetId,
    /// Since when scans are counted; none where the server does not say.
    pub counting_since: Option<Timestamp>,
    /// Largest first, at most 200.
    pub indexes: Vec<UnusedIndex>,
}

/// How one index repeats another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Repeats {
    /// Both are the same.
    Identical,
    /// What one is over is the beginning of what the other is over.
    LeftPrefix,
}

/// An index that another makes superfluous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DuplicateIndex {
    /// The table.
    pub table: String,
    /// How.
    pub repeats: Repeats,
    /// The superfluous one.
    pub index: String,
    /// Its definition.
    pub definition: String,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// The one that stays.
    pub kept: String,
    /// Definition of the one that stays.
    pub kept_definition: String,
    /// The statement that drops the superfluous one.
    pub drop_sql: String,
}

/// Superfluous indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DuplicateReport {
    /// Which target.
    pub target: TargetId,
    /// Largest first, at most 200.
    pub indexes: Vec<DuplicateIndex>,
}

/// What creating an advised index would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplyPreview {
    /// The exact statements, a line each.
    pub sql: String,
    /// What they do, in numbers.
    pub effect: String,
}

/// All that the page of indexes shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexesView {
    /// What to create.
    pub advice: AdviceReport,
    /// What nobody uses, or why that is not known.
    pub unused: Result<UnusedReport, String>,
    /// What is there twice, or why that is not known.
    pub duplicates: Result<DuplicateReport, String>,
}
