//! Capacity: what a target's resources will need, when they meet their limits, and what to do by when.

use crate::{
    Band, MetricId, TargetId, Timestamp,
    forecast::{Change, Crossing, Forecast, MAX_HORIZON_DAYS, Measure, Planned, Verdict, WhatIf},
    format,
    metric::Unit,
    observation::Remedy,
    range::{Edge, moment},
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
const DAY_MS: f64 = 86_400_000.0;
/// Points of a chart: more than it has pixels at any width we draw.
pub const CHART_POINTS: u32 = 183;

/// So many months in days.
#[must_use]
pub fn days_of(months: u32) -> u32 {
    (f64::from(months) * 30.4375).round().clamp(1.0, f64::from(MAX_HORIZON_DAYS)) as u32
}

/// The months that so many days are nearest to.
#[must_use]
pub fn months_of(days: u32) -> u32 {
    (f64::from(days) / 30.4375).round().clamp(f64::from(*MONTHS.start()), f64::from(*MONTHS.end())) as u32
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

/// When a resource meets its limit, as a page ranks and words it. All in days from the start of the forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reaches {
    /// It has.
    Now,
    /// Half of the outcomes do within the horizon.
    In {
        /// One in ten outcomes.
        earliest: f64,
        /// Half of them.
        median: f64,
        /// Nine in ten; none beyond the horizon.
        latest: Option<f64>,
        /// The horizon.
        within: u32,
    },
    /// Less than half of the outcomes do within the horizon, but more than one in ten.
    Perhaps {
        /// One in ten outcomes.
        earliest: f64,
        /// The horizon.
        within: u32,
    },
    /// It does not, within the horizon.
    Not {
        /// The horizon.
        within: u32,
    },
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

    /// When the limit is met, within so many days or as far as the forecast looks.
    #[must_use]
    pub fn reaches(&self, horizon_days: u32) -> Reaches {
        let Some(forecast) = self.forecast() else { return Reaches::Unknown };
        let seen = forecast.median.len() as f64 * forecast.step_ms as f64 / DAY_MS;
        let within = horizon_days.min(seen.ceil() as u32);
        let inside = |days: &Option<f64>| days.filter(|days| *days <= f64::from(within));
        match &forecast.crossing {
            Crossing::Reached => Reaches::Now,
            Crossing::Never { .. } => Reaches::Not { within },
            Crossing::NoLimit | Crossing::Unpromised { .. } => Reaches::Unknown,
            Crossing::Within { p10, p50, p90 } => match (inside(p10), inside(p50)) {
                (earliest, Some(median)) => {
                    Reaches::In { earliest: earliest.unwrap_or(median), median, latest: inside(p90), within }
                }
                (Some(earliest), None) => Reaches::Perhaps { earliest, within },
                (None, None) => Reaches::Not { within },
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
fn whole(days: f64) -> String {
    format::number(days.round().max(1.0))
}

impl Reaches {
    /// `in 47 days (33–80)`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Reaches::Now => "at its limit".to_owned(),
            Reaches::In { .. } => format!("{} ({})", self.short(), self.range()),
            _ => self.short(),
        }
    }

    /// `in 47 days`.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Reaches::Now => "at its limit".to_owned(),
            Reaches::In { median, .. } => {
                format!("in {} day{}", whole(*median), if median.round() <= 1.0 { "" } else { "s" })
            }
            Reaches::Perhaps { earliest, .. } => format!("perhaps, from day {} on", whole(*earliest)),
            Reaches::Not { within } => format!("not in {within} days"),
            Reaches::Unknown => "not known".to_owned(),
        }
    }

    /// `33–80`, `29–over 180`; empty where there is none.
    #[must_use]
    pub fn range(&self) -> String {
        match self {
            Reaches::In { earliest, latest, within, .. } => {
                format!("{}–{}", whole(*earliest), latest.map_or_else(|| format!("over {within}"), whole))
            }
            Reaches::Perhaps { earliest, within } => format!("{}–over {within}", whole(*earliest)),
            Reaches::Now | Reaches::Not { .. } | Reaches::Unknown => String::new(),
        }
    }

    /// Days until half of the outcomes are there; 0 when it is.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        match self {
            Reaches::Now => Some(0.0),
            Reaches::In { median, .. } => Some(*median),
            Reaches::Perhaps { .. } | Reaches::Not { .. } | Reaches::Unknown => None,
        }
    }

    /// Days until one in ten outcomes is there; 0 when it is.
    #[must_use]
    pub fn earliest(&self) -> Option<f64> {
        match self {
            Reaches::Now => Some(0.0),
            Reaches::In { earliest, .. } | Reaches::Perhaps { earliest, .. } => Some(*earliest),
            Reaches::Not { .. } | Reaches::Unknown => None,
        }
    }

    /// How urgent that is: critical where it may come before a plan's reserve is over, degraded within two months.
    #[must_use]
    pub fn urgency(&self) -> Option<Band> {
        Some(match self {
            Reaches::Unknown => return None,
            Reaches::Not { .. } => Band::Excellent,
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

/// A question as the fields of a form or of an address; empty fields change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatIfFields {
    /// Of which resource.
    #[serde(default)]
    pub resource: String,
    /// Growth, in per cent of what is forecast.
    #[serde(default)]
    pub growth: String,
    /// The day of something planned: `2026-12-24`.
    #[serde(default)]
    pub day: String,
    /// What that adds: `50 GiB`, `20`.
    #[serde(default)]
    pub adds: String,
    /// Another limit: `750 GiB`.
    #[serde(default)]
    pub limit: String,
}

impl WhatIfFields {
    /// Resource and changes. Fields that cannot be read are named with what is allowed.
    ///
    /// # Errors
    /// Why it is no question.
    pub fn read(&self, now: Timestamp, unit_of: impl Fn(Resource) -> Unit) -> Result<(Resource, WhatIf), String> {
        let resource = Resource::parse(&self.resource).ok_or("Choose a resource.")?;
        let unit = unit_of(resource);
        let amount = |text: &str, what: &str| match text.trim() {
            "" => Ok(None),
            text => amount(text, unit).map(Some).ok_or(format!("{what} cannot be “{text}”; write {}.", example(unit))),
        };
        let growth = match self.growth.trim().trim_end_matches('%').trim() {
            "" => 1.0,
            text => match text.parse::<f64>() {
                Ok(percent) if (0.0..=10_000.0).contains(&percent) => percent / 100.0,
                _ => return Err(format!("Growth cannot be “{text}”; write 0 to 10000, in per cent.")),
            },
        };
        let limit = amount(&self.limit, "The limit")?;
        if limit.is_some_and(|limit| limit <= 0.0) {
            return Err("The limit must be above zero.".to_owned());
        }
        let planned = match (self.day.trim(), amount(&self.adds, "What it adds")?) {
            ("", None) => Vec::new(),
            ("", Some(_)) => return Err("Say on which day it is planned.".to_owned()),
            (_, None) => return Err("Say how much it adds.".to_owned()),
            (day, Some(adds)) => {
                let at = moment(day, now, Edge::Start);
                let at = at.ok_or_else(|| format!("“{day}” is no day; write 2026-12-24."))?;
                vec![Planned { at, change: Change::Add(adds) }]
            }
        };
        Ok((resource, WhatIf { growth, planned, limit }))
    }
}

/// How an amount is written.
fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "50 GiB or 1.5 TiB",
        Unit::BytesPerSecond => "100 Mbit/s or 1 Gbit/s",
        Unit::Percent => "20 %",
        _ => "a number",
    }
}

