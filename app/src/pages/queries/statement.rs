//! One statement's own page: its text, its figures and their course, whether it is slower than usual, and what it is part of.

use super::{
    Absent, PATH,
    charts::{Charts, Topic},
    figures::Figures,
    read::{OneRead, View, one},
    words,
};
use crate::{
    components::{
        banner::Banner,
        copy::CopyButton,
        first::first,
        notices::{NotRead, RangeRefused},
        plan::{KnownPlans, PlanPanel},
        skeleton::Skeleton,
        sql::SqlBlock,
    },
    functions::statement_plans,
    layout::use_frame,
    url,
};
use headroom_model::format;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_params_map, lazy_route};

/// The path of a statement's page.
pub fn path(query_id: &str) -> String {
    format!("{PATH}/{query_id}")
}

/// The page.
#[derive(Debug)]
pub struct StatementPage;

#[lazy_route]
impl LazyRoute for StatementPage {
    fn data() -> Self {
        StatementPage
    }

    fn view(_this: Self) -> AnyView {
        let params = use_params_map();
        let id = Memo::new(move |_| params.with(|params| params.get("queryid").unwrap_or_default()));
        // Links from one statement to another load the page anew.
        view! {
            <Title text=move || format!("Statement {}", id.get())/>
            {move || view! { <OneStatement id=id.get()/> }}
        }
        .into_any()
    }
}

#[component]
fn OneStatement(id: String) -> impl IntoView {
    let frame = use_frame();
    let target = frame.target().get_untracked();
    let answer = Resource::new_blocking(|| (), {
        let (target, id) = (target.clone(), id.clone());
        move |()| {
            let (target, id) = (target.clone(), id.clone());
            let range = frame.query.with_untracked(url::written_range);
            async move {
                let view = one(target.clone(), id.clone(), range).await?;
                Ok::<_, crate::error::AppError>((view, statement_plans(Some(target), id).await))
            }
        }
    });
    let retry = Callback::new(move |()| answer.refetch());
    first(
        Some("Statement"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move { answer.await },
        move |first| view! { <Loaded target=target.clone() id=id.clone() first/> }.into_any(),
    )
}

#[component]
fn Frames() -> impl IntoView {
    view! {
        <div class="page-head">
            <h1>"Statement"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            <p class="cell">
                <Skeleton width="80%"/>
            </p>
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(target: String, id: String, first: (View, KnownPlans)) -> impl IntoView {
    let frame = use_frame();
    let (first, plans) = first;
    let plan = view! { <PlanPanel target=target.clone() query_id=id.clone() first=Some(plans)/> };
    let fallback = first.clone();
    let read = OneRead::new(target, Some((id.clone(), Ok(first))));
    let of = Signal::stored(id.clone());
    read.follow(of);
    let view = Signal::derive(move || read.known.get().map_or_else(|| fallback.clone(), |(_, view)| view));
    let detail = Signal::derive(move || view.with(|(detail, _)| detail.clone()));
    let today = frame.now.get_untracked();
    let text = Memo::new(move |_| detail.with(|detail| detail.statement.text.clone()));
    let retry = Callback::new(move |()| read.read(of.get_untracked()));
    let all = move || frame.query.with(|query| url::href(PATH, &url::carried(query), &[]));
    let head = move || {
        detail.with(|detail| {
            let kind = detail.statement.kind.as_str().to_uppercase();
            let range = format::range(detail.range.from, detail.range.to, today);
            let step = format::duration_ms(detail.series.step_ms as f64);
            format!("{kind}, queryid {}; {range}, by {step}. ", detail.statement.query_id)
        })
    };
    let slower = move || {
        detail.with(|detail| {
            detail.statement.regression.as_ref().map(|regression| {
                let said = words::slower(regression, today);
                let status = words::band(regression);
                view! { <Banner status>{said}</Banner> }
            })
        })
    };
    let absent = move || {
        detail.with(|detail| {
            detail
                .absence
                .clone()
                .map(|absence| view! { <section class="sheet" aria-label="No figures"><Absent absence/></section> })
        })
    };
    let has_figures = Memo::new(move |_| detail.with(|detail| detail.absence.is_none()));
    let minutes = move || detail.with(|detail| view! { <words::Minutes minutes=detail.minutes.clone()/> });
    let usual = move || detail.with(|detail| words::against_usual(detail, today));
    view! {
        <div class="page-head">
            <div>
                <h1>"Statement"</h1>
                <p>{head} <a href=all>"All statements"</a></p>
            </div>
        </div>
        <RangeRefused/>
        <NotRead error=read.reads.error what="The statement could not be read again." retry/>
        {slower}
        <section class="sheet" aria-labelledby="h-sql">
            <div class="cell">
                <div class="cell-head">
                    <h2 id="h-sql">"Text"</h2>
                    <small>"constants replaced by parameters"</small>
                    <span class="push">
                        <CopyButton text=Signal::derive(move || text.get().unwrap_or_default())/>
                    </span>
                </div>
                {move || match text.get() {
                    Some(text) => view! { <SqlBlock text label="Statement"/> }.into_any(),
                    None => view! { <p class="note">"The server has not told the text yet."</p> }.into_any(),
                }}
                <p class="note">{usual}</p>
            </div>
        </section>
        <section class="sheet" aria-label="Plan">
            <div class="cell">{plan}</div>
        </section>
        {absent}
        <Show when=move || has_figures.get()>
            <section class="sheet" aria-labelledby="h-course">
                <div class="cell-head pad-head">
                    <h2 id="h-course">"Over the range"</h2>
                    <small>"drag over a chart to zoom"</small>
                </div>
                <div class="statement-charts">
                    <Charts view topics=&Topic::ALL today/>
                </div>
            </section>
            <section class="sheet" aria-labelledby="h-fig">
                <div class="cell statement-figures">
                    <div class="cell-head">
                        <h2 id="h-fig">"Figures of the range"</h2>
                    </div>
                    <Figures detail now=today/>
                    {minutes}
                </div>
            </section>
        </Show>
        <words::Patterns shown=Signal::derive(move || detail.with(|detail| detail.patterns.clone()))/>
    }
    .into_any()
}
