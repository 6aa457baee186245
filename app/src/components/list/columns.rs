//! The choice of columns: a menu of links.

use super::spec::{Asked, ListSpec, Shown};
use crate::layout::use_frame;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// The menu; nothing where no column can be hidden.
#[component]
pub fn ColumnMenu<R: Send + Sync + 'static>(spec: &'static ListSpec<R>, asked: Memo<Asked>) -> impl IntoView {
    let frame = use_frame();
    let path = use_location().pathname;
    let choices: Vec<_> = spec.columns.iter().filter(|column| column.shown != Shown::Always).collect();
    if choices.is_empty() {
        return ().into_any();
    }
    let choice = |column: &'static super::Column<R>| {
        let is_shown = move || asked.with(|asked| ListSpec::is_shown(column, asked));
        let href = move || {
            let columns = asked.with(|asked| spec.with_toggled(column.key, asked));
            path.with(|path| frame.link(path, &[(spec.keys.columns, columns.as_deref())]))
        };
        view! {
            <a href=href data-noscroll="" data-stay="">
                <span>{column.label} ","</span>
                <span class="sub">{move || if is_shown() { "shown" } else { "hidden" }}</span>
            </a>
        }
    };
    view! {
        <details class="pop list-columns">
            <summary class="btn s">"Columns"</summary>
            <div class="panel flush menu">
                {choices.into_iter().map(choice).collect_view()}
            </div>
        </details>
    }
    .into_any()
}
