//! What was considered and rejected, what nobody uses, what is there twice.

use super::use_page;
use crate::components::{
    copy::CopyButton,
    list::{Column, List, ListKeys, ListSpec, Order, Shown},
    status::{Mark, MarkOnly},
};
use headroom_model::{
    Band,
    advice::{DuplicateIndex, RejectedAdvice, Repeats, Rule, UnusedIndex},
    format::{self, MISSING},
};
use leptos::prelude::*;

const REJECTED: ListSpec<RejectedAdvice> = ListSpec {
    name: "Indexes that are not advised",
    one: "candidate",
    many: "candidates",
    keys: ListKeys::PLAIN,
    find_label: "Filter by table, columns or reason",
    columns: &[
        Column::text(
            "keys",
            "Index over",
            "mono",
            |row| view! { <span class="wrap">{format!("{} {}", row.table, row.keys)}</span> }.into_any(),
            |row| format!("{} {}", row.table, row.keys),
            Shown::Always,
        ),
        Column {
            key: "why",
            label: "Why not",
            class: "",
            cell: |row| view! { <span class="wrap">{row.why_not.clone()}</span> }.into_any(),
            order: None,
            largest_first: false,
            shown: Shown::Always,
        },
        Column::number(
            "before",
            "Cost an hour",
            |row| cost(row.cost.map(|cost| cost.0)),
            |row| row.cost.map(|cost| cost.0),
            Shown::Usually,
        ),
        Column {
            key: "after",
            label: "With it",
            class: "num",
            cell: |row| cost(row.cost.map(|cost| cost.1)),
            order: Some(Order::Number(|row| row.cost.map(|cost| cost.1))),
            largest_first: false,
            shown: Shown::Usually,
        },
    ],
    id: |row| format!("{} {}", row.table, row.keys),
    text: Some(|row| format!("{} {} {}", row.table, row.keys, row.why_not)),
    sort: ("before", true),
    per_page: 25,
    least_width: "46rem",
};

fn cost(value: Option<f64>) -> AnyView {
    value.map_or_else(|| MISSING.to_owned(), format::number).into_any()
}

/// Candidates with why not.
#[component]
pub fn Rejected() -> impl IntoView {
    let page = use_page();
    let rows = Signal::derive(move || page.shown.with(|view| view.advice.rejected.clone()));
    let empty = || {
        view! {
            <div class="empty">
                <h3>"Nothing was rejected"</h3>
                <p>"Every index that the statements suggest is advised, or the statements suggest none."</p>
            </div>
        }
    };
    view! { <List spec=&REJECTED rows empty/> }.into_any()
}

const UNUSED: ListSpec<UnusedIndex> = ListSpec {
    name: "Indexes without scans",
    one: "index",
    many: "indexes",
    keys: ListKeys::PLAIN,
    find_label: "Filter by table or index",
    columns: &[
        Column::text(
            "index",
            "Index",
            "mono",
            |row| row.index.clone().into_any(),
            |row| row.index.clone(),
            Shown::Always,
        ),
        Column::text(
            "table",
            "Table",
            "sub",
            |row| row.table.clone().into_any(),
            |row| row.table.clone(),
            Shown::Usually,
        ),
        Column {
            key: "verdict",
            label: "Verdict",
            class: "",
            cell: |row| verdict(row),
            order: Some(Order::Number(|row| Some(met(row) as f64))),
            largest_first: true,
            shown: Shown::Always,
        },
        Column::number(
            "size",
            "Size",
            |row| format::bytes(row.size_bytes as f64).to_string().into_any(),
            |row| Some(row.size_bytes as f64),
            Shown::Always,
        ),
    ],
    id: |row| row.index.clone(),
    text: Some(|row| format!("{} {}", row.index, row.table)),
    sort: ("size", true),
    per_page: 25,
    least_width: "40rem",
};

fn met(row: &UnusedIndex) -> usize {
    row.rules.iter().filter(|rule| rule.met).count()
}

fn verdict(row: &UnusedIndex) -> AnyView {
    if row.is_proven {
        return view! { <Mark status=Some(Band::Degraded) text="Unused"/> }.into_any();
    }
    format!("Not certain: {} of {} rules met", met(row), row.rules.len()).into_any()
}

