//! From data to plots: which lines are drawn, on which scale, and what a legend says of each.

use super::presets::{self, Look};
use crate::{
    chart::{Line, Mark, Plot, Rule, Scale, Weight},
    components::small_chart::top_in_sight,
};
use headroom_model::{
    Band, MetricId, Timestamp,
    event::{Event, EventKind},
    format,
    metric::{Good, Unit},
    series::{Series, Summary},
    trends::{EventGroup, LineKey, TrendsChart, TrendsData, TrendsView},
};

/// One chart, ready to be painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Lines that are not hidden, on one scale.
    pub plot: Plot,
    /// Every line, for the legend.
    pub rows: Vec<Row>,
    /// Of what, in a few words.
    pub note: String,
    /// The metrics, in order.
    pub metrics: Vec<MetricId>,
}

/// What a legend says of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which line.
    pub key: LineKey,
    /// What it is called.
    pub name: String,
    /// Class of its key.
    pub mark: &'static str,
    /// Colour slot.
    pub color: &'static str,
    /// Whether it is left out of the drawing.
    pub hidden: bool,
    /// Its figures; none when nothing was measured.
    pub summary: Option<Summary>,
}

/// The chart that begins with a metric.
#[must_use]
pub fn chart_of(data: &TrendsData, first: MetricId) -> Option<&TrendsChart> {
    data.charts.iter().find(|chart| chart.lines.first().is_some_and(|line| line.series.metric == first))
}

/// How a chart is drawn.
#[must_use]
pub fn look_of(chart: &TrendsChart) -> Look {
    presets::look(&chart.lines.iter().map(|line| line.series.metric).collect::<Vec<_>>())
}

/// The series behind a line of a chart.
#[must_use]
pub fn series_of(chart: &TrendsChart, key: LineKey) -> Option<&Series> {
    let line = chart.lines.iter().find(|line| line.series.metric == key.metric)?;
    if key.before { line.before.as_ref() } else { Some(&line.series) }
}

/// The value of a series at the point nearest to a moment, if it is near enough.
#[must_use]
pub fn value_at(series: &Series, at: Timestamp) -> Option<f64> {
    let slot = ((at.0 - series.from.0) as f64 / series.step_ms.max(1) as f64).round();
    if slot < 0.0 {
        return None;
    }
    series.avg.get(slot as usize).copied().flatten()
}

/// Whether an event is drawn.
#[must_use]
pub fn is_drawn(event: &Event, view: &TrendsView, data: &TrendsData) -> bool {
    let at = event.event.at;
    at >= data.range.from && at <= data.range.to && !view.without.contains(&EventGroup::of(event))
}

/// Whether an event is bad news.
#[must_use]
pub fn is_alert(event: &Event) -> bool {
    matches!(event.event.kind, EventKind::Outage | EventKind::Alert) && event.event.band != Some(Band::Excellent)
}

/// What the metrics of a chart should not pass: their measured limit, else the target of the line that leads.
fn rule(chart: &TrendsChart, look: &Look, data: &TrendsData) -> Option<Rule> {
    let unit = chart.lines.first()?.series.metric.metric().unit;
    if let Some(ceiling) = chart.ceiling {
        let label = format!("limit {}", format::value(ceiling.value, unit));
        return Some(Rule { value: ceiling.value, label, hard: true, good_below: true });
    }
    let lead = chart.lines.get(chart.lead)?.series.metric;
    let limits = data.limits.iter().find(|limits| limits.metric == lead)?;
    let of = if look.lines.len() > 1 { look.lines.get(look.lead).map_or("", |line| line.name) } else { "" };
    let words = ["target", of].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    // A target of zero is the base line itself.
    (limits.degraded > 0.0).then(|| Rule {
        value: limits.degraded,
        label: format!("{words} {}", format::value(limits.degraded, unit)),
        hard: false,
        good_below: lead.metric().good != Good::Up,
    })
}

