//! The window over a longer stretch: four times the range, with the range in it. Dragging moves or resizes it; links do the
//! same without a pointer.

use super::{board::use_board, presets};
use crate::{
    chart::{Line, Plot, Scale, Weight, paint_wide, sentence},
    layout::use_frame,
    url,
};
use headroom_model::{
    Timestamp, format,
    range::Resolved,
    series::Series,
    trends::{Around, TrendsData},
};
use leptos::{ev, prelude::*};

/// Each end can be taken this close to it, in pixels.
#[cfg(feature = "hydrate")]
const HANDLE_PX: f64 = 8.0;

fn plot(around: &Around, today: Timestamp) -> Plot {
    let metric = around.series.metric;
    let look = presets::look(&[metric]);
    let color = look.lines.first().map_or("s1", |line| line.color);
    let (low, high) = around.series.summary().map_or((100.0, 0.0), |summary| (summary.min, summary.max));
    Plot {
        name: look.name,
        // The mean alone: extremes would fill so low a chart.
        lead: Line {
            series: Series { min: vec![], max: vec![], ..around.series.clone() },
            name: look.name,
            color,
            weight: Weight::Thin,
        },
        rest: vec![],
        stacked: false,
        from: around.range.from,
        to: around.range.to,
        scale: {
            // So low a chart has room for its ends.
            let scale = Scale::fit(low, high, metric.metric().unit, presets::floor(metric));
            Scale { step: scale.max - scale.min, ..scale }
        },
        rule: None,
        marks: vec![],
        today,
    }
}

/// Where a range lies in a longer one, as shares of it.
fn window(range: Resolved, around: Resolved) -> (f64, f64) {
    let length = around.millis().max(1) as f64;
    let share = |at: Timestamp| ((at.0 - around.from.0) as f64 / length).clamp(0.0, 1.0);
    (share(range.from), share(range.to))
}

/// A range as the URL writes it. One that ends now goes on moving with the clock.
fn written(range: Resolved, now: Timestamp) -> (String, String) {
    if range.to >= now {
        return (format!("now-{}s", (range.millis() / 1000).max(1)), "now".to_owned());
    }
    (range.from.0.to_string(), range.to.0.to_string())
}

fn moved(range: Resolved, by: i64) -> Resolved {
    Resolved { from: range.from.plus_millis(by), to: range.to.plus_millis(by), live: false }
}

/// The last row of the board.
#[component]
pub fn Brush() -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let today = Memo::new(move |_| frame.now.get().floor_to(24 * 3_600_000));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let drawn = Memo::new(move |_| {
        board.data.with(|data| data.as_ref()?.around.as_ref().map(|around| plot(around, today.get())))
    });
    let ranges = Memo::new(move |_| {
        let both = |data: &TrendsData| Some((data.range, data.around.as_ref()?.range));
        board.data.with(|data| data.as_ref().and_then(both))
    });
    let painted = move || drawn.with(|plot| plot.as_ref().map(|plot| paint_wide(plot, None)).unwrap_or_default());
    let label = move || {
        let words = drawn.with(|plot| plot.as_ref().map(sentence)).unwrap_or_default();
        let selected = ranges.get().map(|(range, _)| format::range(range.from, range.to, minute.get()));
        format!("{words}; {} is shown above", selected.unwrap_or_default())
    };
    let dragged = RwSignal::new(None::<(f64, f64)>);
    let shown = Memo::new(move |_| dragged.get().or_else(|| ranges.get().map(|(range, around)| window(range, around))));
    let style = move || {
        let (start, end) = shown.get().unwrap_or((0.0, 1.0));
        format!("inset-inline:{:.2}% {:.2}%", start * 100.0, (1.0 - end) * 100.0)
    };
    let over = move |range: Resolved| {
        let (from, to) = written(range, minute.get());
        board.href_over(&from, &to)
    };
    let earlier = move || ranges.get().map(|(range, _)| over(moved(range, -range.millis())));
    let later = move || {
        let (range, _) = ranges.get()?;
        let room = (minute.get().plus_millis(60_000).0 - range.to.0).max(0).min(range.millis());
        (!range.live && room >= 1000).then(|| over(moved(range, room)))
    };
    let wider = move || {
        ranges.get().map(|(range, _)| {
            let (from, to) = url::zoomed_out(range, minute.get().plus_millis(60_000));
            board.href_over(&from, &to)
        })
    };
    let words = move || {
        ranges.get().map(|(range, around)| {
            format!(
                "Range: {} of {}.",
                format::duration_ms(range.millis() as f64),
                format::duration_ms(around.millis() as f64)
            )
        })
    };
    let hand = Hand::new(dragged, ranges);
    view! {
        <div class="row-cells trend brush-row">
            <div class="cell">
                <div class="chart-frame">
                    <div class="chart brush" role="img" aria-label=label inner_html=painted></div>
                    <div
                        class="chart-live over"
                        aria-hidden="true"
                        on:pointerdown=move |event| hand.down(&event)
                        on:pointermove=move |event| hand.moved(&event)
                        on:pointerup=move |event| hand.up(&event)
                        on:pointercancel=move |_| hand.cancel()
                    >
                        <span class="win" style=style></span>
                    </div>
                </div>
            </div>
            <div class="cell sub small">
                <Show when=move || frame.alive.get()>
                    "Drag on a chart to zoom all; drag the window to move in time. "
                </Show>
                {words}
                <nav class="flow moves" aria-label="Move in time">
                    {move || earlier().map(|href| view! { <a href=href data-noscroll="">"Earlier"</a> })}
                    {move || later().map(|href| view! { <a href=href data-noscroll="">"Later"</a> })}
                    {move || {
                        wider().map(|href| view! { <a href=href data-noscroll="">"Zoom out " <kbd>"z"</kbd></a> })
                    }}
                </nav>
            </div>
        </div>
    }
    .into_any()
}

