//! Trends: what the URL asks for, and everything that is drawn for it.
//!
//! A [`TrendsView`] is the state of the page as its URL keeps it. [`TrendsData`] is all the page draws, so that a copy of it
//! (a snapshot) shows the same without asking anyone.

use crate::{
    MetricId, TargetId, Timestamp,
    baseline::Baseline,
    event::{Event, EventKind},
    format,
    origin::Origin,
    overview::MetricLimits,
    range::{MAX_RANGE_MS, Resolved},
    series::Series,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Charts a page shows at most.
pub const MAX_CHARTS: usize = 8;
/// Metrics of all charts together, at most.
pub const MAX_METRICS: usize = 20;
/// Names that are not in the catalogue and are told, at most.
const MAX_UNKNOWN: usize = 5;
/// Characters of such a name that are told.
const MAX_NAME: usize = 60;
/// Events of a range that are told at most, the newest ones.
pub const MAX_EVENTS: u32 = 200;

/// Query key of the charts: metric ids, `:` inside a chart, `/` between charts.
pub const CHARTS: &str = "m";
/// Query key of the comparison.
pub const COMPARE: &str = "compare";
/// Query key of the lines that are not drawn.
pub const HIDE: &str = "hide";
/// Query key of the kinds of events that are not drawn.
pub const WITHOUT: &str = "without";
/// Query key of the cursor, in epoch milliseconds.
pub const CURSOR: &str = "cursor";
/// Query key of the minute that is looked into, in epoch milliseconds.
pub const AT: &str = "at";
/// Query key of the usual range.
pub const USUAL: &str = "usual";
/// Query key of the chart whose figures are shown as a table: the first metric of it.
pub const TABLE: &str = "table";
/// A switch that is on.
const ON: &str = "on";
/// Ends the name of a line of the compared stretch.
const BEFORE: char = '~';

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// What a chart is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// Nothing.
    #[default]
    None,
    /// The stretch of the same length right before.
    Previous,
    /// The same stretch a week earlier.
    Week,
}

impl Compare {
    /// Every choice, in the order offered.
    pub const ALL: [Compare; 3] = [Compare::None, Compare::Previous, Compare::Week];

    /// The value in the URL; empty for none.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Compare::None => "",
            Compare::Previous => "previous",
            Compare::Week => "week",
        }
    }

    fn parse(text: &str) -> Self {
        Compare::ALL.into_iter().find(|compare| compare.as_str() == text).unwrap_or_default()
    }

    /// How far back the compared stretch lies; none where nothing is compared.
    #[must_use]
    pub fn shift_ms(self, range: Resolved) -> Option<i64> {
        match self {
            Compare::None => None,
            Compare::Previous => Some(range.millis()),
            Compare::Week => Some(WEEK_MS),
        }
    }

    /// "previous 6 h", "same time last week": what a line of the compared stretch is called.
    #[must_use]
    pub fn words(self, range: Resolved) -> String {
        match self {
            Compare::None => String::new(),
            Compare::Previous => format!("previous {}", format::duration_ms(range.millis() as f64)),
            Compare::Week => "same time last week".to_owned(),
        }
    }
}

/// Kinds of events that are switched on and off together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventGroup {
    /// Releases of the watched application.
    Deploys,
    /// Warmups of the cache.
    Warmups,
    /// Clears of the cache.
    Clears,
    /// Alerts, and servers that went and came.
    Alerts,
    /// Everything else.
    Others,
}

impl EventGroup {
    /// Every group, in the order offered.
    pub const ALL: [EventGroup; 5] =
        [EventGroup::Deploys, EventGroup::Warmups, EventGroup::Clears, EventGroup::Alerts, EventGroup::Others];

    /// The name on its switch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventGroup::Deploys => "Deploys",
            EventGroup::Warmups => "Warmups",
            EventGroup::Clears => "Clears",
            EventGroup::Alerts => "Alerts",
            EventGroup::Others => "Others",
        }
    }

    /// The value in the URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventGroup::Deploys => "deploys",
            EventGroup::Warmups => "warmups",
            EventGroup::Clears => "clears",
            EventGroup::Alerts => "alerts",
            EventGroup::Others => "others",
        }
    }

    /// The group of an event. Actions and operations tell what they did in their title alone.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let title = event.event.title.as_str();
        match event.event.kind {
            EventKind::Deploy => EventGroup::Deploys,
            EventKind::Operation if title.starts_with("Warm the cache") => EventGroup::Warmups,
            EventKind::Action | EventKind::Operation if title.contains("ache was cleared") => EventGroup::Clears,
            EventKind::Alert | EventKind::Outage | EventKind::Recovery => EventGroup::Alerts,
            _ => EventGroup::Others,
        }
    }
}

