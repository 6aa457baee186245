//! Sharing a snapshot: what it would hold, for whom, for how long, and the form that makes it.

use super::{FORM, NotDone, Page, Returned, done};
use crate::{
    components::{
        copy::CopyButton,
        share::{AudienceChoice, LifetimeChoice},
        status::Mark,
    },
    error::AppError,
    functions::{CREATE_SHARE, REVOKE_SHARE, own_share, preview_share},
    layout::use_frame,
    url,
};
use headroom_model::{
    Band, format,
    share::{SHARE_TITLE_MAX, Share, SharePreview, span},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route, params::ParamsMap};

type Answers = (Result<SharePreview, AppError>, Option<Share>);

/// The query of the view that is shared.
fn view_of(query: &ParamsMap) -> String {
    let only_here = [("done", None), ("__err", None), ("__path", None), ("refresh", None)];
    url::href("", query, &only_here).trim_start_matches('?').to_owned()
}

/// The page.
pub struct ConfirmShare {
    answers: Resource<Answers>,
}

#[lazy_route]
impl LazyRoute for ConfirmShare {
    fn data() -> Self {
        let query = use_query_map();
        let answers = Resource::new_blocking(
            move || query.with(|query| (view_of(query), done(query))),
            |(view, done)| async move { (preview_share(view).await, own_share(done).await.unwrap_or(None)) },
        );
        ConfirmShare { answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmShare { answers } = this;
        let (query, target) = (use_frame().query, use_frame().target());
        // Two forms lead back here.
        let revokes = query.with_untracked(|query| query.get_str("__path") == Some(REVOKE_SHARE));
        let not_done = if revokes { "Not revoked" } else { "Not shared" };
        let heading = Signal::derive(move || format!("Share a snapshot of {}", target.get()));
        view! {
            <Title text="Share a snapshot"/>
            <Page heading label="Share a snapshot" waiting="Reading the points…" back=("/trends", "Trends")>
                {move || Suspend::new(async move {
                    let (preview, made) = answers.await;
                    view! {
                        <Returned said=not_done/>
                        {made.map(|share| view! { <Made share/> })}
                        {match preview {
                            Ok(preview) => view! { <ShareForm preview/> }.into_any(),
                            Err(error) => view! { <NotDone said="Cannot be shared" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

/// The link that was made, and the way to end it.
#[component]
fn Made(share: Share) -> impl IntoView {
    let link = url::snapshot(&share);
    let until =
        format!("Opens for {} until {}.", share.audience.label().to_lowercase(), format::date(share.expires_at));
    view! {
        <div role="status" style="inline-size:min(100%,34rem);display:grid;gap:var(--p4)">
            <Mark status=Some(Band::Excellent) text="Shared"/>
            <p class="sub">{until}</p>
            <div class="field">
                <label for="made-link">"Link"</label>
                <div style="display:flex;gap:var(--p4)">
                    <input id="made-link" class="in mono" readonly value=link.clone()/>
                    <CopyButton text=link.clone()/>
                </div>
            </div>
            <div class="flow">
                <a class="btn" href=link rel="external">
                    "Open the snapshot"
                </a>
                <form method="post" action=REVOKE_SHARE>
                    <input type="hidden" name="id" value=share.id.0/>
                    <button class="btn danger">"Revoke the link"</button>
                </form>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn ShareForm(preview: SharePreview) -> impl IntoView {
    let what = format!(
        "{}, {}. The points take {}; they are stored apart from the history and open without access to the target.",
        format::counted(preview.metrics as u64, "metric"),
        span(preview.range),
        format::bytes(preview.size_bytes as f64),
    );
    view! {
        <form method="post" action=CREATE_SHARE style=FORM>
            <p>{what}</p>
            <input type="hidden" name="view" value=preview.view/>
            <div class="field" style="inline-size:100%">
                <label for="share-title">"Title"</label>
                <input
                    class="in"
                    id="share-title"
                    name="title"
                    value=preview.title
                    maxlength=SHARE_TITLE_MAX.to_string()
                    autocomplete="off"
                />
            </div>
            <AudienceChoice id="share-audience"/>
            <LifetimeChoice id="share-lifetime"/>
            <button class="btn primary">"Share snapshot"</button>
        </form>
    }
    .into_any()
}
