//! The small multiples: six measures over the range, each with its target or limit, events through all of them.

use super::{store::use_store, words::marks_note};
use crate::{
    chart::{Floor, Mark, Plot, Rule, Scale},
    components::{chart::Chart, estimate::Estimate},
    layout::{go, use_frame},
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
use leptos_router::hooks::use_location;

/// A target far above the data would flatten the line: it is drawn when the data reaches this share of it.
const RULE_IN_SIGHT: f64 = 0.25;

const DAY_MS: i64 = 24 * 3_600_000;

/// One small chart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Small {
    metric: MetricId,
    /// Shown instead where the first was never measured.
    instead: Option<MetricId>,
    color: &'static str,
    floor: Floor,
    /// The figure that limits it.
    limit: Option<MetricId>,
}

const fn small(metric: MetricId, color: &'static str) -> Small {
    Small { metric, instead: None, color, floor: Floor::Zero, limit: None }
}

/// Colours are fixed for each metric, so that a series looks the same everywhere.
const CHARTS: [Small; 6] = [
    small(MetricId::QueryLatencyP95, "s1"),
    small(MetricId::Queries, "s1"),
    Small { instead: Some(MetricId::BufferHitRatio), floor: Floor::Share, ..small(MetricId::RedisHitRatio, "s3") },
    Small { limit: Some(MetricId::ConnectionsMax), ..small(MetricId::Connections, "s1") },
    small(MetricId::LocksWaiting, "s4"),
    Small { instead: Some(MetricId::Transactions), floor: Floor::Full, ..small(MetricId::HostCpu, "s1") },
];

/// Whether events of a kind are drawn through the charts. Operations come in pairs and would only clutter.
#[must_use]
pub fn marks(kind: EventKind) -> bool {
    kind != EventKind::Operation
}

fn is_alert(kind: EventKind, band: Option<Band>) -> bool {
    matches!(kind, EventKind::Outage | EventKind::Alert) && band != Some(Band::Excellent)
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
    let series = past.series.iter().find(|series| series.metric == metric).cloned().unwrap_or_else(|| Series {
        metric,
        from: past.range.from,
        step_ms: 60_000,
        avg: vec![],
        min: vec![],
        max: vec![],
    });
    let summary = series.summary();
    let (low, high) = summary.map_or((100.0, 0.0), |summary| (summary.min, summary.max));
    // A target of zero is the base line itself.
    let rule = rule(chart, metric, live, past).filter(|rule| rule.value > 0.0);
    let floor = match chart.floor {
        Floor::Full if unit != Unit::Percent => Floor::Zero,
        floor => floor,
    };
    let top = match &rule {
        Some(rule) if rule.good_below && high >= rule.value * RULE_IN_SIGHT => high.max(rule.value * 1.05),
        _ => high,
    };
    let marks = past
        .events
        .iter()
        .filter(|event| marks(event.event.kind) && event.event.at >= past.range.from && event.event.at <= past.range.to)
        .map(|event| Mark { at: event.event.at, alert: is_alert(event.event.kind, event.event.band) })
        .collect();
    Plot {
        from: past.range.from,
        to: past.range.to,
        color: chart.color,
        scale: Scale::fit(low, top, unit, floor),
        rule,
        marks,
        today,
        series,
    }
}

/// The figure beside the title: now, or the newest of an older range.
fn newest(chart: &Small, plot: &Plot, live: &LiveUpdate, is_live: bool) -> (String, String) {
    let metric = plot.series.metric;
    let now = is_live.then(|| live.figures.get(&metric).copied()).flatten();
    let Some(value) = now.or_else(|| plot.series.summary().map(|summary| summary.last)) else {
        return (format::MISSING.to_owned(), String::new());
    };
    let written = format::value(value, metric.metric().unit);
    let unit = match (metric, chart.limit.and_then(|limit| live.figures.get(&limit))) {
        (MetricId::Queries, _) => "q/s".to_owned(),
        (_, Some(limit)) => format!("of {}", format::number(*limit)),
        _ => written.unit.to_owned(),
    };
    (written.number, unit)
}

/// The sheet.
#[component]
pub fn Trends() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let title = Memo::new(move |_| {
        let shown = frame.query.with(|query| url::shown_in_minute(query, minute.get()));
        let name = url::range_name(&shown.from, &shown.to, shown.range);
        if shown.range.live { name } else { format::range(shown.range.from, shown.range.to, minute.get()) }
    });
    let note = Memo::new(move |_| {
        let marks = || {
            store.past.with(|past| past.as_ref().map(|past| marks_note(&past.events, minute.get())).unwrap_or_default())
        };
        store.as_of().unwrap_or_else(marks)
    });
    let is_stale = move || store.stale_since.get().is_some();
    let row = |charts: &'static [Small], first: bool| {
        view! {
            <div class="row-cells cols-3" style=first.then_some("border:0")>
                {charts.iter().map(|chart| view! { <SmallChart chart=*chart/> }).collect_view()}
            </div>
        }
    };
    let (upper, lower) = CHARTS.split_at(3);
    view! {
        <section class="sheet" class:is-stale=is_stale aria-labelledby="h-tr">
            <div class="cell-head pad-head" style="margin-block-end:0">
                <h2 id="h-tr">{title}</h2>
                <small>{note}</small>
            </div>
            {row(upper, true)}
            {row(lower, false)}
        </section>
    }
    .into_any()
}

