//! Confirming VACUUM (ANALYZE) of a table: what it would do, the form that starts it, and how far it is.

use super::{FORM, NotDone, Page, Returned, UnderWay, done};
use crate::{
    components::steps::ReasonField,
    error::AppError,
    functions::{OPTIMIZE_TABLE, preview_optimize, table},
    layout::use_frame,
    pages::tables::Preview,
    url,
};
use headroom_model::{operation::Operation, tables::OptimizePreview};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route, params::ParamsMap};

type Answers = (Result<OptimizePreview, AppError>, Option<Operation>);

/// The page.
pub struct ConfirmOptimize {
    answers: Resource<Answers>,
}

/// The table that the URL names.
fn named(query: &ParamsMap) -> String {
    query.get("table").unwrap_or_default()
}

/// The operation that the form has started.
async fn started(target: Option<String>, name: String, id: Option<String>) -> Option<Operation> {
    let id = id?;
    table(target, name).await.ok()?.operation.filter(|operation| operation.id == id)
}

#[lazy_route]
impl LazyRoute for ConfirmOptimize {
    fn data() -> Self {
        let query = use_query_map();
        let answers = Resource::new_blocking(
            move || query.with(|query| (url::target(query), named(query), done(query))),
            |(target, name, done)| async move {
                (preview_optimize(target.clone(), name.clone()).await, started(target, name, done).await)
            },
        );
        ConfirmOptimize { answers }
    }

    fn view(this: Self) -> AnyView {
        let frame = use_frame();
        let (answers, target) = (this.answers, frame.target());
        let heading = Signal::derive(move || format!("Optimise {}", frame.query.with(named)));
        view! {
            <Title text="Optimise table"/>
            <Page heading label="Optimise table" waiting="Looking at the table…" back=("/tables", "Tables")>
                {move || Suspend::new(async move {
                    let (preview, started) = answers.await;
                    view! {
                        <Returned said="Not started"/>
                        {started.map(|started| view! { <UnderWay started/> })}
                        {match preview {
                            Ok(preview) => view! { <OptimizeForm preview target/> }.into_any(),
                            Err(error) => view! { <NotDone said="Cannot be optimised" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

/// Starts it, where the role may.
#[component]
fn OptimizeForm(preview: OptimizePreview, target: Signal<String>) -> impl IntoView {
    let (table, may) = (preview.table.clone(), preview.missing.is_none());
    let controls = may.then(|| {
        view! {
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="table" value=table/>
            <ReasonField id="reason"/>
            <button class="btn primary">"Optimise now"</button>
        }
    });
    view! {
        <form method="post" action=OPTIMIZE_TABLE style=FORM>
            <Preview preview/>
            {controls}
        </form>
    }
    .into_any()
}
