//! One chart with its legend, and the cursor above it.

#[cfg(feature = "hydrate")]
use super::board::place;
use super::{
    board::{Board, Navigate, use_board},
    menu::ChartMenu,
    plots::{self, Drawing, Row, chart_of, figure, series_of, unit_head, value_at},
    table::PointTable,
    words,
};
use crate::{
    chart::{paint_wide, sentence},
    components::estimate::Estimate,
    layout::use_frame,
};
use headroom_model::{MetricId, Timestamp, format, metric::Unit, series::Summary, trends::LineKey};
use leptos::{ev, prelude::*};

const DAY_MS: i64 = 24 * 3_600_000;
/// Shorter drags are clicks, in pixels.
#[cfg(feature = "hydrate")]
pub(super) const DRAG_PX: f64 = 8.0;

/// A column of the legend.
type Column = (&'static str, fn(&Summary) -> f64);

/// The columns after the one at the cursor.
const COLUMNS: [Column; 4] = [("min", |s| s.min), ("avg", |s| s.avg), ("max", |s| s.max), ("last", |s| s.last)];

/// How a moment at the cursor is written: with seconds where points are closer than a minute.
#[must_use]
pub fn at_words(at: Timestamp, step_ms: Option<i64>, today: Timestamp) -> String {
    if step_ms.is_some_and(|step| step < 60_000) {
        format::moment_seconds(at, today)
    } else {
        format::moment(at, today)
    }
}

/// The chart that begins with a metric, and its legend.
#[component]
pub fn ChartRow(metric: MetricId) -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let today = Memo::new(move |_| frame.now.get().floor_to(DAY_MS));
    // The cursor in the URL changes nothing that is painted.
    let look = Memo::new(move |_| {
        board.view.with(|view| headroom_model::trends::TrendsView { cursor: None, at: None, ..view.clone() })
    });
    let drawing = Memo::new(move |_| {
        board.data.with(|data| look.with(|view| plots::drawing(data.as_ref()?, view, metric, today.get())))
    });
    let usual = Memo::new(move |_| {
        if !look.with(|view| view.usual) {
            return None;
        }
        board.data.with(|data| {
            let data = data.as_ref()?;
            let chart = chart_of(data, metric)?;
            let lead = chart.lines.get(chart.lead)?.series.metric;
            data.baselines.iter().find(|usual| usual.metric == lead).cloned()
        })
    });
    let painted = Memo::new(move |_| {
        drawing.with(|drawing| usual.with(|usual| drawing.as_ref().map(|d| paint_wide(&d.plot, usual.as_ref()))))
    });
    let label = Memo::new(move |_| drawing.with(|drawing| drawing.as_ref().map(|d| sentence(&d.plot))));
    let name = Memo::new(move |_| drawing.with(|drawing| drawing.as_ref().map_or("", |d| d.plot.name)));
    let note = Memo::new(move |_| drawing.with(|drawing| drawing.as_ref().map(|d| d.note.clone()).unwrap_or_default()));
    let metrics = Memo::new(move |_| drawing.with(|d| d.as_ref().map(|d| d.metrics.clone()).unwrap_or_default()));
    let said = Memo::new(move |_| board.data.with(|data| words::sentence(data.as_ref()?, metric, today.get())));
    let usually = Memo::new(move |_| usual.with(|usual| usual.as_ref().map(|usual| usual.sentence(today.get()))));
    let estimated = Memo::new(move |_| metrics.with(|metrics| metrics.iter().copied().find(|m| m.is_estimate())));
    let in_table = Memo::new(move |_| look.with(|view| view.table == Some(metric)));
    view! {
        <div class="row-cells trend">
            <div class="cell">
                <div class="cell-head">
                    <h2>{name}</h2>
                    {move || estimated.get().map(|metric| view! { <Estimate metric/> })}
                    <small>{note}</small>
                    <ChartMenu metric metrics name drawing/>
                </div>
                <div class="chart-frame">
                    <div class="chart" role="img" aria-label=label inner_html=move || painted.get().unwrap_or_default()></div>
                    <Over drawing/>
                </div>
                <Show when=move || in_table.get()>
                    <PointTable metric name/>
                </Show>
            </div>
            <div class="cell">
                <Legend metric drawing name today/>
                {move || said.get().map(|said| view! { <p class="note said">{said}</p> })}
                {move || usually.get().map(|said| view! { <p class="note said">{said}</p> })}
            </div>
        </div>
    }
    .into_any()
}

