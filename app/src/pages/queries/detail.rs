//! What stands below an open row of the list: read when the row is opened.

use super::{
    charts::{Charts, Topic},
    figures::Figures,
    read::{OneRead, View},
    statement, words,
};
use crate::{
    components::{copy::CopyButton, failure::Failure, plan::PlanPanel, skeleton::Skeleton, sql::SqlBlock},
    data::held::held,
    layout::use_frame,
};
use headroom_model::statements::StatementRow;
use leptos::prelude::*;

/// The detail of a row.
#[component]
pub fn Detail(row: Signal<StatementRow>, one: OneRead) -> impl IntoView {
    let frame = use_frame();
    let id = Memo::new(move |_| row.with(|row| row.query_id.clone()));
    one.follow(id.into());
    let known = Memo::new(move |before: Option<&Option<View>>| {
        // While it is read again, what is known stays.
        one.of(&id.get())
            .or_else(|| before.cloned().flatten().filter(|view| id.with(|id| view.0.statement.query_id == *id)))
    });
    let is_known = Memo::new(move |_| known.with(Option::is_some));
    let retry = Callback::new(move |()| one.read(id.get_untracked()));
    let today = frame.now.get_untracked();
    let body = move || {
        if let Some(first) = is_known.get().then(|| known.get_untracked()).flatten() {
            let view = held(first, move || known.get());
            return view! { <Body view today/> }.into_any();
        }
        match one.reads.error.get() {
            Some(error) => view! { <Failure error retry/> }.into_any(),
            None => view! {
                <p class="cell" aria-busy="true">
                    "Reading the statement… " <Skeleton width="40%"/>
                </p>
            }
            .into_any(),
        }
    };
    let target = frame.target();
    let plan = move || view! { <PlanPanel target=target.get_untracked() query_id=id.get()/> };
    let page = move || {
        let path = id.with(|id| statement::path(id));
        frame.query.with(|query| crate::url::href(&path, &crate::url::carried(query), &[]))
    };
    view! {
        <div class="statement-detail">
            {body}
            <div class="cell">{plan}</div>
            <p class="cell flow">
                <a class="btn s" href=page>
                    "Open the statement's page"
                </a>
            </p>
        </div>
    }
    .into_any()
}

#[component]
fn Body(view: Signal<View>, today: headroom_model::Timestamp) -> impl IntoView {
    let detail = Signal::derive(move || view.with(|(detail, _)| detail.clone()));
    let text = Memo::new(move |_| detail.with(|detail| detail.statement.text.clone().unwrap_or_default()));
    let usual = move || detail.with(|detail| words::against_usual(detail, today));
    let minutes = move || detail.with(|detail| view! { <words::Minutes minutes=detail.minutes.clone()/> });
    view! {
        <div class="row-cells cols-qd">
            <div class="cell">
                <div class="cell-head">
                    <h3>"Statement"</h3>
                    <small>{move || detail.with(|detail| format!("queryid {}", detail.statement.query_id))}</small>
                    <span class="push">
                        <CopyButton text/>
                    </span>
                </div>
                {move || view! { <SqlBlock text=text.get() label="Statement"/> }}
                <p class="note">{usual}</p>
            </div>
            <Charts view topics=&Topic::SHORT today/>
        </div>
        <div class="cell statement-figures">
            <Figures detail now=today/>
            {minutes}
        </div>
    }
    .into_any()
}
