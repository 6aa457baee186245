//! Where the bytes are, and what checkpoints and input and output were.

use super::{
    list::{bytes, growth},
    store::use_store,
};
use crate::{
    components::{skeleton::Skeleton, status::Mark},
    error::AppError,
    layout::use_frame,
};
use headroom_model::{
    Band, Timestamp,
    format::{self, MISSING},
    metric::Unit,
    tables::{DatabaseStats, IoFigures, NamedBytes, SizeReport},
    target::Limitation,
};
use leptos::prelude::*;

/// What stands in place of a part of the page: on its way, or why it could not be read.
pub fn part<T: Clone + Send + Sync + PartialEq + 'static>(
    known: Memo<Option<Result<T, AppError>>>,
    show: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> impl IntoView {
    move || match known.get() {
        Some(Ok(found)) => show(found),
        Some(Err(error)) => {
            let store = use_store();
            view! {
                <div class="cell" role="alert">
                    <Mark status=Some(Band::Critical) text="Could not be read"/>
                    <p class="sub">{error.message}</p>
                    <button type="button" class="btn s" on:click=move |_| store.read_server()>
                        "Try again"
                    </button>
                </div>
            }
            .into_any()
        }
        None => view! {
            <p class="cell" aria-busy="true">
                <Skeleton width="60%"/>
            </p>
        }
        .into_any(),
    }
}

/// What could not be read, and the statement that lifts it.
#[component]
pub fn Missing(limitations: Vec<Limitation>) -> impl IntoView {
    limitations
        .into_iter()
        .map(|limitation| {
            view! {
                <p class="cell note">
                    {limitation.what} " Remedy: " <code>{limitation.remedy}</code>
                </p>
            }
        })
        .collect_view()
        .into_any()
}

/// The sheet.
#[component]
pub fn Server() -> impl IntoView {
    let store = use_store();
    view! {
        <section class="sheet" aria-labelledby="h-size">
            <div class="cell-head pad-head">
                <h2 id="h-size">"Database size"</h2>
                <small>"by the pages that the catalogue counted last"</small>
            </div>
            {part(store.part(|server| &server.size), |size| view! { <Size size/> }.into_any())}
        </section>
        <section class="sheet" aria-labelledby="h-io">
            <div class="cell-head pad-head">
                <h2 id="h-io">"Activity, checkpoints, input and output"</h2>
                <small>"since the statistics were reset"</small>
            </div>
            {part(store.part(|server| &server.stats), |stats| view! { <Stats stats/> }.into_any())}
        </section>
    }
    .into_any()
}

/// A figure with its name and what it is of.
pub fn figure(name: &'static str, value: String, note: String) -> impl IntoView {
    view! {
        <div class="cell fig">
            <dt>{name}</dt>
            <dd>{value}</dd>
            <dd>{note}</dd>
        </div>
    }
}

#[component]
fn Size(size: SizeReport) -> impl IntoView {
    let grows = match size.growth_bytes_a_day {
        Some(_) => format!("{} a day by the history kept", growth(size.growth_bytes_a_day)),
        None => "growth is known after an hour of history".to_owned(),
    };
    let parts = [
        ("Database", bytes(Some(size.database_bytes)), grows),
        ("Tables", bytes(Some(size.heap_bytes)), "their own pages".to_owned()),
        ("Indexes", bytes(Some(size.index_bytes)), format!("TOAST {}", bytes(Some(size.toast_bytes)))),
        ("Write-ahead log", bytes(size.wal_bytes), "on disk, of the whole server".to_owned()),
    ];
    let figures = parts.into_iter().map(|(name, value, note)| figure(name, value, note)).collect_view();
    let others: Vec<NamedBytes> = size.databases;
    let rows = others
        .into_iter()
        .map(|database| {
            view! {
                <tr>
                    <th scope="row" class="mono">
                        {database.name}
                    </th>
                    <td class="num">{bytes(database.bytes)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <dl class="row-cells cols-4">{figures}</dl>
        <details class="cell">
            <summary>"Databases of the server"</summary>
            <table class="tbl">
                <caption class="vh">"Databases of the server"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
        <Missing limitations=size.limitations/>
    }
    .into_any()
}

fn since(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "never reset".to_owned(), |at| format!("since {}", format::moment(at, now)))
}

#[component]
fn Stats(stats: DatabaseStats) -> impl IntoView {
    let now = use_frame().now.get_untracked();
    let checkpoints = &stats.checkpoints;
    let parts = [
        (
            "Transactions",
            format::count(stats.commits),
            format!("{} rolled back, {}", format::count(stats.rollbacks), since(stats.since, now)),
        ),
        (
            "Found in buffers",
            format::value_or_missing(stats.hit_percent, Unit::Percent),
            format!("{} read, {} written", format::counted(stats.rows_read, "row"), format::count(stats.rows_written)),
        ),
        (
            "Temporary files",
            format::count(stats.temp_files),
            format!("{}; {}", bytes(Some(stats.temp_bytes)), format::counted(stats.deadlocks, "deadlock")),
        ),
        (
            "Checkpoints",
            format::count(checkpoints.timed + checkpoints.requested),
            format!(
                "{} because the log was full or someone asked, {}",
                format::count(checkpoints.requested),
                since(checkpoints.since, now)
            ),
        ),
    ];
    let figures = parts.into_iter().map(|(name, value, note)| figure(name, value, note)).collect_view();
    let io = match stats.io {
        None => view! { <p class="cell note">"Input and output by kind: PostgreSQL tells it from version 16 on."</p> }
            .into_any(),
        Some(io) => {
            let rows = io.into_iter().map(io_row).collect_view();
            view! {
                <details class="cell">
                    <summary>"Input and output by kind"</summary>
                    <div class="scroll-x" tabindex="0" role="group" aria-label="Input and output, table">
                        <table class="tbl" style="min-inline-size:46rem">
                            <caption class="vh">"Input and output by kind"</caption>
                            <thead>
                                <tr>
                                    <th scope="col">"Who"</th>
                                    <th scope="col">"What"</th>
                                    {["Read", "Written", "Extended", "Found", "Evicted"]
                                        .map(|name| {
                                            view! {
                                                <th scope="col" class="num">
                                                    {name}
                                                </th>
                                            }
                                        })
                                        .collect_view()}
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                </details>
            }
            .into_any()
        }
    };
    view! {
        <dl class="row-cells cols-4">{figures}</dl>
        {io}
    }
    .into_any()
}

fn io_row(io: IoFigures) -> impl IntoView {
    let size = |value: Option<f64>| value.map_or_else(|| MISSING.to_owned(), |value| format::bytes(value).to_string());
    let number = |value: Option<f64>| value.map_or_else(|| MISSING.to_owned(), format::number);
    view! {
        <tr>
            <th scope="row">{io.backend}</th>
            <td>{format!("{}, {}", io.object, io.context)}</td>
            <td class="num">{size(io.read_bytes)}</td>
            <td class="num">{size(io.written_bytes)}</td>
            <td class="num">{size(io.extended_bytes)}</td>
            <td class="num">{number(io.hits)}</td>
            <td class="num">{number(io.evictions)}</td>
        </tr>
    }
}
