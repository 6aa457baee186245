//! A row of a list of actions: what it is, its state in a sentence, and its controls.

use leptos::prelude::*;

/// One action. `text` is announced when it changes; `acts` stand at the end; children follow below.
#[component]
pub fn CommandRow(
    /// The id of the row.
    id: &'static str,
    title: &'static str,
    /// The sentence below the title.
    #[prop(into)]
    text: ViewFn,
    /// Buttons.
    #[prop(into)]
    acts: ViewFn,
    /// What opens below: a question.
    #[prop(optional, into)]
    below: ViewFn,
) -> impl IntoView {
    view! {
        <div class="cmd" id=id>
            <div role="status">
                <h3>{title}</h3>
                {move || text.run()}
            </div>
            <div class="acts">{move || acts.run()}</div>
            {move || below.run()}
        </div>
    }
    .into_any()
}
