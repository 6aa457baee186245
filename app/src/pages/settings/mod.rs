//! Settings: what the console keeps and offers, a section each.

mod history;
mod shares;

use crate::{components::failure::Failure, components::skeleton::Skeleton, error::AppError, functions::storage};
use headroom_model::storage::Storage;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};

/// The page.
#[derive(Debug)]
pub struct SettingsPage;

#[lazy_route]
impl LazyRoute for SettingsPage {
    fn data() -> Self {
        SettingsPage
    }

    fn view(_this: Self) -> AnyView {
        view! {
            <Title text="Settings"/>
            <div class="page-head">
                <h1>"Settings"</h1>
            </div>
            <Sections/>
            <shares::SharedLinks/>
        }
        .into_any()
    }
}

/// The sections. Each reads what it needs and fails by itself.
#[component]
fn Sections() -> impl IntoView {
    let kept = Resource::new_blocking(|| (), |()| storage());
    let again = Callback::new(move |()| kept.refetch());
    let shown = move |kept: Result<Storage, AppError>| match kept {
        Ok(storage) => view! { <history::History storage/> }.into_any(),
        Err(error) => view! { <Failure error retry=again/> }.into_any(),
    };
    view! {
        <Transition fallback=|| view! { <Frame name="History"/> }>
            {move || Suspend::new(async move { shown(kept.await) })}
        </Transition>
    }
    .into_any()
}

/// A section whose data is on its way.
#[component]
fn Frame(name: &'static str) -> impl IntoView {
    view! {
        <section class="sheet" aria-busy="true" aria-label=format!("{name}, loading")>
            <div class="cell-head pad-head">
                <h2>{name}</h2>
            </div>
            <p class="cell">
                <Skeleton width="60%"/>
            </p>
        </section>
    }
    .into_any()
}
