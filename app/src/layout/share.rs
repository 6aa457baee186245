//! Share: links to what the page shows now, with the range fixed or moving, and snapshots of its points.

use super::use_frame;
use crate::{
    components::{
        copy::CopyButton,
        icon::{Glyph, Icon},
        share::{AudienceChoice, LifetimeChoice},
        status::Mark,
    },
    data::reads::Reads,
    functions::{create_share, preview_share, revoke_share},
    url::{self, Shown},
};
use headroom_model::{
    Band, Timestamp, format,
    overview::Kept,
    share::{Audience, Lifetime, Share as Stored, SharePreview},
    trends::{AT, CURSOR},
};
use leptos::{ev, prelude::*};

/// The id `s` opens.
pub const ID: &str = "share";
/// The page whose points a snapshot can hold.
const TRENDS: &str = "/trends";

/// What is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed,
    Moving,
    Snapshot,
}

/// "Always 19 Nov 2026 08:32 to 19 Nov 2026 14:32; one point a minute until 19 Dec 2026, an hour until …".
fn fixed_note(shown: &Shown, kept: Kept, now: Timestamp) -> String {
    let range = shown.range;
    let ends = format!(
        "Always {} {} to {} {}",
        format::date(range.from),
        format::clock(range.from),
        format::date(range.to),
        format::clock(range.to)
    );
    let (minutes, hours) = kept.until(range.from);
    if hours <= now {
        return format!("{ends}; its data is no longer kept");
    }
    let minutes =
        if minutes > now { format!("by the minute until {}, ", format::date(minutes)) } else { String::new() };
    format!("{ends}; data kept {minutes}by the hour until {}", format::date(hours))
}

/// The popover.
#[component]
pub fn Share() -> impl IntoView {
    let frame = use_frame();
    let path = leptos_router::hooks::use_location().pathname;
    let kind = RwSignal::new(Kind::Fixed);
    // A link should not move while someone selects it: minutes are fine enough for a range of minutes or more.
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let shown = Memo::new(move |_| frame.query.with(|query| url::shown_in_minute(query, minute.get())));
    // What happened just now is part of a snapshot: the minute that runs counts to its end. A link ends before it, so that
    // everyone sees the same points.
    let kept = Memo::new(move |_| frame.query.with(|query| url::shown_range(query, minute.get().plus_millis(60_000))));
    let target = frame.target();
    // The view with its range fixed or moving, at a path.
    let at = move |path: &str, shown: Shown, fixed: bool| {
        let (from, to) =
            if fixed { (shown.range.from.0.to_string(), shown.range.to.0.to_string()) } else { (shown.from, shown.to) };
        let changes =
            [("target", Some(target.get())), ("from", Some(from)), ("to", Some(to)), ("refresh", None::<String>)];
        let changes = changes.each_ref().map(|(key, value)| (*key, value.as_deref()));
        frame.link(path, &changes)
    };
    let confirm = move || at("/confirm/share", kept.get(), true);
    let view = Signal::derive(move || at("", kept.get(), true).trim_start_matches('?').to_owned());
    let fixed = move || shown.with(|shown| fixed_note(shown, frame.shell.with(|shell| shell.kept), minute.get()));
    let moving = Memo::new(move |_| shown.with(|shown| shown.range.live));
    let relative = move || {
        shown.with(|shown| format!("Link, {}", url::range_name(&shown.from, &shown.to, shown.range).to_lowercase()))
    };
    let has_points = Memo::new(move |_| path.read().as_str() == TRENDS);
    // What cannot be chosen here any longer is not chosen.
    let chosen = Memo::new(move |_| match kind.get() {
        Kind::Moving if !moving.get() => Kind::Fixed,
        Kind::Snapshot if !has_points.get() => Kind::Fixed,
        kind => kind,
    });
    let link =
        Signal::derive(move || whole(at(&path.read(), shown.get(), chosen.get() != Kind::Moving), frame.alive.get()));
    let choice = move |this: Kind| {
        view! {
            <input
                type="radio"
                name="share"
                prop:checked=move || chosen.get() == this
                checked=this == Kind::Fixed
                on:change=move |_| kind.set(this)
            />
        }
    };
    view! {
        <details class="pop" id=ID>
            <summary class="btn" title="Share">
                <Glyph icon=Icon::Share/>
                <span class="word">"Share"</span>
            </summary>
            <div class="panel" style="inline-size:min(25rem,calc(100vw - 1.5rem));display:grid;gap:var(--p5)">
                <div>
                    <p><b>"Share this view"</b></p>
                    <p class="sub" style="font-size:var(--t-small)">
                        {move || match chosen.get() {
                            Kind::Snapshot => "Opens the points as they are now, for those you choose.".to_owned(),
                            _ => {
                                format!(
                                    "Opens the same range and filters for anyone who can sign in here and read {}.",
                                    target.get(),
                                )
                            }
                        }}
                    </p>
                </div>
                <div class="radio-list" role="radiogroup" aria-label="Kind of link">
                    <label>
                        {choice(Kind::Fixed)} <span>"Link, absolute range"</span> <span></span>
                        <small>{fixed}</small>
                    </label>
                    <Show when=move || moving.get()>
                        <label>
                            {choice(Kind::Moving)} <span>{relative}</span> <span></span>
                            <small>"Moves with the clock"</small>
                        </label>
                    </Show>
                    <Show when=move || has_points.get() && frame.alive.get()>
                        <label>
                            {choice(Kind::Snapshot)} <span>"Snapshot"</span> <span></span>
                            <small>"Stores the points: opens without access to the target, also once they are pruned"</small>
                        </label>
                    </Show>
                </div>
                <Show
                    when=move || chosen.get() == Kind::Snapshot
                    fallback=move || {
                        view! {
                            <div class="field">
                                <label for="share-link">"Link"</label>
                                <div style="display:flex;gap:var(--p4)">
                                    <input id="share-link" class="in mono" readonly value=link prop:value=link/>
                                    <CopyButton text=link size="primary"/>
                                </div>
                            </div>
                            <Show when=move || has_points.get() && !frame.alive.get()>
                                <a class="btn" href=confirm>
                                    "Share a snapshot of the points…"
                                </a>
                            </Show>
                        }
                    }
                >
                    <Snapshot view/>
                </Show>
            </div>
        </details>
    }
    .into_any()
}