/// Names a line: a metric, or the same in the compared stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey {
    /// The metric.
    pub metric: MetricId,
    /// Whether it is of the compared stretch.
    pub before: bool,
}

impl LineKey {
    /// The line of a metric in the range itself.
    #[must_use]
    pub fn of(metric: MetricId) -> Self {
        LineKey { metric, before: false }
    }

    fn parse(text: &str) -> Option<Self> {
        let (id, before) = text.strip_suffix(BEFORE).map_or((text, false), |id| (id, true));
        Some(LineKey { metric: MetricId::parse(id)?, before })
    }

    fn print(self, out: &mut String) {
        out.push_str(self.metric.as_str());
        if self.before {
            out.push(BEFORE);
        }
    }
}

/// What the URL says of the page, apart from target and range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrendsView {
    /// The metrics of each chart, all of one unit; empty where the URL names none, which means the default charts.
    pub charts: Vec<Vec<MetricId>>,
    /// Names that are not in the catalogue, at most five.
    pub unknown: Vec<String>,
    /// What was asked for beyond the bounds and is left out.
    pub left_out: usize,
    /// What the lines are compared with.
    pub compare: Compare,
    /// Lines that are not drawn.
    pub hidden: BTreeSet<LineKey>,
    /// Kinds of events that are not drawn.
    pub without: BTreeSet<EventGroup>,
    /// Where the cursor stands.
    pub cursor: Option<Timestamp>,
    /// The minute that is looked into.
    pub at: Option<Timestamp>,
    /// Whether the usual range is drawn.
    pub usual: bool,
    /// The chart whose figures are shown as a table, by its first metric.
    pub table: Option<MetricId>,
}

impl TrendsView {
    /// Reads a query: `get` answers the value of a key. Whatever cannot be read is left out, never refused.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let list = |key, separator: &[char]| -> Vec<String> {
            let text = get(key).unwrap_or_default();
            // Bounded: as many names as could ever count, and some that do not.
            text.split(separator).map(str::trim).filter(|name| !name.is_empty()).take(64).map(str::to_owned).collect()
        };
        let moment = |key| get(key).and_then(|text| text.parse().ok()).map(Timestamp).filter(|at| at.0 > 0);
        let mut view = TrendsView {
            compare: Compare::parse(&get(COMPARE).unwrap_or_default()),
            hidden: list(HIDE, &[':']).iter().filter_map(|name| LineKey::parse(name)).collect(),
            without: list(WITHOUT, &[':'])
                .iter()
                .filter_map(|name| EventGroup::ALL.into_iter().find(|group| group.as_str() == name))
                .collect(),
            cursor: moment(CURSOR),
            at: moment(AT),
            usual: get(USUAL).as_deref() == Some(ON),
            table: get(TABLE).and_then(|id| MetricId::parse(&id)),
            ..TrendsView::default()
        };
        view.take_charts(&TrendsView::asked(get));
        view
    }

    /// The charts that a query asks for, as it writes them: also what cannot be read.
    #[must_use]
    pub fn asked(get: impl Fn(&str) -> Option<String>) -> String {
        get(CHARTS).unwrap_or_default()
    }

    /// Takes charts as the URL writes them. A chart with metrics of several units becomes one of each unit: no chart has
    /// two axes.
    pub fn take_charts(&mut self, text: &str) {
        for chart in text.split('/').take(64) {
            let names: Vec<&str> = chart.split([':', ',']).map(str::trim).filter(|name| !name.is_empty()).collect();
            let mut metrics = Vec::new();
            for name in names {
                match MetricId::parse(name) {
                    Some(metric) => metrics.push(metric),
                    None if self.unknown.len() < MAX_UNKNOWN => {
                        self.unknown.push(name.chars().take(MAX_NAME).collect());
                    }
                    None => {}
                }
            }
            self.add(&metrics);
        }
    }

    /// Adds a chart; one of each unit where the units differ. What is drawn already or beyond the bounds is left out.
    pub fn add(&mut self, metrics: &[MetricId]) {
        let mut charts: Vec<Vec<MetricId>> = Vec::new();
        for metric in metrics {
            if self.shows(*metric) || charts.iter().flatten().any(|known| known == metric) {
                continue;
            }
            let unit = metric.metric().unit;
            match charts.iter_mut().find(|chart| chart[0].metric().unit == unit) {
                Some(chart) => chart.push(*metric),
                None => charts.push(vec![*metric]),
            }
        }
        for mut chart in charts {
            let room = MAX_METRICS.saturating_sub(self.metrics().count());
            if self.charts.len() >= MAX_CHARTS || room == 0 {
                self.left_out += chart.len();
                continue;
            }
            self.left_out += chart.len().saturating_sub(room);
            chart.truncate(room);
            self.charts.push(chart);
        }
    }

    /// Every metric drawn.
    pub fn metrics(&self) -> impl Iterator<Item = MetricId> {
        self.charts.iter().flatten().copied()
    }

    /// Whether a metric is drawn.
    #[must_use]
    pub fn shows(&self, metric: MetricId) -> bool {
        self.metrics().any(|known| known == metric)
    }

    /// The charts as the URL writes them.
    #[must_use]
    pub fn charts_text(&self) -> String {
        let chart = |metrics: &Vec<MetricId>| metrics.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(":");
        self.charts.iter().map(chart).collect::<Vec<_>>().join("/")
    }

    /// Every key of the query with its value; none where the key is left out.
    #[must_use]
    pub fn print(&self) -> [(&'static str, Option<String>); 8] {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let mut hidden = String::new();
        for line in &self.hidden {
            if !hidden.is_empty() {
                hidden.push(':');
            }
            line.print(&mut hidden);
        }
        let without = self.without.iter().map(|group| group.as_str()).collect::<Vec<_>>().join(":");
        [
            (CHARTS, some(self.charts_text())),
            (COMPARE, some(self.compare.as_str().to_owned())),
            (HIDE, some(hidden)),
            (WITHOUT, some(without)),
            (CURSOR, self.cursor.map(|at| at.0.to_string())),
            (AT, self.at.map(|at| at.0.to_string())),
            (USUAL, self.usual.then(|| ON.to_owned())),
            (TABLE, self.table.map(|metric| metric.as_str().to_owned())),
        ]
    }
}

