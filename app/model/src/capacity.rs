//! Capacity: what a target's resources will need, when they meet their limits, and what to do by when.

use crate::{
    Band, MetricId, TargetId, Timestamp,
    forecast::{Crossing, Forecast, MAX_HORIZON_DAYS, Measure, Planned, Verdict, WhatIf},
    format,
    metric::Unit,
    observation::Remedy,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far ahead forecasts are asked for, in months.
pub const MONTHS: std::ops::RangeInclusive<u32> = 1..=24;
/// The months that are looked at when nobody says how many.
pub const DEFAULT_MONTHS: u32 = 6;
/// A plan keeps every resource so many days away from its earliest limit.
pub const RESERVE_DAYS: u32 = 14;
/// A limit that is nearer than this is an issue.
pub const NEAR_DAYS: f64 = 30.0;
/// Points of a chart: more than it has pixels at any width we draw.
pub const CHART_POINTS: u32 = 183;

/// So many months in days.
#[must_use]
pub fn days_of(months: u32) -> u32 {
    (f64::from(months) * 30.4375).round().clamp(1.0, f64::from(MAX_HORIZON_DAYS)) as u32
}

macro_rules! resources {
    ($($variant:ident = $id:literal, $name:literal, $what:literal;)+) => {
        /// What can run out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum Resource { $(#[doc = $what] $variant),+ }

        impl Resource {
            /// Every resource, in the order people look for them.
            pub const ALL: &[Resource] = &[$(Resource::$variant),+];

            /// As addresses name it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Resource::$variant => $id),+ }
            }

            /// In sentence case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Resource::$variant => $name),+ }
            }

            /// The resource of this id.
            #[must_use]
            pub fn parse(id: &str) -> Option<Self> {
                match id { $($id => Some(Resource::$variant),)+ _ => None }
            }
        }
    };
}

resources! {
    Cpu = "cpu", "CPU", "CPU of the machine.";
    Memory = "memory", "Memory", "Memory of the machine.";
    Storage = "storage", "Storage", "What databases and write-ahead log take of the disk.";
    Connections = "connections", "Connections", "Client connections of PostgreSQL.";
    CacheMemory = "cache-memory", "Cache memory", "Memory of Redis.";
    Network = "network", "Network", "Bytes a second, the busier direction.";
    QueueDepth = "queue-depth", "Queue depth", "Jobs that wait.";
    TransactionIds = "transaction-ids", "Transaction ids", "Age of the oldest transaction id that is not frozen.";
    Sequences = "sequences", "Sequences", "Used share of the fullest sequence.";
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who says what a resource can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum LimitSource {
    /// A setting or a property of the server.
    Server,
    /// The machine.
    Host,
    /// The console's configuration.
    Configuration,
    /// The question asked.
    WhatIf,
}

/// What a resource can hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// In the resource's unit.
    pub value: f64,
    /// Who says so.
    pub source: LimitSource,
    /// What it is: "max_connections less the reserved ones".
    pub label: String,
}

/// The past of a resource, one value a step: the highest hour of the day, or the day's mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// Start of the first step.
    pub from: Timestamp,
    /// Width of a step in milliseconds: one day or more.
    pub step_ms: i64,
    /// Null where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// A figure that is part of a resource, or explains it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Which.
    pub metric: MetricId,
    /// Its newest value.
    pub value: f64,
}

/// One resource: what it uses, what it can hold, what it will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceReport {
    /// Which.
    pub resource: Resource,
    /// The metrics it was computed from; empty where nothing is measured.
    pub metrics: Vec<MetricId>,
    /// Unit of every value.
    pub unit: Unit,
    /// What is looked at of each day.
    pub measure: Measure,
    /// The newest value of that: of the last 24 hours.
    pub current: Option<f64>,
    /// What it can hold; null where nobody says.
    pub limit: Option<Limit>,
    /// How to say what it can hold, where nobody does.
    pub limit_help: Option<String>,
    /// The forecast, or why there is none.
    pub verdict: Verdict,
    /// The past.
    pub past: Past,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// What drives it, as far as known.
    pub driver: Option<String>,
    /// How urgent it is; null where that is not known.
    pub urgency: Option<Band>,
    /// What helps.
    pub remedy: Option<Remedy>,
    /// What that achieves.
    pub impact: Option<String>,
}

/// When a resource meets its limit, as a page ranks and words it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reaches {
    /// It has.
    Now,
    /// Half of the outcomes do within the horizon, in so many days; the interval of 80 of 100 around it.
    In {
        /// One in ten outcomes.
        earliest: Option<f64>,
        /// Half of them.
        median: f64,
        /// Nine in ten; none beyond the horizon.
        latest: Option<f64>,
    },
    /// Less than half of the outcomes do within the horizon, but more than one in ten.
    Perhaps {
        /// One in ten outcomes, in days.
        earliest: f64,
    },
    /// It does not, within the horizon.
    Not,
    /// That is not known.
    Unknown,
}

