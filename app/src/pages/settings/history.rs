//! History: what it takes, how long it is kept, what pruning did, and what was not measured here.

use crate::layout::use_frame;
use headroom_model::{
    Timestamp, format,
    origin::Origin,
    storage::{Kept, Pruned, Storage, TargetHistory},
};
use leptos::prelude::*;

/// The section.
#[component]
pub fn History(storage: Storage) -> impl IntoView {
    let Storage { backend, size_bytes, rows, counted_at, retention, targets, pruned, prunes_at } = storage;
    // The moment of the page: ages here are hours and days, and do not tick.
    let now = use_frame().now.get_untracked();
    let total = counted_at.map(|at| {
        let history = rows.iter().filter(|table| !["events", "audit", "operations"].contains(&table.table.as_str()));
        (format::count(history.map(|table| table.rows).sum()), format!("counted at {}", format::moment(at, now)))
    });
    let (total, counted) = total.unwrap_or_else(|| (format::MISSING.to_owned(), "not counted yet".to_owned()));
    let (done, did) = pruned.map_or_else(
        || (format::MISSING.to_owned(), "not since the console started".to_owned()),
        |pruned| (format::counted(pruned.rows, "row"), what_it_did(pruned, now)),
    );
    let next = prunes_at.map_or_else(|| format::MISSING.to_owned(), |at| format::moment(at, now));
    let figures = [
        ("Size", format::bytes(size_bytes as f64).to_string(), format!("{backend}, tables and indexes")),
        ("Rows of history", total, counted),
        ("Removed by the last pruning", done, did),
        ("Next pruning", next, "each quarter of an hour".to_owned()),
    ];
    let figures = figures
        .into_iter()
        .map(|(name, value, note)| {
            view! {
                <div class="cell fig">
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                    <dd>{note}</dd>
                </div>
            }
        })
        .collect_view();
    let origins: Vec<Origin> = targets.iter().flat_map(|target| target.origins.iter().cloned()).collect();
    let kept = retention.into_iter().map(|kept| view! { <Retention kept/> }).collect_view();
    let begins = targets.into_iter().map(|target| view! { <Begin target now/> }).collect_view();
    let tables = rows
        .into_iter()
        .map(|table| {
            view! {
                <tr>
                    <th scope="row">
                        <code>{table.table}</code>
                    </th>
                    <td class="num">{format::count(table.rows)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="sheet" id="history" aria-labelledby="h-history">
            <div class="cell-head pad-head">
                <h2 id="h-history">"History"</h2>
            </div>
            <dl class="row-cells cols-4">{figures}</dl>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Retention">
                <table class="tbl">
                    <caption class="vh">"How long what is kept"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Kept"</th>
                            <th scope="col" class="num">
                                "For"
                            </th>
                            <th scope="col">"Set by"</th>
                        </tr>
                    </thead>
                    <tbody>{kept}</tbody>
                </table>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Targets">
                <table class="tbl">
                    <caption class="vh">"Where history begins"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Target"</th>
                            <th scope="col" class="num">
                                "Minutes since"
                            </th>
                            <th scope="col" class="num">
                                "Hours since"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{begins}</tbody>
                </table>
            </div>
            <details class="cell">
                <summary>"Rows by table"</summary>
                <table class="tbl">
                    <caption class="vh">"Rows by table"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Table"</th>
                            <th scope="col" class="num">
                                "Rows"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{tables}</tbody>
                </table>
            </details>
        </section>
        <Origins origins now/>
    }
    .into_any()
}

fn what_it_did(pruned: Pruned, now: Timestamp) -> String {
    let goes_on = if pruned.unfinished { ", goes on" } else { "" };
    format!("{}, took {}{goes_on}", format::moment(pruned.at, now), format::duration_ms(pruned.took_ms))
}

#[component]
fn Retention(kept: Kept) -> impl IntoView {
    let what = match kept.what.as_str() {
        "minutes" => "A point each minute",
        "hours" => "A point each hour",
        _ => "Events, audit, ended operations",
    };
    view! {
        <tr>
            <th scope="row">{what}</th>
            <td class="num">{format::counted(kept.days.into(), "day")}</td>
            <td>
                <code>{kept.key}</code>
                " in headroom.toml"
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn Begin(target: TargetHistory, now: Timestamp) -> impl IntoView {
    let since = |at: Option<Timestamp>| at.map_or_else(|| format::MISSING.to_owned(), |at| format::moment(at, now));
    view! {
        <tr>
            <th scope="row">{target.target.0}</th>
            <td class="num">{since(target.oldest_minute)}</td>
            <td class="num">{since(target.oldest_hour)}</td>
        </tr>
    }
    .into_any()
}

/// What was not measured here.
#[component]
fn Origins(origins: Vec<Origin>, now: Timestamp) -> impl IntoView {
    let is_empty = origins.is_empty();
    let rows = origins
        .into_iter()
        .map(|origin| {
            let kind = if origin.generated { "generated" } else { "imported" };
            view! {
                <tr>
                    <th scope="row">{origin.source}</th>
                    <td>{origin.target.0}</td>
                    <td>{kind}</td>
                    <td class="num">{format::moment(origin.from, now)}</td>
                    <td class="num">{format::moment(origin.to, now)}</td>
                    <td class="num">{format::count(origin.points)}</td>
                    <td class="num">{origin.metrics}</td>
                    <td>{format!("{}, {}", origin.actor, format::moment(origin.at, now))}</td>
                    <td class="num">{origin.id}</td>
                </tr>
            }
        })
        .collect_view();
    let table = (!is_empty).then(|| {
        view! {
            <div class="scroll-x" tabindex="0" role="group" aria-label="Stretches">
                <table class="tbl" style="min-inline-size:52rem">
                    <caption class="vh">"Imported and generated stretches"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Source"</th>
                            <th scope="col">"Target"</th>
                            <th scope="col">"Kind"</th>
                            <th scope="col" class="num">
                                "From"
                            </th>
                            <th scope="col" class="num">
                                "To"
                            </th>
                            <th scope="col" class="num">
                                "Points"
                            </th>
                            <th scope="col" class="num">
                                "Metrics"
                            </th>
                            <th scope="col">"By"</th>
                            <th scope="col" class="num">
                                "Number"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
    });
    let empty = is_empty.then(|| {
        view! {
            <div class="empty">
                <h3>"All of history was measured here"</h3>
                <p>
                    "A past from elsewhere comes in with " <code>"headroom history import FILE"</code>
                    ": CSV, NDJSON or Prometheus text."
                </p>
            </div>
        }
    });
    view! {
        <section class="sheet" aria-labelledby="h-origins">
            <div class="cell-head pad-head">
                <h2 id="h-origins">"Imported and generated history"</h2>
                <small>"What was measured here always counts more"</small>
            </div>
            {table}
            {empty}
        </section>
    }
    .into_any()
}
