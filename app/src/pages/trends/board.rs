//! The sheet of charts: everything that is drawn of a [`TrendsData`], without asking the server. The page and snapshots
//! share it.

use super::{brush::Brush, lane::Lane, picker::Picker, row::ChartRow};
use crate::{
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId, Timestamp,
    trends::{CHARTS, COMPARE, TrendsData, TrendsView},
};
use leptos::prelude::*;
use leptos_router::{hooks::use_location, params::ParamsMap};

/// The endpoint that answers the points of charts as CSV.
const CSV: &str = "/api/v1/trends.csv";

/// How long the cursor rests before the address bar names its place: browsers allow few changes of it.
#[cfg(feature = "hydrate")]
const REST: std::time::Duration = std::time::Duration::from_millis(500);

/// Goes to an address.
#[cfg(feature = "hydrate")]
type Go = Box<dyn Fn(&str, bool)>;

/// What goes to an address, as something that can be copied. On the server, where nobody goes anywhere, it holds nothing: a
/// value for one thread alone must not be dropped by another.
#[derive(Clone, Copy)]
pub struct Navigate {
    #[cfg(feature = "hydrate")]
    to: StoredValue<Go, LocalStorage>,
}

impl Navigate {
    /// From the page around.
    #[must_use]
    pub fn here() -> Self {
        Navigate {
            #[cfg(feature = "hydrate")]
            to: StoredValue::new_local(Box::new(crate::layout::go())),
        }
    }

    /// Goes to an address. A small change replaces the entry of the history, a deliberate one adds to it.
    pub fn go(self, href: &str, replace: bool) {
        #[cfg(feature = "hydrate")]
        self.to.try_with_value(|to| to(href, replace));
        #[cfg(not(feature = "hydrate"))]
        let _ = (href, replace);
    }
}

/// Where a pointer is in the element that hears of it: as a share of its width, that width, the element.
#[cfg(feature = "hydrate")]
pub fn place(event: &leptos::ev::PointerEvent) -> Option<(f64, f64, web_sys::Element)> {
    use wasm_bindgen::JsCast;
    let element = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
    let bounds = element.get_bounding_client_rect();
    let width = bounds.width().max(1.0);
    let share = ((f64::from(event.client_x()) - bounds.left()) / width).clamp(0.0, 1.0);
    Some((share, width, element))
}

/// What the parts of a board share.
#[derive(Clone, Copy)]
pub struct Board {
    frame: Frame,
    path: Memo<String>,
    /// What is drawn; none until it could be read once.
    pub data: Signal<Option<TrendsData>>,
    /// What the URL says.
    pub view: Memo<TrendsView>,
    /// Where the cursor stands: one for all charts, always on a point.
    pub cursor: RwSignal<Option<Timestamp>>,
    /// The stretch that is dragged over, as shares of the range.
    pub selection: RwSignal<Option<(f64, f64)>>,
    /// Whether range and metrics stay as they are: a snapshot holds no others.
    pub fixed: bool,
    /// Counts moves of the cursor, so that only the last of some is written into the URL.
    #[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser moves the cursor"))]
    moves: StoredValue<u32>,
    #[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser moves the cursor"))]
    navigate: Navigate,
}

/// The board around a component.
pub fn use_board() -> Board {
    expect_context::<Board>()
}

impl Board {
    /// A board over data, in context.
    fn provide(data: Signal<Option<TrendsData>>, fixed: bool) -> Self {
        let frame = use_frame();
        let view = Memo::new(move |_| frame.query.with(|query| TrendsView::read(|key| query.get(key))));
        let board = Board {
            frame,
            path: use_location().pathname,
            data,
            view,
            cursor: RwSignal::new(view.with_untracked(|view| view.cursor)),
            selection: RwSignal::new(None),
            fixed,
            moves: StoredValue::new(0),
            navigate: Navigate::here(),
        };
        provide_context(board);
        board
    }

    /// The metrics of each chart drawn.
    #[must_use]
    pub fn charts(&self) -> Vec<Vec<MetricId>> {
        let charts = |data: &TrendsData| {
            let metrics = |chart: &headroom_model::trends::TrendsChart| {
                chart.lines.iter().map(|line| line.series.metric).collect::<Vec<_>>()
            };
            data.charts.iter().map(metrics).collect()
        };
        self.data.with(|data| data.as_ref().map(charts).unwrap_or_default())
    }

    /// The charts drawn, as the URL writes them.
    #[must_use]
    pub fn charts_text(&self) -> String {
        TrendsView { charts: self.charts(), ..TrendsView::default() }.charts_text()
    }

