//! Blocking trees: the root first, with the button that ends it, then who waits for it and behind whom.

use super::store::use_store;
use crate::{
    components::{
        ending::EndingHere,
        status::{Mark, MarkOnly},
    },
    layout::use_frame,
    url,
};
use headroom_model::{
    Band,
    activity::{SessionAct, SessionKey, SessionLock, Unknown},
    contention::{BlockingNode, BlockingTree},
    format::{self, MISSING},
};
use leptos::prelude::*;

/// A wait from here on is critical, in milliseconds, as for the issues of the Overview.
const CRITICAL_MS: f64 = 30_000.0;

fn span(millis: Option<f64>) -> String {
    millis.map_or_else(
        || MISSING.to_owned(),
        |ms| format::duration_ms(if ms >= 1000.0 { (ms / 1000.0).floor() * 1000.0 } else { ms.round() }),
    )
}

/// `products, RowExclusiveLock`; what is on no table is named by its kind.
fn lock_words(lock: &SessionLock) -> String {
    let on = match (lock.relation.as_deref(), lock.kind.as_str()) {
        (Some(relation), "tuple") => format!("a row of {relation}"),
        (Some(relation), _) => relation.to_owned(),
        (None, "transactionid") => "a transaction".to_owned(),
        (None, kind) => kind.to_owned(),
    };
    format!("{on}, {}", lock.mode)
}

/// What a session holds, or waits for: tables first.
fn locks(node: &BlockingNode, granted: bool) -> String {
    let mut locks: Vec<&SessionLock> = node.locks.iter().filter(|lock| lock.granted == granted).collect();
    locks.sort_by_key(|lock| lock.relation.is_none());
    locks.into_iter().map(lock_words).collect::<Vec<_>>().join("; ")
}

/// Who it is.
fn who(node: &BlockingNode) -> String {
    match (&node.session, node.pid) {
        (Some(session), _) if session.application.is_empty() => format!("role {}", session.user),
        (Some(session), _) => format!("{}, role {}", session.application, session.user),
        // pg_blocking_pids reports prepared transactions as process 0.
        (None, 0) => "a prepared transaction: COMMIT PREPARED or ROLLBACK PREPARED ends it".to_owned(),
        (None, _) => "no client session: a maintenance process or a replication worker".to_owned(),
    }
}

fn state(node: &BlockingNode) -> String {
    let Some(session) = &node.session else { return MISSING.to_owned() };
    format!("{} for {}", session.state, span(session.state_ms))
}

fn row(node: &BlockingNode, sessions: &str) -> AnyView {
    let indent = format!("padding-inline-start:calc(var(--p7) + {} * var(--p6))", node.depth.min(8));
    let statement = node.session.as_ref().map(|session| session.statement.clone()).unwrap_or_default();
    let waited = node.session.as_ref().and_then(|session| session.lock_wait_ms);
    let pid = if node.pid == 0 { "prepared".to_owned() } else { node.pid.to_string() };
    let name = match &node.session {
        Some(session) => {
            let href = format!("{sessions}{}open={}", if sessions.contains('?') { "&" } else { "?" }, session.key);
            view! { <a href=href>{pid}</a> }.into_any()
        }
        None => view! { <b>{pid}</b> }.into_any(),
    };
    let root = node.depth == 0;
    let mark = root.then(|| view! { <MarkOnly status=Some(Band::Critical) text="root"/> });
    let level = (node.depth + 1).to_string();
    view! {
        <tr class:root=root>
            <th scope="row" style=indent>
                <span class="vh">{format!("Level {level}: ")}</span>
                {mark} " " {name} " "
                <small class="note">{who(node)}</small>
            </th>
            <td>{state(node)}</td>
            <td>{locks(node, true)}</td>
            <td>{locks(node, false)}</td>
            <td class="num">{if root { String::new() } else { span(waited) }}</td>
            <td class="num">{format::count(node.blocks)}</td>
            <td>
                <span class="mono key-text">{statement}</span>
            </td>
        </tr>
    }
    .into_any()
}

fn heading(tree: &BlockingTree) -> String {
    let root = tree.nodes.first().map_or(0, |node| node.pid);
    let who = if root == 0 { "A prepared transaction".to_owned() } else { format!("Session {root}") };
    let waiting = format::counted(tree.waiting, "session");
    match tree.longest_ms {
        Some(_) => format!("{who} blocks {waiting}, for {}", span(tree.longest_ms)),
        None => format!("{who} blocks {waiting}"),
    }
}

