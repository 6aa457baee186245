//! What concerns the page as a whole: a server that does not answer, data that could not be read, a range that was not
//! understood.

use super::{
    banner::Banner,
    icon::{Glyph, Icon},
};
use crate::{data::present::Present, error::AppError, layout::use_frame, url};
use headroom_model::{
    Band, Timestamp, format,
    overview::{Kept, Lost, lost},
    range::Resolved,
    target::Reach,
};
use leptos::prelude::*;

/// "PostgreSQL does not answer since 14:02:10: connection refused. " and what that means for the figures.
fn outage(name: &str, reach: &Reach, now: Timestamp, meaning: &str) -> Option<String> {
    let Reach::Down { since, reason } = reach else { return None };
    let reason = reason.trim_end_matches('.');
    Some(format!("{name} does not answer since {}: {reason}. {meaning}", format::moment_seconds(*since, now)))
}

/// A banner for each server that does not answer. Goes by itself when it answers again.
#[component]
pub fn Outages(present: Present) -> impl IntoView {
    let frame = use_frame();
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let said = Memo::new(move |_| {
        present.live.with(|live| {
            let (info, now) = (&live.target, minute.get());
            let figures = match info.sampled_at {
                Some(at) => format!("Figures are from {}.", format::moment_seconds(at, now)),
                None => "No figures were read yet.".to_owned(),
            };
            let postgres = outage("PostgreSQL", &info.postgres, now, &figures);
            let redis = outage("Redis", &info.redis, now, "Its figures are unknown until it answers.");
            [postgres.map(|text| (Band::Critical, text)), redis.map(|text| (Band::Degraded, text))]
        })
    });
    let starting = Memo::new(move |_| present.live.with(|live| matches!(live.target.postgres, Reach::Starting)));
    view! {
        {move || {
            said.get()
                .into_iter()
                .flatten()
                .map(|(band, text)| {
                    view! {
                        <Banner status=Some(band) alert=true>
                            {text}
                        </Banner>
                    }
                })
                .collect_view()
        }}
        <Show when=move || starting.get()>
            <Banner status=None>"Connecting to PostgreSQL; the first figures follow within a few seconds."</Banner>
        </Show>
    }
    .into_any()
}

/// Says that the URL's range was not understood, and what is shown instead.
#[component]
pub fn RangeRefused() -> impl IntoView {
    let frame = use_frame();
    let refused = Memo::new(move |_| {
        // The clock matters only to ranges that end before they begin; a minute is fine enough.
        let minute = frame.now.get().floor_to(60_000);
        let shown = frame.query.with(|query| url::shown_in_minute(query, minute));
        let name = url::range_name(&shown.from, &shown.to, shown.range);
        shown.refused.map(|refused| {
            format!("The range cannot be used, so “{name}” is shown instead: {}.", refused.reason.trim_end_matches('.'))
        })
    });
    view! { {move || refused.get().map(|words| view! { <Banner status=None>{words}</Banner> })} }.into_any()
}

/// Says that the range, or its beginning, lies before what is kept, and leads to the nearest that does not.
#[component]
pub fn Pruned(
    /// The range shown.
    #[prop(into)]
    range: Signal<Option<Resolved>>,
    /// When the history of the target starts.
    #[prop(into)]
    starts: Signal<Option<Timestamp>>,
) -> impl IntoView {
    let frame = use_frame();
    let path = leptos_router::hooks::use_location().pathname;
    let hour = Memo::new(move |_| frame.now.get().floor_to(3_600_000));
    let kept = Memo::new(move |_| frame.shell.with(|shell| shell.kept));
    let said = Memo::new(move |_| {
        let (starts, kept, now) = (starts.get()?, kept.get(), hour.get());
        Some((lost(range.get()?, starts, kept, now)?, starts, kept, now))
    });
    let banner = move |(lost, starts, kept, now): (Lost, Timestamp, Kept, Timestamp)| match lost {
        Lost::All(nearest) => {
            let ends = [nearest.from, nearest.to].map(|at| at.0.to_string());
            let href = frame.link(&path.read(), &[("from", Some(&ends[0])), ("to", Some(&ends[1]))]);
            let open = format!("Open {}", format::range(nearest.from, nearest.to, now));
            let action = move || {
                view! {
                    <a class="btn s" href=href.clone()>
                        {open.clone()}
                    </a>
                }
            };
            view! {
                <Banner status=Some(Band::Degraded) action>
                    {format!("Nothing is kept before {}; {}.", format::moment(starts, now), kept.words())}
                </Banner>
            }
            .into_any()
        }
        Lost::Part(_) => view! {
            <Banner status=None>
                {format!(
                    "What lies before {} is no longer kept; {}.",
                    format::moment(starts, now),
                    kept.words(),
                )}
            </Banner>
        }
        .into_any(),
    };
    view! { {move || said.get().map(banner)} }.into_any()
}

/// Says that something could not be read lately; what was read before stays.
#[component]
pub fn NotRead(
    #[prop(into)] error: Signal<Option<AppError>>,
    /// What, in a sentence.
    what: &'static str,
    retry: Callback<()>,
) -> impl IntoView {
    let again = move || {
        view! {
            <button type="button" class="btn s" on:click=move |_| retry.run(())>
                <Glyph icon=Icon::Refresh small=true/>
                "Try again"
            </button>
        }
    };
    view! {
        {move || {
            error
                .get()
                .map(|error| {
                    let text = format!("{what} {}", error.message);
                    view! {
                        <Banner status=Some(Band::Critical) alert=true action=again>
                            {text}
                        </Banner>
                    }
                })
        }}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    #[test]
    fn an_outage_says_since_when_and_how_old_the_figures_are() {
        let down = Reach::Down {
            since: NOW.plus_millis(-1_798_000),
            reason: "PostgreSQL at 127.0.0.1:5432 refuses connections.".into(),
        };
        assert_eq!(
            outage("PostgreSQL", &down, NOW, "Figures are from 14:02:08.").unwrap(),
            "PostgreSQL does not answer since 14:02:10: PostgreSQL at 127.0.0.1:5432 refuses connections. \
             Figures are from 14:02:08."
        );
        assert_eq!(outage("Redis", &Reach::Absent, NOW, ""), None);
    }
}
