//! What surrounds every page: navigation, bar, keyboard help; and what pages take from it.

mod bar;
pub(crate) mod help;
mod live_indicator;
pub(crate) mod nav;
pub(crate) mod range_picker;
pub(crate) mod share;
pub(crate) mod target_picker;
mod theme_switch;
mod user_menu;

use crate::{functions, live::Feed, url};
use headroom_model::{
    Role, Timestamp,
    access::Proof,
    overview::{Kept, Shell},
};
use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    components::Outlet,
    hooks::{use_navigate, use_query_map},
    params::ParamsMap,
};

/// The frame around a page, as pages and components see it.
#[derive(Clone, Copy)]
pub struct Frame {
    /// Targets, actor, interval.
    pub shell: RwSignal<Shell>,
    /// The moment it is by the server's clock: when the document was rendered, then each second.
    pub now: Signal<Timestamp>,
    /// Whether the page is hydrated; what needs JavaScript appears only then.
    pub alive: Signal<bool>,
    /// The live feed.
    pub feed: Feed,
    /// The query of the URL.
    pub query: Memo<ParamsMap>,
}

/// The frame of the page.
///
/// # Panics
/// Outside a framed route, which no component of ours is.
#[must_use]
pub fn use_frame() -> Frame {
    expect_context::<Frame>()
}

impl Frame {
    /// The name of the target the page shows.
    #[must_use]
    pub fn target(&self) -> Signal<String> {
        let (query, shell) = (self.query, self.shell);
        Memo::new(move |_| {
            query.with(url::target).unwrap_or_else(|| {
                shell.with(|shell| shell.targets.first().map(|target| target.info.id.0.clone()).unwrap_or_default())
            })
        })
        .into()
    }

    /// Whether the actor holds a role.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.shell.with(|shell| shell.actor.role >= role)
    }

    /// The current page with its query changed.
    #[must_use]
    pub fn link(&self, path: &str, changes: &[(&'static str, Option<&str>)]) -> String {
        self.query.with(|query| url::href(path, query, changes))
    }
}

/// A frame for a page without one: no targets, nobody signed in, a clock and a feed that rest.
#[must_use]
pub fn still_frame(now: Timestamp, query: Memo<ParamsMap>) -> Frame {
    let alive = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    let shell = Shell { now, ..unknown_shell() };
    Frame { shell: RwSignal::new(shell), now: Signal::stored(now), alive: alive.into(), feed: Feed::new(), query }
}

fn unknown_shell() -> Shell {
    Shell {
        targets: Vec::new(),
        actor: headroom_model::Actor { name: String::new(), role: Role::Viewer, proof: Proof::Session },
        interval_ms: 5000,
        now: Timestamp::default(),
        version: String::new(),
        kept: Kept::default(),
    }
}

/// Goes to an address inside the console. A small change replaces the history entry, a deliberate one adds to it.
pub fn go() -> impl Fn(&str, bool) + Clone {
    let navigate = use_navigate();
    move |href: &str, replace: bool| {
        navigate(href, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
    }
}

/// The shell, without a wait: the server reads it from memory, the browser from the document.
fn first_shell() -> Shell {
    let read = || {
        #[cfg(feature = "ssr")]
        if let Ok(context) = crate::context::PageContext::require(Role::Viewer) {
            return Some(functions::shell_of(&context));
        }
        None
    };
    SharedValue::new(read).into_inner().unwrap_or_else(unknown_shell)
}

/// Frame and page.
#[component]
pub fn Framed() -> impl IntoView {
    let first = first_shell();
    let unknown = first.now == Timestamp::default();
    #[cfg(feature = "hydrate")]
    let now = if unknown { Timestamp(crate::browser::clock::browser_now()) } else { first.now };
    #[cfg(not(feature = "hydrate"))]
    let now = first.now;
    let now = RwSignal::new(now);
    let shell = RwSignal::new(first);
    let open = Memo::new(move |_| shell.with(|shell| shell.actor.proof == Proof::Loopback));
    let query = use_query_map();
    // Shown inside another page: only what the page is about.
    let embedded = query.with_untracked(url::embedded);
    let alive = RwSignal::new(false);
    let feed = Feed::new();
    let frame = Frame { shell, now: now.into(), alive: alive.into(), feed, query };
    provide_context(frame);
    // Came back here from a page without a frame: the document carries no shell.
    Effect::new(move |_| {
        if unknown {
            leptos::task::spawn_local(async move {
                if let Ok(fresh) = functions::shell().await {
                    shell.try_set(fresh);
                }
            });
        }
    });
    #[cfg(feature = "hydrate")]
    {
        crate::browser::clock::run(now, frame);
        crate::browser::feed::run(frame);
        crate::browser::keys::run(frame);
    }
    Effect::new(move |_| alive.set(true));
    view! {
        // For the browser, not the router: only the browser moves the focus along.
        <a class="skip" href="#main" rel="external">
            "Skip to content"
        </a>
        <div class="app" class:embedded=embedded>
            <nav::Nav/>
            <bar::Bar/>
            <main id="main" tabindex="-1">
                <Outlet/>
                <Show when=move || open.get()>
                    <p class="note">
                        "Open access. No user is defined: everyone on this machine acts as admin. Add one with "
                        <code>"headroom user add"</code> "."
                    </p>
                </Show>
            </main>
            <nav::Tabbar/>
        </div>
        <help::KeyboardHelp/>
    }
    .into_any()
}
