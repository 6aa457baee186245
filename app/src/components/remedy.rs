//! The one step that helps: a link, a statement to copy, or words.

use super::copy::CopyButton;
use crate::{layout::use_frame, url};
use headroom_model::observation::Remedy;
use leptos::prelude::*;

/// Shows a remedy as small as it can be.
#[component]
pub fn RemedyView(remedy: Remedy) -> impl IntoView {
    let frame = use_frame();
    match remedy {
        Remedy::Open(link) => view! {
            <a class="btn s" href=move || frame.query.with(|query| url::inside(&link.href, query))>
                {link.label}
            </a>
        }
        .into_any(),
        Remedy::Text { text } => view! { <small>{text}</small> }.into_any(),
        Remedy::Sql { label, sql } => {
            let text = sql.clone();
            view! {
                <details class="pop remedy">
                    <summary class="btn s" title=label.clone()>
                        "Show SQL"
                    </summary>
                    <div class="panel">
                        <h4>{label}</h4>
                        <p>"Run this on the target, as a role that may:"</p>
                        <div class="code">
                            <pre tabindex="0">{sql}</pre>
                        </div>
                        <CopyButton text=Signal::derive(move || text.clone())/>
                    </div>
                </details>
            }
            .into_any()
        }
    }
}
