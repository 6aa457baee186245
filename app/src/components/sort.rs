//! The head of a column that a table can be sorted by. A link, so that it works without JavaScript too.

use leptos::prelude::*;

/// A column head; `sorted` says whether the table is sorted by it, and whether largest come first.
#[component]
pub fn SortHead(
    label: &'static str,
    #[prop(into)] sorted: Signal<Option<bool>>,
    /// Where a press leads.
    #[prop(into)]
    href: Signal<String>,
    class: &'static str,
) -> impl IntoView {
    let direction = move || sorted.get().map(|descending| if descending { "descending" } else { "ascending" });
    view! {
        <th scope="col" class=class aria-sort=direction>
            <a href=move || href.get() data-noscroll="">
                {label}
            </a>
        </th>
    }
    .into_any()
}
