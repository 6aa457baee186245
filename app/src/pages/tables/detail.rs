//! The open table: indexes, foreign keys, ages, vacuums, wasted space; and the button that vacuums it.

use super::{
    list::{OLD, bytes},
    optimize::Optimize,
    store::use_store,
};
use crate::{
    components::{copy::CopyButton, skeleton::Skeleton, status::Mark},
    data::held::held,
    error::AppError,
    functions::measure_bloat,
    layout::use_frame,
};
use headroom_model::{
    Band, Role, Timestamp,
    format::{self, MISSING},
    metric::Unit,
    tables::{ForeignKey, IndexSummary, MeasuredBloat, Runs, TableDetail, TableSummary, VacuumProgress},
};
use leptos::prelude::*;

/// The detail of the open row.
#[component]
pub fn Detail(row: Signal<TableSummary>) -> impl IntoView {
    let store = use_store();
    let of = move |detail: &TableDetail| {
        row.with(|row| (&detail.table.schema, &detail.table.name) == (&row.schema, &row.name))
    };
    let found = Memo::new(move |_| {
        store.open.with(|open| open.as_ref().map(|open| &open.detail).filter(|detail| of(detail)).cloned())
    });
    let is_found = Memo::new(move |_| found.with(Option::is_some));
    let name = row.with_untracked(|row| format!("{}.{}", row.schema, row.name));
    let failed = move || store.open_reads.error.get();
    // Made anew when it comes and when it goes, not with each reading.
    let body = move || match (is_found.get().then(|| found.get_untracked()).flatten(), failed()) {
        (Some(first), _) => {
            let detail = held(first, move || found.get());
            view! { <Found detail name=name.clone()/> }.into_any()
        }
        (None, Some(error)) => view! {
            <div class="cell" role="alert">
                <Mark status=Some(Band::Critical) text="Could not be read"/>
                <p class="sub">{error.message}</p>
                <button type="button" class="btn s" on:click=move |_| store.read_open()>
                    "Try again"
                </button>
            </div>
        }
        .into_any(),
        (None, None) => view! {
            <div class="cell" aria-busy="true" aria-label="Loading">
                <Skeleton width="60%"/>
            </div>
        }
        .into_any(),
    };
    view! { {body} }.into_any()
}

/// "3, last 14:02".
fn runs(runs: Runs, now: Timestamp) -> String {
    match runs.last {
        Some(at) => format!("{}, last {}", format::count(runs.count), format::moment(at, now)),
        None => "none counted".to_owned(),
    }
}

fn count(value: i64) -> String {
    format::count(u64::try_from(value).unwrap_or(0))
}