/// Reads an amount with or without its unit; an amount of bytes needs one.
#[must_use]
pub fn amount(text: &str, unit: Unit) -> Option<f64> {
    let text = text.trim().replace(',', "");
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match (unit, suffix.trim()) {
        (Unit::Bytes | Unit::BytesPerSecond, "KiB" | "KiB/s") => 1024.0,
        (Unit::Bytes | Unit::BytesPerSecond, "MiB" | "MiB/s") => 1_048_576.0,
        (Unit::Bytes | Unit::BytesPerSecond, "GiB" | "GiB/s") => 1_073_741_824.0,
        (Unit::Bytes, "TiB") => 1_099_511_627_776.0,
        (Unit::BytesPerSecond, "Mbit/s") => 125_000.0,
        (Unit::BytesPerSecond, "Gbit/s") => 125_000_000.0,
        (Unit::Percent, "%" | "") => 1.0,
        (Unit::Bytes | Unit::BytesPerSecond | Unit::Percent, _) => return None,
        (_, "") => 1.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor).filter(|value| value.is_finite())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(crossing: Crossing, days: usize) -> ResourceReport {
        let column = vec![1.0; days];
        let forecast = Forecast {
            start: Timestamp(0),
            step_ms: 86_400_000,
            median: column.clone(),
            low80: column.clone(),
            high80: column.clone(),
            low95: column.clone(),
            high95: column,
            measure: Measure::Level,
            model: String::new(),
            history_days: 60.0,
            growth_per_day: 0.0,
            backtest: None,
            shifts: Vec::new(),
            shifts_recur: false,
            spikes: 0,
            gaps: 0,
            seasons: Vec::new(),
            crossing,
        };
        ResourceReport {
            current: Some(412.0 * 1_073_741_824.0),
            limit: Some(Limit {
                value: 500.0 * 1_073_741_824.0,
                source: LimitSource::Configuration,
                label: String::new(),
            }),
            verdict: Verdict::Forecast(Box::new(forecast)),
            ..ResourceReport::empty(Resource::Storage, Unit::Bytes)
        }
    }

    fn within(p10: f64, p50: f64, p90: Option<f64>) -> ResourceReport {
        report(Crossing::Within { p10: Some(p10), p50: Some(p50), p90 }, 731)
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        for resource in Resource::ALL {
            assert_eq!(Resource::parse(resource.as_str()), Some(*resource));
            assert_eq!(serde_json::to_value(resource).unwrap(), resource.as_str());
        }
        assert_eq!(Resource::parse("disk"), None);
        assert_eq!((days_of(1), days_of(6), days_of(24)), (30, 183, 731));
        assert!((1..=24).all(|months| months_of(days_of(months)) == months));
        assert_eq!((months_of(30), months_of(60), months_of(180), months_of(365), months_of(731)), (1, 2, 6, 12, 24));
    }

    #[test]
    fn a_date_is_told_with_its_range_and_no_further_than_the_horizon() {
        let storage = within(33.2, 47.4, Some(80.0));
        assert_eq!(storage.used(), "412 of 500 GiB");
        assert_eq!(storage.reaches(180).words(), "in 47 days (33–80)");
        assert_eq!(storage.reaches(60).words(), "in 47 days (33–over 60)");
        assert_eq!(storage.reaches(40).words(), "perhaps, from day 33 on");
        assert_eq!(storage.reaches(30).words(), "not in 30 days");
        assert_eq!(report(Crossing::Never { within_days: 60 }, 60).reaches(180).words(), "not in 60 days");
        assert_eq!(report(Crossing::Reached, 60).reaches(180).words(), "at its limit");
        assert_eq!(report(Crossing::NoLimit, 60).reaches(180).words(), "not known");
    }

    #[test]
    fn urgency_follows_the_median() {
        for (report, band) in [
            (within(1.0, 13.0, None), Some(Band::Critical)),
            (within(1.0, 40.0, None), Some(Band::Degraded)),
            (within(1.0, 90.0, None), Some(Band::Good)),
            (report(Crossing::Never { within_days: 60 }, 60), Some(Band::Excellent)),
            (report(Crossing::NoLimit, 60), None),
        ] {
            assert_eq!(report.reaches(180).urgency(), band);
        }
    }

    #[test]
    fn a_question_is_read_from_a_form() {
        let fields = WhatIfFields {
            resource: "storage".into(),
            growth: "150 %".into(),
            day: "2026-12-24".into(),
            adds: "50 GiB".into(),
            limit: "1.5 TiB".into(),
        };
        let (resource, changes) = fields.read(Timestamp(0), |_| Unit::Bytes).unwrap();
        assert_eq!(
            (resource, changes.growth, changes.limit),
            (Resource::Storage, 1.5, Some(1.5 * 1_099_511_627_776.0))
        );
        assert_eq!(changes.planned[0].at.to_rfc3339(), "2026-12-24T00:00:00Z");
        assert_eq!(changes.planned[0].change, Change::Add(50.0 * 1_073_741_824.0));
        let refused = |fields: WhatIfFields| fields.read(Timestamp(0), |_| Unit::Bytes).unwrap_err();
        assert!(refused(WhatIfFields { limit: "750".into(), ..fields.clone() }).contains("GiB"));
        assert!(refused(WhatIfFields { day: "soon".into(), ..fields.clone() }).contains("2026-12-24"));
        assert!(refused(WhatIfFields { day: String::new(), ..fields.clone() }).contains("day"));
        assert!(refused(WhatIfFields { growth: "much".into(), ..fields.clone() }).contains("per cent"));
        assert!(refused(WhatIfFields { resource: "disk".into(), ..fields }).contains("resource"));
        assert_eq!(amount("100 Mbit/s", Unit::BytesPerSecond), Some(12_500_000.0));
        assert_eq!((amount("20", Unit::Count), amount("20 GiB", Unit::Count)), (Some(20.0), None));
    }
}
