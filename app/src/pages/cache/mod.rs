//! Cache: how much of what is asked for is there, from which tier, how fast; its keys, datasets and tags; clearing and
//! warming it.

mod charts;
mod datasets;
mod figures;
mod head;
mod key;
mod keys;
mod store;
mod tags;
mod value;
mod view;
mod warmup;

use crate::{
    components::{
        clear::ClearDialog,
        first::first,
        notices::{NotRead, Outages, Pruned, RangeRefused},
        skeleton::Skeleton,
    },
    error::AppError,
    functions::{cache_key, cache_keys, cache_report, cache_tags, warmup_status},
    layout::use_frame,
    url,
};
use headroom_model::{
    cache::{CacheOverview, KeyDetail, KeyList, TagReport},
    overview::Timeline,
    warmup::WarmupStatus,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
use serde::{Deserialize, Serialize};
use store::Store;

/// The path of the page.
pub const PATH: &str = "/cache";

/// The page.
#[derive(Debug)]
pub struct CachePage;

#[lazy_route]
impl LazyRoute for CachePage {
    fn data() -> Self {
        CachePage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Cache"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// What the page shows beside the present, each with its own reason to be missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Panels {
    keys: Result<KeyList, AppError>,
    detail: Option<Result<KeyDetail, AppError>>,
    tags: Result<Vec<TagReport>, AppError>,
    warmup: Result<WarmupStatus, AppError>,
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let query = use_frame().query;
    // Read once, for the first paint; from then on the store follows the URL and the feed without rebuilding the page.
    let present = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| cache_report(Some(target.clone()))
    });
    let panels = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| {
            let target = Some(target.clone());
            let (ask, open) = query.with_untracked(|query| (view::keys(query), view::open_key(query)));
            async move {
                let detail = match open {
                    Some((dataset, key)) => Some(cache_key(target.clone(), dataset, key).await),
                    None => None,
                };
                Panels {
                    keys: cache_keys(target.clone(), ask).await,
                    detail,
                    tags: cache_tags(target.clone()).await,
                    warmup: warmup_status(target).await,
                }
            }
        }
    });
    let past = Resource::new_blocking(
        || (),
        move |()| store::read_past(Some(target.clone()), query.with_untracked(url::written_range)),
    );
    let retry = Callback::new(move |()| {
        present.refetch();
        panels.refetch();
        past.refetch();
    });
    first(
        Some("Cache"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move {
            let (present, panels, past) = (present.await, panels.await, past.await);
            present.map(|present| (present, panels, past))
        },
        |(present, panels, past)| view! { <Loaded present panels past/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let cells = || {
        ["Hit rate", "L1 / L2", "Lookups", "Memory", "Evictions", "Keys"]
            .into_iter()
            .map(|name| {
                view! {
                    <div class="cell fig">
                        <dt>{name}</dt>
                        <dd>
                            <Skeleton width="60%"/>
                        </dd>
                    </div>
                }
            })
            .collect_view()
    };
    view! {
        <div class="page-head">
            <h1>"Cache"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            <dl class="row-cells figs">{cells()}</dl>
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(present: CacheOverview, panels: Panels, past: Result<Timeline, AppError>) -> impl IntoView {
    let store = Store::provide(present, panels, past);
    let retry = Callback::new(move |()| store.read());
    let is_stale = move || store.present.is_stale();
    let is_empty = Memo::new(move |_| store.report.with(|report| report.classes.is_empty()));
    view! {
        <head::Head/>
        <Outages present=store.present/>
        <head::RedisTier/>
        <RangeRefused/>
        <Pruned range=store.past.range() starts=store.past.starts()/>
        <NotRead error=store.report_reads.error what="Figures could not be read again." retry/>
        <NotRead error=store.past.reads.error what="History could not be read." retry/>
        <Show when=move || is_empty.get()>
            <datasets::HowTo/>
        </Show>
        <Show when=move || !is_empty.get()>
            <section class="sheet" class:is-stale=is_stale aria-label="Key figures">
                <figures::Figures/>
            </section>
            <section class="sheet" class:is-stale=is_stale aria-label="Cache charts">
                <charts::Charts/>
            </section>
            <keys::Keys/>
            <div class="split">
                <datasets::Datasets/>
                <warmup::Warmup/>
            </div>
            <tags::Tags/>
        </Show>
        <ClearDialog clearing=store.clearing/>
        {store.keep_fresh()}
    }
    .into_any()
}