#[component]
fn Found(detail: Signal<TableDetail>, name: String) -> impl IntoView {
    let frame = use_frame();
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let facts = move || {
        detail.with(|detail| {
            let now = minute.get();
            let table = &detail.table;
            let bloat = match (&table.bloat, &table.bloat_unknown) {
                (Some(bloat), _) => format!(
                    "≈ {} ({}), rough",
                    format::bytes(bloat.bytes as f64),
                    format::value(bloat.percent, Unit::Percent)
                ),
                (None, why) => format!("{MISSING} {}", why.as_deref().unwrap_or_default()),
            };
            let growth = match (table.growth_bytes_a_day, table.growth_over_ms) {
                (Some(_), Some(over)) => {
                    format!(
                        "{} a day, over {}",
                        super::list::growth(table.growth_bytes_a_day),
                        format::duration_ms(over as f64)
                    )
                }
                _ => format!("{MISSING} known after an hour of watching"),
            };
            let age = format!(
                "{} of {} ({} of 2³¹)",
                count(detail.freeze_age),
                count(detail.freeze_max_age),
                format::value(table.freeze_percent, Unit::Percent)
            );
            let due =
                format!("{} dead, autovacuum from {}", format::count(table.dead_rows), format::number(table.vacuum_at));
            let changed = format!("{} rows", format::count(detail.changed_since_analyze));
            let options = if detail.options.is_empty() { "none".to_owned() } else { detail.options.join(", ") };
            let late = table.dead_rows as f64 > table.vacuum_at;
            [
                (
                    "Table, indexes, TOAST",
                    [table.heap_bytes, table.index_bytes, table.toast_bytes].map(bytes).join(", "),
                    false,
                ),
                ("Growth", growth, false),
                ("Rows", due, late),
                ("Wasted space", bloat, false),
                ("Freeze age", age, table.freeze_percent >= OLD),
                ("Vacuums by hand", runs(detail.vacuums, now), false),
                ("Autovacuums", runs(detail.autovacuums, now), false),
                ("Analyzes by hand", runs(detail.analyzes, now), false),
                ("Autoanalyzes", runs(detail.autoanalyzes, now), false),
                ("Changed since analyze", changed, false),
                ("Owner", detail.owner.clone(), false),
                ("Own parameters", options, false),
            ]
            .into_iter()
            .map(|(name, value, warn)| {
                view! {
                    <dt>{name}</dt>
                    <dd class:warn=warn>{value}</dd>
                }
            })
            .collect_view()
        })
    };
    let running = move || detail.with(|detail| detail.vacuum.clone()).map(|vacuum| view! { <Running vacuum/> });
    let indexes = move || detail.with(|detail| detail.indexes.clone()).into_iter().map(index).collect_view();
    let has_indexes = Memo::new(move |_| detail.with(|detail| !detail.indexes.is_empty()));
    let measured = name.clone();
    view! {
        <div class="cell table-detail">
            <div class="table-facts">
                <h3>"Table"</h3>
                <dl class="kv">{facts}</dl>
                {running}
                <Measure detail table=measured/>
                <h3>"Optimise"</h3>
                <Optimize table=name/>
            </div>
            <div class="table-parts">
                <h3>"Indexes"</h3>
                <Show
                    when=move || has_indexes.get()
                    fallback=|| view! { <p class="sub">"It has none: every read is a full scan."</p> }
                >
                    <div class="scroll-x" tabindex="0" role="group" aria-label="Indexes">
                        <table class="tbl dense" style="min-inline-size:28rem">
                            <caption class="vh">"Indexes"</caption>
                            <thead>
                                <tr>
                                    <th scope="col">"Index"</th>
                                    <th scope="col" class="num">
                                        "Size"
                                    </th>
                                    <th scope="col" class="num">
                                        "Scans"
                                    </th>
                                    <th scope="col">"Note"</th>
                                </tr>
                            </thead>
                            <tbody>{indexes}</tbody>
                        </table>
                    </div>
                </Show>
                <Keys
                    heading="Foreign keys"
                    keys=Signal::derive(move || detail.with(|detail| detail.foreign_keys.clone()))
                    none="It holds none."
                />
                <Keys
                    heading="Keys of other tables that point here without an index"
                    keys=Signal::derive(move || detail.with(|detail| detail.referenced_without_index.clone()))
                    none="None: deletes here find their rows through indexes."
                />
            </div>
        </div>
    }
    .into_any()
}

fn index(index: IndexSummary) -> impl IntoView {
    let now = use_frame().now.get_untracked();
    let mut notes = Vec::new();
    if !index.is_valid {
        notes.push("invalid: not used, and it costs writes".to_owned());
    }
    if index.is_primary {
        notes.push("primary key".to_owned());
    } else if index.is_unique {
        notes.push("unique".to_owned());
    }
    if let Some(at) = index.scanned_at {
        notes.push(format!("last used {}", format::moment(at, now)));
    } else if index.scans == 0 {
        notes.push("not used since the reset".to_owned());
    }
    view! {
        <tr>
            <th scope="row" class="mono" title=index.definition>
                {index.name}
            </th>
            <td class="num">{bytes(index.size_bytes)}</td>
            <td class="num">{format::count(index.scans)}</td>
            <td class:warn=!index.is_valid>{notes.join(", ")}</td>
        </tr>
    }
}

