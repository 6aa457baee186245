//! Suggested indexes: before and after on one scale, the exact statement, what it costs, and the button that creates it.

use super::{PATH, PLAN, create::Create, use_page, words};
use crate::{
    components::{copy::CopyButton, plan::PlanPanel, status::Mark},
    layout::use_frame,
};
use headroom_model::{
    Band,
    advice::{AdviceState, AdvisedStatement, IndexAdvice, SkippedStatement, anchor},
    format,
};
use leptos::prelude::*;

/// The cards.
#[component]
pub fn Suggestions() -> impl IntoView {
    let page = use_page();
    let ids = Memo::new(move |_| {
        page.shown.with(|view| view.advice.suggestions.iter().map(|advice| advice.id.clone()).collect::<Vec<_>>())
    });
    let skipped = Memo::new(move |_| page.shown.with(|view| view.advice.skipped.clone()));
    let card = move |id: String| {
        let first =
            page.shown.with_untracked(|view| view.advice.suggestions.iter().find(|advice| advice.id == id).cloned());
        first.map(|first| {
            let advice = Memo::new(move |before: Option<&IndexAdvice>| {
                page.shown
                    .with(|view| view.advice.suggestions.iter().find(|advice| advice.id == id).cloned())
                    .unwrap_or_else(|| before.unwrap_or(&first).clone())
            });
            view! { <Card advice/> }
        })
    };
    view! {
        <Show when=move || ids.with(Vec::is_empty)>
            <Empty/>
        </Show>
        <div class="suggestions">
            <For each=move || ids.get() key=Clone::clone children=card/>
        </div>
        <Show when=move || !skipped.with(Vec::is_empty)>
            <Skipped skipped/>
        </Show>
    }
    .into_any()
}

/// Why there is nothing.
#[component]
fn Empty() -> impl IntoView {
    let page = use_page();
    let why = Memo::new(move |_| {
        page.shown.with(|view| {
            let advice = &view.advice;
            match (advice.computed_at, advice.statements, advice.missing.is_empty()) {
                (None, _, false) => "No statement can be looked at; the notice above says what is missing.",
                (None, ..) => "Statements are being watched. The first round of advice begins after half a minute of them.",
                (_, 0, false) => "No statement could be looked at; the notice above says what is missing.",
                (_, 0, true) => "No statement could be looked at: none ran, or none can be explained. Below is why, where it is known.",
                _ => "Of the statements that take most time, none would get faster by an index that pays. What was considered is under Not advised.",
            }
        })
    });
    view! {
        <div class="empty">
            <h3>"No index to suggest"</h3>
            <p>{why}</p>
        </div>
    }
    .into_any()
}

#[component]
fn Skipped(skipped: Memo<Vec<SkippedStatement>>) -> impl IntoView {
    let row = |skipped: SkippedStatement| {
        view! {
            <li>
                <code class="clip">{skipped.text}</code>
                <span class="sub">{skipped.reason}</span>
            </li>
        }
    };
    view! {
        <details class="cell skipped">
            <summary>
                {move || format!("{} could not be looked at", format::counted(skipped.with(Vec::len) as u64, "statement"))}
            </summary>
            <ul>{move || skipped.get().into_iter().map(row).collect_view()}</ul>
        </details>
    }
    .into_any()
}

