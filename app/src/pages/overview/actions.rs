//! The actions panel: what can be done to this target, and what is being done.

use super::{reset::ResetRow, store::use_store};
use crate::{
    components::{
        clear::{ClearButton, ClearDialog, Clearing},
        command::CommandRow,
        operation::OperationRow,
        steps::FailedText,
        warm::WarmMenu,
    },
    error::AppError,
    layout::use_frame,
};
use headroom_model::{MetricId, Role, Timestamp, cache::ClearScope, format, operation::Operation};
use leptos::prelude::*;

/// Ended operations stay this long.
const RESTS_AFTER_MS: i64 = 10 * 60_000;

fn shown(operation: &Operation, now: Timestamp) -> bool {
    operation.finished_at.is_none_or(|at| now.0 - at.0 < RESTS_AFTER_MS)
}

/// The sheet.
#[component]
pub fn Actions() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let ids = Memo::new(move |_| {
        store.operations.with(|known| {
            known.iter().filter(|operation| shown(operation, minute.get())).map(|o| o.id.clone()).collect::<Vec<_>>()
        })
    });
    view! {
        <section class="sheet" aria-labelledby="h-act">
            <div class="cell">
                <div class="cell-head" style="margin-block-end:0">
                    <h2 id="h-act">"Actions"</h2>
                    <small>{move || format!("on {}, recorded in the audit", store.target.read_value())}</small>
                </div>
                <For
                    each=move || ids.get()
                    key=Clone::clone
                    children=move |id| {
                        let first = store
                            .operations
                            .with_untracked(|known| known.iter().find(|operation| operation.id == id).cloned());
                        first
                            .map(|first| {
                                let operation = Memo::new(move |before: Option<&Operation>| {
                                    store
                                        .operations
                                        .with(|known| known.iter().find(|operation| operation.id == id).cloned())
                                        .unwrap_or_else(|| before.unwrap_or(&first).clone())
                                });
                                view! { <OperationRow operation/> }
                            })
                    }
                />
                <WarmRow/>
                <ClearRow/>
                <ResetRow/>
            </div>
        </section>
    }
    .into_any()
}

/// Warm cache: the menu, and why a start was refused. A warmup that runs stands above, as an operation.
#[component]
fn WarmRow() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let refused = RwSignal::new(None::<AppError>);
    let started = Callback::new(move |answer: Result<Operation, AppError>| match answer {
        Ok(operation) => {
            refused.try_set(None);
            store.keep_operation(operation);
        }
        Err(error) => {
            refused.try_set(Some(error));
        }
    });
    let text = move || match refused.get() {
        Some(error) => view! { <FailedText said="Not started".to_owned() error/> }.into_any(),
        None => view! { <p>"Loads pages of datasets before anyone asks for them"</p> }.into_any(),
    };
    let acts = move || {
        if !frame.may(Role::Operator) {
            return view! { <span class="note">"Needs the role operator"</span> }.into_any();
        }
        view! { <WarmMenu target=store.target started size="s"/> }.into_any()
    };
    view! { <CommandRow id="warm" title="Warm cache" text acts/> }.into_any()
}

/// Clear cache: the dialog.
#[component]
fn ClearRow() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let clearing = Clearing::new(store.target, Callback::new(move |()| store.read()));
    let figure = move |metric: MetricId| store.present.live.with(|live| live.figures.get(&metric).copied());
    let held = Memo::new(move |_| match (figure(MetricId::CacheKeys), figure(MetricId::CacheMemory)) {
        (Some(keys), Some(bytes)) => format!("{} keys in memory, {}", format::number(keys), format::bytes(bytes)),
        _ => "By tag, dataset or pattern, on all instances".to_owned(),
    });
    let acts = move || {
        if !frame.may(Role::Operator) {
            return view! { <span class="note">"Needs the role operator"</span> }.into_any();
        }
        view! { <ClearButton clearing scope=ClearScope::All label="Clear…" class="s danger" name="Clear cache…"/> }
            .into_any()
    };
    view! {
        <CommandRow id="clear-row" title="Clear cache" text=move || view! { <p>{held}</p> } acts/>
        <ClearDialog clearing/>
    }
    .into_any()
}
