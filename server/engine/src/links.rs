//! The one place that knows where in the console something is shown, so that a new page changes links here alone.

use headroom_model::{
    TargetId,
    activity::{SessionAct, SessionKey},
    advice::anchor,
    health::Link,
};

/// Something a finding can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The charts of the Overview.
    Trends,
    /// The issues of the Overview.
    Issues,
    /// The page of the cache.
    Cache,
    /// The page of forecasts.
    Capacity,
    /// The page of all statements.
    Queries,
    /// The page of one statement.
    Statement(i64),
    /// The page of sessions and pools.
    Connections,
    /// The page of lock waits.
    Locks,
    /// The page of indexes.
    Indexes,
}

/// A link to a place, for one target. Target names need no escaping: `[a-z0-9-]`.
#[must_use]
pub fn link(place: Place, target: &TargetId) -> Link {
    let (label, href) = match place {
        Place::Trends => ("Trends", format!("/?target={target}#h-tr")),
        Place::Issues => ("Issues", format!("/?target={target}#h-iss")),
        Place::Cache => ("Cache", format!("/cache?target={target}")),
        Place::Capacity => ("Capacity", format!("/capacity?target={target}")),
        Place::Queries => ("Queries", format!("/queries?target={target}")),
        Place::Statement(query_id) => ("Open statement", format!("/queries/{query_id}?target={target}")),
        Place::Connections => ("Connections", format!("/connections?target={target}")),
        Place::Locks => ("Locks", format!("/locks?target={target}")),
        Place::Indexes => ("Indexes", format!("/indexes?target={target}")),
    };
    Link { label: label.to_owned(), href }
}

/// A link that opens a session's row and asks whether to do it: the remedy of an issue. `place` is where the session is shown.
#[must_use]
pub fn ask(place: Place, target: &TargetId, session: SessionKey, act: SessionAct) -> Link {
    let Link { href, .. } = link(place, target);
    let (verb, act) = (act.verb(), act.as_str());
    Link { label: format!("{verb} {}…", session.pid), href: format!("{href}&open={session}&ask={act}") }
}

/// A link to a suggested index on its page, where its proof stands and its button.
#[must_use]
pub fn suggested_index(target: &TargetId, advice: &str) -> Link {
    let Link { href, .. } = link(Place::Indexes, target);
    Link { label: "Review index…".to_owned(), href: format!("{href}#{}", anchor(advice)) }
}

/// A link that asks whether to vacuum a table, given as `schema.table`.
#[must_use]
pub fn optimize(target: &TargetId, table: &str) -> Link {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("target", &target.0)
        .append_pair("table", table)
        .finish();
    Link { label: "Optimise…".to_owned(), href: format!("/confirm/optimize?{query}") }
}
