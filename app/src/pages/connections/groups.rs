//! What sessions have in common: each group is a filter of the list above.

use super::{
    PATH,
    store::use_store,
    view::{self, GROUPS, value_words},
};
use crate::layout::use_frame;
use headroom_model::{
    activity::{SessionGroup, SessionGroups, Unknown},
    format,
};
use leptos::prelude::*;

/// Groups of one sort that are listed; the rest can be searched for.
const MOST: usize = 8;

/// A sort: its heading, and its groups.
type Sort = (&'static str, fn(&SessionGroups) -> &Vec<SessionGroup>);

/// The sorts, in the order of [`GROUPS`].
const SORTS: [Sort; 5] = [
    ("By state", |groups| &groups.states),
    ("By application", |groups| &groups.applications),
    ("By client", |groups| &groups.clients),
    ("By role", |groups| &groups.users),
    ("By wait", |groups| &groups.waits),
];

/// What a group is made of, beside its number.
fn made_of(group: &SessionGroup) -> String {
    let parts = [(group.active, "active"), (group.idle_in_transaction, "in transaction")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, word)| format!("{} {word}", format::count(count))).collect::<Vec<_>>().join(", ")
}

/// What is said of a sort without groups: only waits have none while sessions are seen.
fn nobody(missing: Option<&Unknown>) -> String {
    match missing {
        None => "Nobody waits for anything.".to_owned(),
        Some(Unknown { what, remedy: Some(sql) }) => format!("Not known. {what} Remedy: {sql}"),
        Some(Unknown { what, remedy: None }) => format!("Not known. {what}"),
    }
}

/// The sheet.
#[component]
pub fn Groups() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let sort = move |index: usize| {
        let (heading, of) = SORTS[index];
        let key = GROUPS[index].0;
        let groups = Memo::new(move |_| store.activity.with(|activity| of(&activity.groups).clone()));
        let row = move |group: SessionGroup| {
            let name = group.name.clone();
            let wanted = group.name.clone();
            let is_chosen = Memo::new(move |_| frame.query.with(|query| query.get_str(key) == Some(wanted.as_str())));
            let href = move || {
                let value = (!is_chosen.get()).then_some(name.as_str());
                frame.link(PATH, &[(key, value), ("page", None), ("open", None)])
            };
            view! {
                <dt>
                    <a href=href aria-current=move || is_chosen.get().then_some("true") data-noscroll="">
                        {value_words(key, &group.name)}
                    </a>
                    " "
                    <small class="note">{made_of(&group)}</small>
                </dt>
                <dd>{format::count(group.sessions)}</dd>
            }
        };
        let more = move || {
            let more = groups.with(Vec::len).saturating_sub(MOST);
            (more > 0).then(|| view! { <p class="note">{format!("and {} more", format::count(more as u64))}</p> })
        };
        let none = move || {
            groups.with(Vec::is_empty).then(|| {
                let said = store.activity.with(|activity| nobody(activity.missing.first()));
                view! { <p class="sub">{said}</p> }
            })
        };
        view! {
            <div class="cell">
                <h3 style="margin-block-end:var(--p4)">{heading}</h3>
                <dl class="kv">{move || groups.get().into_iter().take(MOST).map(row).collect_view()}</dl>
                {none}
                {more}
            </div>
        }
    };
    view! {
        <section class="sheet" aria-labelledby="h-groups">
            <div class="cell-head pad-head">
                <h2 id="h-groups">"What sessions have in common"</h2>
                <small>"each is a filter of the list"</small>
            </div>
            <div class="row-cells session-groups">{(0..SORTS.len()).map(sort).collect_view()}</div>
        </section>
    }
    .into_any()
}

/// The filters in force, each with its way out.
#[component]
pub fn InForce() -> impl IntoView {
    let frame = use_frame();
    let filter = Memo::new(move |_| frame.query.with(view::filter));
    let chip = move |(key, word, value): (&'static str, &'static str, String)| {
        let href = move || frame.link(PATH, &[(key, None), ("page", None)]);
        let said = format!("{word} {}", value_words(key, &value));
        view! {
            <span class="chip">
                {said.clone()}
                <a href=href aria-label=format!("Remove filter {said}") data-noscroll="">
                    "×"
                </a>
            </span>
        }
    };
    let chips = move || {
        let groups = filter.get().groups;
        let set = GROUPS.iter().zip(groups).filter_map(|((key, word, _), value)| Some((*key, *word, value?)));
        set.map(chip).collect_view()
    };
    view! { {chips} }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_nobody() {
        assert_eq!(nobody(None), "Nobody waits for anything.");
        let hidden = Unknown {
            what: "Sessions of other roles are hidden.".into(),
            remedy: Some("GRANT pg_monitor TO \"watcher\";".into()),
        };
        let said = "Not known. Sessions of other roles are hidden. Remedy: GRANT pg_monitor TO \"watcher\";";
        assert_eq!(nobody(Some(&hidden)), said);
    }
}
