//! Filters beside the search: what a statement does, who runs it, what it is tagged with. Links, so that they work without
//! JavaScript.

use super::{
    PATH,
    read::{KIND, ROLE, TAG},
};
use crate::layout::use_frame;
use headroom_model::statements::{Facet, StatementKind, StatementList};
use leptos::prelude::*;

/// One filter: its key in the URL, its name, its values.
fn menu(key: &'static str, name: &'static str, values: Signal<Vec<(String, Option<u32>)>>) -> impl IntoView {
    let frame = use_frame();
    let chosen = Memo::new(move |_| frame.query.with(|query| query.get(key).unwrap_or_default()));
    let link = move |value: Option<&str>| frame.link(PATH, &[(key, value), ("page", None), ("open", None)]);
    let item = move |(value, count): (String, Option<u32>)| {
        let of = value.clone();
        let is_chosen = move || chosen.with(|chosen| *chosen == of);
        let count = count.map(|count| view! { <small>{count.to_string()}</small> });
        let written = value.clone();
        view! {
            <a
                href=move || link(Some(&written))
                aria-current=move || is_chosen().then_some("true")
                data-noscroll=""
            >
                <span>{value}</span>
                {count}
            </a>
        }
    };
    let label =
        move || chosen.with(|chosen| if chosen.is_empty() { name.to_owned() } else { format!("{name}: {chosen}") });
    view! {
        <Show when=move || values.with(|values| !values.is_empty()) || chosen.with(|chosen| !chosen.is_empty())>
            <details class="pop start">
                <summary class="btn s">{label}</summary>
                <div class="panel flush menu">
                    <a
                        href=move || link(None)
                        aria-current=move || chosen.with(String::is_empty).then_some("true")
                        data-noscroll=""
                    >
                        <span>"All"</span>
                    </a>
                    {move || values.get().into_iter().map(item).collect_view()}
                </div>
            </details>
        </Show>
    }
}

/// The filters.
#[component]
pub fn Filters(shown: RwSignal<StatementList>) -> impl IntoView {
    let counted = |facets: &[Facet]| -> Vec<(String, Option<u32>)> {
        facets.iter().map(|one| (one.value.clone(), Some(one.statements))).collect()
    };
    let kinds = StatementKind::ALL.map(|kind| (kind.to_string(), None)).to_vec();
    view! {
        {menu(KIND, "Kind", Signal::stored(kinds))}
        {menu(ROLE, "Role", Signal::derive(move || shown.with(|shown| counted(&shown.roles))))}
        {menu(TAG, "Tag", Signal::derive(move || shown.with(|shown| counted(&shown.tags))))}
    }
    .into_any()
}
