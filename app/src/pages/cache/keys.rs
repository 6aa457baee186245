//! Hottest and coldest keys: tabs, search, order, pages; a row opens below itself. All of it is in the URL.

use super::{
    PATH,
    key::Detail,
    store::use_store,
    view::{self, COLDEST, FIND, OPEN, PAGE, SORT, TAB},
};
use crate::{
    components::{
        list::{Find, Pager, Twisty, written_order},
        notices::NotRead,
        skeleton::Skeleton,
        sort::SortHead,
    },
    layout::use_frame,
};
use headroom_model::{
    cache::{KeyOrder, KeyReport, KeySort, KeysAsk},
    format::{self, MISSING},
    metric::Unit,
};
use leptos::prelude::*;

/// Columns of the table.
const COLUMNS: &str = "6";

/// "1–10 of 128 hottest, accesses since 12:04, sampled".
fn range_of(page: u64, shown: usize, matching: u64, order: KeyOrder) -> String {
    let name = match order {
        KeyOrder::Hottest => "hottest",
        KeyOrder::Coldest => "coldest",
    };
    if shown == 0 {
        return format!("0 of {} {name}", format::count(matching));
    }
    let first = (page - 1) * KeysAsk::PAGE as u64 + 1;
    format!("{first}–{} of {} {name}", first + shown as u64 - 1, format::count(matching))
}

/// The sheet.
#[component]
pub fn Keys() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let ask = Memo::new(move |_| frame.query.with(view::keys));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let tab = move |order: KeyOrder, label: &'static str| {
        let name = (order == KeyOrder::Coldest).then_some(COLDEST);
        let href = move || frame.link(PATH, &[(TAB, name), (SORT, None), (PAGE, None), (OPEN, None)]);
        let current = move || (ask.read().order == order).then_some("true");
        view! {
            <a href=href aria-current=current data-noscroll="">
                {label}
            </a>
        }
    };
    let head = move |sort: KeySort, label: &'static str, class: &'static str| {
        let sorted = Signal::derive(move || ask.with(|ask| (ask.sort == sort).then_some(ask.descending)));
        let href = Signal::derive(move || {
            let descending = sorted.get().is_none_or(|descending| !descending);
            let written = written_order(view::column(sort), descending);
            frame.link(PATH, &[(SORT, Some(&written)), (PAGE, None)])
        });
        view! { <SortHead label sorted href class/> }
    };
    let names = Memo::new(move |_| {
        store.keys.with(|keys| {
            let rows = keys.as_ref().map(|keys| keys.rows.as_slice()).unwrap_or_default();
            rows.iter().map(|key| (key.dataset.clone(), key.key.clone())).collect::<Vec<_>>()
        })
    });
    let most = Memo::new(move |_| store.keys.with(|keys| keys.as_ref().map_or(0, |keys| keys.most)));
    let row = move |(dataset, key): (String, String)| {
        let of = (dataset.clone(), key.clone());
        let found = Memo::new(move |before: Option<&Option<KeyReport>>| {
            store
                .keys
                .with(|keys| {
                    let rows = keys.as_ref()?.rows.iter();
                    rows.into_iter().find(|row| (&row.dataset, &row.key) == (&of.0, &of.1)).cloned()
                })
                .or_else(|| before.cloned().flatten())
        });
        view! { <KeyRow dataset key found most/> }
    };
    let summary = Memo::new(move |_| {
        store.keys.with(|keys| match keys {
            Some(keys) => range_of(keys.page, keys.rows.len(), keys.matching, ask.read().order),
            None => String::new(),
        })
    });
    let counted = Memo::new(move |_| {
        store.report.with(|report| {
            let since = format::moment(report.counting_since, minute.get());
            let every = report.classes.iter().map(|class| class.sampled_every).max().unwrap_or(1);
            match (ask.read().order, every) {
                (KeyOrder::Coldest, _) => "; lookups since each was kept".to_owned(),
                (KeyOrder::Hottest, 0 | 1) => format!("; lookups since {since}"),
                (KeyOrder::Hottest, every) => format!("; lookups since {since}, sampled 1 in {every}"),
            }
        })
    });
    let place =
        Signal::derive(move || store.keys.with(|keys| keys.as_ref().map_or((1, 1), |keys| (keys.page, keys.pages))));
    let foot = Signal::derive(move || format!("{}{}", summary.get(), counted.get()));
    let state = move || {
        let rows = names.with(Vec::len);
        let is_read = store.keys.with(Option::is_some);
        match (is_read, rows, ask.with(|ask| ask.find.clone())) {
            (true, 0, find) if !find.is_empty() => {
                Some(view! { <p class="empty sub">{format!("No key holds “{find}”.")}</p> }.into_any())
            }
            (true, 0, _) => Some(
                view! {
                    <div class="empty">
                        <h3>"No keys yet"</h3>
                        <p>"Keys appear here once datasets are read, the most used ones first."</p>
                    </div>
                }
                .into_any(),
            ),
            (false, _, _) if store.key_reads.error.with(Option::is_none) => Some(
                view! {
                    <p class="cell" aria-busy="true">
                        <Skeleton width="60%"/>
                    </p>
                }
                .into_any(),
            ),
            _ => None,
        }
    };
    let again = Callback::new(move |()| store.read_keys());
    view! {
        <section class="sheet" aria-label="Keys">
            <div class="tabs">
                <nav class="tab-links" aria-label="Keys">
                    {tab(KeyOrder::Hottest, "Hottest keys")} {tab(KeyOrder::Coldest, "Coldest keys")}
                </nav>
                <Find name=FIND label="Part of a key or dataset" resets=[PAGE, OPEN]/>
            </div>
            <NotRead error=store.key_reads.error what="Keys could not be read." retry=again/>
            <div class="scroll-x">
                <table class="tbl" style="min-inline-size:46rem" class:old=move || store.key_reads.error.with(Option::is_some)>
                    <caption class="vh">"Keys"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Key"</th>
                            <th scope="col">"Dataset"</th>
                            {head(KeySort::Accesses, "Lookups", "num use-h")}
                            {head(KeySort::HitRate, "Hit rate", "num")}
                            {head(KeySort::Fresh, "TTL left", "num")}
                            {head(KeySort::Size, "Size", "num")}
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || names.get() key=Clone::clone children=row/>
                    </tbody>
                </table>
            </div>
            {state}
            <Pager summary=foot place name=PAGE open=OPEN/>
        </section>
    }
    .into_any()
}

