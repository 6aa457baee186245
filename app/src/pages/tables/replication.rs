//! Replication: standbys, slots, and what a replica receives.

use super::{
    server::{Missing, part},
    store::use_store,
};
use crate::{components::status::Mark, layout::use_frame};
use headroom_model::{
    Band,
    format::{self, MISSING},
    tables::{Receiver, ReplicationReport, ReplicationSlot, Standby},
};
use leptos::prelude::*;

/// The sheet.
#[component]
pub fn Replication() -> impl IntoView {
    let store = use_store();
    view! {
        <section class="sheet" aria-labelledby="h-replication">
            <div class="cell-head pad-head">
                <h2 id="h-replication">"Replication"</h2>
            </div>
            {part(store.part(|server| &server.replication), |report| view! { <Report report/> }.into_any())}
        </section>
    }
    .into_any()
}

fn bytes(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| format::bytes(value).to_string())
}

#[component]
fn Report(report: ReplicationReport) -> impl IntoView {
    let standbys = match report.standbys.is_empty() {
        true => view! { <p class="cell sub">"No standby follows this server."</p> }.into_any(),
        false => view! { <Standbys standbys=report.standbys/> }.into_any(),
    };
    let slots = match report.slots.is_empty() {
        true => view! { <p class="cell sub">"No replication slot keeps log."</p> }.into_any(),
        false => view! { <Slots slots=report.slots/> }.into_any(),
    };
    view! {
        {report.receiver.map(|receiver| view! { <Received receiver/> })}
        {standbys}
        {slots}
        <Missing limitations=report.limitations/>
    }
    .into_any()
}

#[component]
fn Received(receiver: Receiver) -> impl IntoView {
    let now = use_frame().now.get_untracked();
    let (status, said) = match &receiver.status {
        Some(status) => (
            Some(Band::Excellent),
            format!("{status} from {}", receiver.from.clone().unwrap_or_else(|| "its primary".to_owned())),
        ),
        None if receiver.is_hidden => (None, "state hidden from this role: GRANT pg_monitor".to_owned()),
        None => (Some(Band::Critical), "receives nothing: it has lost its primary, or reads an archive".to_owned()),
    };
    let heard = receiver.heard_at.map_or_else(|| MISSING.to_owned(), |at| format::moment_seconds(at, now));
    let paused = receiver.is_paused.then_some(" Replay is paused.");
    view! {
        <div class="cell">
            <Mark status text=said/>
            <p class="sub">
                {format!("{} received and not replayed; heard of the primary {heard}.", bytes(receiver.replay_lag_bytes))}
                {paused}
            </p>
        </div>
    }
    .into_any()
}

#[component]
fn Standbys(standbys: Vec<Standby>) -> impl IntoView {
    let row = |standby: Standby| {
        let dash = || MISSING.to_owned();
        view! {
            <tr>
                <th scope="row">{standby.name}</th>
                <td>{standby.address.unwrap_or_else(dash)}</td>
                <td>{[standby.state, standby.sync].into_iter().flatten().collect::<Vec<_>>().join(", ")}</td>
                <td class="num">{bytes(standby.send_lag_bytes)}</td>
                <td class="num">{bytes(standby.flush_lag_bytes)}</td>
                <td class="num">{bytes(standby.replay_lag_bytes)}</td>
                <td class="num">{standby.replay_lag_ms.map_or_else(dash, format::duration_ms)}</td>
            </tr>
        }
    };
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="Standbys, table">
            <table class="tbl" style="min-inline-size:46rem">
                <caption class="vh">"Standbys"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Standby"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"State"</th>
                        {["Not sent", "Not flushed", "Not replayed", "Delay"]
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
                <tbody>{standbys.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Slots(slots: Vec<ReplicationSlot>) -> impl IntoView {
    let row = |slot: ReplicationSlot| {
        let used = if slot.is_active { "in use" } else { "not in use" };
        let status = slot.wal_status.map(|status| format!(", log {status}")).unwrap_or_default();
        view! {
            <tr>
                <th scope="row" class="mono">
                    {slot.name}
                </th>
                <td>{format!("{}, {used}{status}", slot.kind)}</td>
                <td class="num">{bytes(slot.retained_bytes)}</td>
                <td>
                    {match slot.advice {
                        Some(advice) => view! { <span class="warn">{advice}</span> }.into_any(),
                        None if slot.retained_bytes.is_none() => view! { <span>{MISSING}</span> }.into_any(),
                        None => view! { <Mark status=Some(Band::Excellent) text="well"/> }.into_any(),
                    }}
                </td>
            </tr>
        }
    };
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="Slots, table">
            <table class="tbl" style="min-inline-size:40rem">
                <caption class="vh">"Replication slots"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Slot"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="num">
                            "Keeps"
                        </th>
                        <th scope="col">"Note"</th>
                    </tr>
                </thead>
                <tbody>{slots.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