/// One tree, named by the process at its root, so that a question asked in it stays while samples come.
#[component]
fn Tree(of: i32) -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let tree = Memo::new(move |_| {
        let is_it = |tree: &&BlockingTree| tree.nodes.first().is_some_and(|node| node.pid == of);
        store.contention.with(|seen| seen.trees.iter().find(is_it).cloned())
    });
    let said = Memo::new(move |_| tree.with(|tree| tree.as_ref().map(heading).unwrap_or_default()));
    let band = Memo::new(move |_| {
        let long = tree.with(|tree| tree.as_ref().and_then(|tree| tree.longest_ms).is_some_and(|ms| ms >= CRITICAL_MS));
        Some(if long { Band::Critical } else { Band::Degraded })
    });
    let root: Memo<Option<SessionKey>> =
        Memo::new(move |_| tree.with(|tree| tree.as_ref().and_then(BlockingTree::root)));
    let acts = Memo::new(move |_| {
        tree.with(|tree| {
            let root = tree.as_ref().and_then(|tree| tree.nodes.first()?.session.as_ref());
            match root {
                Some(session) if session.own => Vec::new(),
                Some(session) if session.state == "active" => vec![SessionAct::Cancel, SessionAct::Terminate],
                Some(_) => vec![SessionAct::Terminate],
                None => Vec::new(),
            }
        })
    });
    let rows = move || {
        let sessions = frame.query.with(|query| url::href("/connections", &url::carried(query), &[]));
        tree.with(|tree| tree.as_ref().map(|tree| tree.nodes.iter().map(|node| row(node, &sessions)).collect_view()))
    };
    let cut = move || {
        tree.with(|tree| {
            let tree = tree.as_ref()?;
            let more = (tree.waiting + 1).saturating_sub(tree.nodes.len() as u64);
            (more > 0)
                .then(|| view! { <p class="note cell">{format!("and {} more behind them", format::count(more))}</p> })
        })
    };
    view! {
        <div class="cell ruled tree-head">
            <h3>
                <MarkOnly status=band/>
                " "
                {said}
            </h3>
            {move || root.get().map(|key| view! { <EndingHere session=key acts/> })}
        </div>
        <div class="scroll-x" tabindex="0" role="group" aria-label="Blocking tree, table">
            <table class="tbl tree" style="min-inline-size:64rem">
                <caption class="vh">{said}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Session"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Holds"</th>
                        <th scope="col">"Waits for"</th>
                        <th scope="col" class="num">
                            "Waited"
                        </th>
                        <th scope="col" class="num">
                            "Blocks"
                        </th>
                        <th scope="col">"Statement"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {cut}
    }
    .into_any()
}

/// What is not known, with the statement that helps.
fn unknown(unknown: Unknown) -> AnyView {
    view! {
        <p class="sub">
            {unknown.what}
            {unknown.remedy.map(|sql| view! {
                " "
                <code>{sql}</code>
            })}
        </p>
    }
    .into_any()
}

/// The sheet.
#[component]
pub fn Trees() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let trees = Memo::new(move |_| {
        store
            .contention
            .with(|seen| seen.trees.iter().filter_map(|tree| Some(tree.nodes.first()?.pid)).collect::<Vec<_>>())
    });
    let empty = move || {
        let missing = store.contention.with(|seen| seen.missing.clone());
        if !missing.is_empty() {
            return view! {
                <div class="cell">
                    <Mark status=None text="Not known"/>
                    {missing.into_iter().map(unknown).collect_view()}
                </div>
            }
            .into_any();
        }
        let last = store.contention.with(|seen| seen.stretches.first().map(|stretch| (stretch.to, stretch.root.pid)));
        let since = store.contention.with(|seen| seen.details_from);
        let now = minute.get();
        let said = match (last, since) {
            (Some((at, pid)), _) => {
                format!("The last one in the range was session {pid}, until {}.", format::moment(at, now))
            }
            (None, Some(from)) => format!("Nobody has been seen waiting since {}.", format::moment(from, now)),
            (None, None) => "Nothing of the range has been measured.".to_owned(),
        };
        view! {
            <div class="cell">
                <Mark status=Some(Band::Excellent) text="Nobody waits for a lock"/>
                <p class="sub">{said}</p>
            </div>
        }
        .into_any()
    };
    let more = move || {
        let (all, shown) = store.contention.with(|seen| (seen.trees_total, seen.trees.len() as u64));
        (all > shown)
            .then(|| view! { <p class="note cell">{format!("and {} more trees", format::count(all - shown))}</p> })
    };
    view! {
        <section class="sheet" aria-labelledby="h-trees" class:is-stale=move || store.present.is_stale()>
            <div class="cell-head pad-head">
                <h2 id="h-trees">"Blocking now"</h2>
                <small>"the root first: it waits for nobody, everyone below waits for it; read every 5 s"</small>
            </div>
            <Show when=move || trees.with(Vec::is_empty)>{empty}</Show>
            <For each=move || trees.get() key=|root| *root children=|of| view! { <Tree of/> }/>
            {more}
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_named_by_what_they_are_on() {
        let lock = |kind: &str, relation: Option<&str>| SessionLock {
            kind: kind.into(),
            relation: relation.map(Into::into),
            mode: "ShareLock".into(),
            granted: false,
        };
        assert_eq!(lock_words(&lock("relation", Some("shop.products"))), "shop.products, ShareLock");
        assert_eq!(lock_words(&lock("tuple", Some("products"))), "a row of products, ShareLock");
        assert_eq!(lock_words(&lock("transactionid", None)), "a transaction, ShareLock");
        assert_eq!(lock_words(&lock("advisory", None)), "advisory, ShareLock");
    }
}