/// A series that is short in JSON: its extremes are left out where they are its mean.
mod short {
    use super::{MetricId, Series, Timestamp};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Column = Vec<Option<f64>>;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        metric: MetricId,
        from: Timestamp,
        step_ms: i64,
        avg: &'a Column,
        #[serde(skip_serializing_if = "Option::is_none")]
        min: Option<&'a Column>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max: Option<&'a Column>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct In {
        metric: MetricId,
        from: Timestamp,
        step_ms: i64,
        avg: Column,
        #[serde(default)]
        min: Option<Column>,
        #[serde(default)]
        max: Option<Column>,
    }

    pub fn serialize<S: Serializer>(series: &Series, serializer: S) -> Result<S::Ok, S::Error> {
        let other = |column: &'_ Column| *column != series.avg;
        Out {
            metric: series.metric,
            from: series.from,
            step_ms: series.step_ms,
            avg: &series.avg,
            min: Some(&series.min).filter(|column| other(column)),
            max: Some(&series.max).filter(|column| other(column)),
        }
        .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Series, D::Error> {
        let read = In::deserialize(deserializer)?;
        let (min, max) = (read.min.unwrap_or_else(|| read.avg.clone()), read.max.unwrap_or_else(|| read.avg.clone()));
        Ok(Series { metric: read.metric, from: read.from, step_ms: read.step_ms, avg: read.avg, min, max })
    }

    /// The same where there may be none.
    pub mod maybe {
        use super::{Deserialize, Deserializer, Serialize, Serializer, Series};

        #[derive(Deserialize)]
        struct Owned(#[serde(deserialize_with = "super::deserialize")] Series);

        pub fn serialize<S: Serializer>(series: &Option<Series>, serializer: S) -> Result<S::Ok, S::Error> {
            #[derive(Serialize)]
            struct Borrowed<'a>(#[serde(serialize_with = "super::serialize")] &'a Series);
            series.as_ref().map(Borrowed).serialize(serializer)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Series>, D::Error> {
            Ok(Option::<Owned>::deserialize(deserializer)?.map(|owned| owned.0))
        }
    }
}

/// One metric of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendsLine {
    /// Its points.
    #[serde(with = "short")]
    pub series: Series,
    /// The points of the compared stretch, moved onto this range; only of the line that leads its chart.
    #[serde(with = "short::maybe", default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Series>,
}

/// One chart: metrics of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendsChart {
    /// Its lines, in the order of the URL.
    pub lines: Vec<TrendsLine>,
    /// Which of them is read first.
    pub lead: usize,
    /// The hard limit of what is drawn and the metric that told it (`database.connections_max`), when it is known.
    pub ceiling: Option<Ceiling>,
}

