//! Confirming an action without JavaScript: what it would do, the form that does it, and how it ended.

mod clear;
mod index;
mod optimize;
mod reset;
mod session;
mod share;
mod warm;

pub use clear::ConfirmClear;
pub use index::ConfirmIndex;
pub use optimize::ConfirmOptimize;
pub use reset::ConfirmReset;
pub use session::ConfirmSession;
pub use share::ConfirmShare;
pub use warm::ConfirmWarm;

use crate::{
    components::{operation::Progress, status::Mark},
    error::AppError,
    layout::use_frame,
    url,
};
use headroom_model::{Band, format, operation::Operation, overview::LastAction};
use leptos::{prelude::*, server_fn::error::ServerFnUrlError};
use leptos_router::params::ParamsMap;

/// The style of a form on these pages.
const FORM: &str = "display:grid;gap:var(--p6);justify-items:start;inline-size:min(100%,34rem)";

/// The error that the form came back with.
fn error(query: &ParamsMap) -> Option<AppError> {
    query.get_str("__err").map(ServerFnUrlError::<AppError>::decode_err)
}

/// What the form that came back has done, as the URL names it.
fn done(query: &ParamsMap) -> Option<String> {
    query.get("done").filter(|_| error(query).is_none())
}

/// Says that the form came back with an error.
#[component]
pub(super) fn Returned(said: &'static str) -> impl IntoView {
    let error = use_frame().query.with_untracked(error);
    error.map(|error| view! { <NotDone said error/> })
}

/// The operation that the form started.
#[component]
fn UnderWay(started: Operation) -> impl IntoView {
    view! {
        <div role="status" style="inline-size:min(100%,34rem)">
            <p>{started.title.clone()}</p>
            <Progress operation=Signal::stored(started)/>
        </div>
    }
    .into_any()
}

/// Says that something was not done, and why.
#[component]
fn NotDone(said: &'static str, error: AppError) -> impl IntoView {
    view! {
        <div role="alert">
            <Mark status=Some(Band::Critical) text=said/>
            <p class="sub">{error.message}</p>
        </div>
    }
    .into_any()
}

/// Says how an action ended, from its audit row.
#[component]
fn Ended(last: LastAction, done: &'static str, not_done: &'static str) -> impl IntoView {
    let now = use_frame().now.get_untracked();
    let (status, word) = if last.succeeded { (Band::Excellent, done) } else { (Band::Critical, not_done) };
    let text = format!("{word} at {} by {}", format::moment(last.at, now), last.actor);
    view! {
        <div role="status">
            <Mark status=Some(status) text/>
            <p class="sub">{last.outcome}</p>
        </div>
    }
    .into_any()
}

/// Heading, sheet, and the way back.
#[component]
fn Page(
    #[prop(into)] heading: Signal<String>,
    label: &'static str,
    /// Said while the preview is on its way.
    waiting: &'static str,
    /// Path and name of the page to go back to.
    back: (&'static str, &'static str),
    children: ChildrenFn,
) -> impl IntoView {
    let query = use_frame().query;
    let (path, name) = back;
    let href = move || query.with(|query| url::href(path, &url::carried(query), &[]));
    view! {
        <div class="page-head">
            <h1>{heading}</h1>
        </div>
        <section class="sheet" aria-label=label>
            <div class="cell" style="display:grid;gap:var(--p6);justify-items:start">
                <Transition fallback=move || view! { <p>{waiting}</p> }>{children()}</Transition>
                <a class="btn" href=href>
                    {format!("Back to {name}")}
                </a>
            </div>
        </section>
    }
    .into_any()
}
