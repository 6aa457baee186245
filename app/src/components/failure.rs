//! What stands where something could not be read: what failed, why, and one press to try again.

use super::{
    icon::{Glyph, Icon},
    status::Mark,
};
use crate::error::{AppError, ErrorCode};
use headroom_model::Band;
use leptos::prelude::*;

/// A sheet in place of a page or panel.
#[component]
pub fn Failure(error: AppError, retry: Callback<()>) -> impl IntoView {
    let heading = match error.code {
        ErrorCode::NotFound => "Not found",
        ErrorCode::Forbidden | ErrorCode::Unauthenticated => "Not allowed",
        _ => "Could not be read",
    };
    let unknown = error.code == ErrorCode::NotFound;
    view! {
        <section class="sheet" aria-label=heading>
            <div class="empty" role="alert">
                <h2>
                    <Mark status=Some(Band::Critical) text=heading/>
                </h2>
                <p>{error.message}</p>
                <div class="flow">
                    <button type="button" class="btn" on:click=move |_| retry.run(())>
                        <Glyph icon=Icon::Refresh small=true/>
                        "Try again"
                    </button>
                    {unknown
                        .then(|| {
                            view! {
                                <a class="btn" href="/" rel="external">
                                    "Open the default target"
                                </a>
                            }
                        })}
                </div>
            </div>
        </section>
    }
    .into_any()
}
