//! What active sessions waited for over the range: by class as a chart, by event as a table.

use super::store::use_store;
use crate::{
    chart::{Floor, Line, Plot, Scale, Weight},
    components::{
        chart::{Chart, Keys},
        small_chart::{marks, plotted, series_of},
    },
    layout::use_frame,
};
use headroom_model::{
    MetricId, Timestamp,
    contention::WaitClass,
    format::{self, MISSING},
    metric::Unit,
    moment::Wait,
    overview::Timeline,
};
use leptos::prelude::*;

/// The classes, lowest on the chart first, each in its colour.
const CLASSES: [(MetricId, &str, &str); 6] = [
    (MetricId::WaitsRunning, "Running", "s1"),
    (MetricId::WaitsIo, "IO", "s2"),
    (MetricId::WaitsLwlock, "LWLock", "s6"),
    (MetricId::WaitsClient, "Client", "s5"),
    (MetricId::WaitsOther, "Other", "s7"),
    (MetricId::WaitsLock, "Lock", "s4"),
];

fn name_of(metric: MetricId) -> &'static str {
    CLASSES.iter().find(|(class, _, _)| *class == metric).map_or(metric.metric().name, |(_, name, _)| name)
}

/// Active sessions by class, on top of each other.
fn plot(past: &Timeline, today: Timestamp) -> Plot {
    let line = |(metric, name, color): (MetricId, &'static str, &'static str)| Line {
        series: series_of(past, metric),
        name,
        color,
        weight: Weight::Normal,
    };
    let lead = line(CLASSES[0]);
    let rest: Vec<Line> = CLASSES[1..].iter().copied().map(line).collect();
    let slots = lead.series.avg.len();
    let sum = |slot: usize| {
        let value = |line: &Line| line.series.avg.get(slot).copied().flatten().unwrap_or(0.0);
        value(&lead) + rest.iter().map(value).sum::<f64>()
    };
    let high = (0..slots).map(sum).fold(1.0, f64::max);
    Plot {
        name: "Active sessions by what they wait for",
        lead,
        rest,
        stacked: true,
        from: past.range.from,
        to: past.range.to,
        scale: Scale::fit(0.0, high, Unit::Count, Floor::Zero),
        rule: None,
        marks: marks(past),
        today,
    }
}

fn share(share: f64) -> String {
    format::value(share * 100.0, Unit::Percent).to_string()
}

fn class_row(class: WaitClass) -> AnyView {
    view! {
        <dt>{name_of(class.metric)} " " <small class="note">{share(class.share)}</small></dt>
        <dd>{format::value(class.mean, Unit::Count).to_string()}</dd>
    }
    .into_any()
}

fn event_row(wait: Wait) -> AnyView {
    view! {
        <tr>
            <th scope="row">{wait.name()}</th>
            <td>
                <div class="barcell">
                    <span class="meter st-g" aria-hidden="true">
                        <i style=format!("inline-size:{:.1}%", wait.share * 100.0)></i>
                    </span>
                    <span class="num">{share(wait.share)}</span>
                </div>
            </td>
            <td class="num">{format::count(wait.seen)}</td>
        </tr>
    }
    .into_any()
}

/// The sheet.
#[component]
pub fn Waits() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let chart = plotted(store.past, plot);
    let waits = Memo::new(move |_| store.contention.with(|seen| seen.waits.clone()));
    let since = Memo::new(move |_| store.contention.with(|seen| seen.details_from));
    let active = move || {
        let mean = waits.with(|waits| waits.active);
        let mean = mean.map_or_else(|| MISSING.to_owned(), |mean| format::value(mean, Unit::Count).to_string());
        format!("{mean} active at a look, mean over the range")
    };
    let none = move || match waits.with(|waits| (waits.active, waits.classes.is_empty())) {
        (None, _) => Some(
            "Nothing was measured in the range: the console did not run, or the server hides sessions from its role.",
        ),
        (Some(_), true) => Some("Nobody was active at any look of the range."),
        _ => None,
    };
    let heading = move || match since.get() {
        Some(since) => format!("since {}; seen at a look, one a second", format::moment(since, minute.get())),
        None => "no minute of the range was kept".to_owned(),
    };
    view! {
        <section class="sheet" aria-labelledby="h-waits">
            <div class="row-cells cols-hit">
                <div class="cell large">
                    <div class="cell-head">
                        <h2 id="h-waits">"What active sessions waited for"</h2>
                        <Keys plot=chart class="push"/>
                    </div>
                    <Chart plot=chart/>
                </div>
                <div class="cell">
                    <h3 style="margin-block-end:var(--p4)">"By class"</h3>
                    <p class="note">{active}</p>
                    <dl class="kv">{move || waits.get().classes.into_iter().map(class_row).collect_view()}</dl>
                    {move || none().map(|said| view! { <p class="sub">{said}</p> })}
                </div>
            </div>
            <div class="cell-head pad-head ruled">
                <h3>"By event"</h3>
                <small>{heading}</small>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Wait events, table">
                <table class="tbl dense" style="min-inline-size:32rem">
                    <caption class="vh">"Wait events"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Wait"</th>
                            <th scope="col" class="use-h">
                                "Share"
                            </th>
                            <th scope="col" class="num">
                                "Seen"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{move || waits.get().events.into_iter().map(event_row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}
