//! Confirming a warmup: what it would load, the form that starts it, and how far it is.

use super::{FORM, NotDone, Page, Returned, UnderWay, done};
use crate::{
    components::steps::ReasonField,
    error::AppError,
    functions::{START_WARMUP, preview_warmup, warmup_status},
    layout::use_frame,
    url,
};
use headroom_model::{
    operation::Operation,
    warmup::{WarmupPreview, WarmupStrategy},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route, params::ParamsMap};

type Answers = (Result<WarmupPreview, AppError>, Option<Operation>);

/// The strategy that the URL names; the smallest, where it names none.
fn strategy(query: &ParamsMap) -> WarmupStrategy {
    query.get_str("strategy").and_then(|name| name.parse().ok()).unwrap_or(WarmupStrategy::CriticalOnly)
}

/// The page.
pub struct ConfirmWarm {
    strategy: Memo<WarmupStrategy>,
    answers: Resource<Answers>,
}

/// The warmup that the form has started.
async fn started(target: Option<String>, id: Option<String>) -> Option<Operation> {
    let id = id?;
    let status = warmup_status(target).await.ok()?;
    status.running.map(|run| run.operation).into_iter().chain(status.history).find(|operation| operation.id == id)
}

#[lazy_route]
impl LazyRoute for ConfirmWarm {
    fn data() -> Self {
        let query = use_query_map();
        let strategy = Memo::new(move |_| query.with(strategy));
        let answers = Resource::new_blocking(
            move || (query.with(url::target), strategy.get(), query.with(done)),
            |(target, strategy, done)| async move {
                (preview_warmup(target.clone(), strategy).await, started(target, done).await)
            },
        );
        ConfirmWarm { strategy, answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmWarm { strategy, answers } = this;
        let target = use_frame().target();
        let heading = Signal::derive(move || format!("Warm cache on {}", target.get()));
        view! {
            <Title text="Warm cache"/>
            <Page heading label="Warm cache" waiting="Counting keys…" back=("/cache", "Cache")>
                {move || Suspend::new(async move {
                    let (preview, started) = answers.await;
                    view! {
                        <Returned said="Not started"/>
                        {started.map(|started| view! { <UnderWay started/> })}
                        <Choose strategy target/>
                        {match preview {
                            Ok(preview) => view! { <WarmForm preview target/> }.into_any(),
                            Err(error) => view! { <NotDone said="Cannot be counted" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

/// What to warm: asks for the page again with the count of that.
#[component]
fn Choose(strategy: Memo<WarmupStrategy>, target: Signal<String>) -> impl IntoView {
    let chosen = strategy.get_untracked();
    let choice = |strategy: WarmupStrategy| {
        let checked = strategy == chosen;
        view! {
            <label>
                <input type="radio" name="strategy" value=strategy.as_str() checked=checked/>
                <span>{strategy.label()}</span>
                <small>{strategy.note()}</small>
            </label>
        }
    };
    view! {
        <form method="get" action="/confirm/warm" style=FORM>
            <input type="hidden" name="target" value=target/>
            <div class="radio-list" role="radiogroup" aria-label="Strategy" style="inline-size:100%">
                {WarmupStrategy::ALL.into_iter().map(choice).collect_view()}
            </div>
            <button class="btn">"Count keys"</button>
        </form>
    }
    .into_any()
}

/// Starts the strategy that was counted, and no other.
#[component]
fn WarmForm(preview: WarmupPreview, target: Signal<String>) -> impl IntoView {
    view! {
        <form method="post" action=START_WARMUP style=FORM>
            <p>{format!("{}: {}", preview.strategy.label(), preview.effect)}</p>
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="strategy" value=preview.strategy.as_str()/>
            <ReasonField id="reason"/>
            <button class="btn primary">"Warm now"</button>
        </form>
    }
    .into_any()
}
