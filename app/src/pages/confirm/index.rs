//! Confirming the creation of an index: what it does, the form that starts it, how far it is, and how it ended.

use super::{FORM, NotDone, Page, Returned, UnderWay, done};
use crate::{
    components::{status::Mark, steps::ReasonField},
    error::AppError,
    functions::{CREATE_INDEX, index_build, preview_index},
    layout::use_frame,
    pages::indexes,
    url,
};
use headroom_model::{
    Band,
    advice::{ApplyPreview, anchor},
    format,
    operation::{Operation, OperationState},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};
use serde::{Deserialize, Serialize};

/// What the page tells of a suggestion.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Answer {
    /// What creating it would do.
    Preview(Result<ApplyPreview, AppError>),
    /// The build that the form has started, while it is remembered.
    Build(Result<Option<Box<Operation>>, AppError>),
}

/// The page.
pub struct ConfirmIndex {
    /// The id of the suggestion, and what is told of it.
    answers: Resource<(String, Answer)>,
}

#[lazy_route]
impl LazyRoute for ConfirmIndex {
    fn data() -> Self {
        let query = use_query_map();
        let answers = Resource::new_blocking(
            move || query.with(|query| (url::target(query), query.get("id").unwrap_or_default(), done(query))),
            |(target, id, done)| async move {
                let answer = match done {
                    Some(operation) => {
                        Answer::Build(index_build(target, operation).await.map(|found| found.map(Box::new)))
                    }
                    None => Answer::Preview(preview_index(target, id.clone()).await),
                };
                (id, answer)
            },
        );
        ConfirmIndex { answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmIndex { answers } = this;
        let frame = use_frame();
        let target = frame.target();
        let heading = Signal::derive(move || format!("Create an index on {}", target.get()));
        view! {
            <Title text="Create index"/>
            <Page heading label="Create index" waiting="Looking at the suggestion…" back=("/indexes", "Indexes")>
                {move || Suspend::new(async move {
                    let (id, answer) = answers.await;
                    view! {
                        <Returned said="Not created"/>
                        {match answer {
                            Answer::Build(Ok(Some(ended))) if ended.state.is_final() => {
                                view! { <BuildEnded ended=*ended id/> }.into_any()
                            }
                            Answer::Build(Ok(Some(started))) => view! { <UnderWay started=*started/> }.into_any(),
                            Answer::Build(Ok(None)) => view! { <Forgotten/> }.into_any(),
                            Answer::Build(Err(error)) => {
                                view! { <NotDone said="Its end cannot be read" error/> }.into_any()
                            }
                            Answer::Preview(Ok(preview)) => view! { <CreateForm preview id target/> }.into_any(),
                            Answer::Preview(Err(error)) => {
                                view! { <NotDone said="Cannot be created" error/> }.into_any()
                            }
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

/// How the build ended, and where to go from there.
#[component]
fn BuildEnded(ended: Operation, id: String) -> impl IntoView {
    let frame = use_frame();
    let now = frame.now.get_untracked();
    let (status, word) = match ended.state {
        OperationState::Succeeded => (Band::Excellent, "Created"),
        OperationState::Cancelled => (Band::Degraded, "Cancelled"),
        _ => (Band::Critical, "Not created"),
    };
    let is_created = ended.state == OperationState::Succeeded;
    let at = ended.finished_at.map(|at| format!(" at {}", format::moment(at, now))).unwrap_or_default();
    let text = format!("{word}{at}, for {}", ended.actor);
    let href = move || {
        frame.query.with(|query| {
            let carried = url::carried(query);
            if is_created {
                format!("{}#{}", url::href(indexes::PATH, &carried, &[]), anchor(&id))
            } else {
                url::href("/confirm/index", &carried, &[("id", Some(id.as_str()))])
            }
        })
    };
    view! {
        <div role="status" style="inline-size:min(100%,34rem)">
            <p>{ended.title}</p>
            <Mark status=Some(status) text/>
            <p class="sub">{ended.outcome}</p>
            <p class="sub">{ended.effect}</p>
        </div>
        <a class="btn primary" href=href>
            {if is_created { "See what it brings" } else { "Look at it again…" }}
        </a>
    }
    .into_any()
}

/// Only the last operations are remembered; events stay.
#[component]
fn Forgotten() -> impl IntoView {
    let query = use_frame().query;
    let href = move || query.with(|query| url::href("/trends", &url::carried(query), &[]));
    view! {
        <p role="status">"It has ended, and others since: the console remembers the last 50 actions. Its end is an event of the timeline."</p>
        <a class="btn" href=href>
            "Timeline"
        </a>
    }
    .into_any()
}

#[component]
fn CreateForm(preview: ApplyPreview, id: String, target: Signal<String>) -> impl IntoView {
    view! {
        <form method="post" action=CREATE_INDEX style=FORM>
            <p>{preview.effect}</p>
            <div class="code" style="inline-size:100%">
                <pre tabindex="0">{preview.sql}</pre>
            </div>
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="id" value=id/>
            <ReasonField id="reason"/>
            <button class="btn primary">"Create now"</button>
        </form>
    }
    .into_any()
}
