//! Tags: what each groups, how often it helps, and clearing it.

use super::{
    PATH,
    store::use_store,
    view::{ALL, TAGS},
};
use crate::{
    components::{clear::ClearButton, notices::NotRead, skeleton::Skeleton},
    layout::use_frame,
};
use headroom_model::{
    Role,
    cache::{ClearScope, TagReport},
    format,
    metric::Unit,
};
use leptos::prelude::*;

/// Tags shown before all are asked for.
const FIRST: usize = 5;

/// The sheet.
#[component]
pub fn Tags() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let shows_all = Memo::new(move |_| frame.query.with(|query| query.get_str(TAGS) == Some(ALL)));
    let count = Memo::new(move |_| store.tags.with(|tags| tags.as_ref().map_or(0, Vec::len)));
    let names = Memo::new(move |_| {
        let most = if shows_all.get() { usize::MAX } else { FIRST };
        store.tags.with(|tags| tags.iter().flatten().take(most).map(|tag| tag.tag.clone()).collect::<Vec<_>>())
    });
    let note = move || {
        let (shown, count) = (names.with(Vec::len), count.get());
        match count {
            0 => String::new(),
            count => format!("{shown} of {}, by keys; a key may carry several", TagReport::count(count)),
        }
    };
    let toggle = move || {
        let all = shows_all.get();
        (count.get() > FIRST).then(|| {
            let href = frame.link(PATH, &[(TAGS, (!all).then_some(ALL))]);
            view! {
                <a class="push" href=href data-noscroll="" style="font-size:var(--t-small)">
                    {if all { "Show fewer" } else { "Show all" }}
                </a>
            }
        })
    };
    let row = move |name: String| {
        let of = name.clone();
        let found = Memo::new(move |before: Option<&Option<TagReport>>| {
            store
                .tags
                .with(|tags| tags.iter().flatten().find(|tag| tag.tag == of).cloned())
                .or_else(|| before.cloned().flatten())
        });
        let part = move |read: fn(&TagReport) -> String| {
            move || found.with(|found| found.as_ref().map(read)).unwrap_or_else(|| format::MISSING.to_owned())
        };
        let tag = name.clone();
        let button = move || {
            frame.may(Role::Operator).then(|| {
                let (scope, said) = (ClearScope::Tag { tag: tag.clone() }, format!("Clear tag {tag}…"));
                view! { <ClearButton clearing=store.clearing scope label="Clear…" class="s danger" name=said/> }
            })
        };
        view! {
            <tr>
                <th scope="row">
                    <span class="tag">{name}</span>
                </th>
                <td class="num">{part(|tag| format::count(tag.keys))}</td>
                <td class="num">{part(|tag| format::bytes(tag.bytes as f64).to_string())}</td>
                <td class="num">{part(|tag| format::value_or_missing(tag.hit_rate(), Unit::Percent))}</td>
                <td class="num">
                    {part(|tag| match tag.invalidations {
                        0 => "never".to_owned(),
                        1 => "once".to_owned(),
                        times => format!("{} times", format::count(times)),
                    })}
                </td>
                <td class="num">{button}</td>
            </tr>
        }
    };
    let state = move || {
        let is_read = store.tags.with(Option::is_some);
        match (is_read, count.get()) {
            (true, 0) => Some(
                view! {
                    <div class="empty">
                        <h3>"No tags in memory"</h3>
                        <p>
                            "A dataset's " <code>"tags"</code>
                            " group its keys, so that what belongs together is cleared together. Tags appear here with the first key that carries them."
                        </p>
                    </div>
                }
                .into_any(),
            ),
            (false, _) if store.tag_reads.error.with(Option::is_none) => Some(
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
    let again = Callback::new(move |()| store.read());
    view! {
        <section class="sheet" aria-labelledby="h-tags">
            <div class="cell-head pad-head">
                <h2 id="h-tags">"Tags"</h2>
                <small>{note}</small>
                {toggle}
            </div>
            <NotRead error=store.tag_reads.error what="Tags could not be read." retry=again/>
            <div class="scroll-x">
                <table class="tbl" style="min-inline-size:40rem" class:old=move || store.tag_reads.error.with(Option::is_some)>
                    <caption class="vh">"Tags"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Tag"</th>
                            <th scope="col" class="num" aria-sort="descending">
                                "Keys"
                            </th>
                            <th scope="col" class="num">
                                "Memory"
                            </th>
                            <th scope="col" class="num">
                                "Hit rate"
                            </th>
                            <th scope="col" class="num">
                                "Cleared since start"
                            </th>
                            <th scope="col" class="num">
                                <span class="vh">"Action"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || names.get() key=Clone::clone children=row/>
                    </tbody>
                </table>
            </div>
            {state}
        </section>
    }
    .into_any()
}