/// A key, and its detail when it is open.
#[component]
fn KeyRow(dataset: String, key: String, found: Memo<Option<KeyReport>>, most: Memo<u64>) -> impl IntoView {
    let frame = use_frame();
    let name = format!("{dataset}/{key}");
    let is_open = {
        let of = (dataset.clone(), key.clone());
        Memo::new(move |_| frame.query.with(view::open_key).as_ref() == Some(&of))
    };
    let href = Signal::derive(move || frame.link(PATH, &[(OPEN, (!is_open.get()).then_some(&name))]));
    let part = move |read: fn(&KeyReport) -> Option<String>| {
        move || found.with(|found| found.as_ref().and_then(read)).unwrap_or_else(|| MISSING.to_owned())
    };
    let used = move || {
        let accesses = found.with(|found| found.as_ref().map_or(0, |key| key.accesses));
        let most = most.get().max(1);
        format!("inline-size:{:.0}%", (accesses as f64 * 100.0 / most as f64).min(100.0))
    };
    let about = move || {
        let error = found.with(|found| found.as_ref().map_or(0, |key| key.error));
        (error > 0).then(|| format!("An estimate: at most {} too high", format::count(error)))
    };
    let (detail_dataset, detail_key) = (dataset.clone(), key.clone());
    view! {
        <tr class:open=move || is_open.get()>
            <td class="mono">
                <Twisty href is_open label=format!("Details of {key}")/>
                " "
                <span class="key-text" title=key.clone()>
                    {key.clone()}
                </span>
            </td>
            <td class="sub">{dataset}</td>
            <td class="num" title=about>
                <div class="barcell">
                    <span class="meter" aria-hidden="true">
                        <i style=used></i>
                    </span>
                    <span>{part(|key| Some(format::count(key.accesses)))}</span>
                </div>
            </td>
            <td class="num">{part(|key| Some(format::value(key.hit_rate?, Unit::Percent).to_string()))}</td>
            <td class="num">
                {part(|key| {
                    let left = key.fresh_for_ms?;
                    Some(if left <= 0.0 { "past its time".to_owned() } else { format::duration_ms((left / 1000.0).ceil() * 1000.0) })
                })}
            </td>
            <td class="num">{part(|key| Some(format::bytes(key.bytes? as f64).to_string()))}</td>
        </tr>
        <Show when=move || is_open.get()>
            <tr class="detail">
                <td colspan=COLUMNS>
                    <Detail dataset=detail_dataset.clone() key=detail_key.clone()/>
                </td>
            </tr>
        </Show>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_it_stands() {
        assert_eq!(range_of(1, 10, 500, KeyOrder::Hottest), "1–10 of 500 hottest");
        assert_eq!(range_of(3, 4, 24, KeyOrder::Coldest), "21–24 of 24 coldest");
        assert_eq!(range_of(1, 0, 0, KeyOrder::Hottest), "0 of 0 hottest");
    }
}
