//! A shared snapshot: charts from stored points, without asking the server for anything, for whoever its audience is.
//!
//! It has no frame: a stranger's page knows no targets, no user and no feed. What it shows came with the document.

use super::trends::board::TrendsBoard;
use crate::{
    components::preview::{LinkPreview, NEUTRAL},
    layout::{Frame, still_frame},
};
use headroom_model::{
    format,
    share::{Audience, Opened, Shown, notable, span},
    trends::TrendsData,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

/// The page.
#[derive(Debug)]
pub struct SharedPage {
    shown: Option<Shown>,
}

#[lazy_route]
impl LazyRoute for SharedPage {
    fn data() -> Self {
        let read = || {
            #[cfg(feature = "ssr")]
            if let Some(shown) = use_context::<std::sync::Arc<Shown>>() {
                return Some(shown.as_ref().clone());
            }
            None
        };
        SharedPage { shown: SharedValue::new(read).into_inner() }
    }

    fn view(this: Self) -> AnyView {
        match this.shown {
            Some(Shown::Open(opened)) => view! { <Snapshot opened=*opened/> }.into_any(),
            Some(ended) => view! { <Ended ended/> }.into_any(),
            // Came here inside the console: only the server knows who may open it.
            None => {
                #[cfg(feature = "hydrate")]
                Effect::new(|_| drop(window().location().reload()));
                ().into_any()
            }
        }
    }
}

/// "Snapshot by ann, 19 Nov 2026 14:40 UTC."
fn origin(opened: &Opened) -> String {
    format!(
        "Snapshot by {}, {} {} UTC.",
        opened.created_by,
        format::date(opened.created_at),
        format::clock(opened.created_at)
    )
}

/// "Points of 19 Nov 2026 08:32 – 14:32 UTC, one point each 3 min; they do not move."
fn points(data: &TrendsData) -> String {
    let step = data.step_words().map(|words| format!(", {words}")).unwrap_or_default();
    format!("Points of {}{step}; they do not move.", span(data.range))
}

fn lasts(opened: &Opened) -> String {
    let readers = match opened.audience {
        Audience::Link => "anyone with the link",
        Audience::Viewer => "everyone who can sign in",
        Audience::Operator => "operators and admins",
        Audience::Admin => "admins",
    };
    format!("Opens for {readers} until {}.", format::date(opened.expires_at))
}

#[component]
fn Snapshot(opened: Opened) -> impl IntoView {
    let frame: Frame = still_frame(opened.now, use_query_map());
    let alive = frame.alive;
    provide_context(frame);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| crate::browser::page::install());
    let (origin, points, lasts) = (origin(&opened), points(&opened.data), lasts(&opened));
    let description = format!("{} {origin}", notable(&opened.data));
    // Whoever opens it without signing in is shown its points; its picture shows the same.
    let image = match opened.audience {
        Audience::Link => format!("{}/preview.png", opened.path),
        _ => NEUTRAL.to_owned(),
    };
    let target = opened.data.target.clone();
    let Opened { title, path, live, embedded, data, .. } = opened;
    let data = Signal::stored(Some(data));
    let board = view! { <TrendsBoard data fixed=true/> };
    let preview = view! { <LinkPreview title=title.clone() description path=path.clone() image/> };
    if embedded {
        return view! {
            <Title text=title.clone()/>
            {preview}
            <main id="main" class="shared embedded">
                <h1 class="vh">{title}</h1>
                {board}
                <p class="note">
                    {points} " " {origin} " "
                    <a href=path target="_blank" rel="noopener">
                        "Open in Headroom"
                    </a>
                </p>
            </main>
        }
        .into_any();
    }
    view! {
        <Title text=title.clone()/>
        {preview}
        <a class="skip" href="#main" rel="external">
            "Skip to content"
        </a>
        <main id="main" class="shared" tabindex="-1" data-alive=move || alive.get().then_some("")>
            <div class="page-head">
                <div>
                    <h1>{title}</h1>
                    <p>
                        {origin} " " {points} <br/> {lasts} " "
                        {format!("The figures are those of the target {target} as they were then.")}
                    </p>
                </div>
                {live
                    .map(|live| {
                        view! {
                            <div class="push flow">
                                <a class="btn" href=live rel="external">
                                    "Open the live view"
                                </a>
                            </div>
                        }
                    })}
            </div>
            {board}
            <p class="note">"Headroom, a console for PostgreSQL and Redis. Times are UTC."</p>
        </main>
    }
    .into_any()
}

/// Why a link opens nothing, and what to do about it.
#[component]
fn Ended(ended: Shown) -> impl IntoView {
    let (heading, said) = match ended {
        Shown::Expired { at, by } => (
            "This snapshot has expired",
            format!("It opened until {} {} UTC. Ask {by} for a new one.", format::date(at), format::clock(at)),
        ),
        Shown::Revoked { at, by } => (
            "This snapshot was revoked",
            format!("{by} ended it on {} {} UTC, and its points are gone. Ask them for a new one.", format::date(at), format::clock(at)),
        ),
        Shown::Forbidden(role) => (
            "This snapshot is for others",
            format!("It opens for the role {role} and above. Ask whoever sent the link to share it wider."),
        ),
        Shown::Busy => (
            "Too many snapshots are opened at the moment",
            "This one is there. Load the page again in a few seconds.".to_owned(),
        ),
        Shown::Missing | Shown::Open(_) => (
            "Nothing is shared at this address",
            "The link may have been cut off on its way, or the snapshot ended more than 30 days ago. Ask whoever sent it \
             for a new one."
                .to_owned(),
        ),
    };
    view! {
        <Title text=heading/>
        <main id="main" class="alone">
            <section class="sheet">
                <div class="empty">
                    <h1>{heading}</h1>
                    <p>{said}</p>
                    <div class="flow">
                        <a class="btn" href="/" rel="external">
                            "Open Overview"
                        </a>
                    </div>
                </div>
            </section>
        </main>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::Timestamp;

    #[test]
    fn a_snapshot_says_by_whom_of_when_and_until_when() {
        let from = Timestamp(1_795_077_120_000);
        let data = serde_json::json!({
            "target": "orders", "range": {"from": from, "to": from.0 + 6 * 3_600_000, "live": false}, "compare": "none",
            "charts": [], "events": [], "moreEvents": false, "limits": [], "intervalMs": 5000,
        });
        let data: TrendsData = serde_json::from_value(data).unwrap();
        let opened = Opened {
            title: "Connections".into(),
            path: "/s/x".into(),
            audience: Audience::Link,
            created_by: "ann".into(),
            created_at: from.plus_millis(7 * 3_600_000),
            expires_at: from.plus_millis(365 * 86_400_000),
            live: None,
            embedded: false,
            now: from,
            data,
        };
        assert_eq!(origin(&opened), "Snapshot by ann, 19 Nov 2026 15:32 UTC.");
        assert_eq!(points(&opened.data), "Points of 19 Nov 2026 08:32 – 14:32 UTC; they do not move.");
        assert_eq!(lasts(&opened), "Opens for anyone with the link until 19 Nov 2027.");
    }
}
