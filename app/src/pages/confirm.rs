//! Confirming a reset without JavaScript: what would be discarded, the form that does it, and how the last one ended.

use crate::{
    components::status::Mark,
    error::AppError,
    functions::{last_reset, preview_reset},
    layout::use_frame,
    url,
};
use headroom_model::{
    Band,
    action::{ResetPreview, ResetScope},
    format,
    overview::LastReset,
};
use leptos::{prelude::*, server_fn::error::ServerFnUrlError};
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

type Answers = (Result<ResetPreview, AppError>, Result<Option<LastReset>, AppError>);

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
            move || (query.with(url::target), scope.get()),
            |(target, scope)| async move { (preview_reset(target.clone(), scope).await, last_reset(target, scope).await) },
        );
        ConfirmReset { scope, answers }
    }

    fn view(this: Self) -> AnyView {
        view! { <Confirm scope=this.scope answers=this.answers/> }.into_any()
    }
}

#[component]
fn Confirm(scope: Memo<ResetScope>, answers: Resource<Answers>) -> impl IntoView {
    let frame = use_frame();
    let target = frame.target();
    let back = move || frame.query.with(|query| url::href("/", &url::carried(query), &[]));
    // How the form ended: it comes back with the error, or with the audit row that it made.
    let error = move || frame.query.with(|query| query.get_str("__err").map(ServerFnUrlError::<AppError>::decode_err));
    let is_made = move |last: &LastReset| {
        error().is_none() && frame.query.with(|query| query.get_str("done") == Some(last.audit_id.to_string().as_str()))
    };
    let failed = move || {
        error().map(|error| {
            view! {
                <div role="alert">
                    <Mark status=Some(Band::Critical) text="Not reset"/>
                    <p class="sub">{error.message}</p>
                </div>
            }
        })
    };
    let last = move |last: LastReset| {
        let (status, word) = if last.succeeded { (Band::Excellent, "Reset") } else { (Band::Critical, "Not reset") };
        let text = format!("{word} at {} by {}", format::moment(last.at, frame.now.get_untracked()), last.actor);
        view! {
            <div role="status">
                <Mark status=Some(status) text/>
                <p class="sub">{last.outcome}</p>
            </div>
        }
    };
    view! {
        <Title text="Reset statistics"/>
        <div class="page-head">
            <h1>{move || format!("Reset {} of {}", scope.get().label(), target.get())}</h1>
        </div>
        <section class="sheet" aria-label="Reset statistics">
            <Transition fallback=|| view! { <div class="cell">"Counting what would be discarded…"</div> }>
                {move || Suspend::new(async move {
                    let (preview, previous) = answers.await;
                    view! {
                        <div class="cell" style="display:grid;gap:var(--p6);justify-items:start">
                            {failed}
                            {previous.ok().flatten().filter(is_made).map(last)}
                            {match preview {
                                Ok(preview) => view! { <ResetForm preview target/> }.into_any(),
                                Err(error) => {
                                    view! {
                                        <div role="alert">
                                            <Mark status=Some(Band::Critical) text="Cannot be reset"/>
                                            <p class="sub">{error.message}</p>
                                        </div>
                                    }
                                        .into_any()
                                }
                            }}
                            <a class="btn" href=back>
                                "Back to Overview"
                            </a>
                        </div>
                    }
                })}
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn ResetForm(preview: ResetPreview, target: Signal<String>) -> impl IntoView {
    view! {
        <form
            method="post"
            action=crate::functions::RESET_STATISTICS
            style="display:grid;gap:var(--p6);justify-items:start;inline-size:min(100%,34rem)"
        >
            <p>{preview.effect}</p>
            <input type="hidden" name="target" value=target/>
            <input type="hidden" name="scope" value=preview.scope.as_str()/>
            <div class="field" style="inline-size:100%">
                <label for="reason">"Reason, recorded in the audit"</label>
                <input class="in" id="reason" name="reason" maxlength="500" autocomplete="off"/>
            </div>
            <button class="btn danger solid">"Reset now"</button>
        </form>
    }
    .into_any()
}