/// What the pointer holds.
#[cfg(feature = "hydrate")]
#[derive(Clone, Copy)]
enum Grip {
    /// The window, at a distance from its start.
    Window(f64),
    /// One end; the other stays.
    End(f64),
}

/// The pointer on the window.
#[derive(Clone, Copy)]
struct Hand {
    #[cfg(feature = "hydrate")]
    dragged: RwSignal<Option<(f64, f64)>>,
    #[cfg(feature = "hydrate")]
    ranges: Memo<Option<(Resolved, Resolved)>>,
    #[cfg(feature = "hydrate")]
    grip: StoredValue<Option<Grip>>,
    /// Where it was pressed.
    #[cfg(feature = "hydrate")]
    begun: StoredValue<f64>,
    #[cfg(feature = "hydrate")]
    board: super::board::Board,
}

#[cfg(not(feature = "hydrate"))]
impl Hand {
    fn new(_: RwSignal<Option<(f64, f64)>>, _: Memo<Option<(Resolved, Resolved)>>) -> Self {
        Hand {}
    }
    fn down(self, _: &ev::PointerEvent) {}
    fn moved(self, _: &ev::PointerEvent) {}
    fn up(self, _: &ev::PointerEvent) {}
    fn cancel(self) {}
}

#[cfg(feature = "hydrate")]
impl Hand {
    fn new(dragged: RwSignal<Option<(f64, f64)>>, ranges: Memo<Option<(Resolved, Resolved)>>) -> Self {
        let board = use_board();
        Hand { dragged, ranges, grip: StoredValue::new(None), begun: StoredValue::new(0.0), board }
    }

    fn down(self, event: &ev::PointerEvent) {
        let Some((share, width, element)) = super::board::place(event) else { return };
        let Some((range, around)) = self.ranges.get_untracked().filter(|_| event.button() == 0) else { return };
        let (start, end) = window(range, around);
        let near = |at: f64| (share - at).abs() * width <= HANDLE_PX;
        let grip = match () {
            () if near(start) => Grip::End(end),
            () if near(end) => Grip::End(start),
            () if share > start && share < end => Grip::Window(share - start),
            () => Grip::End(share),
        };
        self.grip.set_value(Some(grip));
        self.begun.set_value(share);
        let _ = element.set_pointer_capture(event.pointer_id());
    }

    fn moved(self, event: &ev::PointerEvent) {
        let Some((share, ..)) = super::board::place(event) else { return };
        let Some((range, around)) = self.ranges.get_untracked() else { return };
        match self.grip.get_value() {
            Some(Grip::Window(offset)) => {
                let (start, end) = window(range, around);
                let start = (share - offset).clamp(0.0, 1.0 - (end - start));
                let length = range.millis() as f64 / around.millis().max(1) as f64;
                self.dragged.set(Some((start, start + length)));
            }
            Some(Grip::End(other)) => self.dragged.set(Some((share.min(other), share.max(other)))),
            None => {}
        }
    }

    fn up(self, event: &ev::PointerEvent) {
        let begun = self.begun.get_value();
        let is_click = super::board::place(event)
            .is_some_and(|(share, width, _)| (share - begun).abs() * width < super::row::DRAG_PX);
        if is_click {
            return self.cancel();
        }
        self.moved(event);
        self.grip.set_value(None);
        let (Some(stretch), Some((_, around))) = (self.dragged.get_untracked(), self.ranges.get_untracked()) else {
            return;
        };
        self.dragged.set(None);
        let at = |share: f64| around.from.plus_millis((share * around.millis() as f64) as i64);
        let range = Resolved { from: at(stretch.0), to: at(stretch.1), live: false };
        // Shorter than a second there is nothing to see.
        if range.millis() >= 1000 {
            let (from, to) = written(range, if around.live { around.to } else { Timestamp(i64::MAX) });
            self.board.go(&untrack(|| self.board.href_over(&from, &to)), false);
        }
    }

    fn cancel(self) {
        self.grip.set_value(None);
        self.dragged.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_ends_now_moves_with_the_clock() {
        let now = Timestamp(10_000_000);
        let range = Resolved { from: Timestamp(4_000_000), to: Timestamp(7_000_000), live: false };
        assert_eq!(written(range, now), ("4000000".to_owned(), "7000000".to_owned()));
        assert_eq!(written(moved(range, 3_000_000), now), ("now-3000s".to_owned(), "now".to_owned()));
        let around = Resolved { from: Timestamp(0), to: Timestamp(10_000_000), live: true };
        assert_eq!(window(range, around), (0.4, 0.7));
    }
}
