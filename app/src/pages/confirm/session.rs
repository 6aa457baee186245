//! Confirming the end of a statement or a session.

use super::{Ended, FORM, NotDone, Page, Returned, done};
use crate::{
    components::steps::ReasonField,
    error::AppError,
    functions::{END_SESSION, last_action, preview_ending},
    layout::use_frame,
    url,
};
use headroom_model::{
    activity::{SessionAct, SessionPreview},
    overview::LastAction,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

type Answers = (Result<SessionPreview, AppError>, Option<LastAction>);

/// The page.
pub struct ConfirmSession {
    asked: Memo<(String, SessionAct)>,
    answers: Resource<Answers>,
}

#[lazy_route]
impl LazyRoute for ConfirmSession {
    fn data() -> Self {
        let query = use_query_map();
        let asked = Memo::new(move |_| {
            query.with(|query| {
                let act = query.get_str("act").and_then(|act| act.parse().ok()).unwrap_or(SessionAct::Cancel);
                (query.get("session").unwrap_or_default(), act)
            })
        });
        let answers = Resource::new_blocking(
            move || (query.with(url::target), asked.get(), query.with(done)),
            |(target, (session, act), done)| async move {
                let action = format!("session.{}", act.as_str());
                (preview_ending(target, session, act).await, last_action(action, done).await.unwrap_or(None))
            },
        );
        ConfirmSession { asked, answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmSession { asked, answers } = this;
        let target = use_frame().target();
        let heading = Signal::derive(move || {
            let (session, act) = asked.get();
            let pid = session.split('-').next().unwrap_or_default().to_owned();
            match act {
                SessionAct::Cancel => format!("Cancel the statement of session {pid} on {}", target.get()),
                SessionAct::Terminate => format!("Terminate session {pid} on {}", target.get()),
            }
        });
        view! {
            <Title text="End a session"/>
            <Page heading label="End a session" waiting="Looking at the session…" back=("/connections", "Connections")>
                {move || Suspend::new(async move {
                    let (preview, last) = answers.await;
                    let is_done = last.as_ref().is_some_and(|last| last.succeeded);
                    view! {
                        <Returned said="Not done"/>
                        {last.map(|last| view! { <Ended last done="Done" not_done="Not done"/> })}
                        {match preview {
                            Ok(preview) => view! { <EndForm preview target/> }.into_any(),
                            // It is gone because that was asked for.
                            Err(_) if is_done => ().into_any(),
                            Err(error) => view! { <NotDone said="Cannot be done" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

#[component]
fn EndForm(preview: SessionPreview, target: Signal<String>) -> impl IntoView {
    let statement = preview.statement_start_us.filter(|_| preview.act == SessionAct::Cancel);
    let pid = preview.key.pid;
    view! {
        <form method="post" action=END_SESSION style=FORM>
            <p>
                {format!(
                    "Application {}, role {}, {}. {}",
                    if preview.application.is_empty() { "without a name" } else { &preview.application },
                    preview.user,
                    preview.state,
                    preview.effect,
                )}
            </p>
            <p class="mono sub">{preview.statement}</p>
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="session" value=preview.key.to_string()/>
            <input type="hidden" name="act" value=preview.act.as_str()/>
            {statement
                .map(|start| view! { <input type="hidden" name="statement" value=start.to_string()/> })}
            <ReasonField id="reason"/>
            <button class="btn danger solid">
                {match preview.act {
                    SessionAct::Cancel => format!("Cancel the statement of {pid}"),
                    SessionAct::Terminate => format!("Terminate {pid}"),
                }}
            </button>
        </form>
    }
    .into_any()
}