/// Draws the chart that begins with a metric, as seen on the day of `today`.
#[must_use]
pub fn drawing(data: &TrendsData, view: &TrendsView, first: MetricId, today: Timestamp) -> Option<Drawing> {
    let chart = chart_of(data, first)?;
    let look = look_of(chart);
    let earlier = data.compare.words(data.range);
    let mut rows = Vec::new();
    let mut drawn: Vec<Line> = Vec::new();
    let mut before = Vec::new();
    for (line, of) in chart.lines.iter().zip(&look.lines) {
        let row = |key: LineKey, series: &Series, name: String, color, weight: Weight| {
            let hidden = view.hidden.contains(&key);
            let shown = (!hidden).then(|| Line { series: series.clone(), name: of.name, color, weight });
            (Row { key, name, mark: weight.key(), color, hidden, summary: series.summary() }, shown)
        };
        let key = LineKey::of(of.metric);
        let (own, shown) = row(key, &line.series, of.name.to_owned(), of.color, of.weight);
        rows.push(own);
        drawn.extend(shown);
        if let Some(series) = &line.before {
            let name = format!("{}, {earlier}", of.name);
            before.push(row(LineKey { before: true, ..key }, series, name, "s-prev", Weight::Before));
        }
    }
    for (row, shown) in before {
        rows.push(row);
        // Below the others: it is painted first.
        drawn.splice(0..0, shown);
    }
    let unit = first.metric().unit;
    let rule = rule(chart, &look, data);
    let scale = scale(&drawn, rule.as_ref(), unit, first);
    let lead_metric = chart.lines.get(chart.lead)?.series.metric;
    // Gaps are those of the line that leads, where it is drawn.
    let lead = drawn
        .iter()
        .position(|line| line.series.metric == lead_metric && line.weight != Weight::Before)
        .or_else(|| drawn.iter().position(|line| line.weight != Weight::Before));
    let lead = match lead {
        Some(lead) => drawn.remove(lead),
        None => nothing(first, data, &look),
    };
    let marks = data.events.iter().filter(|event| is_drawn(event, view, data));
    let marks = marks.map(|event| Mark { at: event.event.at, alert: is_alert(event) }).collect();
    Some(Drawing {
        plot: Plot {
            name: look.name,
            lead,
            rest: drawn,
            stacked: false,
            from: data.range.from,
            to: data.range.to,
            scale,
            rule,
            marks,
            today,
        },
        rows,
        note: note(&look, first),
        metrics: chart.lines.iter().map(|line| line.series.metric).collect(),
    })
}

/// A line without points, where every line is hidden.
fn nothing(metric: MetricId, data: &TrendsData, look: &Look) -> Line {
    let series = Series { metric, from: data.range.from, step_ms: 60_000, avg: vec![], min: vec![], max: vec![] };
    Line { series, name: look.name, color: "s1", weight: Weight::Normal }
}

/// The axis over every line drawn. Extremes of slots count where they are drawn, which is where a line stands alone.
fn scale(lines: &[Line], rule: Option<&Rule>, unit: Unit, first: MetricId) -> Scale {
    let own = lines.iter().filter(|line| line.weight != Weight::Before).count();
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    for line in lines {
        let columns = match (own, line.weight) {
            (1, weight) if weight != Weight::Before => [&line.series.min, &line.series.max],
            _ => [&line.series.avg, &line.series.avg],
        };
        low = columns[0].iter().flatten().copied().fold(low, f64::min);
        high = columns[1].iter().flatten().copied().fold(high, f64::max);
    }
    if low > high {
        (low, high) = (100.0, 0.0);
    }
    Scale::fit(low, top_in_sight(high, rule), unit, presets::floor(first))
}

/// What a chart is of: a preset's words, or what the catalogue says first of its metric.
fn note(look: &Look, first: MetricId) -> String {
    if !look.note.is_empty() {
        return look.note.to_owned();
    }
    let help = first.metric().help;
    let end = help.find([',', ';', ':', '(']).unwrap_or(help.len());
    let mut words: String = help[..end].trim().chars().take(72).collect();
    // The first word is a name as often as not (`pg_stat_activity`, `Redis`): only plain words lose their capital.
    if words.chars().nth(1).is_some_and(char::is_lowercase)
        && !words.starts_with("Redis")
        && !words.starts_with("Postgre")
    {
        words = words[..1].to_lowercase() + &words[1..];
    }
    words
}

