//! The actions panel: what can be done to this target, and what is being done.

use super::{reset::ResetRow, store::use_store};
use crate::{components::operation::OperationRow, layout::use_frame};
use headroom_model::{Timestamp, operation::Operation};
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
                <ResetRow/>
            </div>
        </section>
    }
    .into_any()
}