#[component]
fn Keys(heading: &'static str, #[prop(into)] keys: Signal<Vec<ForeignKey>>, none: &'static str) -> impl IntoView {
    let one = |key: ForeignKey| {
        let said = format!("{} ({}) → {}", key.table, key.columns.join(", "), key.references);
        let missing = key.missing_index.map(|sql| {
            let copied = sql.clone();
            view! {
                <p class="warn">"No index for it: each delete or change of what it points to scans the table."</p>
                <div class="code">
                    <pre tabindex="0">{sql}</pre>
                </div>
                <CopyButton text=Signal::derive(move || copied.clone())/>
            }
        });
        view! {
            <li>
                <code>{said}</code>
                {missing}
            </li>
        }
    };
    view! {
        <h3>{heading}</h3>
        {move || {
            let keys = keys.get();
            match keys.is_empty() {
                true => view! { <p class="sub">{none}</p> }.into_any(),
                false => view! { <ul class="keys">{keys.into_iter().map(one).collect_view()}</ul> }.into_any(),
            }
        }}
    }
    .into_any()
}

/// A vacuum that runs on the table.
#[component]
pub fn Running(vacuum: VacuumProgress) -> impl IntoView {
    let who = if vacuum.is_automatic { "Autovacuum" } else { "Vacuum" };
    let share = if vacuum.blocks > 0 { 100.0 * vacuum.blocks_done as f64 / vacuum.blocks as f64 } else { 0.0 };
    let passes = match vacuum.index_passes {
        0 => String::new(),
        passes => format!(", {} over the indexes", format::counted(passes, "pass")),
    };
    view! {
        <p role="status">
            {format!(
                "{who} runs (session {}): {}, {} of {} blocks ({}){passes}",
                vacuum.pid,
                vacuum.phase,
                format::count(vacuum.blocks_done),
                format::count(vacuum.blocks),
                format::value(share, Unit::Percent),
            )}
        </p>
    }
    .into_any()
}

/// What measuring found: an answer, a failure, or nothing yet.
type Finding = Option<Result<MeasuredBloat, AppError>>;

/// The wasted space, measured when someone asks. Needs JavaScript; what it needs of the server is said without.
#[component]
fn Measure(detail: Signal<TableDetail>, table: String) -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let found = RwSignal::new(None as Finding);
    let busy = RwSignal::new(false);
    let table = StoredValue::new(table);
    let missing = Memo::new(move |_| detail.with(|detail| detail.measure_missing.clone()));
    let measure = move |_| {
        busy.set(true);
        let (target, table) = (store.target.try_get_value(), table.get_value());
        leptos::task::spawn_local(async move {
            let answer = measure_bloat(target, table).await;
            busy.try_set(false);
            found.try_set(Some(answer));
        });
    };
    let said = move || match found.get() {
        None => ().into_any(),
        Some(Err(error)) => view! { <p class="warn">{error.message}</p> }.into_any(),
        Some(Ok(measured)) => view! {
            <p>
                {format!(
                    "Measured at {}: {} dead and {} free of {} ({}); {} of the pages were read.",
                    format::clock(measured.at),
                    format::bytes(measured.dead_bytes as f64),
                    format::bytes(measured.free_bytes as f64),
                    format::bytes(measured.heap_bytes as f64),
                    format::value(measured.percent, Unit::Percent),
                    format::value(measured.scanned_percent, Unit::Percent),
                )}
            </p>
        }
        .into_any(),
    };
    let control = move || match missing.get() {
        Some(missing) => view! {
            <p class="sub">{missing.what} " " <code>{missing.remedy}</code></p>
        }
        .into_any(),
        None => view! {
            <Show when=move || frame.alive.get() && frame.may(Role::Operator)>
                <button
                    type="button"
                    class="btn s"
                    on:click=measure
                    disabled=move || busy.get()
                    aria-busy=move || busy.get().then_some("true")
                >
                    {move || if busy.get() { "Measuring…" } else { "Measure wasted space" }}
                </button>
            </Show>
        }
        .into_any(),
    };
    view! { <div role="status" class="stack">{said} {control}</div> }.into_any()
}