/// A limit that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ceiling {
    /// The metric that tells it.
    pub metric: MetricId,
    /// Its newest value in the range.
    pub value: f64,
}

/// A metric that the URL names and the catalogue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownMetric {
    /// As it was written.
    pub name: String,
    /// What was probably meant.
    pub nearest: Option<MetricId>,
}

/// Everything that is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendsData {
    /// Whose figures.
    pub target: TargetId,
    /// The range, resolved.
    pub range: Resolved,
    /// What the lines are compared with.
    pub compare: Compare,
    /// The charts, in order.
    pub charts: Vec<TrendsChart>,
    /// The newest events in the range, newest first.
    pub events: Vec<Event>,
    /// Whether the range holds more events than are told.
    pub more_events: bool,
    /// What the health checks allow, for the metrics drawn.
    pub limits: Vec<MetricLimits>,
    /// Milliseconds between samples.
    pub interval_ms: i64,
    /// When the history of the target starts; none when there is none.
    pub starts: Option<Timestamp>,
    /// The leading line of the first chart over the stretch that the window below moves in.
    pub around: Option<Around>,
    /// The stretches of the range, and of what it is compared with, that were not measured here.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// What is usual at these hours of the week, of the metrics it is known of.
    #[serde(default)]
    pub baselines: Vec<Baseline>,
    /// Names of the URL that are not in the catalogue.
    #[serde(default)]
    pub unknown: Vec<UnknownMetric>,
    /// Metrics asked for beyond the bounds.
    #[serde(default)]
    pub left_out: usize,
}

/// A longer stretch around the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Around {
    /// The stretch.
    pub range: Resolved,
    /// One line over it.
    #[serde(with = "short")]
    pub series: Series,
}

impl TrendsData {
    /// Every metric drawn.
    pub fn metrics(&self) -> impl Iterator<Item = MetricId> {
        self.charts.iter().flat_map(|chart| chart.lines.iter().map(|line| line.series.metric))
    }

    /// The distance of points, the same for every line of the range itself.
    #[must_use]
    pub fn step_ms(&self) -> Option<i64> {
        Some(self.charts.first()?.lines.first()?.series.step_ms)
    }

    /// "one point each 3 min (5 s samples, averaged)".
    #[must_use]
    pub fn step_words(&self) -> Option<String> {
        let step = self.step_ms()?;
        let words = format::duration_ms(step as f64);
        Some(match self.interval_ms {
            interval if interval <= 0 || interval >= step => format!("one point each {words}"),
            interval => {
                format!("one point each {words} ({} samples, averaged)", format::duration_ms(interval as f64))
            }
        })
    }
}