/// What moves above a chart: cursor, a dot on each line, the stretch that is dragged over. The lines below stay as they are
/// painted, however often the cursor moves.
#[component]
fn Over(drawing: Memo<Option<Drawing>>) -> impl IntoView {
    let board = use_board();
    let range = Memo::new(move |_| drawing.with(|d| d.as_ref().map(|d| (d.plot.from, d.plot.to))));
    let place = Memo::new(move |_| {
        let (from, to) = range.get()?;
        let at = board.cursor.get().filter(|at| *at >= from && *at <= to)?;
        Some((at.0 - from.0) as f64 / (to.0 - from.0).max(1) as f64 * 100.0)
    });
    let lines = Memo::new(move |_| {
        drawing.with(|drawing| {
            let count = drawing.as_ref().map_or(0, |drawing| drawing.plot.lines().count());
            let color = |i: usize| drawing.as_ref().and_then(|d| d.plot.lines().nth(i)).map_or("s1", |line| line.color);
            (0..count).map(|i| (i, color(i))).collect::<Vec<_>>()
        })
    });
    let dot = move |(i, color): (usize, &'static str)| {
        let top = Memo::new(move |_| {
            let at = board.cursor.get()?;
            drawing.with(|drawing| {
                let plot = &drawing.as_ref()?.plot;
                let value = value_at(&plot.lines().nth(i)?.series, at)?;
                Some(plot.scale.percent_down(value))
            })
        });
        view! {
            <i
                class="dot"
                hidden=move || place.get().is_none() || top.get().is_none()
                style=move || {
                    let (x, y) = (place.get().unwrap_or_default(), top.get().unwrap_or_default());
                    format!("--c:var(--{color});left:{x:.2}%;top:{y:.2}%")
                }
            ></i>
        }
    };
    let selected = move || {
        board.selection.get().map(|(from, to)| {
            view! {
                <i class="sel" style=format!("left:{:.2}%;width:{:.2}%", from * 100.0, (to - from) * 100.0)></i>
            }
        })
    };
    let pointer = Pointer::new(board);
    view! {
        <div
            class="chart-live over"
            aria-hidden="true"
            on:pointerdown=move |event| pointer.down(&event)
            on:pointermove=move |event| pointer.moved(&event)
            on:pointerup=move |event| pointer.up(&event)
            on:pointercancel=move |_| pointer.cancel()
        >
            <i
                class="cur"
                hidden=move || place.get().is_none()
                style=move || format!("left:{:.2}%", place.get().unwrap_or_default())
            ></i>
            {move || lines.get().into_iter().map(dot).collect_view()}
            {selected}
        </div>
    }
    .into_any()
}

/// The pointer above a chart: it moves the cursor, a click looks into the minute, a drag zooms.
#[derive(Clone, Copy)]
struct Pointer {
    #[cfg(feature = "hydrate")]
    board: Board,
    /// Where it went down, as a share of the range.
    #[cfg(feature = "hydrate")]
    start: StoredValue<Option<f64>>,
}

#[cfg(not(feature = "hydrate"))]
impl Pointer {
    fn new(_: Board) -> Self {
        Pointer {}
    }
    fn down(self, _: &ev::PointerEvent) {}
    fn moved(self, _: &ev::PointerEvent) {}
    fn up(self, _: &ev::PointerEvent) {}
    fn cancel(self) {}
}

#[cfg(feature = "hydrate")]
impl Pointer {
    fn new(board: Board) -> Self {
        Pointer { board, start: StoredValue::new(None) }
    }

    fn down(self, event: &ev::PointerEvent) {
        let Some((share, _, element)) = place(event).filter(|_| event.button() == 0) else { return };
        self.board.point(self.board.moment_at(share));
        self.start.set_value(Some(share));
        if event.pointer_type() != "touch" {
            // A drag goes on outside the chart it began in.
            let _ = element.set_pointer_capture(event.pointer_id());
        }
    }

    fn moved(self, event: &ev::PointerEvent) {
        let Some((share, width, _)) = place(event) else { return };
        let drags = event.pointer_type() != "touch" && !self.board.fixed;
        match self.start.get_value().filter(|_| drags) {
            Some(from) if (share - from).abs() * width >= DRAG_PX => {
                self.board.selection.set(Some((from.min(share), from.max(share))));
            }
            Some(_) => self.board.selection.set(None),
            None => self.board.point(self.board.moment_at(share)),
        }
    }

