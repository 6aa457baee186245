//! Lists of things: sorted, filtered, paged, with columns to choose and rows that open below themselves. All of it is in
//! the URL, and all of it is links and one form, so that it works without JavaScript.
//!
//! A page describes its list once in a [`ListSpec`] and hands the rows over; the order is made here, on both sides the same.

mod columns;
mod find;
mod pager;
mod row;
mod spec;

pub use find::Find;
pub use pager::Pager;
pub use row::Twisty;
pub use spec::{Column, ListKeys, ListSpec, Order, Shown, read_order, written_order};

use super::sort::SortHead;
use crate::{data::held::held, layout::use_frame};
use columns::ColumnMenu;
use headroom_model::format;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use row::Row;

/// A list.
///
/// `rows` are all that there are, in any order; they may change at any time, and open rows stay open meanwhile.
#[component]
pub fn List<R: Clone + PartialEq + Send + Sync + 'static>(
    /// What the list is of.
    spec: &'static ListSpec<R>,
    /// The rows.
    #[prop(into)]
    rows: Signal<Vec<R>>,
    /// What stands below an open row; without it rows do not open. Made anew for each row that opens.
    #[prop(optional, into)]
    detail: Option<Callback<Signal<R>, AnyView>>,
    /// Further filters, beside the search. They filter the rows before these come here.
    #[prop(optional, into)]
    tools: ViewFn,
    /// What stands in the place of rows where there are none at all: why, and how to get some.
    #[prop(into)]
    empty: ViewFn,
    /// Whether the rows are of an earlier moment, which a banner above explains.
    #[prop(optional, into)]
    old: Signal<bool>,
) -> impl IntoView {
    let frame = use_frame();
    let path = use_location().pathname;
    let keys = &spec.keys;
    let asked = Memo::new(move |_| frame.query.with(|query| spec.read(query)));
    let arranged = Memo::new(move |_| rows.with(|rows| asked.with(|asked| spec.arrange(rows, asked))));
    let shown = Memo::new(move |_| asked.with(|asked| spec.shown(asked)));
    let link = move |changes: &[(&'static str, Option<&str>)]| path.with(|path| frame.link(path, changes));
    let head = move |index: usize| {
        let column = &spec.columns[index];
        if column.order.is_none() {
            return view! {
                <th scope="col" class=column.class>
                    {column.label}
                </th>
            }
            .into_any();
        }
        let sorted = Signal::derive(move || asked.with(|asked| (asked.sort == column.key).then_some(asked.descending)));
        let href = Signal::derive(move || {
            let descending = sorted.get().map_or(column.largest_first, |descending| !descending);
            link(&[(keys.sort, Some(&written_order(column.key, descending))), (keys.page, None)])
        });
        view! { <SortHead label=column.label sorted href class=column.class/> }.into_any()
    };
    let page = Memo::new(move |_| arranged.with(|arranged| arranged.page));
    let ids = Memo::new(move |_| {
        arranged.with(|arranged| arranged.rows.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>())
    });
    let row = move |id: String| {
        let of = id.clone();
        let newest = move || {
            arranged.with(|arranged| arranged.rows.iter().find(|(id, _)| *id == of).map(|(_, row)| row.clone()))
        };
        untrack(&newest).map(|first| view! { <Row spec id row=held(first, newest) shown page detail/> })
    };
    let lost = move || {
        let is_open = detail.is_some() && asked.with(|asked| asked.open.is_some());
        let (of_open, page, any) = arranged.with(|arranged| (arranged.of_open, arranged.page, arranged.all > 0));
        (is_open && any && of_open != Some(page)).then(|| {
            let (said, href, does) = match of_open.map(|page| page.to_string()) {
                Some(other) => {
                    let said = format!("The open {} is on page {other} now. ", spec.one);
                    (said, link(&[(keys.page, Some(&other))]), "Go there")
                }
                None => {
                    (format!("The open {} is not in the list now. ", spec.one), link(&[(keys.open, None)]), "Close it")
                }
            };
            view! {
                <p class="cell note" role="status">
                    {said}
                    <a href=href data-noscroll="">
                        {does}
                    </a>
                </p>
            }
        })
    };
    let without = move || {
        let (all, matching) = arranged.with(|arranged| (arranged.all, arranged.matching));
        match (all, matching) {
            (0, _) => Some(empty.run()),
            (_, 0) => {
                let find = asked.with(|asked| asked.find.clone());
                let href = link(&[(keys.find, None), (keys.page, None)]);
                Some(
                    view! {
                        <p class="empty sub">
                            {format!("None of {} {} holds “{find}”. ", format::count(all as u64), spec.many)}
                            <a href=href data-noscroll="">
                                "Show all"
                            </a>
                        </p>
                    }
                    .into_any(),
                )
            }
            _ => None,
        }
    };
    let summary = Memo::new(move |_| arranged.with(|arranged| spec.range_of(arranged)));
    let place = Signal::derive(move || arranged.with(|arranged| (arranged.page as u64, arranged.pages as u64)));
    view! {
        <div class="tabs list-tools">
            <div class="tab-links flow">{tools.run()}</div>
            <ColumnMenu spec asked/>
            <Find
                name=keys.find
                label=spec.find_label
                resets=keys.after_find()
            />
        </div>
        {lost}
        <div class="scroll-x" tabindex="0" role="group" aria-label=format!("{}, table", spec.name)>
            <table class="tbl" style=format!("min-inline-size:{}", spec.least_width) class:old=move || old.get()>
                <caption class="vh">{spec.name}</caption>
                <thead>
                    <tr>{move || shown.get().into_iter().map(head).collect_view()}</tr>
                </thead>
                <tbody>
                    <For each=move || ids.get() key=Clone::clone children=row/>
                </tbody>
            </table>
        </div>
        {without}
        <Pager summary place name=keys.page open=keys.open/>
    }
    .into_any()
}
