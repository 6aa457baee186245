//! A page while its first data is on its way, once it is there, and when it could not be read.

use super::failure::Failure;
use crate::error::AppError;
use leptos::prelude::*;

/// The page of what `read` awaits; `frames` until then. Its error stands below the page's name, where nothing else says that,
/// with a way to try again.
///
/// `read` awaits blocking resources, so that the server sends the page complete; from then on the page follows URL and feed
/// by itself and is not built anew.
pub fn first<T, F>(
    name: Option<&'static str>,
    frames: fn() -> AnyView,
    retry: Callback<()>,
    read: impl Fn() -> F + Send + 'static,
    loaded: impl Fn(T) -> AnyView + Clone + Send + 'static,
) -> AnyView
where
    T: Send + 'static,
    F: Future<Output = Result<T, AppError>> + Send + 'static,
{
    let failed = move |error| {
        let head = name.map(|name| {
            view! {
                <div class="page-head">
                    <h1>{name}</h1>
                </div>
            }
        });
        view! {
            {head}
            <Failure error retry/>
        }
        .into_any()
    };
    let page = move || {
        let (first, loaded) = (read(), loaded.clone());
        Suspend::new(async move {
            match first.await {
                Ok(first) => loaded(first),
                Err(error) => failed(error),
            }
        })
    };
    view! { <Transition fallback=frames>{page}</Transition> }.into_any()
}
