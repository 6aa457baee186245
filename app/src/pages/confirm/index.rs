//! Confirming the creation of an index: what it does, the form that starts it, and how far it is.

use super::{FORM, NotDone, Page, Returned, UnderWay, done};
use crate::{
    components::steps::ReasonField,
    error::AppError,
    functions::{CREATE_INDEX, indexes, preview_index},
    layout::use_frame,
    url,
};
use headroom_model::{advice::ApplyPreview, operation::Operation};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

type Answers = (String, Result<ApplyPreview, AppError>, Option<Operation>);

/// The page.
pub struct ConfirmIndex {
    answers: Resource<Answers>,
}

/// The build that the form has started, while it runs.
async fn started(target: Option<String>, id: Option<String>) -> Option<Operation> {
    let id = id?;
    let view = indexes(target).await.ok()?;
    view.advice.building.filter(|operation| operation.id == id)
}

#[lazy_route]
impl LazyRoute for ConfirmIndex {
    fn data() -> Self {
        let query = use_query_map();
        let answers = Resource::new_blocking(
            move || query.with(|query| (url::target(query), query.get("id").unwrap_or_default(), done(query))),
            |(target, id, done)| async move {
                let preview = preview_index(target.clone(), id.clone()).await;
                (id, preview, started(target, done).await)
            },
        );
        ConfirmIndex { answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmIndex { answers } = this;
        let frame = use_frame();
        let target = frame.target();
        let heading = Signal::derive(move || format!("Create an index on {}", target.get()));
        let is_begun = frame.query.with_untracked(done).is_some();
        view! {
            <Title text="Create index"/>
            <Page heading label="Create index" waiting="Looking at the suggestion…" back=("/indexes", "Indexes")>
                {move || Suspend::new(async move {
                    let (id, preview, started) = answers.await;
                    view! {
                        <Returned said="Not created"/>
                        {match (started, is_begun) {
                            (Some(started), _) => {
                                view! { <UnderWay started/> }
                                    .into_any()
                            }
                            (None, true) => {
                                view! { <p role="status">"It has ended; the list of indexes shows how."</p> }.into_any()
                            }
                            (None, false) => match preview {
                                Ok(preview) => view! { <CreateForm preview id target/> }.into_any(),
                                Err(error) => view! { <NotDone said="Cannot be created" error/> }.into_any(),
                            },
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
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
