//! The console's own pools, lane by lane, and who holds their connections.

use super::store::use_store;
use crate::components::status::{Mark, MarkOnly, class};
use headroom_model::{
    Band,
    format::{self, MISSING},
    pool::{HolderReport, LaneReport},
};
use leptos::prelude::*;

/// Holders that are listed, oldest first.
const MOST_HOLDERS: usize = 50;

/// What is wrong with a lane.
fn note(lane: &LaneReport) -> (Option<Band>, String) {
    if lane.leaks > 0 {
        return (Some(Band::Critical), format!("{} held too long", format::counted(lane.leaks.into(), "connection")));
    }
    if lane.waiting > 0 {
        let said = match lane.waiting {
            1 => "1 caller waits".to_owned(),
            waiting => format!("{} callers wait", format::count(waiting.into())),
        };
        return (Some(Band::Degraded), said);
    }
    if lane.acquired == 0 {
        return (None, "not used yet".to_owned());
    }
    (Some(Band::Excellent), "Fine".to_owned())
}

fn lane_row(lane: LaneReport) -> AnyView {
    let used = f64::from(lane.in_use) * 100.0 / f64::from(lane.max.max(1));
    let (status, words) = note(&lane);
    let wait = lane.acquire.p95_ms.map_or_else(|| MISSING.to_owned(), format::duration_ms);
    let name = match lane.application.as_str() {
        "headroom" => lane.lane.clone(),
        application => format!("{application}/{}", lane.lane),
    };
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td>
                <div class="barcell">
                    <span class=format!("meter {}", class(if used >= 90.0 { Some(Band::Degraded) } else { Some(Band::Good) })) aria-hidden="true">
                        <i style=format!("inline-size:{used:.0}%")></i>
                    </span>
                    <span class="num">{format!("{} of {}", lane.in_use, lane.max)}</span>
                </div>
            </td>
            <td class="num">{format::count(lane.idle.into())}</td>
            <td class="num">{format::count(lane.waiting.into())}</td>
            <td class="num">{format::count(lane.acquired)}</td>
            <td class="num">{wait}</td>
            <td class="num">{format::count(lane.timeouts)}</td>
            <td>
                <Mark status text=words/>
            </td>
        </tr>
    }
    .into_any()
}

fn holder_row(holder: HolderReport) -> AnyView {
    let mark = holder.is_leak.then(|| view! { <MarkOnly status=Some(Band::Critical) text="suspected leak"/> });
    let long = holder.is_long.then(|| view! { <small class="note">" long work"</small> });
    view! {
        <tr>
            <th scope="row">
                {holder.lane} " "
                {mark}
                {long}
            </th>
            <td class="mono">{holder.call_site}</td>
            <td>{holder.purpose.unwrap_or_default()}</td>
            <td class="num">{holder.pid.map_or_else(|| MISSING.to_owned(), |pid| pid.to_string())}</td>
            <td class="num">{format::duration_ms(holder.held_ms as f64)}</td>
        </tr>
    }
    .into_any()
}

/// The sheet.
#[component]
pub fn Pools() -> impl IntoView {
    let store = use_store();
    let lanes = Memo::new(move |_| store.pools.with(|pools| pools.lanes.clone()));
    let limit = Memo::new(move |_| store.pools.with(|pools| pools.leak_after_ms));
    let leaks =
        Memo::new(move |_| store.holders.with(|holders| holders.iter().filter(|holder| holder.is_leak).count()));
    let holders = move || {
        let holders = store.holders.with(|holders| holders.iter().take(MOST_HOLDERS).cloned().collect::<Vec<_>>());
        holders.into_iter().map(holder_row).collect_view()
    };
    let none = move || {
        store.holders.with(Vec::is_empty).then(|| {
            view! { <p class="empty sub">"No connection is lent out at this moment."</p> }
        })
    };
    let said = move || {
        let limit = format::duration_ms(limit.get() as f64);
        match leaks.get() {
            0 => format!("none held for over {limit}, the limit of a leak"),
            leaks => format!("{} held for over {limit}: suspected leaks", format::count(leaks as u64)),
        }
    };
    view! {
        <section class="sheet" aria-labelledby="h-pools">
            <div class="cell-head pad-head">
                <h2 id="h-pools">"Pools"</h2>
                <small>"connections of this process into the target, by lane; counters since the start or the last reset"</small>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Pools, table">
                <table class="tbl" style="min-inline-size:52rem">
                    <caption class="vh">"Lanes"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Lane"</th>
                            <th scope="col" class="use-h">
                                "In use"
                            </th>
                            <th scope="col" class="num">
                                "Idle"
                            </th>
                            <th scope="col" class="num">
                                "Waiting"
                            </th>
                            <th scope="col" class="num">
                                "Checkouts"
                            </th>
                            <th scope="col" class="num">
                                "Wait p95"
                            </th>
                            <th scope="col" class="num">
                                "Timeouts"
                            </th>
                            <th scope="col">"Note"</th>
                        </tr>
                    </thead>
                    <tbody>{move || lanes.get().into_iter().map(lane_row).collect_view()}</tbody>
                </table>
            </div>
            <div class="cell-head pad-head ruled">
                <h3 id="h-holders">"Who holds a connection"</h3>
                <small>{said}</small>
            </div>
            <div class="scroll-x" tabindex="0" role="group" aria-label="Holders, table">
                <table class="tbl" style="min-inline-size:46rem">
                    <caption class="vh">"Holders"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Lane"</th>
                            <th scope="col">"Taken at"</th>
                            <th scope="col">"For"</th>
                            <th scope="col" class="num">
                                "Process"
                            </th>
                            <th scope="col" class="num">
                                "Held"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{holders}</tbody>
                </table>
            </div>
            {none}
        </section>
    }
    .into_any()
}