/// Four times a range: where its window moves in. It ends now at the latest and holds the range.
#[must_use]
pub fn around(range: Resolved, now: Timestamp) -> Resolved {
    let length = range.millis();
    let whole = length.saturating_mul(4).min(MAX_RANGE_MS);
    let rest = whole - length;
    let latest = range.to.0.max(now.0);
    let to = if range.live { range.to.0 } else { latest.min(range.to.0.saturating_add(rest / 2)) };
    Resolved { from: Timestamp(to - whole), to: Timestamp(to), live: range.live }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn read(pairs: &[(&str, &str)]) -> TrendsView {
        TrendsView::read(|key| pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned()))
    }

    fn again(view: &TrendsView) -> TrendsView {
        let printed = view.print();
        TrendsView::read(|key| printed.iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.clone()))
    }

    #[test]
    fn the_url_says_which_charts() {
        let view = read(&[
            ("m", "database.query_latency_p50:database.query_latency_p95/database.queries"),
            ("compare", "previous"),
            ("hide", "database.queries~:nonsense"),
            ("without", "deploys"),
            ("cursor", "1795098720000"),
            ("usual", "on"),
        ]);
        assert_eq!(view.charts, [vec![MetricId::QueryLatencyP50, MetricId::QueryLatencyP95], vec![MetricId::Queries]]);
        assert_eq!(view.compare, Compare::Previous);
        assert_eq!(view.hidden.iter().collect::<Vec<_>>(), [&LineKey { metric: MetricId::Queries, before: true }]);
        assert_eq!(view.cursor, Some(Timestamp(1_795_098_720_000)));
        assert_eq!(again(&view), view);
        assert_eq!(read(&[]), TrendsView::default());
    }

    #[test]
    fn what_is_not_known_is_told_and_units_do_not_mix() {
        let view = read(&[("m", "redis.kyes:database.queries:database.connections/database.queries")]);
        assert_eq!(view.unknown, ["redis.kyes"]);
        assert_eq!(view.charts, [vec![MetricId::Queries], vec![MetricId::Connections]]);
    }

    #[test]
    fn bounds_hold_and_say_what_is_left_out() {
        let ids: Vec<&str> = crate::metric::CATALOGUE.iter().take(30).map(|metric| metric.id.as_str()).collect();
        let view = read(&[("m", &ids.join("/"))]);
        assert_eq!((view.charts.len(), view.left_out), (MAX_CHARTS, 30 - MAX_CHARTS));
        let counts: Vec<&str> = crate::metric::CATALOGUE
            .iter()
            .filter(|metric| metric.unit == crate::metric::Unit::Count)
            .take(25)
            .map(|metric| metric.id.as_str())
            .collect();
        let view = read(&[("m", &counts.join(":"))]);
        assert_eq!((view.metrics().count(), view.left_out), (MAX_METRICS, counts.len() - MAX_METRICS));
    }

    #[test]
    fn the_window_moves_in_four_times_the_range_and_not_beyond_now() {
        let live = Resolved { from: NOW.plus_millis(-1000), to: NOW, live: true };
        assert_eq!(around(live, NOW), Resolved { from: NOW.plus_millis(-4000), ..live });
        let old = Resolved { from: NOW.plus_millis(-9000), to: NOW.plus_millis(-8000), live: false };
        let found = around(old, NOW);
        assert_eq!((found.from, found.to), (NOW.plus_millis(-10_500), NOW.plus_millis(-6500)));
        let longest = Resolved { from: NOW.plus_millis(-MAX_RANGE_MS), to: NOW, live: true };
        assert_eq!(around(longest, NOW), longest);
    }

    #[test]
    fn a_step_is_said_in_words() {
        let series = |step_ms| Series {
            metric: MetricId::Queries,
            from: NOW,
            step_ms,
            avg: vec![Some(1.0), None],
            min: vec![Some(1.0), None],
            max: vec![Some(2.0), None],
        };
        let data = |step_ms| TrendsData {
            target: TargetId("orders".into()),
            range: Resolved { from: NOW, to: NOW, live: false },
            compare: Compare::None,
            charts: vec![TrendsChart {
                lines: vec![TrendsLine { series: series(step_ms), before: Some(series(60_000)) }],
                lead: 0,
                ceiling: None,
            }],
            events: vec![],
            more_events: false,
            limits: vec![],
            interval_ms: 5000,
            starts: None,
            around: None,
            origins: vec![],
            baselines: vec![],
            unknown: vec![],
            left_out: 0,
        };
        assert_eq!(data(5000).step_words().unwrap(), "one point each 5 s");
        assert_eq!(data(180_000).step_words().unwrap(), "one point each 3 min (5 s samples, averaged)");
        let json = serde_json::to_value(data(5000)).unwrap();
        let line = &json["charts"][0]["lines"][0];
        assert!(line["series"].get("min").is_none() && line["series"].get("max").is_some(), "{line}");
        assert_eq!(serde_json::from_value::<TrendsData>(json).unwrap(), data(5000));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_was_read_is_written(
            charts in "[a-z_.:/,~]{0,80}",
            known in prop::collection::vec(0..crate::metric::CATALOGUE.len(), 0..30),
            hide in "[a-z_.:~]{0,40}",
        ) {
            let mut text = charts;
            for (i, n) in known.iter().enumerate() {
                text.push(if i % 3 == 0 { '/' } else { ':' });
                text.push_str(crate::metric::CATALOGUE[*n].id.as_str());
            }
            let view = read(&[("m", &text), ("hide", &hide)]);
            prop_assert!(view.charts.len() <= MAX_CHARTS && view.metrics().count() <= MAX_METRICS);
            let printed = again(&view);
            prop_assert_eq!(&printed.charts, &view.charts);
            prop_assert_eq!(again(&printed), printed);
        }

        #[test]
        fn the_window_holds_its_range(from in 1_000_000_i64..2_000_000_000_000, length in 1000_i64..MAX_RANGE_MS, live: bool) {
            let range = Resolved { from: Timestamp(from), to: Timestamp(from + length), live };
            let found = around(range, Timestamp(from + length));
            prop_assert!(found.from <= range.from && found.to >= range.to && found.millis() <= MAX_RANGE_MS.max(length));
        }
    }
}
