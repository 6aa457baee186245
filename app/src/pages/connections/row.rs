//! One session in detail, below its row, and the way to end it.

use super::{sessions::trouble, view::wait};
use crate::{
    components::{copy::CopyButton, ending::EndingHere, status::Mark},
    layout::use_frame,
    url,
};
use headroom_model::{
    activity::{SessionAct, SessionView},
    format::{self, MISSING},
};
use leptos::prelude::*;

fn span(millis: Option<f64>) -> String {
    millis.map_or_else(|| MISSING.to_owned(), format::duration_ms)
}

/// What can be done to a session.
pub fn acts(session: &SessionView) -> Vec<SessionAct> {
    match (session.own, session.state.as_str()) {
        (true, _) => Vec::new(),
        (_, "active" | "fastpath function call") => vec![SessionAct::Cancel, SessionAct::Terminate],
        _ => vec![SessionAct::Terminate],
    }
}

/// Pairs of name and value.
fn facts(session: &SessionView) -> Vec<(&'static str, String)> {
    let or_none = |text: &str| if text.is_empty() { "without a name".to_owned() } else { text.to_owned() };
    let blocked_by = session.blocked_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut facts = vec![
        ("Application", or_none(&session.application)),
        ("Role", session.user.clone()),
        ("Database", session.database.clone()),
        ("Client", session.client.clone().unwrap_or_else(|| "Unix socket".to_owned())),
        ("State", format!("{} for {}", session.state, span(session.state_ms))),
        ("Transaction open for", span(session.transaction_ms)),
        (
            "Statement began",
            session.statement_ms.map_or_else(|| MISSING.to_owned(), |ms| format!("{} ago", span(Some(ms)))),
        ),
        ("Waits for", wait(session).unwrap_or_else(|| "nothing".to_owned())),
        (
            "Snapshot age",
            session.xmin_age.map_or_else(
                || "no snapshot held".to_owned(),
                |age| format!("{}: vacuum keeps what died since", format::counted(age.unsigned_abs(), "transaction")),
            ),
        ),
    ];
    if !blocked_by.is_empty() {
        facts.push(("Blocked by", format!("{blocked_by}, for {}", span(session.lock_wait_ms))));
    }
    if session.blocks > 0 {
        facts.push(("Blocks", format::counted(session.blocks, "session")));
    }
    facts
}

/// The detail.
#[component]
pub fn Detail(row: Signal<SessionView>) -> impl IntoView {
    let frame = use_frame();
    let facts = Memo::new(move |_| row.with(facts));
    let mark = Memo::new(move |_| row.with(trouble));
    let statement = Memo::new(move |_| row.with(|row| row.statement.clone()));
    let query_id = Memo::new(move |_| row.with(|row| row.query_id.clone()));
    let in_tree = Memo::new(move |_| row.with(|row| row.blocks > 0 || !row.blocked_by.is_empty()));
    let key = Memo::new(move |_| row.with(|row| row.key));
    let acts = Memo::new(move |_| row.with(acts));
    let own = Memo::new(move |_| row.with(|row| row.own));
    let carried = move |path: &str, changes: &[(&'static str, Option<&str>)]| {
        frame.query.with(|query| url::href(path, &url::carried(query), changes))
    };
    let links = move || {
        let statement = query_id.get().map(|id| {
            let href = carried(&format!("/queries/{id}"), &[]);
            view! {
                <a class="btn s" href=href>
                    "All calls of this statement"
                </a>
            }
        });
        let tree = in_tree.get().then(|| {
            let open = key.get().to_string();
            let href = carried("/locks", &[("open", Some(&open))]);
            view! {
                <a class="btn s" href=href>
                    "Blocking tree"
                </a>
            }
        });
        view! {
            {statement}
            {tree}
        }
    };
    view! {
        <div class="row-cells cols-2">
            <div class="cell">
                {move || mark.get().map(|(band, words)| view! { <p><Mark status=Some(band) text=words/></p> })}
                <dl class="kv facts">
                    {move || {
                        facts
                            .get()
                            .into_iter()
                            .map(|(name, value)| {
                                view! {
                                    <dt>{name}</dt>
                                    <dd>{value}</dd>
                                }
                            })
                            .collect_view()
                    }}
                </dl>
            </div>
            <div class="cell" style="display:grid;gap:var(--p5);align-content:start">
                <h3>"Statement"</h3>
                <div class="code">
                    <pre tabindex="0" role="group" aria-label="Statement">
                        {move || statement.get()}
                    </pre>
                </div>
                <span class="flow">
                    <CopyButton text=statement/>
                    {links}
                </span>
                <EndingHere session=key acts/>
                <Show when=move || own.get()>
                    <p class="note">"The console's own connection; it is not ended from here."</p>
                </Show>
            </div>
        </div>
    }
    .into_any()
}
