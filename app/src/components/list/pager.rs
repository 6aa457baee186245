//! The foot of a list: where it stands, and the pages before and after.

use crate::layout::use_frame;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// The foot.
#[component]
pub fn Pager(
    /// "1–50 of 128 sessions".
    #[prop(into)]
    summary: Signal<String>,
    /// The page, from 1, and how many there are.
    #[prop(into)]
    place: Signal<(u64, u64)>,
    /// The page's key in the URL.
    name: &'static str,
    /// Key of the open row, which stays behind.
    open: &'static str,
) -> impl IntoView {
    let frame = use_frame();
    let path = use_location().pathname;
    let step = move |label: &'static str, forward: bool| {
        let to = Memo::new(move |_| {
            let (page, pages) = place.get();
            let page = if forward { page.checked_add(1) } else { page.checked_sub(1) };
            page.filter(|page| (1..=pages).contains(page))
        });
        move || match to.get() {
            Some(page) => {
                let page = page.to_string();
                let href = path.with(|path| frame.link(path, &[(name, (page != "1").then_some(&page)), (open, None)]));
                view! {
                    <a class="btn s" href=href data-noscroll="">
                        {label}
                    </a>
                }
                .into_any()
            }
            None => view! {
                <button type="button" class="btn s" disabled>
                    {label}
                </button>
            }
            .into_any(),
        }
    };
    view! {
        <div class="pager">
            <span>{summary}</span>
            <span class="push flow">{step("Previous", false)} {step("Next", true)}</span>
        </div>
    }
    .into_any()
}
