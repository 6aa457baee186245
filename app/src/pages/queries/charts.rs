//! A statement's figures over the range as charts.

use crate::{
    chart::{Floor, Line, Mark, Plot, Scale, Weight},
    components::{
        chart::{Chart, Keys},
        small_chart::is_marked,
    },
};
use headroom_model::{
    Band, MetricId, Timestamp,
    event::{Event, EventKind},
    series::Series,
    statements::StatementDetail,
};
use leptos::prelude::*;

/// A chart of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Mean and estimated percentiles, and what is usual.
    Latency,
    /// Calls a second.
    Calls,
    /// Share of the execution time of all statements.
    Share,
    /// Rows a call.
    Rows,
    /// Blocks a call.
    Blocks,
    /// Time spent reading and writing blocks, a call.
    Io,
    /// Temporary files a call.
    Temp,
    /// Write-ahead log a call.
    Wal,
}

/// A line of a chart: name, colour, weight, points.
type Drawn<'a> = (&'static str, &'static str, Weight, &'a [Option<f64>]);

impl Topic {
    /// Those of a row in the list.
    pub const SHORT: [Topic; 2] = [Topic::Latency, Topic::Calls];
    /// Those of a statement's page.
    pub const ALL: [Topic; 8] =
        [Topic::Latency, Topic::Calls, Topic::Share, Topic::Rows, Topic::Blocks, Topic::Io, Topic::Temp, Topic::Wal];

    fn name(self) -> &'static str {
        match self {
            Topic::Latency => "Execution time a call",
            Topic::Calls => "Calls",
            Topic::Share => "Share of all execution time",
            Topic::Rows => "Rows a call",
            Topic::Blocks => "Blocks a call",
            Topic::Io => "I/O time a call",
            Topic::Temp => "Temporary files a call",
            Topic::Wal => "WAL a call",
        }
    }

    /// A metric with the unit of this chart: series carry their unit by their metric.
    fn stands_for(self) -> MetricId {
        match self {
            Topic::Latency | Topic::Io => MetricId::QueryLatencyMean,
            Topic::Calls => MetricId::Queries,
            Topic::Share => MetricId::ConnectionsUsed,
            Topic::Rows | Topic::Blocks => MetricId::Connections,
            Topic::Temp | Topic::Wal => MetricId::DatabaseSize,
        }
    }

    fn lines(self, detail: &StatementDetail) -> Vec<Drawn<'_>> {
        let series = &detail.series;
        match self {
            Topic::Latency => vec![
                ("mean", "o1", Weight::Bold, &series.mean_ms[..]),
                ("p95, estimate", "o2", Weight::Normal, &series.p95_ms[..]),
                ("p99, estimate", "o3", Weight::Thin, &series.p99_ms[..]),
                ("usual mean", "s-prev", Weight::Before, &series.usual_ms[..]),
            ],
            Topic::Calls => vec![("calls", "s1", Weight::Normal, &series.calls_per_second[..])],
            Topic::Share => vec![("share", "s4", Weight::Normal, &series.time_share[..])],
            Topic::Rows => vec![("rows", "s6", Weight::Normal, &series.rows_per_call[..])],
            Topic::Blocks => vec![
                ("found in buffers", "s3", Weight::Normal, &series.hits_per_call[..]),
                ("read", "s2", Weight::Bold, &series.reads_per_call[..]),
            ],
            Topic::Io => vec![("I/O", "s2", Weight::Normal, &series.io_ms_per_call[..])],
            Topic::Temp => vec![("temporary files", "s5", Weight::Normal, &series.temp_bytes_per_call[..])],
            Topic::Wal => vec![("WAL", "s7", Weight::Normal, &series.wal_bytes_per_call[..])],
        }
    }

    /// Whether there is anything to see: what is not counted, or always zero, has no chart. Time and calls always have one.
    fn is_worth(self, detail: &StatementDetail) -> bool {
        matches!(self, Topic::Latency | Topic::Calls | Topic::Share)
            || self.lines(detail).iter().any(|(_, _, _, values)| values.iter().flatten().any(|value| *value > 0.0))
    }

    /// The plot.
    pub fn plot(self, detail: &StatementDetail, events: &[Event], today: Timestamp) -> Plot {
        let metric = self.stands_for();
        let line = |(name, color, weight, values): Drawn<'_>| Line {
            series: Series {
                metric,
                from: detail.series.from,
                step_ms: detail.series.step_ms,
                min: values.to_vec(),
                max: values.to_vec(),
                avg: values.to_vec(),
            },
            name,
            color,
            weight,
        };
        let mut lines = self.lines(detail);
        // The leading line stays, also without a point: it says that there is none.
        let lead = line(lines.remove(0));
        let has_points = |(_, _, _, values): &Drawn<'_>| values.iter().any(Option::is_some);
        let rest: Vec<Line> = lines.into_iter().filter(has_points).map(line).collect();
        let all = std::iter::once(&lead).chain(&rest);
        let high = all.flat_map(|line| line.series.avg.iter().flatten()).copied().fold(0.0, f64::max);
        Plot {
            name: self.name(),
            scale: Scale::fit(0.0, high, metric.metric().unit, Floor::Zero),
            lead,
            rest,
            stacked: false,
            from: detail.range.from,
            to: detail.range.to,
            rule: None,
            marks: marks(events, detail),
            today,
        }
    }
}

fn marks(events: &[Event], detail: &StatementDetail) -> Vec<Mark> {
    let is_alert = |event: &Event| {
        matches!(event.event.kind, EventKind::Outage | EventKind::Alert) && event.event.band != Some(Band::Excellent)
    };
    events
        .iter()
        .filter(|event| is_marked(event.event.kind))
        .filter(|event| (detail.range.from..=detail.range.to).contains(&event.event.at))
        .map(|event| Mark { at: event.event.at, alert: is_alert(event) })
        .collect()
}

/// Charts in cells. `view` is what is known; it may grow.
#[component]
pub fn Charts(view: Signal<super::read::View>, topics: &'static [Topic], today: Timestamp) -> impl IntoView {
    let cell = move |topic: Topic| {
        let plot = Memo::new(move |_| view.with(|(detail, events)| topic.plot(detail, events, today)));
        let is_worth = Memo::new(move |_| view.with(|(detail, _)| topic.is_worth(detail)));
        view! {
            <Show when=move || is_worth.get()>
                <div class="cell sm">
                    <div class="cell-head">
                        <h3>{topic.name()}</h3>
                        <Keys plot class="push"/>
                    </div>
                    <Chart plot/>
                </div>
            </Show>
        }
    };
    topics.iter().copied().map(cell).collect_view().into_any()
}
