//! The points of a chart as a table, newest first.

use super::{
    board::use_board,
    plots::{chart_of, drawing, figure, series_of, unit_head, value_at},
    row::at_words,
};
use crate::layout::use_frame;
use headroom_model::{MetricId, Timestamp, format};
use leptos::prelude::*;

/// Points listed; the CSV has all of them.
const LISTED: usize = 120;

/// Heads and rows: when it was, written for readers and in full, and what each line was.
type Points = (Vec<String>, Vec<(Timestamp, Vec<String>)>);

/// The table of the chart that begins with `metric`.
#[component]
pub fn PointTable(metric: MetricId, name: Memo<&'static str>) -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let day = Memo::new(move |_| frame.now.get().floor_to(24 * 3_600_000));
    let unit = metric.metric().unit;
    let step = Memo::new(move |_| board.data.with(|data| data.as_ref().and_then(|data| data.step_ms())));
    let points = Memo::new(move |_| -> Points {
        board.data.with(|data| {
            let read = || {
                let data = data.as_ref()?;
                let chart = chart_of(data, metric)?;
                let shown = board.view.with(|view| drawing(data, view, metric, day.get()))?;
                let rows: Vec<_> = shown.rows.into_iter().filter(|row| !row.hidden).collect();
                let grid = &chart.lines.first()?.series;
                let slots = (0..grid.avg.len()).rev().map(|slot| grid.at(slot));
                let inside = slots.filter(|at| *at >= data.range.from && *at <= data.range.to).take(LISTED);
                let cells = |at: Timestamp| {
                    let of = |key| figure(series_of(chart, key).and_then(|series| value_at(series, at)), unit);
                    (at, rows.iter().map(|row| of(row.key)).collect())
                };
                Some((rows.iter().map(|row| row.name.clone()).collect(), inside.map(cells).collect()))
            };
            read().unwrap_or_default()
        })
    });
    let caption = move || match unit_head(unit) {
        "" => format!("{}, newest points", name.get()),
        unit => format!("{} in {unit}, newest points", name.get()),
    };
    let row = move |(at, cells): (Timestamp, Vec<String>)| {
        view! {
            <tr>
                <th scope="row">
                    <time datetime=at.to_rfc3339()>{at_words(at, step.get(), day.get())}</time>
                </th>
                {cells.into_iter().map(|cell| view! { <td class="num">{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <div class="scroll-x points" tabindex="0" role="region" aria-label=move || format!("Points of {}", name.get())>
            <table class="tbl">
                <caption class="vh">{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"UTC"</th>
                        {move || {
                            points
                                .with(|(heads, _)| heads.clone())
                                .into_iter()
                                .map(|head| view! { <th scope="col" class="num">{head}</th> })
                                .collect_view()
                        }}
                    </tr>
                </thead>
                <tbody>{move || points.with(|(_, rows)| rows.clone()).into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        <p class="note">
            {move || {
                let listed = points.with(|(_, rows)| rows.len());
                if listed < LISTED {
                    format!("{}.", format::counted(listed as u64, "point"))
                } else {
                    format!("The newest {LISTED} points; the CSV has all.")
                }
            }}
        </p>
    }
    .into_any()
}