impl ResourceReport {
    /// A report that knows nothing yet.
    #[must_use]
    pub fn empty(resource: Resource, unit: Unit) -> Self {
        ResourceReport {
            resource,
            metrics: Vec::new(),
            unit,
            measure: Measure::default(),
            current: None,
            limit: None,
            limit_help: None,
            verdict: Verdict::Silent { reason: String::new() },
            past: Past::default(),
            parts: Vec::new(),
            driver: None,
            urgency: None,
            remedy: None,
            impact: None,
        }
    }

    /// Used share of the limit, in per cent.
    #[must_use]
    pub fn used_percent(&self) -> Option<f64> {
        let limit = self.limit.as_ref().filter(|limit| limit.value > 0.0)?;
        Some(100.0 * self.current? / limit.value)
    }

    /// The forecast, where there is one.
    #[must_use]
    pub fn forecast(&self) -> Option<&Forecast> {
        match &self.verdict {
            Verdict::Forecast(forecast) => Some(forecast),
            Verdict::Silent { .. } => None,
        }
    }

    /// When the limit is met, within so many days.
    #[must_use]
    pub fn reaches(&self, horizon_days: u32) -> Reaches {
        let Some(forecast) = self.forecast() else { return Reaches::Unknown };
        let inside = |days: &Option<f64>| days.filter(|days| *days <= f64::from(horizon_days));
        match &forecast.crossing {
            Crossing::Reached => Reaches::Now,
            Crossing::Never { .. } => Reaches::Not,
            Crossing::NoLimit | Crossing::Unpromised { .. } => Reaches::Unknown,
            Crossing::Within { p10, p50, p90 } => match (inside(p10), inside(p50)) {
                (earliest, Some(median)) => Reaches::In { earliest, median, latest: inside(p90) },
                (Some(earliest), None) => Reaches::Perhaps { earliest },
                (None, None) => Reaches::Not,
            },
        }
    }

    /// `412 of 500 GiB`; without a limit the value alone; a dash where nothing is measured.
    #[must_use]
    pub fn used(&self) -> String {
        let Some(current) = self.current else { return format::MISSING.to_owned() };
        let now = format::value(current, self.unit);
        let Some(limit) = &self.limit else { return now.to_string() };
        let limit = format::value(limit.value, self.unit);
        if now.unit == limit.unit { format!("{} of {limit}", now.number) } else { format!("{now} of {limit}") }
    }
}

/// `33`, in whole days, at least one.
fn days(days: f64) -> String {
    format::number(days.round().max(1.0))
}

impl Reaches {
    /// `in 47 days (33–80)`.
    #[must_use]
    pub fn words(&self, horizon_days: u32) -> String {
        match self {
            Reaches::Now => "at its limit".to_owned(),
            Reaches::In { median, .. } => {
                let one = median.round() <= 1.0;
                format!("in {} day{} ({})", days(*median), if one { "" } else { "s" }, self.range(horizon_days))
            }
            Reaches::Perhaps { earliest } => format!("perhaps, from day {} on", days(*earliest)),
            Reaches::Not => format!("not in {horizon_days} days"),
            Reaches::Unknown => "not known".to_owned(),
        }
    }

    /// `33–80`, `29–over 180`; empty where there is none.
    #[must_use]
    pub fn range(&self, horizon_days: u32) -> String {
        let over = || format!("over {horizon_days}");
        match self {
            Reaches::In { earliest, median, latest } => {
                format!("{}–{}", days(earliest.unwrap_or(*median)), latest.map_or_else(over, days))
            }
            Reaches::Perhaps { earliest } => format!("{}–{}", days(*earliest), over()),
            Reaches::Now | Reaches::Not | Reaches::Unknown => String::new(),
        }
    }

    /// Days until half of the outcomes are there; 0 when it is.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        match self {
            Reaches::Now => Some(0.0),
            Reaches::In { median, .. } => Some(*median),
            Reaches::Perhaps { .. } | Reaches::Not | Reaches::Unknown => None,
        }
    }

    /// Days until one in ten outcomes is there; 0 when it is.
    #[must_use]
    pub fn earliest(&self) -> Option<f64> {
        match self {
            Reaches::Now => Some(0.0),
            Reaches::In { earliest, median, .. } => Some(earliest.unwrap_or(*median)),
            Reaches::Perhaps { earliest } => Some(*earliest),
            Reaches::Not | Reaches::Unknown => None,
        }
    }

    /// How urgent that is: critical where it may come before a plan's reserve is over, degraded within two months.
    #[must_use]
    pub fn urgency(&self) -> Option<Band> {
        Some(match self {
            Reaches::Unknown => return None,
            Reaches::Not => Band::Excellent,
            Reaches::Now => Band::Critical,
            Reaches::In { .. } | Reaches::Perhaps { .. } => {
                if self.median().is_some_and(|days| days < f64::from(RESERVE_DAYS)) {
                    Band::Critical
                } else if self.median().is_some_and(|days| days < 60.0) {
                    Band::Degraded
                } else {
                    Band::Good
                }
            }
        })
    }
}

