//! Confirming a clear of the cache: what to clear, how many keys that is, and the form that does it.

use super::{Ended, FORM, NotDone, Page, Returned, done};
use crate::{
    components::{clear::verb, steps::ReasonField},
    error::AppError,
    functions::{CLEAR_CACHE, last_action, preview_clear},
    layout::use_frame,
    url,
};
use headroom_model::{
    cache::{ClearFields, ClearPreview},
    overview::LastAction,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route, params::ParamsMap};

type Answers = (Result<ClearPreview, AppError>, Option<LastAction>);

/// What the URL asks to clear; everything, where it says nothing.
fn fields(query: &ParamsMap) -> ClearFields {
    let text = |key| query.get(key).unwrap_or_default();
    let scope = query.get("scope").unwrap_or_else(|| "all".to_owned());
    ClearFields { scope, tag: text("tag"), dataset: text("dataset"), key: text("key"), pattern: text("pattern") }
}

/// The page.
pub struct ConfirmClear {
    fields: Memo<ClearFields>,
    answers: Resource<Answers>,
}

#[lazy_route]
impl LazyRoute for ConfirmClear {
    fn data() -> Self {
        let query = use_query_map();
        let fields = Memo::new(move |_| query.with(fields));
        let answers = Resource::new_blocking(
            move || (query.with(url::target), fields.get(), query.with(done)),
            |(target, fields, done)| async move {
                (preview_clear(target, fields).await, last_action("cache.clear".to_owned(), done).await.unwrap_or(None))
            },
        );
        ConfirmClear { fields, answers }
    }

    fn view(this: Self) -> AnyView {
        let ConfirmClear { fields, answers } = this;
        let target = use_frame().target();
        let heading = Signal::derive(move || format!("Clear cache on {}", target.get()));
        view! {
            <Title text="Clear cache"/>
            <Page heading label="Clear cache" waiting="Counting keys…" back=("/cache", "Cache")>
                {move || Suspend::new(async move {
                    let (preview, last) = answers.await;
                    view! {
                        <Returned said="Not cleared"/>
                        {last.map(|last| view! { <Ended last done="Cleared" not_done="Not cleared"/> })}
                        <Choose fields target/>
                        {match preview {
                            Ok(preview) => view! { <ClearForm preview target/> }.into_any(),
                            Err(error) => view! { <NotDone said="Cannot be counted" error/> }.into_any(),
                        }}
                    }
                })}
            </Page>
        }
        .into_any()
    }
}

/// What to clear: asks for the page again with the count of that.
#[component]
fn Choose(fields: Memo<ClearFields>, target: Signal<String>) -> impl IntoView {
    let chosen = fields.get_untracked();
    let scope = |name: &'static str, label: &'static str| {
        let checked = chosen.scope == name;
        view! {
            <label>
                <input type="radio" name="scope" value=name checked=checked/>
                <span>{label}</span>
            </label>
        }
    };
    let field = |name: &'static str, label: &'static str, value: String| {
        view! {
            <div class="field" style="inline-size:100%">
                <label for=name>{label}</label>
                <input class="in mono" id=name name=name value=value maxlength="1024" autocomplete="off"/>
            </div>
        }
    };
    view! {
        <form method="get" action="/confirm/clear" style=FORM>
            <input type="hidden" name="target" value=target/>
            <div class="radio-list" role="radiogroup" aria-label="Scope" style="inline-size:100%">
                {scope("all", "All")} {scope("tag", "Tag")} {scope("dataset", "Dataset")}
                {scope("pattern", "Pattern of a dataset")} {scope("key", "Key of a dataset")}
            </div>
            {field("tag", "Tag", chosen.tag.clone())} {field("dataset", "Dataset", chosen.dataset.clone())}
            {field("pattern", "Pattern, * any characters, ? one", chosen.pattern.clone())}
            {field("key", "Key", chosen.key.clone())} <button class="btn">"Count keys"</button>
        </form>
    }
    .into_any()
}

#[component]
fn ClearForm(preview: ClearPreview, target: Signal<String>) -> impl IntoView {
    let verb = verb(&preview);
    let fields = ClearFields::from(preview.scope);
    let hidden: Vec<(String, String)> =
        fields.pairs().map(|(name, value)| (format!("fields[{name}]"), value.to_owned())).collect();
    let hidden = hidden.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> });
    view! {
        <form method="post" action=CLEAR_CACHE style=FORM>
            <p>{preview.effect}</p>
            <input type="hidden" name="target" value=target/>
            {hidden.collect_view()}
            <ReasonField id="reason"/>
            <button class="btn danger solid">{verb}</button>
        </form>
    }
    .into_any()
}
