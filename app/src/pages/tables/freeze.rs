//! Vacuum and freeze: ages, what runs, and who keeps dead rows.

use super::{
    detail::Running,
    list::OLD,
    server::{Missing, part},
    store::use_store,
};
use crate::{
    components::{remedy::RemedyView, status::Mark},
    layout::use_frame,
};
use headroom_model::{
    Band, format,
    metric::Unit,
    observation::Remedy,
    tables::{FreezeAge, VacuumProgress, VacuumReport, XminHolder},
    target::Limitation,
};
use leptos::prelude::*;

/// From here on, in per cent of 2³¹ transactions, little time is left.
const DANGEROUS: f64 = 75.0;

/// The sheet.
#[component]
pub fn Freeze() -> impl IntoView {
    let store = use_store();
    view! {
        <section class="sheet" aria-labelledby="h-freeze">
            <div class="cell-head pad-head">
                <h2 id="h-freeze">"Vacuum and freeze"</h2>
                <small>"age as a share of 2³¹ transactions; at 100 % the server accepts no writes"</small>
            </div>
            {part(store.part(|server| &server.vacuum), |vacuum| view! { <Report vacuum/> }.into_any())}
        </section>
    }
    .into_any()
}

fn count(value: i64) -> String {
    format::count(u64::try_from(value).unwrap_or(0))
}

#[component]
fn Report(vacuum: VacuumReport) -> impl IntoView {
    let running = match vacuum.running.is_empty() {
        true => view! { <p class="sub">{format!("None runs; autovacuum may run {} at once.", vacuum.workers_max)}</p> }
            .into_any(),
        false => vacuum.running.into_iter().map(|vacuum| view! { <Named vacuum/> }).collect_view().into_any(),
    };
    view! {
        <div class="cell">
            <h3>"Vacuums"</h3>
            {running}
        </div>
        <Holders holders=vacuum.holders limitations=vacuum.limitations/>
        <div class="split even">
            <Ages heading="Databases" ages=vacuum.databases/>
            <Ages heading="Oldest tables of this database" ages=vacuum.tables/>
        </div>
        <p class="cell note">
            {format!(
                "A vacuum to prevent wraparound begins at an age of {} transactions (autovacuum_freeze_max_age).",
                count(vacuum.freeze_max_age),
            )}
        </p>
    }
    .into_any()
}

#[component]
fn Named(vacuum: VacuumProgress) -> impl IntoView {
    let table = vacuum.table.clone().unwrap_or_else(|| "a table of another database".to_owned());
    view! {
        <div>
            <code>{table}</code>
            <Running vacuum/>
        </div>
    }
}

/// What is said where no holder is known.
fn nobody(is_hidden: bool) -> &'static str {
    match is_hidden {
        true => "Not known: of this role's own sessions none does, those of others are hidden.",
        false => "Nobody: vacuum may remove every dead row.",
    }
}

#[component]
fn Holders(holders: Vec<XminHolder>, limitations: Vec<Limitation>) -> impl IntoView {
    let now = use_frame().now.get_untracked();
    if holders.is_empty() {
        return view! {
            <div class="cell">
                <h3>"Who keeps dead rows"</h3>
                <p class="sub">{nobody(!limitations.is_empty())}</p>
            </div>
            <Missing limitations/>
        }
        .into_any();
    }
    let rows = holders
        .into_iter()
        .map(|holder| {
            let since = holder.since.map_or_else(|| format::MISSING.to_owned(), |at| format::moment(at, now));
            // What is a statement ends as one; else it is words.
            let remedy = match holder.remedy.starts_with("SELECT") || holder.remedy.starts_with("ROLLBACK") {
                true => Remedy::Sql { label: "Let vacuum go on".to_owned(), sql: holder.remedy },
                false => Remedy::Text { text: holder.remedy },
            };
            view! {
                <tr>
                    <th scope="row">{format!("{} {}", holder.kind, holder.name)}</th>
                    <td>{holder.detail}</td>
                    <td class="num">{count(holder.age)}</td>
                    <td class="num">{since}</td>
                    <td>
                        <RemedyView remedy/>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="cell-head pad-head">
            <h3>"Who keeps dead rows"</h3>
            <small>"vacuum removes no row that died after the oldest of these began"</small>
        </div>
        <div class="scroll-x" tabindex="0" role="group" aria-label="Who keeps dead rows, table">
            <table class="tbl" style="min-inline-size:46rem">
                <caption class="vh">"Who keeps dead rows"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Holder"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col" class="num">
                            "Age, transactions"
                        </th>
                        <th scope="col" class="num">
                            "Since"
                        </th>
                        <th scope="col">"What frees it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <Missing limitations/>
    }
    .into_any()
}

#[component]
fn Ages(heading: &'static str, ages: Vec<FreezeAge>) -> impl IntoView {
    let rows = ages
        .into_iter()
        .take(10)
        .map(|age| {
            let status = match age.percent {
                percent if percent >= DANGEROUS => Some(Band::Critical),
                percent if percent >= OLD => Some(Band::Degraded),
                _ => Some(Band::Excellent),
            };
            // The share is of the older of both.
            let counted = if age.multixact_age > age.age {
                format!("{} multixacts", count(age.multixact_age))
            } else {
                count(age.age)
            };
            view! {
                <tr>
                    <th scope="row" class="mono">
                        {age.name}
                    </th>
                    <td class="num">{counted}</td>
                    <td>
                        <Mark status text=format::value(age.percent, Unit::Percent).to_string()/>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div>
            <div class="cell-head pad-head">
                <h3>{heading}</h3>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label=format!("{heading}, ages")>
                <table class="tbl">
                    <caption class="vh">{heading}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col" class="num">
                                "Age, transactions"
                            </th>
                            <th scope="col">"Share"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_nobody() {
        assert!(nobody(false).starts_with("Nobody"));
        assert!(nobody(true).starts_with("Not known"));
    }
}