/// The unit in the head of a legend; empty where each figure has its own.
#[must_use]
pub fn unit_head(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "%",
        Unit::Milliseconds => "ms",
        Unit::PerSecond => "per s",
        Unit::Score => "points",
        Unit::Bytes | Unit::BytesPerSecond | Unit::Count | Unit::Ratio | Unit::Flag => "",
    }
}

/// A figure below that head.
#[must_use]
pub fn figure(value: Option<f64>, unit: Unit) -> String {
    match (value, unit) {
        (None, _) => format::MISSING.to_owned(),
        (Some(value), Unit::Percent | Unit::Milliseconds | Unit::PerSecond) => format::number(value),
        (Some(value), unit) => format::value(value, unit).to_string(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        range::Resolved,
        trends::{Compare, TrendsLine},
    };

    pub const FROM: Timestamp = Timestamp(1_795_098_720_000);

    pub fn series(metric: MetricId, values: &[Option<f64>]) -> Series {
        let avg = values.to_vec();
        Series { metric, from: FROM, step_ms: 60_000, min: avg.clone(), max: avg.clone(), avg }
    }

    pub fn data(charts: Vec<TrendsChart>) -> TrendsData {
        TrendsData {
            target: TargetId("orders".into()),
            range: Resolved { from: FROM, to: FROM.plus_millis(240_000), live: false },
            compare: Compare::Previous,
            charts,
            events: vec![],
            more_events: false,
            limits: vec![headroom_model::overview::MetricLimits {
                metric: MetricId::QueryLatencyP95,
                degraded: 500.0,
                critical: 2000.0,
            }],
            interval_ms: 5000,
            starts: None,
            around: None,
            origins: vec![],
            baselines: vec![],
            unknown: vec![],
            left_out: 0,
        }
    }

    pub fn latency() -> TrendsChart {
        let line = |metric, values: &[f64]| TrendsLine {
            series: series(metric, &values.iter().copied().map(Some).collect::<Vec<_>>()),
            before: None,
        };
        let mut p95 = line(MetricId::QueryLatencyP95, &[400.0, 400.0, 600.0, 640.0]);
        p95.before = Some(series(MetricId::QueryLatencyP95, &[Some(400.0); 4]));
        TrendsChart { lines: vec![line(MetricId::QueryLatencyP99, &[900.0; 4]), p95], lead: 1, ceiling: None }
    }

    #[test]
    fn a_chart_shows_its_lines_its_target_and_what_was_before() {
        let data = data(vec![latency()]);
        let mut view = TrendsView::default();
        let shown = drawing(&data, &view, MetricId::QueryLatencyP99, FROM).unwrap();
        assert_eq!((shown.plot.name, shown.plot.lead.name), ("Query latency", "p95"));
        assert_eq!(shown.plot.rest.iter().map(|line| line.weight).collect::<Vec<_>>(), [Weight::Before, Weight::Thin]);
        assert_eq!(shown.plot.rule.unwrap().label, "target p95 500 ms");
        assert_eq!(
            shown.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["p99", "p95", "p95, previous 4 min"]
        );
        view.hidden = [LineKey::of(MetricId::QueryLatencyP99)].into();
        let hidden = drawing(&data, &view, MetricId::QueryLatencyP99, FROM).unwrap();
        assert_eq!((hidden.plot.rest.len(), hidden.rows.len()), (1, 3));
        assert!(hidden.plot.scale.max < shown.plot.scale.max, "the scale follows what is drawn");
        view.hidden.insert(LineKey::of(MetricId::QueryLatencyP95));
        view.hidden.insert(LineKey { metric: MetricId::QueryLatencyP95, before: true });
        let none = drawing(&data, &view, MetricId::QueryLatencyP99, FROM).unwrap();
        assert_eq!(none.plot.lines().map(|line| line.series.avg.len()).sum::<usize>(), 0);
    }

    #[test]
    fn the_nearest_point_answers() {
        let series = series(MetricId::Queries, &[Some(1.0), None, Some(3.0)]);
        let at = |millis| value_at(&series, FROM.plus_millis(millis));
        assert_eq!((at(29_000), at(31_000), at(140_000), at(160_000)), (Some(1.0), None, Some(3.0), None));
        assert_eq!(at(-31_000), None);
    }
}