/// All resources of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CapacityDashboard {
    /// Whose.
    pub target: TargetId,
    /// When it was computed.
    pub computed_at: Timestamp,
    /// How long that took, in milliseconds.
    pub computed_in_ms: f64,
    /// How far ahead it looks.
    pub horizon_days: u32,
    /// Most urgent first; those of which nothing is known last.
    pub resources: Vec<ResourceReport>,
}

/// A resource among those that run out, most urgent first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bottleneck {
    /// 1 is the first.
    pub rank: u32,
    /// Which.
    pub resource: Resource,
    /// Used share of its limit, in per cent.
    pub used_percent: Option<f64>,
    /// When the limit is met, in words.
    pub reaches: String,
    /// Days until one in ten outcomes meets it.
    pub earliest_days: Option<f64>,
    /// Days until half of them do.
    pub median_days: Option<f64>,
    /// How urgent it is.
    pub urgency: Option<Band>,
    /// What happens then.
    pub consequence: String,
    /// What drives it.
    pub driver: Option<String>,
    /// What helps.
    pub remedy: Option<Remedy>,
    /// What that achieves.
    pub impact: Option<String>,
}

/// Bottlenecks of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bottlenecks {
    /// Whose.
    pub target: TargetId,
    /// When it was computed.
    pub computed_at: Timestamp,
    /// How far ahead it looks.
    pub horizon_days: u32,
    /// Most urgent first.
    pub bottlenecks: Vec<Bottleneck>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// The day by which it is to be done.
    pub by: Timestamp,
    /// What runs out otherwise.
    pub resource: Resource,
    /// What to do.
    pub step: String,
    /// Why then.
    pub because: String,
    /// What it achieves, computed from the forecast.
    pub achieves: String,
    /// Whether its day is today or past.
    pub overdue: bool,
}

/// The steps of one month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanMonth {
    /// `2026-12`.
    pub month: String,
    /// By day.
    pub steps: Vec<PlanStep>,
}

/// What to do by when, so that every resource stays [`RESERVE_DAYS`] away from its earliest limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whose.
    pub target: TargetId,
    /// When it was computed.
    pub computed_at: Timestamp,
    /// How far ahead it looks.
    pub horizon_days: u32,
    /// How far away from the earliest limit it stays, in days.
    pub reserve_days: u32,
    /// Months with something to do, in order.
    pub months: Vec<PlanMonth>,
    /// Resources it can say nothing about, each with its reason.
    pub unplanned: Vec<String>,
}

impl Plan {
    /// Every step, by day.
    pub fn steps(&self) -> impl Iterator<Item = &PlanStep> {
        self.months.iter().flat_map(|month| &month.steps)
    }
}

/// What the page shows at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityView {
    /// All resources.
    pub dashboard: CapacityDashboard,
    /// Consequences in the order of the dashboard's resources.
    pub bottlenecks: Vec<Bottleneck>,
    /// The plan.
    pub plan: Plan,
    /// The answer to the question that the address asks, or why there is none.
    pub what_if: Option<Result<WhatIfAnswer, String>>,
}

/// A question: what if?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhatIfAsk {
    /// A target's name; the first configured one when absent.
    #[serde(default)]
    pub target: Option<String>,
    /// Of which resource: `storage`.
    pub resource: String,
    /// How many months ahead, 1 to 24; 6 when absent.
    #[serde(default)]
    pub months: Option<u32>,
    /// Growth from now on, as a multiple of what is forecast; 1 when absent, 0 stops it.
    #[serde(default)]
    pub growth: Option<f64>,
    /// What is planned.
    #[serde(default)]
    pub planned: Vec<Planned>,
    /// Another limit, in the resource's unit.
    #[serde(default)]
    pub limit: Option<f64>,
}

impl WhatIfAsk {
    /// What it changes.
    #[must_use]
    pub fn changes(&self) -> WhatIf {
        WhatIf { growth: self.growth.unwrap_or(1.0), planned: self.planned.clone(), limit: self.limit }
    }
}

/// The answer: as it is, and as it would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WhatIfAnswer {
    /// What was tried.
    pub changes: WhatIf,
    /// How far ahead it looks.
    pub horizon_days: u32,
    /// As it is.
    pub present: ResourceReport,
    /// As it would be.
    pub changed: ResourceReport,
}
