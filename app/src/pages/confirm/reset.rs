//! Confirming a reset of statistics.

use super::{Ended, FORM, NotDone, Page, Returned, done};
use crate::{
    components::steps::ReasonField,
    error::AppError,
    functions::{RESET_STATISTICS, last_action, preview_reset},
    layout::use_frame,
    url,
};
use headroom_model::{
    action::{ResetPreview, ResetScope},
    overview::LastAction,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

type Answers = (Result<ResetPreview, AppError>, Option<LastAction>);

/// The page.
pub struct ConfirmReset {
    scope: Memo<ResetScope>,
    answers: Resource<Answers>,
}

#[lazy_route]
impl LazyRoute for ConfirmReset {
    fn data() -> Self {
        let query = use_query_map();
        let scope = Memo::new(move |_| {
            query.with(|query| {
                query.get_str("scope").and_then(|name| name.parse().ok()).unwrap_or(ResetScope::Statements)
            })
        });
        let answers = Resource::new_blocking(
            move || (query.with(url::target), scope.get(), query.with(done)),
            |(target, scope, done)| async move {
                (preview_reset(target, scope).await, last_action("stats.reset".to_owned(), done).await.unwrap_or(None))
            },
        );
        ConfirmReset { scope, answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmReset { scope, answers } = this;
        let target = use_frame().target();
        let heading = Signal::derive(move || format!("Reset {} of {}", scope.get().label(), target.get()));
        view! {
            <Title text="Reset statistics"/>
            <Page heading label="Reset statistics" waiting="Counting what would be discarded…" back=("/", "Overview")>
                {move || Suspend::new(async move {
                    let (preview, last) = answers.await;
                    view! {
                        <Returned said="Not reset"/>
                        {last.map(|last| view! { <Ended last done="Reset" not_done="Not reset"/> })}
                        {match preview {
                            Ok(preview) => view! { <ResetForm preview target/> }.into_any(),
                            Err(error) => view! { <NotDone said="Cannot be reset" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

#[component]
fn ResetForm(preview: ResetPreview, target: Signal<String>) -> impl IntoView {
    view! {
        <form method="post" action=RESET_STATISTICS style=FORM>
            <p>{preview.effect}</p>
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="scope" value=preview.scope.as_str()/>
            <ReasonField id="reason"/>
            <button class="btn danger solid">"Reset now"</button>
        </form>
    }
    .into_any()
}