    fn up(self, event: &ev::PointerEvent) {
        let Some((share, width, _)) = place(event) else { return };
        let Some(from) = self.start.try_update_value(Option::take).flatten() else { return };
        match self.board.selection.get_untracked() {
            Some(stretch) => {
                self.board.selection.set(None);
                self.board.zoom(stretch);
            }
            // A finger that slides along reads values.
            None if (share - from).abs() * width < DRAG_PX => self.board.open(self.board.moment_at(share)),
            None => {}
        }
    }

    fn cancel(self) {
        self.start.set_value(None);
        self.board.selection.set(None);
    }
}

/// The figures of each line: the chart as text. A click on a name hides its line, with Shift it hides the others.
#[component]
fn Legend(
    metric: MetricId,
    drawing: Memo<Option<Drawing>>,
    name: Memo<&'static str>,
    today: Memo<Timestamp>,
) -> impl IntoView {
    let board = use_board();
    let unit = metric.metric().unit;
    let rows = Memo::new(move |_| drawing.with(|d| d.as_ref().map(|d| d.rows.clone()).unwrap_or_default()));
    let step = Memo::new(move |_| board.data.with(|data| data.as_ref().and_then(|data| data.step_ms())));
    let head = move || board.cursor.get().map_or("at".to_owned(), |at| at_words(at, step.get(), today.get()));
    let all = Memo::new(move |_| rows.with(|rows| rows.iter().map(|row| row.key).collect::<Vec<_>>()));
    let navigate = Navigate::here();
    let row = move |row: Row| {
        let Row { key, name, mark, color, hidden, summary } = row;
        let at = Memo::new(move |_| {
            let at = board.cursor.get();
            board.data.with(|data| {
                let value = at.and_then(|at| value_at(series_of(chart_of(data.as_ref()?, metric)?, key)?, at));
                Some(figure(value, unit))
            })
        });
        let cells = COLUMNS.map(|(_, of)| figure(summary.as_ref().map(of), unit));
        let toggle = move || {
            board.href(|view| {
                if !view.hidden.remove(&key) {
                    view.hidden.insert(key);
                }
            })
        };
        // A small change: it replaces the entry of the history, as the link alone would not.
        let click = move |event: ev::MouseEvent| {
            if event.ctrl_key() || event.meta_key() {
                return;
            }
            event.prevent_default();
            if !event.shift_key() {
                return navigate.go(&untrack(toggle), true);
            }
            let others = all.get_untracked().into_iter().filter(|other| *other != key).collect::<Vec<LineKey>>();
            let href = untrack(|| {
                board.href(|view| {
                    let alone = !view.hidden.contains(&key) && others.iter().all(|other| view.hidden.contains(other));
                    for other in others {
                        if alone {
                            view.hidden.remove(&other)
                        } else {
                            view.hidden.insert(other)
                        };
                    }
                    view.hidden.remove(&key);
                })
            });
            navigate.go(&href, true);
        };
        let does = if hidden { "Show" } else { "Hide" };
        view! {
            <tr class:prev=key.before class:off=hidden>
                <th scope="row">
                    <a
                        class="line"
                        href=toggle
                        data-noscroll=""
                        title=format!("{does} this line; with Shift, show it alone")
                        on:click=click
                    >
                        <span class=mark style=format!("--c:var(--{color})")></span>
                        {name}
                        {hidden.then(|| view! { <span class="vh">", hidden"</span> })}
                    </a>
                </th>
                <td class="at">{move || at.get()}</td>
                {cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <table class="legend">
            <caption class="vh">{move || caption(name.get(), unit)}</caption>
            <thead>
                <tr>
                    <th scope="col">{unit_head(unit)} <span class="vh">"line"</span></th>
                    <th scope="col" class="at">{head}</th>
                    {COLUMNS.into_iter().map(|(head, _)| view! { <th scope="col">{head}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>{move || rows.get().into_iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// "Query latency, values in ms".
fn caption(name: &str, unit: Unit) -> String {
    match unit_head(unit) {
        "" => name.to_owned(),
        unit => format!("{name}, values in {unit}"),
    }
}
