//! What the URL says of the page: which sessions are meant. Order, search, columns, page and open row are the list's.

use headroom_model::activity::SessionView;
use leptos_router::params::ParamsMap;

/// Query key of the kind of sessions.
pub const ONLY: &str = "only";

/// Which sessions at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    #[default]
    All,
    Active,
    InTransaction,
    LongRunning,
    Leaked,
    Blocked,
    Blocking,
}

impl Only {
    /// All of them, with their name in the URL and on the page.
    pub const ALL: [(Only, &'static str, &'static str); 7] = [
        (Only::All, "all", "All"),
        (Only::Active, "active", "Active"),
        (Only::InTransaction, "in-transaction", "Idle in transaction"),
        (Only::LongRunning, "long-running", "Long-running"),
        (Only::Leaked, "leaked", "Idle in transaction too long"),
        (Only::Blocked, "blocked", "Blocked"),
        (Only::Blocking, "blocking", "Blocking"),
    ];

    /// Whether a session is one of them.
    pub fn holds(self, session: &SessionView) -> bool {
        match self {
            Only::All => true,
            Only::Active => session.state == "active",
            Only::InTransaction => session.state.starts_with("idle in transaction"),
            Only::LongRunning => session.long_running,
            Only::Leaked => session.leaked,
            Only::Blocked => !session.blocked_by.is_empty() || session.lock_wait_ms.is_some(),
            Only::Blocking => session.blocks > 0,
        }
    }
}

/// The query key, the words before its value, and the value of a session.
type Group = (&'static str, &'static str, fn(&SessionView) -> Option<String>);

/// What sessions can have in common.
pub const GROUPS: [Group; 5] = [
    ("state", "state", |session| Some(session.state.clone())),
    ("application", "application", |session| Some(session.application.clone())),
    ("client", "client", |session| Some(session.client.clone().unwrap_or_default())),
    ("user", "role", |session| Some(session.user.clone())),
    ("wait", "wait", wait),
];

/// What a session waits for: `Lock: transactionid`.
pub fn wait(session: &SessionView) -> Option<String> {
    let kind = session.wait_kind.as_deref()?;
    Some(session.wait_event.as_deref().map_or_else(|| kind.to_owned(), |event| format!("{kind}: {event}")))
}

/// A group's value in words: a client without a name or address has none.
pub fn value_words(key: &str, value: &str) -> String {
    match (key, value) {
        ("client", "") => "Unix socket".to_owned(),
        (_, "") => "without a name".to_owned(),
        _ => value.to_owned(),
    }
}

/// Which sessions the URL means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub only: Only,
    /// Values of [`GROUPS`], in their order.
    pub groups: [Option<String>; 5],
}

/// Reads the filter; what is not known is left out.
pub fn filter(query: &ParamsMap) -> Filter {
    let only = query.get_str(ONLY);
    let only = Only::ALL.into_iter().find(|(_, name, _)| Some(*name) == only).map(|(only, _, _)| only);
    Filter { only: only.unwrap_or_default(), groups: GROUPS.map(|(key, _, _)| query.get(key)) }
}

impl Filter {
    /// Whether a session is meant.
    pub fn holds(&self, session: &SessionView) -> bool {
        let in_groups = GROUPS.iter().zip(&self.groups).all(|((_, _, value), wanted)| {
            wanted.as_ref().is_none_or(|wanted| value(session).as_ref() == Some(wanted))
        });
        self.only.holds(session) && in_groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_which_sessions() {
        let query = |pairs: &[(&'static str, &str)]| -> ParamsMap {
            pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
        };
        assert_eq!(filter(&query(&[])), Filter::default());
        assert_eq!(filter(&query(&[("only", "blocked")])).only, Only::Blocked);
        assert_eq!(filter(&query(&[("only", "nonsense")])).only, Only::All);
        let asked = filter(&query(&[("client", "")]));
        assert_eq!(asked.groups[2].as_deref(), Some(""), "an empty value means those without one");
    }
}
