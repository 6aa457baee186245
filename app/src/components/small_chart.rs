//! A small multiple: one measure over the range with its target or limit, events drawn through it.

use super::{chart::Chart, estimate::Estimate, figure::of_limit};
use crate::{
    chart::{Floor, Line, Mark, Plot, Rule, Scale, Weight},
    data::past::Past,
    layout::use_frame,
    url,
};
use headroom_model::{
    Band, MetricId, Timestamp,
    event::EventKind,
    format,
    live::LiveUpdate,
    metric::{Good, Unit},
    overview::Timeline,
    range::Resolved,
    series::Series,
};
use leptos::prelude::*;

/// A target far above the data would flatten the line: it is drawn when the data reaches this share of it.
const RULE_IN_SIGHT: f64 = 0.25;

const DAY_MS: i64 = 24 * 3_600_000;

/// One small chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Small {
    /// What it shows.
    pub metric: MetricId,
    /// Shown instead where the first was never measured.
    pub instead: Option<MetricId>,
    /// Colour slot.
    pub color: &'static str,
    /// Where its axis starts.
    pub floor: Floor,
    /// The figure that limits it.
    pub limit: Option<MetricId>,
}

impl Small {
    /// A chart from zero without a limit. Colours are fixed for each metric, so that a series looks the same everywhere.
    #[must_use]
    pub const fn new(metric: MetricId, color: &'static str) -> Self {
        Small { metric, instead: None, color, floor: Floor::Zero, limit: None }
    }
}

/// Whether events of a kind are drawn through charts. Operations come in pairs and would only clutter.
#[must_use]
pub fn is_marked(kind: EventKind) -> bool {
    kind != EventKind::Operation
}

/// The events of a range as marks.
#[must_use]
pub fn marks(past: &Timeline) -> Vec<Mark> {
    let is_alert = |kind: EventKind, band: Option<Band>| {
        matches!(kind, EventKind::Outage | EventKind::Alert) && band != Some(Band::Excellent)
    };
    past.events
        .iter()
        .map(|event| &event.event)
        .filter(|event| is_marked(event.kind) && event.at >= past.range.from && event.at <= past.range.to)
        .map(|event| Mark { at: event.at, alert: is_alert(event.kind, event.band) })
        .collect()
}

/// The series of a metric in a timeline; one without points where it was not read.
#[must_use]
pub fn series_of(past: &Timeline, metric: MetricId) -> Series {
    past.series
        .iter()
        .find(|series| series.metric == metric)
        .cloned()
        .unwrap_or_else(|| empty_series(metric, past.range))
}

fn empty_series(metric: MetricId, range: Resolved) -> Series {
    Series { metric, from: range.from, step_ms: 60_000, avg: vec![], min: vec![], max: vec![] }
}

/// A timeline without anything in it, for frames of charts whose data could not be read.
#[must_use]
pub fn no_past(range: Resolved) -> Timeline {
    Timeline { range, series: vec![], events: vec![], limits: vec![], origins: vec![], starts: None }
}

/// The metric a chart shows: the first one that was ever measured.
fn chosen(chart: &Small, live: &LiveUpdate, past: &Timeline) -> MetricId {
    let measured = |metric: MetricId| {
        live.figures.contains_key(&metric)
            || past.series.iter().any(|s| s.metric == metric && s.avg.iter().any(Option::is_some))
    };
    match chart.instead {
        Some(instead) if !measured(chart.metric) && measured(instead) => instead,
        _ => chart.metric,
    }
}

/// The highest value an axis shows: that of the data, or that of a rule near it.
#[must_use]
pub fn top_in_sight(high: f64, rule: Option<&Rule>) -> f64 {
    match rule {
        Some(rule) if rule.good_below && high >= rule.value * RULE_IN_SIGHT => high.max(rule.value * 1.05),
        _ => high,
    }
}

fn rule(chart: &Small, metric: MetricId, live: &LiveUpdate, past: &Timeline) -> Option<Rule> {
    let unit = metric.metric().unit;
    let good_below = metric.metric().good != Good::Up;
    if let Some(limit) = chart.limit.and_then(|limit| live.figures.get(&limit)) {
        let label = format!("limit {}", format::value(*limit, unit));
        return Some(Rule { value: *limit, label, hard: true, good_below });
    }
    let limits = past.limits.iter().find(|limits| limits.metric == metric)?;
    let label = format!("target {}", format::value(limits.degraded, unit));
    Some(Rule { value: limits.degraded, label, hard: false, good_below })
}

/// Builds the plot of a chart, as seen on the day of `today`.
fn plot(chart: &Small, live: &LiveUpdate, past: &Timeline, today: Timestamp) -> Plot {
    let metric = chosen(chart, live, past);
    let unit = metric.metric().unit;
    let series = series_of(past, metric);
    let summary = series.summary();
    let (low, high) = summary.map_or((100.0, 0.0), |summary| (summary.min, summary.max));
    // A target of zero is the base line itself.
    let rule = rule(chart, metric, live, past).filter(|rule| rule.value > 0.0);
    let floor = match chart.floor {
        Floor::Full if unit != Unit::Percent => Floor::Zero,
        floor => floor,
    };
    let top = top_in_sight(high, rule.as_ref());
    let name = metric.metric().name;
    Plot {
        name,
        lead: Line { series, name, color: chart.color, weight: Weight::Normal },
        rest: vec![],
        stacked: false,
        from: past.range.from,
        to: past.range.to,
        scale: Scale::fit(low, top, unit, floor),
        rule,
        marks: marks(past),
        today,
    }
}