/// Two bars on one scale.
#[component]
fn BeforeAfter(
    /// "Cost an hour".
    what: &'static str,
    before: f64,
    after: f64,
    write: fn(f64) -> String,
    /// Whether both are of the past.
    #[prop(default = false)]
    measured: bool,
) -> impl IntoView {
    let share = if before > 0.0 { (after / before * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let (now, then) = if measured { ("before", "since") } else { ("now", "with index") };
    view! {
        <div class="ba">
            <span class="sub">{format!("{what}, {now}")}</span>
            <span class="meter" aria-hidden="true">
                <i style="inline-size:100%"></i>
            </span>
            <span class="num">{write(before)}</span>
            <span class="sub">{then}</span>
            <span class="meter st-g" aria-hidden="true">
                <i style=format!("inline-size:{share:.1}%")></i>
            </span>
            <span class="num">{write(after)}</span>
        </div>
    }
    .into_any()
}

fn status(state: AdviceState) -> Option<(Band, &'static str)> {
    match state {
        AdviceState::Suggested | AdviceState::Proven => None,
        AdviceState::Created => Some((Band::Good, "Created, being measured")),
        AdviceState::Measured => Some((Band::Excellent, "Created, gain measured")),
        AdviceState::RevertAdvised => Some((Band::Degraded, "Helped too little: drop it")),
        AdviceState::Gone => Some((Band::Degraded, "Gone")),
    }
}

#[component]
fn Card(advice: Memo<IndexAdvice>) -> impl IntoView {
    let frame = use_frame();
    let sql = Signal::derive(move || {
        advice.with(|advice| {
            let drop = advice.state == AdviceState::RevertAdvised;
            if drop { advice.drop_sql.clone() } else { advice.sql.clone() }
        })
    });
    let heading = move || advice.with(|advice| advice.index.clone());
    let mark =
        move || advice.with(|advice| status(advice.state)).map(|(band, text)| view! { <Mark status=Some(band) text/> });
    let bars = move || {
        let (before, after, measured) =
            advice.with(|advice| (advice.cost_before, advice.cost_after, advice.measured()));
        view! {
            <BeforeAfter what="Planner cost an hour" before after write=format::number/>
            {measured
                .map(|(before, after)| {
                    view! { <BeforeAfter what="Mean of a call" before after write=format::duration_ms measured=true/> }
                })}
        }
    };
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let gone =
        move || advice.with(|advice| words::gone(advice, minute.get())).map(|text| view! { <p class="sub">{text}</p> });
    let leftover = move || {
        advice.with(|advice| advice.leftover.clone()).map(|sql| {
            view! {
                <p class="sub">
                    "A build that did not end left an invalid index under this name. Creating it removes that first: "
                    <code>{sql}</code>
                </p>
            }
        })
    };
    let ids = Memo::new(move |_| {
        advice.with(|advice| advice.statements.iter().map(|it| it.query_id.clone()).collect::<Vec<_>>())
    });
    let statement = move |id: String| view! { <StatementRow advice id/> };
    view! {
        <article class="cell suggest-card" id=advice.with_untracked(|advice| anchor(&advice.id)) aria-label=heading>
            <div class="cell-head">
                <h3>{heading}</h3>
                <small>{move || advice.with(words::proof)}</small>
                {mark}
                <span class="push">
                    <CopyButton text=sql/>
                </span>
            </div>
            <p class="sub">{move || advice.with(|advice| format!("{} on {}. {}", advice.keys, advice.table, advice.reason))}</p>
            {bars}
            <div class="code">
                <pre tabindex="0">{sql}</pre>
            </div>
            <dl class="kv">
                <dt>"Size, build time"</dt>
                <dd>{move || advice.with(words::size)}</dd>
                <dt>"Cost to writers"</dt>
                <dd>{move || advice.with(words::writers)}</dd>
            </dl>
            <h4>"Statements that it helps"</h4>
            <ul class="helped">
                <For each=move || ids.get() key=Clone::clone children=statement/>
            </ul>
            {gone}
            {leftover}
            <Show when=move || advice.with(|advice| advice.state.is_open())>
                <Create advice/>
            </Show>
        </article>
    }
    .into_any()
}

fn figures(statement: &AdvisedStatement) -> String {
    let mut text = format!(
        "{} calls an hour, cost {} → {}",
        format::number(statement.calls_per_hour),
        format::number(statement.cost_before),
        format::number(statement.cost_after)
    );
    if let Some(mean) = statement.mean_before_ms {
        text.push_str(&format!(", mean {}", format::duration_ms(mean)));
    }
    if let Some(mean) = statement.mean_after_ms {
        text.push_str(&format!(
            " → {} over {}",
            format::duration_ms(mean),
            format::counted(statement.calls_after, "call")
        ));
    }
    text
}

/// A statement, and its plan below when that is open.
#[component]
fn StatementRow(advice: Memo<IndexAdvice>, id: String) -> impl IntoView {
    let (frame, page) = (use_frame(), use_page());
    let found = {
        let id = id.clone();
        Memo::new(move |before: Option<&Option<AdvisedStatement>>| {
            let now = advice.with(|advice| advice.statements.iter().find(|it| it.query_id == id).cloned());
            now.or_else(|| before.cloned().flatten())
        })
    };
    let is_open = {
        let id = id.clone();
        Memo::new(move |_| frame.query.with(|query| query.get_str(PLAN) == Some(id.as_str())))
    };
    let href = {
        let id = id.clone();
        move || frame.link(PATH, &[(PLAN, (!is_open.get()).then_some(id.as_str()))])
    };
    let first = page.plans.with_value(|plans| plans.clone().filter(|(of, _)| *of == id).map(|(_, plans)| plans));
    let text = move || found.with(|it| it.as_ref().map(|it| it.text.clone()).unwrap_or_default());
    view! {
        <li>
            <code class="clip" title=text>{text}</code>
            <span class="sub">{move || found.with(|it| it.as_ref().map(figures))}</span>
            <a class="btn s" href=href aria-expanded=move || if is_open.get() { "true" } else { "false" } data-noscroll="">
                {move || if is_open.get() { "Hide plan" } else { "Plan" }}
            </a>
            <Show when=move || is_open.get()>
                <div class="helped-plan">
                    <PlanPanel target=page.target.get_value() query_id=id.clone() first=first.clone()/>
                </div>
            </Show>
        </li>
    }
    .into_any()
}
