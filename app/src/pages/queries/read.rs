//! What the pages of statements read, and when again.

use crate::{
    components::list::ListKeys,
    data::{past::or_default, reads::Reads},
    error::AppError,
    functions,
    layout::use_frame,
    url,
};
use headroom_model::{
    event::Event,
    statements::{StatementDetail, StatementFilter, StatementKind, StatementList},
};
use leptos::prelude::*;
use leptos_router::params::ParamsMap;

/// Slots of statements are a minute wide; the pages look twice in it.
const LOOK_EVERY_MS: i64 = 30_000;

/// Names in the URL.
pub const TAG: &str = "tag";
pub const ROLE: &str = "role";
pub const KIND: &str = "kind";
/// The open row of the list.
const OPEN: &str = "open";

/// A statement and the events of the range.
pub type View = (StatementDetail, Vec<Event>);

/// What the URL asks of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// As it is written.
    pub range: (String, String),
    /// Text, tag, role, kind.
    pub filter: StatementFilter,
}

/// Reads it from a query.
pub fn asked(query: &ParamsMap) -> Asked {
    let get = |key| query.get(key).unwrap_or_default();
    Asked {
        range: url::written_range(query),
        filter: StatementFilter {
            text: get(ListKeys::PLAIN.find),
            tag: get(TAG),
            role: get(ROLE),
            kind: query.get_str(KIND).and_then(|name| name.parse().ok()),
            mean_ms_min: None,
        },
    }
}

/// The address of the list as CSV.
pub fn csv(target: &str, query: &ParamsMap) -> String {
    let Asked { range: (from, to), filter } = asked(query);
    let kind = filter.kind.map(StatementKind::as_str);
    let parts = [
        ("target", Some(target)),
        ("from", Some(from.as_str())),
        ("to", Some(to.as_str())),
        ("text", Some(filter.text.as_str())),
        ("tag", Some(filter.tag.as_str())),
        ("user", Some(filter.role.as_str())),
        ("kind", kind),
    ];
    url::href(
        "/api/v1/database/statements.csv",
        &ParamsMap::new(),
        &parts.map(|(key, text)| (key, text.filter(|text| !text.is_empty()))),
    )
}

/// The row that is open.
pub fn open(query: &ParamsMap) -> Option<String> {
    query.get(OPEN).filter(|id| !id.is_empty())
}

/// Reads the list.
pub async fn list(target: String, asked: Asked) -> Result<StatementList, AppError> {
    let Asked { range, filter } = asked;
    or_default(range, |from, to| functions::statements(Some(target.clone()), from, to, filter.clone())).await
}

/// Reads one statement.
pub async fn one(target: String, id: String, range: (String, String)) -> Result<View, AppError> {
    or_default(range, |from, to| functions::statement(Some(target.clone()), id.clone(), from, to)).await
}

/// Changes when it is time to look again: with the clock while the page follows it, and when someone asks for it.
pub fn looks() -> Memo<(i64, u32)> {
    let frame = use_frame();
    Memo::new(move |before: Option<&(i64, u32)>| {
        let refreshes = frame.feed.refreshes.get();
        let now = frame.now.get();
        let held = frame.query.with(|query| !url::follows(query, now));
        let tick = now.floor_to(LOOK_EVERY_MS).0;
        (before.filter(|_| held).map_or(tick, |before| before.0), refreshes)
    })
}

/// The list as it is known, and how it is read: again when the URL asks for something else, and when it is time to.
pub fn follow_list(target: String, first: StatementList) -> (RwSignal<StatementList>, (Reads, Callback<()>)) {
    let query = use_frame().query;
    let shown = RwSignal::new(first);
    let reads = Reads::new(None);
    let wanted = Memo::new(move |_| query.with(asked));
    let read = Callback::new(move |()| {
        reads.ask(list(target.clone(), wanted.get_untracked()), move |answer| shown.set(answer));
    });
    let looks = looks();
    Effect::watch(move || (wanted.get(), looks.get()), move |_, _, _| read.run(()), false);
    (shown, (reads, read))
}

/// The one statement that is looked at in full: of all rows one is open at a time.
#[derive(Clone, Copy)]
pub struct OneRead {
    target: StoredValue<String>,
    query: Memo<ParamsMap>,
    /// Its id and what is known of it.
    pub known: RwSignal<Option<(String, View)>>,
    /// How it is read.
    pub reads: Reads,
}

impl OneRead {
    /// With the first answer, where the URL named a statement.
    pub fn new(target: String, first: Option<(String, Result<View, AppError>)>) -> Self {
        let (known, error) = match first {
            Some((id, Ok(view))) => (Some((id, view)), None),
            Some((_, Err(error))) => (None, Some(error)),
            None => (None, None),
        };
        OneRead {
            target: StoredValue::new(target),
            query: use_frame().query,
            known: RwSignal::new(known),
            reads: Reads::new(error),
        }
    }

    /// What is known of a statement.
    pub fn of(self, id: &str) -> Option<View> {
        self.known.with(|known| known.as_ref().filter(|(known, _)| known == id).map(|(_, view)| view.clone()))
    }

    /// Reads a statement.
    pub fn read(self, id: String) {
        let Some(target) = self.target.try_get_value() else { return };
        let answer = one(target, id.clone(), self.query.with_untracked(url::written_range));
        self.reads.ask(answer, move |view| self.known.set(Some((id, view))));
    }

    /// Reads a statement now, unless it is known, and again whenever the range changes or it is time to.
    pub fn follow(self, id: Signal<String>) {
        let range = Memo::new(move |_| self.query.with(url::written_range));
        let looks = looks();
        Effect::new(move |before: Option<()>| {
            let id = id.get();
            range.track();
            looks.track();
            let is_known = untrack(|| self.of(&id).is_some());
            if before.is_some() || !is_known {
                self.read(id);
            }
        });
    }
}