/// Indexes without scans, each with its rules.
#[component]
pub fn Unused() -> impl IntoView {
    let page = use_page();
    let rows = Signal::derive(move || {
        page.shown.with(|view| view.unused.as_ref().map(|unused| unused.indexes.clone()).unwrap_or_default())
    });
    let error = Memo::new(move |_| page.shown.with(|view| view.unused.as_ref().err().cloned()));
    let empty = move || match error.get() {
        Some(why) => not_read(why),
        None => view! {
            <div class="empty">
                <h3>"Every index is used"</h3>
                <p>"Each index that no constraint needs has been scanned since statistics are counted."</p>
            </div>
        }
        .into_any(),
    };
    let detail = Callback::new(|row: Signal<UnusedIndex>| {
        let rule = |rule: Rule| {
            let status = if rule.met { Some(Band::Excellent) } else { None };
            view! {
                <li>
                    <MarkOnly status/>
                    <span class="vh">{if rule.met { "Met: " } else { "Not met: " }}</span>
                    {rule.found}
                </li>
            }
        };
        view! {
            <div class="cell">
                <h3>"All of these must hold before it is dropped"</h3>
                <ul class="rules">{move || row.get().rules.into_iter().map(rule).collect_view()}</ul>
                {move || row.get().warnings.into_iter().map(|it| view! { <p class="note">{it}</p> }).collect_view()}
                <Statements
                    definition=Signal::derive(move || row.with(|row| row.definition.clone()))
                    drop=Signal::derive(move || row.with(|row| row.drop_sql.clone()))
                />
            </div>
        }
        .into_any()
    });
    view! { <List spec=&UNUSED rows detail empty/> }.into_any()
}

fn not_read(why: String) -> AnyView {
    view! {
        <div class="empty" role="alert">
            <h3>"Indexes could not be read"</h3>
            <p>{why}</p>
        </div>
    }
    .into_any()
}

/// What an index is, and what drops it. Nothing is dropped from here.
#[component]
fn Statements(definition: Signal<String>, drop: Signal<String>) -> impl IntoView {
    view! {
        <div class="code">
            <pre tabindex="0">{definition}</pre>
        </div>
        <p class="sub">"To drop it, run this yourself; the console does not drop it:"</p>
        <div class="code">
            <pre tabindex="0">{drop}</pre>
        </div>
        <CopyButton text=drop/>
    }
    .into_any()
}

const DUPLICATES: ListSpec<DuplicateIndex> = ListSpec {
    name: "Indexes that another makes superfluous",
    one: "index",
    many: "indexes",
    keys: ListKeys::PLAIN,
    find_label: "Filter by table or index",
    columns: &[
        Column::text(
            "index",
            "Superfluous",
            "mono",
            |row| row.index.clone().into_any(),
            |row| row.index.clone(),
            Shown::Always,
        ),
        Column::text("why", "Because", "", |row| because(row).into_any(), because, Shown::Always),
        Column::text(
            "table",
            "Table",
            "sub",
            |row| row.table.clone().into_any(),
            |row| row.table.clone(),
            Shown::Usually,
        ),
        Column::number(
            "size",
            "Size",
            |row| format::bytes(row.size_bytes as f64).to_string().into_any(),
            |row| Some(row.size_bytes as f64),
            Shown::Always,
        ),
    ],
    id: |row| row.index.clone(),
    text: Some(|row| format!("{} {} {}", row.index, row.kept, row.table)),
    sort: ("size", true),
    per_page: 25,
    least_width: "44rem",
};

fn because(row: &DuplicateIndex) -> String {
    match row.repeats {
        Repeats::Identical => format!("{} is the same", row.kept),
        Repeats::LeftPrefix => format!("{} begins with it", row.kept),
    }
}

/// Superfluous indexes with the one that stays.
#[component]
pub fn Duplicates() -> impl IntoView {
    let page = use_page();
    let rows = Signal::derive(move || {
        page.shown.with(|view| view.duplicates.as_ref().map(|found| found.indexes.clone()).unwrap_or_default())
    });
    let error = Memo::new(move |_| page.shown.with(|view| view.duplicates.as_ref().err().cloned()));
    let empty = move || {
        match error.get() {
        Some(why) => not_read(why),
        None => view! {
            <div class="empty">
                <h3>"No index is there twice"</h3>
                <p>"Method, operator class, collation, order, condition, expressions and included columns were compared."</p>
            </div>
        }
        .into_any(),
    }
    };
    let detail = Callback::new(|row: Signal<DuplicateIndex>| {
        view! {
            <div class="cell">
                <h3>{move || row.with(because)}</h3>
                <div class="code">
                    <pre tabindex="0">{move || row.with(|row| row.kept_definition.clone())}</pre>
                </div>
                <Statements
                    definition=Signal::derive(move || row.with(|row| row.definition.clone()))
                    drop=Signal::derive(move || row.with(|row| row.drop_sql.clone()))
                />
            </div>
        }
        .into_any()
    });
    view! { <List spec=&DUPLICATES rows detail empty/> }.into_any()
}