/// The figure beside the title: now, or the newest of an older range.
fn newest(chart: &Small, plot: &Plot, live: &LiveUpdate, is_live: bool) -> (String, String) {
    let series = &plot.lead.series;
    let now = is_live.then(|| live.figures.get(&series.metric).copied()).flatten();
    let Some(value) = now.or_else(|| series.summary().map(|summary| summary.last)) else {
        return (format::MISSING.to_owned(), String::new());
    };
    if series.metric == MetricId::Queries {
        return (format::number(value), "q/s".to_owned());
    }
    let limit = chart.limit.and_then(|limit| live.figures.get(&limit)).copied();
    of_limit(value, limit, plot.unit())
}

/// A plot over what the page has read, for any chart: `build` gets the past, or one without anything in it, and today.
pub fn plotted(past: Past, build: impl Fn(&Timeline, Timestamp) -> Plot + Send + Sync + 'static) -> Memo<Plot> {
    let frame = use_frame();
    let today = Memo::new(move |_| frame.now.get().floor_to(DAY_MS));
    Memo::new(move |_| {
        past.timeline.with(|past| match past {
            Some(past) => build(past, today.get()),
            None => {
                let now = frame.now.get_untracked();
                build(&no_past(frame.query.with(|query| url::shown_range(query, now)).range), today.get())
            }
        })
    })
}

/// One measure with its name and newest value.
#[component]
pub fn SmallChart(
    chart: Small,
    live: Memo<LiveUpdate>,
    past: Past,
    /// What it is called here, where the catalogue's name says more than the place needs.
    #[prop(optional)]
    title: Option<&'static str>,
    /// Classes of the frame.
    #[prop(default = "cell sm")]
    class: &'static str,
) -> impl IntoView {
    // The limit and the choice of metric are all that a chart needs of the present; the rest comes with the series.
    let plot = plotted(past, move |past, today| live.with(|live| plot(&chart, live, past, today)));
    let metric = Memo::new(move |_| plot.with(|plot| plot.lead.series.metric));
    let figure = Memo::new(move |_| {
        let is_live = past.timeline.with(|past| past.as_ref().is_some_and(|past| past.range.live));
        live.with(|live| plot.with(|plot| newest(&chart, plot, live, is_live)))
    });
    view! {
        <div class=class>
            <div class="cell-head">
                <h3>{move || title.unwrap_or(metric.get().metric().name)}</h3>
                {move || view! { <Estimate metric=metric.get()/> }}
                <b>
                    {move || figure.with(|figure| figure.0.clone())}
                    <span class="u">{move || figure.with(|figure| figure.1.clone())}</span>
                </b>
            </div>
            <Chart plot/>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        health::Health,
        overview::MetricLimits,
        target::{Reach, TargetInfo},
    };

    const TODAY: Timestamp = Timestamp(0);

    fn live<const N: usize>(figures: [(MetricId, f64); N]) -> LiveUpdate {
        LiveUpdate {
            at: Timestamp(0),
            target: TargetInfo {
                id: TargetId("shop".into()),
                postgres: Reach::Starting,
                postgres_version: None,
                replica: None,
                redis: Reach::Absent,
                redis_version: None,
                sampled_at: None,
                statements_reset_at: None,
                limitations: vec![],
            },
            health: Health { at: Timestamp(0), score: None, components: vec![], deductions: vec![], hold_secs: 300 },
            figures: figures.into_iter().collect(),
            issues: vec![],
        }
    }

    fn past(metric: MetricId, values: &[f64]) -> Timeline {
        let avg: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        Timeline {
            range: Resolved { from: Timestamp(0), to: Timestamp(60_000 * values.len() as i64), live: true },
            series: vec![Series {
                metric,
                from: Timestamp(0),
                step_ms: 60_000,
                min: avg.clone(),
                max: avg.clone(),
                avg,
            }],
            events: vec![],
            limits: vec![MetricLimits { metric: MetricId::QueryLatencyP95, degraded: 500.0, critical: 2000.0 }],
            origins: vec![],
            starts: None,
        }
    }

    #[test]
    fn a_target_is_in_sight_only_near_the_data() {
        let chart = Small::new(MetricId::QueryLatencyP95, "s1");
        let near = plot(&chart, &live([]), &past(MetricId::QueryLatencyP95, &[410.0, 480.0]), TODAY);
        assert!(near.scale.max >= 500.0);
        let far = plot(&chart, &live([]), &past(MetricId::QueryLatencyP95, &[3.0, 5.0]), TODAY);
        assert!(far.scale.max < 10.0);
        assert_eq!(far.rule.unwrap().label, "target 500 ms");
    }

    #[test]
    fn a_measure_shows_its_limit() {
        let chart = Small { limit: Some(MetricId::ConnectionsMax), ..Small::new(MetricId::Connections, "s1") };
        let now = live([(MetricId::Connections, 168.0), (MetricId::ConnectionsMax, 200.0)]);
        let shown = plot(&chart, &now, &past(MetricId::Connections, &[126.0, 168.0]), TODAY);
        assert_eq!(shown.rule.as_ref().map(|rule| (rule.label.as_str(), rule.hard)), Some(("limit 200", true)));
        assert_eq!(newest(&chart, &shown, &now, true), ("168".to_owned(), "of 200".to_owned()));
    }

    #[test]
    fn what_was_never_measured_gives_way() {
        let instead = Some(MetricId::BufferHitRatio);
        let chart = Small { instead, floor: Floor::Share, ..Small::new(MetricId::RedisHitRatio, "s3") };
        let shown = |past: &Timeline| plot(&chart, &live([]), past, TODAY).lead.series.metric;
        assert_eq!(shown(&past(MetricId::BufferHitRatio, &[99.0])), MetricId::BufferHitRatio);
        assert_eq!(shown(&past(MetricId::Queries, &[1.0])), MetricId::RedisHitRatio);
    }
}