/// A path as an address to pass on. The server does not know by which name it was reached; the browser does.
pub fn whole(path: String, alive: bool) -> String {
    #[cfg(feature = "hydrate")]
    if alive {
        return format!("{}{path}", window().location().origin().unwrap_or_default());
    }
    let _ = alive;
    path
}

/// Who may open the snapshot and how long; then its link, and the way to end it.
#[component]
fn Snapshot(
    /// The view it is made of.
    view: Signal<String>,
) -> impl IntoView {
    let (audience, lifetime) = (RwSignal::new(Audience::default()), RwSignal::new(Lifetime::default()));
    let preview = RwSignal::new(None::<SharePreview>);
    let (sized, asked) = (Reads::new(None), Reads::new(None));
    let made = RwSignal::new(None::<Stored>);
    let ended = RwSignal::new(false);
    // What was made stays until the view changes; that its end or its cursor moves is no change.
    let query = use_frame().query;
    let asked_for =
        Memo::new(move |_| query.with(|query| url::href("", query, &[(CURSOR, None), (AT, None), ("refresh", None)])));
    Effect::new(move |_| {
        asked_for.track();
        made.set(None);
        ended.set(false);
        sized.ask(preview_share(view.get_untracked()), move |answer| preview.set(Some(answer)));
    });
    let share = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if asked.waits() {
            return;
        }
        let (audience, lifetime) = (audience.get_untracked(), lifetime.get_untracked());
        asked.ask(create_share(view.get_untracked(), audience, lifetime, None), move |share| made.set(Some(share)));
    };
    let revoke = move |_| {
        if let Some(id) = made.with_untracked(|made| made.as_ref().map(|share| share.id.0.clone())) {
            asked.ask(revoke_share(id), move |_| ended.set(true));
        }
    };
    let link = Signal::derive(move || {
        made.with(|made| made.as_ref().map(|made| whole(url::snapshot(made), true))).unwrap_or_default()
    });
    let size = move || match (preview.get(), sized.error.get()) {
        (_, Some(error)) => error.message,
        (None, None) => "Reading the points…".to_owned(),
        (Some(preview), None) => {
            let metrics = format::counted(preview.metrics as u64, "metric");
            format!("{metrics}, {}", format::bytes(preview.size_bytes as f64))
        }
    };
    let error = move || {
        asked.error.get().map(|error| {
            view! {
                <div role="alert">
                    <Mark status=Some(Band::Critical) text="Not done"/>
                    <p class="sub">{error.message}</p>
                </div>
            }
        })
    };
    let form = move || {
        view! {
            <form style="display:grid;gap:var(--p5)" on:submit=share>
                <p class="sub" style="font-size:var(--t-small)">
                    {size}
                </p>
                <AudienceChoice id="share-audience" chosen=audience/>
                <LifetimeChoice id="share-lifetime" chosen=lifetime/>
                {error}
                <button class="btn primary">"Create link"</button>
            </form>
        }
    };
    let until = move || {
        made.with(|made| {
            made.as_ref()
                .map(|made| {
                    let readers = made.audience.label().to_lowercase();
                    format!("Opens for {readers} until {}", format::date(made.expires_at))
                })
                .unwrap_or_default()
        })
    };
    let done = move || {
        view! {
            <div class="field">
                <label for="snapshot-link">"Link to the snapshot"</label>
                <div style="display:flex;gap:var(--p4)">
                    <input id="snapshot-link" class="in mono" readonly prop:value=link/>
                    <CopyButton text=link size="primary"/>
                </div>
                <span class="help" role="status">
                    {move || if ended.get() { "Revoked: it opens no longer".to_owned() } else { until() }}
                </span>
            </div>
            {error}
            <Show when=move || !ended.get()>
                <div class="flow">
                    <a class="btn" href=link rel="external" target="_blank">
                        "Open"
                    </a>
                    <button type="button" class="btn danger" on:click=revoke>
                        "Revoke"
                    </button>
                </div>
            </Show>
        }
    };
    view! {
        <Show when=move || made.with(Option::is_some) fallback=form>
            {done}
        </Show>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::range::Resolved;

    #[test]
    fn a_fixed_link_says_how_long_its_data_is_kept() {
        let now = Timestamp(1_795_098_728_250);
        let range = Resolved { from: now.plus_millis(-21_600_000), to: now, live: false };
        let shown = Shown { from: String::new(), to: String::new(), range, refused: None };
        let kept = Kept { minutes_days: 30, hours_days: 762 };
        assert_eq!(
            fixed_note(&shown, kept, now),
            "Always 19 Nov 2026 08:32 to 19 Nov 2026 14:32; data kept by the minute until 19 Dec 2026, by the hour until \
             20 Dec 2028"
        );
        let later = |days: i64| fixed_note(&shown, kept, now.plus_millis(days * 86_400_000));
        assert!(later(31).ends_with("data kept by the hour until 20 Dec 2028"));
        assert!(later(800).ends_with("its data is no longer kept"));
    }
}
