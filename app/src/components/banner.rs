//! A banner: something about the page as a whole, above its content, which stays.

use super::status::{MarkOnly, Status, class};
use leptos::prelude::*;

/// A banner with a status and its text; `action` sits at its end.
#[component]
pub fn Banner(
    status: Status,
    /// Spoken at once; for outages, not for notices.
    #[prop(optional)]
    alert: bool,
    /// Buttons or links.
    #[prop(optional, into)]
    action: ViewFn,
    children: Children,
) -> impl IntoView {
    let role = if alert { "alert" } else { "status" };
    view! {
        <div class=format!("banner {}", class(status)) role=role>
            <MarkOnly status/>
            <p>{children()}</p>
            <span class="push flow">{action.run()}</span>
        </div>
    }
    .into_any()
}
