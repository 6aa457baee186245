//! How fresh the page is. Announced on a change of state only, never each second.

use super::use_frame;
use crate::{live::Link, url};
use headroom_model::{Timestamp, format};
use leptos::prelude::*;

/// What the indicator says. `tail` carries what changes each second.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    class: &'static str,
    state: String,
    wide: &'static str,
    tail: String,
}

/// Everything the wording depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    alive: bool,
    now: Timestamp,
    link: Link,
    paused: bool,
    sampled_at: Option<Timestamp>,
    interval_ms: u64,
}

fn age(ms: i64) -> String {
    format::duration_ms((ms.max(0) / 1000 * 1000) as f64).replace("0 ms", "0 s")
}

fn say(facts: &Facts) -> Said {
    let said = |class, state: String, wide, tail: String| Said { class, state, wide, tail };
    if !facts.alive {
        let state = format!("Loaded {}", format::clock_seconds(facts.now));
        return said("live paused", state, "", "reload for new data".into());
    }
    if let Link::Lost { since, retry_at } = facts.link {
        let state = format!("No connection since {}", format::moment(since, facts.now));
        let wait = retry_at.0 - facts.now.0;
        let tail = if wait > 0 { format!("retrying in {}", age(wait + 999)) } else { "retrying".into() };
        return said("live lost", state, "", tail);
    }
    let Some(sampled_at) = facts.sampled_at else {
        return said("live paused", "Waiting for the first sample".into(), "", String::new());
    };
    if facts.paused {
        return said("live paused", format!("Paused at {}", format::clock_seconds(sampled_at)), "", String::new());
    }
    let passed = facts.now.0 - sampled_at.0;
    let tail = format!("{} ago", age(passed));
    // A sample takes a moment to collect and travel: one second of grace.
    let stale = passed > i64::try_from(facts.interval_ms.saturating_mul(2)).unwrap_or(i64::MAX).saturating_add(1000);
    if stale {
        said("live stale", "Stale".into(), "updated ", tail)
    } else {
        said("live", "Live".into(), "updated ", tail)
    }
}

/// The indicator.
#[component]
pub fn LiveIndicator() -> impl IntoView {
    let frame = use_frame();
    let chosen = frame.target();
    let said = Memo::new(move |_| {
        let sampled = frame.feed.live.with(|live| {
            live.as_ref().filter(|live| live.target.id.as_str() == chosen.read().as_str()).map(|live| live.at)
        });
        let first = frame.shell.with(|shell| {
            let target = shell.targets.iter().find(|target| target.info.id.as_str() == chosen.read().as_str());
            (target.and_then(|target| target.info.sampled_at), shell.interval_ms)
        });
        say(&Facts {
            alive: frame.alive.get(),
            now: frame.now.get(),
            link: frame.feed.link.get(),
            paused: !frame.query.with(|query| url::follows(query, frame.now.get())),
            sampled_at: sampled.max(first.0),
            interval_ms: first.1,
        })
    });
    let part = move |f: fn(&Said) -> String| Memo::new(move |_| said.with(f));
    let (class, state) = (part(|s| s.class.into()), part(|s| s.state.clone()));
    let (wide, tail) = (part(|s| s.wide.into()), part(|s| s.tail.clone()));
    let comma = Memo::new(move |_| if tail.read().is_empty() { "" } else { ", " });
    view! {
        <span class=class>
            <span class="pip" aria-hidden="true"></span>
            <span>
                <span role="status">{state}</span>
                {comma}
                <span class="wide">{wide}</span>
                <span class="age">{tail}</span>
            </span>
        </span>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn facts() -> Facts {
        Facts {
            alive: true,
            now: NOW,
            link: Link::Open,
            paused: false,
            sampled_at: Some(NOW.plus_millis(-4200)),
            interval_ms: 5000,
        }
    }

    fn text(facts: &Facts) -> String {
        let said = say(facts);
        format!("{}|{}|{}{}", said.class, said.state, said.wide, said.tail)
    }

    #[test]
    fn says_how_fresh_the_page_is() {
        let live = facts();
        assert_eq!(text(&live), "live|Live|updated 4 s ago");
        assert_eq!(text(&Facts { sampled_at: Some(NOW), ..live.clone() }), "live|Live|updated 0 s ago");
        assert_eq!(
            text(&Facts { sampled_at: Some(NOW.plus_millis(-130_000)), ..live.clone() }),
            "live stale|Stale|updated 2 min 10 s ago"
        );
        let lost = Link::Lost { since: NOW.plus_millis(-240_000), retry_at: NOW.plus_millis(11_400) };
        assert_eq!(text(&Facts { link: lost, ..live.clone() }), "live lost|No connection since 14:28|retrying in 12 s");
        assert_eq!(text(&Facts { paused: true, ..live.clone() }), "live paused|Paused at 14:32:04|");
        assert_eq!(text(&Facts { alive: false, ..live.clone() }), "live paused|Loaded 14:32:08|reload for new data");
        assert_eq!(text(&Facts { sampled_at: None, ..live }), "live paused|Waiting for the first sample|");
    }
}