    /// The address of the points of some charts as CSV, over the range shown.
    #[must_use]
    pub fn csv(&self, charts: &str) -> String {
        let known = |data: &TrendsData| {
            [
                ("target", data.target.0.clone()),
                ("from", data.range.from.0.to_string()),
                ("to", data.range.to.0.to_string()),
                (COMPARE, data.compare.as_str().to_owned()),
            ]
        };
        let mut query = ParamsMap::new();
        // Nothing was read yet: the endpoint has defaults of its own.
        let known = self.data.with(|data| data.as_ref().map(known));
        for (key, value) in known.into_iter().flatten().chain([(CHARTS, charts.to_owned())]) {
            if !value.is_empty() {
                query.insert(key, value);
            }
        }
        url::href(CSV, &query, &[])
    }

    /// The address of this page with its view changed.
    #[must_use]
    pub fn href(&self, change: impl FnOnce(&mut TrendsView)) -> String {
        let mut view = self.view.get();
        change(&mut view);
        self.written(&view, &[])
    }

    /// The address of this page with other charts. What the URL leaves to the console is named from here on.
    #[must_use]
    pub fn href_with_charts(&self, change: impl FnOnce(&mut TrendsView)) -> String {
        self.href(|view| {
            if view.charts.is_empty() {
                view.charts = self.charts();
            }
            change(view);
        })
    }

    /// The address of this page over another range.
    #[must_use]
    pub fn href_over(&self, from: &str, to: &str) -> String {
        self.written(&self.view.get(), &[("from", Some(from)), ("to", Some(to))])
    }

