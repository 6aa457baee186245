//! The head of the page: what is shown in which step, what it is compared with, how to take it along; and what was asked for
//! that is not there.

use super::{board::use_board, picker::Toggle};
use crate::{
    components::{
        banner::Banner,
        icon::{Glyph, Icon},
    },
    layout::use_frame,
};
use headroom_model::{
    Timestamp, format,
    trends::{Compare, MAX_CHARTS, MAX_METRICS, TrendsData, TrendsView},
};
use leptos::prelude::*;

/// "orders, Thu 19 Nov 2026, 08:32 to 14:32 UTC, one point each 3 min (5 s samples, averaged)".
#[must_use]
pub fn about(data: &TrendsData) -> String {
    let (from, to) = (data.range.from, data.range.to);
    let day = |at: Timestamp| {
        let weekday = at.to_utc().weekday().to_string();
        format!("{} {}", weekday.chars().take(3).collect::<String>(), format::date(at))
    };
    let clock = |at| if data.range.millis() <= 15 * 60_000 { format::clock_seconds(at) } else { format::clock(at) };
    let ends = if day(from) == day(to) {
        format!("{}, {} to {} UTC", day(from), clock(from), clock(to))
    } else {
        format!("{} {} to {} {} UTC", day(from), clock(from), day(to), clock(to))
    };
    let step = data.step_words().map(|words| format!(", {words}")).unwrap_or_default();
    format!("{}, {ends}{step}", data.target.as_str())
}

/// The head.
#[component]
pub fn Head() -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let about = Memo::new(move |_| board.data.with(|data| data.as_ref().map(about)));
    let range = Memo::new(move |_| board.data.with(|data| data.as_ref().map(|data| data.range.millis())));
    let usual = Memo::new(move |_| board.view.with(|view| view.usual));
    let chosen = Memo::new(move |_| board.view.with(|view| view.compare));
    let choice = move |compare: Compare| {
        let name = move || match compare {
            Compare::None => "No comparison".to_owned(),
            Compare::Previous => {
                range.get().map_or("Previous".to_owned(), |ms| format!("Previous {}", format::duration_ms(ms as f64)))
            }
            Compare::Week => "Same time last week".to_owned(),
        };
        view! {
            <a
                href=move || board.href(|view| view.compare = compare)
                data-noscroll=""
                aria-current=move || (chosen.get() == compare).then_some("true")
            >
                {name}
            </a>
        }
    };
    let csv = move || board.csv(&board.charts_text());
    let picture = move |_| {
        #[cfg(feature = "hydrate")]
        board.save_all();
    };
    view! {
        <div class="page-head">
            <div>
                <h1>"Trends"</h1>
                <p>{about}</p>
            </div>
            <div class="push flow">
                <Toggle on=usual name="Usual range" change=|view: &mut TrendsView| view.usual = !view.usual/>
                <span class="seg" role="group" aria-label="Compare with">
                    {Compare::ALL.into_iter().map(choice).collect_view()}
                </span>
                <a class="btn" href=csv rel="external" download="">
                    <Glyph icon=Icon::Download small=true/>
                    "CSV"
                </a>
                // Its place is kept until the browser can draw it.
                <button
                    type="button"
                    class="btn"
                    style:visibility=move || if frame.alive.get() { "visible" } else { "hidden" }
                    on:click=picture
                >
                    <Glyph icon=Icon::Download small=true/>
                    "PNG"
                </button>
            </div>
        </div>
    }
    .into_any()
}

/// What the URL asks for and the page does not have, with what is nearest.
#[component]
pub fn Missing() -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let unknown =
        Memo::new(move |_| board.data.with(|data| data.as_ref().map(|d| d.unknown.clone()).unwrap_or_default()));
    let left_out = Memo::new(move |_| board.data.with(|data| data.as_ref().map_or(0, |data| data.left_out)));
    // Nothing was measured in this range: where there is something.
    let starts = Memo::new(move |_| {
        board.data.with(|data| {
            let data = data.as_ref()?;
            let measured =
                data.charts.iter().flat_map(|chart| &chart.lines).any(|line| line.series.summary().is_some());
            // What lies before all that is kept is said by the page's notices.
            let is_within = data.starts.is_none_or(|starts| data.range.to > starts);
            (!measured && is_within).then_some((data.starts, data.range))
        })
    });
    view! {
        {move || {
            unknown
                .get()
                .into_iter()
                .map(|unknown| {
                    let nearest = unknown.nearest;
                    let action = move || {
                        nearest
                            .map(|metric| {
                                let href = move || {
                                    board.href_with_charts(|view| view.add(&[metric]))
                                };
                                view! {
                                    <a class="btn s" href=href data-noscroll="">
                                        {format!("Show {}", metric.as_str())}
                                    </a>
                                }
                            })
                    };
                    let hint = match nearest {
                        Some(metric) => format!("Probably “{}” was meant: {}.", metric.as_str(), metric.metric().name),
                        None => "“Add metric” lists all there are.".to_owned(),
                    };
                    view! {
                        <Banner status=None action=action>
                            {format!("No metric is named “{}”. {hint}", unknown.name)}
                        </Banner>
                    }
                })
                .collect_view()
        }}
        {move || {
            (left_out.get() > 0)
                .then(|| {
                    let count = format::counted(left_out.get() as u64, "metric");
                    view! {
                        <Banner status=None>
                            {format!(
                                "{count} of the link left out: at most {MAX_CHARTS} charts and {MAX_METRICS} metrics are drawn at once.",
                            )}
                        </Banner>
                    }
                })
        }}
        {move || {
            starts
                .get()
                .map(|(starts, range)| match starts {
                    Some(starts) => {
                        let (from, to) = (starts.0.to_string(), starts.plus_millis(range.millis()).0.to_string());
                        let action = move || {
                            let (from, to) = (from.clone(), to.clone());
                            view! {
                                <a class="btn s" href=move || board.href_over(&from, &to) data-noscroll="">
                                    "Go there"
                                </a>
                            }
                        };
                        let when = format::moment(starts, minute.get());
                        view! {
                            <Banner status=None action=action>
                                {format!("Nothing was measured in this range. History starts {when}.")}
                            </Banner>
                        }
                            .into_any()
                    }
                    None => {
                        view! { <Banner status=None>"There is no history yet; the first points follow within a minute."</Banner> }
                            .into_any()
                    }
                })
        }}
    }
    .into_any()
}
