//! A row, and what is below it while it is open.

use super::spec::ListSpec;
use crate::{
    components::icon::{Glyph, Icon},
    layout::use_frame,
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// The link that opens a row and closes it.
#[component]
pub fn Twisty(
    /// Where it leads.
    #[prop(into)]
    href: Signal<String>,
    /// Whether the row is open.
    #[prop(into)]
    is_open: Signal<bool>,
    /// "Details of session 4711".
    label: String,
    /// The id of what it opens.
    #[prop(optional)]
    controls: Option<String>,
) -> impl IntoView {
    let controls = move || controls.clone().filter(|_| is_open.get());
    view! {
        <a
            class="twisty"
            href=href
            aria-expanded=move || if is_open.get() { "true" } else { "false" }
            aria-controls=controls
            aria-label=label
            data-noscroll=""
        >
            <Glyph icon=Icon::ChevronRight small=true/>
        </a>
    }
    .into_any()
}

/// A row.
#[component]
pub fn Row<R: Clone + PartialEq + Send + Sync + 'static>(
    spec: &'static ListSpec<R>,
    id: String,
    row: Signal<R>,
    shown: Memo<Vec<usize>>,
    page: Memo<usize>,
    detail: Option<Callback<Signal<R>, AnyView>>,
) -> impl IntoView {
    let frame = use_frame();
    let path = use_location().pathname;
    let key = spec.keys.open;
    let is_open = {
        let id = id.clone();
        Memo::new(move |_| detail.is_some() && frame.query.with(|query| query.get_str(key) == Some(id.as_str())))
    };
    // One row is open at a time.
    let below_id = format!("{key}-row");
    let twisty = detail.map(|_| {
        let controls = below_id.clone();
        let label = format!("Details of {} {id}", spec.one);
        let href = Signal::derive(move || {
            // The page stays, whatever becomes of the order meanwhile.
            let page = page.get().to_string();
            let (open, page) = if is_open.get() {
                (None, (page != "1").then_some(page.as_str()))
            } else {
                (Some(id.as_str()), Some(page.as_str()))
            };
            path.with(|path| frame.link(path, &[(key, open), (spec.keys.page, page)]))
        });
        view! {
            <Twisty href is_open label controls/>
            " "
        }
    });
    let cell = move |place: usize| {
        let column = &spec.columns[place];
        let content = move || row.with(column.cell);
        view! { <td class=column.class>{content}</td> }
    };
    // The first column is always there and holds the twisty; the others come and go.
    let first = &spec.columns[0];
    let others = move || shown.get().into_iter().filter(|place| *place > 0).map(cell).collect_view();
    let width = move || shown.with(Vec::len).to_string();
    let below = move || detail.map(|detail| detail.run(row));
    view! {
        <tr class:open=move || is_open.get()>
            <th scope="row" class=first.class>
                {twisty} {move || row.with(first.cell)}
            </th>
            {others}
        </tr>
        <Show when=move || is_open.get()>
            <tr class="detail" id=below_id.clone()>
                <td colspan=width>{below()}</td>
            </tr>
        </Show>
    }
    .into_any()
}
