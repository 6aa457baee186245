//! The one place that knows where in the console something is shown, so that a new page changes links here alone.

use headroom_model::{
    TargetId,
    activity::{SessionAct, SessionKey},
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
