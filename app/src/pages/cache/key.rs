//! One key in detail, below its row: its copies by tier, how it is used, its value, and the way to remove it.

use super::{store::use_store, value::pretty};
use crate::{
    components::{clear::ClearButton, skeleton::Skeleton, status::Mark},
    layout::use_frame,
};
use headroom_model::{
    Band, Role,
    cache::{ClearScope, KeyDetail, TierReport},
    format::{self, MISSING},
    metric::Unit,
};
use leptos::prelude::*;

fn bytes(value: u64) -> String {
    format::value(value as f64, Unit::Bytes).to_string()
}

/// Whole seconds above one: ages count in seconds.
fn span(millis: f64) -> String {
    format::duration_ms(if millis >= 1000.0 { (millis / 1000.0).floor() * 1000.0 } else { millis.round() })
}

/// A row of the table of copies.
type Row = (&'static str, fn(&TierReport) -> String);

const ROWS: [Row; 4] = [
    ("Size", |tier| bytes(tier.bytes)),
    ("Loaded", |tier| format!("{} ago", span(tier.age_ms))),
    ("Fresh for", |tier| if tier.fresh_for_ms > 0.0 { span(tier.fresh_for_ms) } else { "past its time".to_owned() }),
    ("Stands in for", |tier| if tier.usable_for_ms > 0.0 { span(tier.usable_for_ms) } else { MISSING.to_owned() }),
];

/// The detail of the open row.
#[component]
pub fn Detail(dataset: String, key: String) -> impl IntoView {
    let store = use_store();
    let of = (dataset.clone(), key.clone());
    let found = Memo::new(move |_| {
        store
            .detail
            .with(|detail| detail.as_ref().filter(|found| (&found.dataset, &found.key) == (&of.0, &of.1)).cloned())
    });
    let failed = move || store.detail_reads.error.get();
    view! {
        {move || match (found.get(), failed()) {
            (Some(detail), _) => view! { <Found detail/> }.into_any(),
            (None, Some(error)) => {
                view! {
                    <div class="cell" role="alert">
                        <Mark status=Some(Band::Critical) text="Could not be read"/>
                        <p class="sub">{error.message}</p>
                        <button type="button" class="btn s" on:click=move |_| store.read_detail()>
                            "Try again"
                        </button>
                    </div>
                }
                    .into_any()
            }
            (None, None) => {
                view! {
                    <div class="cell" aria-busy="true" aria-label="Loading">
                        <Skeleton width="60%"/>
                    </div>
                }
                    .into_any()
            }
        }}
    }
    .into_any()
}

#[component]
fn Found(detail: KeyDetail) -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let (memory, redis) = (detail.memory.clone(), detail.redis.clone());
    let cell =
        |tier: &Option<TierReport>, of: fn(&TierReport) -> String| tier.as_ref().map_or_else(|| MISSING.to_owned(), of);
    let rows = ROWS.into_iter().map(|(name, of)| {
        view! {
            <tr>
                <th scope="row" class="sub">
                    {name}
                </th>
                <td class="num">{cell(&memory, of)}</td>
                <td class="num">{cell(&redis, of)}</td>
            </tr>
        }
    });
    let gone = detail.memory.is_none() && detail.redis.is_none();
    let note = match (&detail.redis_problem, gone) {
        (Some(problem), _) => Some(format!("Redis could not be asked: {problem}")),
        (None, true) => Some("No tier holds it now; it is loaded when it is next asked for.".to_owned()),
        (None, false) => None,
    };
    let tags = match detail.tags.as_slice() {
        [] => view! { <span class="sub">"none"</span> }.into_any(),
        tags => tags.iter().map(|tag| view! { <span class="tag">{tag.clone()}</span> " " }).collect_view().into_any(),
    };
    let size = detail.memory.as_ref().or(detail.redis.as_ref()).map(|tier| bytes(tier.bytes));
    let heading = size.map_or_else(|| "Value".to_owned(), |size| format!("Value, {size}"));
    let is_operator = move || frame.may(Role::Operator);
    let value = match &detail.value {
        Some(text) => view! {
            <div class="code">
                <pre tabindex="0" role="group" aria-label="Value" inner_html=pretty(text)></pre>
            </div>
            {detail.is_shortened.then(|| view! { <p class="note">"Shortened to its first 64 KiB."</p> })}
        }
        .into_any(),
        None => view! {
            <p class="sub">
                {move || {
                    if is_operator() {
                        "No tier holds a value."
                    } else {
                        "Values may hold data of people, so they need the role operator."
                    }
                }}
            </p>
        }
        .into_any(),
    };
    let scope = ClearScope::Key { dataset: detail.dataset.clone(), key: detail.key.clone() };
    let name = format!("Remove key {}", detail.key);
    let load = if detail.load_ms > 0.0 { span(detail.load_ms) } else { MISSING.to_owned() };
    view! {
        <div class="row-cells cols-kd">
            <div class="cell">
                <h3 style="margin-block-end:var(--p4)">"Entry"</h3>
                <table class="tbl dense copies">
                    <thead>
                        <tr>
                            <td></td>
                            <th scope="col" class="num">
                                "L1, memory"
                            </th>
                            <th scope="col" class="num">
                                "L2, Redis"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
                {note.map(|note| view! { <p class="note">{note}</p> })}
            </div>
            <div class="cell">
                <h3 style="margin-block-end:var(--p4)">"Use"</h3>
                <dl class="kv">
                    <dt>"Hits in memory"</dt>
                    <dd>{format::count(u64::from(detail.hits))}</dd>
                    <dt>"Load on miss"</dt>
                    <dd>{load}</dd>
                    <dt>"Dataset"</dt>
                    <dd class="mono">{detail.dataset.clone()}</dd>
                    <dt>"Tags"</dt>
                    <dd style="white-space:normal">{tags}</dd>
                </dl>
                <div class="flow" style="margin-block-start:var(--p5)">
                    <Show when=is_operator>
                        <ClearButton
                            clearing=store.clearing
                            scope=scope.clone()
                            label="Remove key…"
                            class="s danger"
                            name=name.clone()
                        />
                    </Show>
                </div>
            </div>
            <div class="cell">
                <h3 style="margin-block-end:var(--p4)">{heading}</h3>
                {value}
            </div>
        </div>
    }
    .into_any()
}
