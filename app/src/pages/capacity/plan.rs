//! The scaling plan: by when which step.

use crate::components::{
    icon::{Glyph, Icon},
    status::Mark,
};
use headroom_model::{
    Band,
    capacity::{CapacityView, PlanStep, RESERVE_DAYS, months_of},
    format,
};
use leptos::prelude::*;

/// Where the plan is served as a file.
const FILE: &str = "/api/v1/capacity/plan";

/// The sheet.
#[component]
pub fn ScalingPlan(shown: RwSignal<CapacityView>, target: String) -> impl IntoView {
    let rows = move || shown.with(|shown| shown.plan.steps().map(row).collect_view());
    let none = move || shown.with(|shown| shown.plan.months.is_empty());
    let unplanned = move || {
        shown.with(|shown| {
            let lines = shown.plan.unplanned.iter().map(|line| view! { <li>{line.clone()}</li> }).collect_view();
            (!shown.plan.unplanned.is_empty()).then(|| {
                view! {
                    <details class="cell cell-line">
                        <summary>{format!("Not planned: {}", format::counted(shown.plan.unplanned.len() as u64, "resource"))}</summary>
                        <ul class="forecast-notes">{lines}</ul>
                    </details>
                }
            })
        })
    };
    let file = move |form: &'static str| {
        let target = target.clone();
        move || {
            let months = shown.with(|shown| months_of(shown.plan.horizon_days));
            format!("{FILE}?target={target}&months={months}&format={form}")
        }
    };
    view! {
        <section class="sheet" aria-labelledby="h-plan">
            <div class="cell-head pad-head">
                <h2 id="h-plan">"Scaling plan"</h2>
                <small>{format!("keeps every resource {RESERVE_DAYS} days away from its earliest limit")}</small>
            </div>
            <Show
                when=move || !none()
                fallback=move || {
                    view! {
                        <div class="empty">
                            <h3>"Nothing to do"</h3>
                            <p>
                                {move || {
                                    shown
                                        .with(|shown| {
                                            format!("No known limit is near within {} days.", shown.plan.horizon_days)
                                        })
                                }}
                            </p>
                        </div>
                    }
                }
            >
                <div class="scroll-x" tabindex="0" role="group" aria-label="Steps of the plan">
                    <table class="tbl plain" style="min-inline-size:34rem" aria-labelledby="h-plan">
                        <thead>
                            <tr>
                                <th scope="col">"By"</th>
                                <th scope="col">"Step"</th>
                                <th scope="col">"Achieves"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Show>
            {unplanned}
            <div class="pager">
                <span>"Costs are not known to the console."</span>
                <span class="push flow">
                    <a class="btn s" href=file("csv") rel="external" download="">
                        <Glyph icon=Icon::Download small=true/>
                        "CSV"
                    </a>
                    <a class="btn s" href=file("ics") rel="external" download="">
                        "Add to calendar"
                    </a>
                </span>
            </div>
        </section>
    }
    .into_any()
}

fn row(step: &PlanStep) -> impl IntoView + use<> {
    let by = format::date(step.by);
    let by = if step.overdue {
        view! { <Mark status=Some(Band::Critical) text="now"/> }.into_any()
    } else {
        view! { <time datetime=step.by.to_rfc3339()>{by}</time> }.into_any()
    };
    view! {
        <tr>
            <th scope="row" class="nowrap">{by}</th>
            <td>
                {step.step.clone()} <br/>
                <small class="sub">{format!("{}: {}", step.resource.name(), step.because)}</small>
            </td>
            <td class="sub">{step.achieves.clone()}</td>
        </tr>
    }
}
