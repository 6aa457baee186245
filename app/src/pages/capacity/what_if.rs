//! What if: other growth, something planned, another limit. A plain form, so that a question is a link and needs no
//! script.

use super::{PATH, charts::Picture, view, words};
use crate::layout::use_frame;
use headroom_model::{
    capacity::{CapacityView, Resource, WhatIfAnswer},
    format,
};
use leptos::prelude::*;

/// The sheet.
#[component]
pub fn WhatIf(shown: RwSignal<CapacityView>) -> impl IntoView {
    let frame = use_frame();
    let asked = frame.query.with_untracked(view::what_if);
    let carried = move |key: &'static str| {
        move || {
            frame.query.with(|query| query.get(key)).map(|value| view! { <input type="hidden" name=key value=value/> })
        }
    };
    // Only what is forecast can be asked about.
    let known = shown.with_untracked(|shown| {
        let known = shown.dashboard.resources.iter().filter(|report| report.forecast().is_some());
        known.map(|report| report.resource).collect::<Vec<_>>()
    });
    let option = |resource: Resource| {
        let chosen = asked.resource == resource.as_str();
        view! {
            <option value=resource.as_str() selected=chosen>
                {resource.name()}
            </option>
        }
    };
    let can_ask = !known.is_empty();
    let answer = move || {
        shown.with(|shown| {
            shown.what_if.as_ref().map(|answer| match answer {
                Ok(answer) => answered(answer).into_any(),
                Err(reason) => view! { <p role="alert" class="err">{reason.clone()}</p> }.into_any(),
            })
        })
    };
    view! {
        <section class="sheet" aria-labelledby="h-if" id="what-if">
            <div class="cell">
                <div class="cell-head">
                    <h2 id="h-if">"What if"</h2>
                    <small>"changes nothing"</small>
                </div>
                {can_ask
                    .then(|| {
                        view! {
                            <form method="get" action=format!("{PATH}#what-if") class="what-if">
                                {["target", "from", "to", "refresh"].map(carried).into_iter().collect_view()}
                                {carried(view::DAYS)}
                                <div class="field">
                                    <label for="if-what">"Resource"</label>
                                    <select id="if-what" class="in" name=view::RESOURCE>
                                        {known.into_iter().map(option).collect_view()}
                                    </select>
                                </div>
                                <div class="field">
                                    <label for="if-growth">"Growth, % of what is forecast"</label>
                                    <input
                                        id="if-growth"
                                        class="in"
                                        name=view::GROWTH
                                        inputmode="decimal"
                                        placeholder="100"
                                        value=asked.growth
                                    />
                                </div>
                                <div class="what-if-pair">
                                    <div class="field">
                                        <label for="if-day">"Planned on"</label>
                                        <input id="if-day" class="in" type="date" name=view::DAY value=asked.day/>
                                    </div>
                                    <div class="field">
                                        <label for="if-adds">"It adds"</label>
                                        <input
                                            id="if-adds"
                                            class="in"
                                            name=view::ADDS
                                            placeholder="50 GiB"
                                            value=asked.adds
                                        />
                                    </div>
                                </div>
                                <div class="field">
                                    <label for="if-limit">"Another limit"</label>
                                    <input id="if-limit" class="in" name=view::LIMIT placeholder="750 GiB" value=asked.limit/>
                                </div>
                                <button class="btn primary" type="submit">
                                    "Ask"
                                </button>
                            </form>
                        }
                    })}
                {(!can_ask).then(|| view! { <p class="sub">"Nothing is forecast yet, so there is nothing to change."</p> })}
                <div class="what-if-answer" aria-live="polite">
                    {answer}
                </div>
            </div>
        </section>
    }
    .into_any()
}

fn answered(answer: &WhatIfAnswer) -> impl IntoView + use<> {
    let days = answer.horizon_days;
    let (present, changed) = (&answer.present, &answer.changed);
    let end = |report: &headroom_model::capacity::ResourceReport| {
        let last = report.forecast().and_then(|forecast| forecast.median.last().copied());
        format::value_or_missing(last, report.unit)
    };
    view! {
        <h3>{present.resource.name()}</h3>
        <dl class="kv">
            <dt>"At present"</dt>
            <dd>{words::reaches_in_full(present, days)}</dd>
            <dt>"If so"</dt>
            <dd>
                <b>{words::reaches_in_full(changed, days)}</b>
            </dd>
            <dt>{format!("In {days} days")}</dt>
            <dd>
                <span class="sub">{end(present)}</span>
                " → "
                <b>{end(changed)}</b>
            </dd>
        </dl>
        <Picture report=changed.clone() days/>
    }
}
