//! Navigation: the pages that exist.

use super::use_frame;
use crate::{
    components::icon::{Glyph, Icon},
    url,
};
use headroom_model::format;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// A page of the console: path, name, icon, and the key that leads there after `g`.
pub(crate) struct Place {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    icon: Icon,
    pub(crate) key: &'static str,
    /// Whether it has a place of its own in the bottom bar of narrow screens.
    in_bar: bool,
}

const fn place(path: &'static str, name: &'static str, icon: Icon, key: &'static str) -> Place {
    Place { path, name, icon, key, in_bar: false }
}

const fn first(place: Place) -> Place {
    Place { in_bar: true, ..place }
}

/// The pages, in the order of the navigation.
pub(crate) const PAGES: &[Place] = &[
    first(place("/", "Overview", Icon::Gauge, "o")),
    first(place("/trends", "Trends", Icon::ChartLine, "r")),
    first(place("/queries", "Queries", Icon::TextSearch, "q")),
    place("/tables", "Tables", Icon::Database, "d"),
    place("/indexes", "Indexes", Icon::Schema, "i"),
    place("/connections", "Connections", Icon::Cable, "n"),
    place("/locks", "Locks", Icon::Lock, "l"),
    first(place("/cache", "Cache", Icon::Layers, "c")),
    place("/capacity", "Capacity", Icon::TrendingUp, "p"),
    place("/settings", "Settings", Icon::Settings, ","),
];
/// The API's own pages, outside this application.
const API_DOCS: &str = "/api/docs";

/// What `aria-current` says of the page at `path` or below it (`/queries/4711`).
fn current(here: &str, path: &str) -> Option<&'static str> {
    match here.strip_prefix(path) {
        Some("") => Some("page"),
        Some(rest) if rest.starts_with('/') => Some("true"),
        _ => None,
    }
}

/// A link to a page of the console that carries target and range along.
#[component]
fn PageLink(path: &'static str, name: &'static str, icon: Icon) -> impl IntoView {
    let query = use_frame().query;
    let here = use_location().pathname;
    let href = move || query.with(|query| url::href(path, &url::carried(query), &[]));
    view! {
        <a href=href aria-current=move || here.with(|here| current(here, path)) title=name>
            <Glyph icon/>
            <span class="lbl">{name}</span>
        </a>
    }
    .into_any()
}

/// Links to pages.
fn links(pages: impl Iterator<Item = &'static Place>) -> impl IntoView {
    pages.map(|&Place { path, name, icon, .. }| view! { <PageLink path name icon/> }).collect_view()
}

/// The product mark.
#[component]
fn Logo() -> impl IntoView {
    view! {
        <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M2 2.75h16" stroke="var(--accent)" stroke-width="2.5"></path>
            <path d="M4 7v11M16 7v11M4 13h12" stroke="currentColor" stroke-width="2.5" fill="none"></path>
        </svg>
    }
    .into_any()
}

/// The column of names; a rail of icons where room is short.
#[component]
pub fn Nav() -> impl IntoView {
    let frame = use_frame();
    let home = move || frame.query.with(|query| url::href("/", &url::carried(query), &[]));
    let help = move |_| {
        #[cfg(feature = "hydrate")]
        crate::browser::page::showDialog(super::help::ID);
    };
    view! {
        <nav class="nav" aria-label="Main">
            <a class="brand" href=home aria-label="Headroom, Overview">
                <Logo/>
                <span class="brand-word">"Headroom"</span>
            </a>
            <ul>{PAGES.iter().map(|place| view! { <li>{links(std::iter::once(place))}</li> }).collect_view()}</ul>
            <ul>
                <li>
                    <a href=API_DOCS rel="external" title="API">
                        <Glyph icon=Icon::Api/>
                        <span class="lbl">"API"</span>
                    </a>
                </li>
            </ul>
            <div class="nav-foot">
                <span class="lbl">{move || format!("UTC, {}", format::date(frame.now.get()))}</span>
                <Show when=move || frame.alive.get()>
                    <button type="button" class="lbl nav-help" on:click=help>
                        <kbd>"?"</kbd>
                        " Keyboard help"
                    </button>
                </Show>
                <span class="lbl">{move || frame.shell.with(|shell| format!("Headroom {}", shell.version))}</span>
            </div>
        </nav>
    }
    .into_any()
}

/// The bottom bar of narrow screens: the pages looked at most, and the others behind "More".
#[component]
pub fn Tabbar() -> impl IntoView {
    let here = use_location().pathname;
    let others = || PAGES.iter().filter(|place| !place.in_bar);
    let among_others =
        move || here.with(|here| others().any(|place| current(here, place.path).is_some())).then_some("true");
    view! {
        <nav class="tabbar" aria-label="Main, compact">
            {links(PAGES.iter().filter(|place| place.in_bar))}
            <details class="pop">
                <summary aria-current=among_others>
                    <Glyph icon=Icon::Ellipsis/>
                    "More"
                </summary>
                <div class="panel flush menu">
                    {links(others())}
                    <a href=API_DOCS rel="external">
                        <Glyph icon=Icon::Api/>
                        <span class="lbl">"API"</span>
                    </a>
                </div>
            </details>
        </nav>
    }
    .into_any()
}