#[component]
fn SmallChart(chart: Small) -> impl IntoView {
    let store = use_store();
    let frame = use_frame();
    let path = use_location().pathname;
    let navigate = go();
    // The limit and the choice of metric are all that a chart needs of the present; the rest comes with the series.
    let today = Memo::new(move |_| frame.now.get().floor_to(DAY_MS));
    let plot = Memo::new(move |_| {
        store.past.with(|past| match past {
            Some(past) => store.live.with(|live| plot(&chart, live, past, today.get())),
            None => {
                let now = frame.now.get_untracked();
                empty_plot(&chart, frame.query.with(|query| url::shown_range(query, now)).range, today.get())
            }
        })
    });
    let metric = Memo::new(move |_| plot.with(|plot| plot.series.metric));
    let figure = Memo::new(move |_| {
        let is_live = store.past.with(|past| past.as_ref().is_some_and(|past| past.range.live));
        store.live.with(|live| plot.with(|plot| newest(&chart, plot, live, is_live)))
    });
    let zoom = Callback::new(move |(from, to): (Timestamp, Timestamp)| {
        let (from, to) = (from.0.to_string(), to.0.to_string());
        let href = untrack(|| frame.link(&path.read(), &[("from", Some(&from)), ("to", Some(&to))]));
        navigate(&href, false);
    });
    view! {
        <div class="cell sm">
            <div class="cell-head">
                <h3>{move || plot.with(|plot| plot.series.metric.metric().name)}</h3>
                {move || view! { <Estimate metric=metric.get()/> }}
                <b>
                    {move || figure.with(|figure| figure.0.clone())}
                    <span class="u">{move || figure.with(|figure| figure.1.clone())}</span>
                </b>
            </div>
            <Chart plot on_zoom=zoom/>
        </div>
    }
    .into_any()
}

/// The frame of a chart whose data could not be read.
fn empty_plot(chart: &Small, range: Resolved, today: Timestamp) -> Plot {
    let Resolved { from, to, .. } = range;
    Plot {
        series: Series { metric: chart.metric, from, step_ms: 60_000, avg: vec![], min: vec![], max: vec![] },
        from,
        to,
        color: chart.color,
        scale: Scale::fit(0.0, 0.0, chart.metric.metric().unit, chart.floor),
        rule: None,
        marks: vec![],
        today,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tiles::tests::live;
    use super::*;
    use headroom_model::overview::MetricLimits;

    const TODAY: Timestamp = Timestamp(0);

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
        }
    }

    #[test]
    fn a_target_is_in_sight_only_near_the_data() {
        let near = plot(&CHARTS[0], &live([]), &past(MetricId::QueryLatencyP95, &[410.0, 480.0]), TODAY);
        assert!(near.scale.max >= 500.0);
        let far = plot(&CHARTS[0], &live([]), &past(MetricId::QueryLatencyP95, &[3.0, 5.0]), TODAY);
        assert!(far.scale.max < 10.0);
        assert_eq!(far.rule.unwrap().label, "target 500 ms");
    }

    #[test]
    fn connections_show_their_limit() {
        let live = live([(MetricId::Connections, 168.0), (MetricId::ConnectionsMax, 200.0)]);
        let plot = plot(&CHARTS[3], &live, &past(MetricId::Connections, &[126.0, 168.0]), TODAY);
        assert_eq!(plot.rule.as_ref().map(|rule| (rule.label.as_str(), rule.hard)), Some(("limit 200", true)));
        assert_eq!(newest(&CHARTS[3], &plot, &live, true), ("168".to_owned(), "of 200".to_owned()));
    }

    #[test]
    fn what_was_never_measured_gives_way() {
        let without_redis = past(MetricId::BufferHitRatio, &[99.0]);
        assert_eq!(plot(&CHARTS[2], &live([]), &without_redis, TODAY).series.metric, MetricId::BufferHitRatio);
        let nothing = past(MetricId::Queries, &[1.0]);
        assert_eq!(plot(&CHARTS[2], &live([]), &nothing, TODAY).series.metric, MetricId::RedisHitRatio);
    }
}