    fn written(&self, view: &TrendsView, more: &[(&'static str, Option<&str>)]) -> String {
        let printed = view.print();
        let mut changes: Vec<(&'static str, Option<&str>)> =
            printed.iter().map(|(key, value)| (*key, value.as_deref())).collect();
        changes.extend_from_slice(more);
        self.frame.query.with(|query| url::href(&self.path.read(), query, &changes))
    }
}

#[cfg(feature = "hydrate")]
impl Board {
    /// A moment on the nearest point; none where nothing is drawn.
    #[must_use]
    pub fn snapped(&self, at: Timestamp) -> Option<Timestamp> {
        self.data.with_untracked(|data| {
            let data = data.as_ref()?;
            let series = &data.charts.first()?.lines.first()?.series;
            let step = series.step_ms.max(1);
            let last = i64::try_from(series.avg.len()).ok()?.checked_sub(1)?.max(0);
            let slot = ((at.0 - series.from.0) as f64 / step as f64).round() as i64;
            // The first slot may begin before the range.
            let first = (data.range.from.0 - series.from.0 + step - 1).div_euclid(step).clamp(0, last);
            Some(series.from.plus_millis(slot.clamp(first, last) * step))
        })
    }

    /// The moment at a share of the range, on the nearest point.
    #[must_use]
    pub fn moment_at(&self, share: f64) -> Option<Timestamp> {
        let range = self.data.with_untracked(|data| data.as_ref().map(|data| data.range))?;
        self.snapped(range.from.plus_millis((share.clamp(0.0, 1.0) * range.millis() as f64) as i64))
    }

    /// Goes to an address.
    pub fn go(self, href: &str, replace: bool) {
        self.navigate.go(href, replace);
    }

    /// Moves the cursor, and names its place in the URL once it rests.
    pub fn point(self, at: Option<Timestamp>) {
        if at.is_none() || self.cursor.get_untracked() == at {
            return;
        }
        self.cursor.set(at);
        let Some(mine) = self.moves.try_update_value(|moves| {
            *moves = moves.wrapping_add(1);
            *moves
        }) else {
            return;
        };
        set_timeout(
            move || {
                // Another move came, or the page is gone.
                if self.moves.try_get_value() != Some(mine) {
                    return;
                }
                let cursor = self.cursor.get_untracked();
                if self.view.with_untracked(|view| view.cursor) != cursor {
                    self.go(&untrack(|| self.href(|view| view.cursor = cursor)), true);
                }
            },
            REST,
        );
    }

    /// Moves the cursor by points; from nowhere it begins at the newest one.
    fn step(self, points: i64) {
        let Some((range, step)) = self.data.with_untracked(|data| {
            let data = data.as_ref()?;
            Some((data.range, data.step_ms()?))
        }) else {
            return;
        };
        let from = self.cursor.get_untracked().filter(|at| *at >= range.from && *at <= range.to);
        let next = from.map_or(range.to, |from| from.plus_millis(points.saturating_mul(step)));
        self.point(self.snapped(next));
    }

    /// Makes a stretch of the range the range.
    pub fn zoom(self, stretch: (f64, f64)) {
        let Some(range) = self.data.with_untracked(|data| data.as_ref().map(|data| data.range)) else { return };
        let at = |share: f64| range.from.plus_millis((share * range.millis() as f64) as i64);
        let (from, to) = (at(stretch.0), at(stretch.1));
        // Shorter than a second there is nothing to see.
        if to.0 - from.0 >= 1000 {
            self.go(&untrack(|| self.href_over(&from.0.to_string(), &to.0.to_string())), false);
        }
    }

    /// Looks into the minute at a moment.
    pub fn open(self, at: Option<Timestamp>) {
        if at.is_none() || self.fixed {
            return;
        }
        self.cursor.set(at);
        self.go(&untrack(|| self.href(|view| (view.cursor, view.at) = (at, at))), false);
    }

    /// Keeps a picture of every chart drawn.
    pub fn save_all(self) {
        let today = self.frame.now.get_untracked().floor_to(24 * 3_600_000);
        let plots = self.data.with_untracked(|data| {
            let Some(data) = data else { return Vec::new() };
            let view = self.view.get_untracked();
            let firsts = data.charts.iter().filter_map(|chart| Some(chart.lines.first()?.series.metric));
            let drawn = firsts.filter_map(|first| super::plots::drawing(data, &view, first, today));
            drawn.map(|drawing| drawing.plot).collect()
        });
        self.save_picture(&plots);
    }

    /// Keeps a picture of some charts.
    pub fn save_picture(self, plots: &[crate::chart::Plot]) {
        let Some((about, name)) = self.data.with_untracked(|data| {
            let data = data.as_ref()?;
            let stamp = data.range.from.to_rfc3339().replace([':', '.'], "-");
            Some((super::head::about(data), format!("trends-{}-{stamp}.png", data.target.as_str())))
        }) else {
            return;
        };
        let picture = crate::chart::picture::picture("Trends", &about, plots);
        crate::browser::page::savePicture(&picture.svg, crate::chart::picture::WIDTH, picture.height, &name);
    }

    /// Arrow keys move the cursor, Enter looks into its minute.
    fn listen(self) {
        use leptos::ev;
        let keys = window_event_listener(ev::keydown, move |event: ev::KeyboardEvent| {
            if !crate::browser::keys::is_free(&event) || crate::browser::page::scrollsSideways() {
                return;
            }
            let points = if event.shift_key() { 10 } else { 1 };
            match event.key().as_str() {
                "ArrowLeft" => self.step(-points),
                "ArrowRight" => self.step(points),
                "Enter" if crate::browser::page::nothingFocused() => self.open(self.cursor.get_untracked()),
                _ => return,
            }
            event.prevent_default();
        });
        on_cleanup(move || keys.remove());
        // Back and forward move it, too.
        let written = Memo::new(move |_| self.view.with(|view| view.cursor));
        Effect::watch(
            move || written.get(),
            move |written, _, _| {
                if self.cursor.get_untracked() != *written {
                    self.cursor.set(*written);
                }
            },
            false,
        );
    }
}

/// Draws trends: chips and switches, events, charts with one cursor, and the window over a longer stretch.
#[component]
pub fn TrendsBoard(
    /// What is drawn; none until it could be read once.
    #[prop(into)]
    data: Signal<Option<TrendsData>>,
    /// Whether range and metrics stay as they are: a snapshot holds no others.
    #[prop(optional)]
    fixed: bool,
    /// Whether it is of an earlier moment, because nothing newer comes.
    #[prop(into, optional)]
    stale: Signal<bool>,
    /// What stands above the sheet and belongs to the same view.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let board = Board::provide(data, fixed);
    #[cfg(feature = "hydrate")]
    board.listen();
    // Charts keep their place in the page for as long as their first metric stays.
    let charts = Memo::new(move |_| {
        board.charts().into_iter().filter_map(|chart| chart.first().copied()).collect::<Vec<MetricId>>()
    });
    view! {
        {children.map(|children| children())}
        <section class="sheet board" class:is-stale=move || stale.get() aria-label="Charts">
            <Picker/>
            <Lane/>
            <For each=move || charts.get() key=|metric| *metric let:metric>
                <ChartRow metric/>
            </For>
            {(!fixed).then(|| view! { <Brush/> })}
        </section>
    }
    .into_any()
}
