//! The sessions of a target as a reader asks for them: filtered, sorted, in pages, with what they have in common.
//!
//! Everything comes from the newest reading, so asking costs the target nothing.

use crate::{
    collect::{Observation, Session},
    console::Console,
    health::SessionLimits,
    issues::blocking,
};
use headroom_model::{
    MetricId, TargetId, Timestamp,
    activity::{
        Activity, ActivityQuery, MAX_GROUPS, MAX_SESSIONS, SessionGroup, SessionGroups, SessionKind, SessionSort,
        SessionView, Unknown,
    },
    api::{FieldError, Pagination},
    pool::{HolderReport, PoolReport},
};
use std::{cmp::Ordering, collections::BTreeMap};

/// Rows a page when none are asked for.
const DEFAULT_ROWS: u32 = 50;
/// Longest text of a filter, in characters.
const MAX_TEXT: usize = 200;

/// What is shown of every target's figures beside its sessions.
const FIGURES: [MetricId; 9] = [
    MetricId::Connections,
    MetricId::ConnectionsMax,
    MetricId::ConnectionsUsed,
    MetricId::SessionsActive,
    MetricId::SessionsIdleInTransaction,
    MetricId::LocksBlocked,
    MetricId::LongestStatement,
    MetricId::LongestIdleInTransaction,
    MetricId::LongestTransaction,
];

impl Console {
    /// The sessions of a target. None where no target has this name.
    ///
    /// # Errors
    /// Names each part of the query that is out of range.
    pub fn activity(&self, target: &TargetId, query: &ActivityQuery) -> Option<Result<Activity, Vec<FieldError>>> {
        let slot = self.slot(target)?;
        let (page, limit) = match check(query) {
            Ok(page) => page,
            Err(errors) => return Some(Err(errors)),
        };
        let published = slot.published();
        let limits = self.config.health.session_limits();
        let observation = published.observation.as_deref();
        let views = observation.map(|seen| views(seen, &limits)).unwrap_or_default();
        let count = |is: fn(&SessionView) -> bool| views.iter().filter(|view| is(view)).count() as u64;
        let (read, long_running, leaked) = (views.len() as u64, count(|v| v.long_running), count(|v| v.leaked));
        let groups = groups(&views);
        let mut sessions: Vec<SessionView> = views.into_iter().filter(|view| is_meant(view, query)).collect();
        sort(&mut sessions, query);
        let total = sessions.len() as u64;
        let before = usize::try_from((page - 1).saturating_mul(u64::from(limit))).unwrap_or(usize::MAX);
        Some(Ok(Activity {
            target: target.clone(),
            at: observation.filter(|seen| seen.postgres_error.is_none()).map(|seen| seen.sample.at),
            figures: FIGURES
                .into_iter()
                .filter_map(|metric| Some((metric, observation?.sample.get(metric)?)))
                .collect(),
            missing: missing(observation),
            hidden: observation.map_or(0, |seen| seen.hidden_sessions),
            read,
            long_running,
            long_running_after_ms: limits.long_statement.degraded,
            leaked,
            leaked_after_ms: limits.idle_in_transaction.degraded,
            groups,
            pagination: Pagination::new(page, u64::from(limit), total),
            sessions: sessions.into_iter().skip(before).take(limit as usize).collect(),
            auto_terminate: slot.policy.state(),
        }))
    }
}

impl Console {
    /// The pools of this process into a target, and who holds their connections, oldest first. None where no target has this
    /// name.
    #[must_use]
    pub fn pools(&self, target: &TargetId) -> Option<(PoolReport, Vec<HolderReport>)> {
        let target = self.target(target)?;
        let now = self.clock.now();
        let (mut lanes, mut holders) = (Vec::new(), Vec::new());
        target.each_pools(|pools| {
            lanes.extend(pools.snapshot());
            holders.extend(pools.holders());
        });
        holders.sort_by_key(|holder| holder.since);
        let leak_after_ms = u64::try_from(target.pools.leak_after().as_millis()).unwrap_or(u64::MAX);
        let report = PoolReport { lanes, replica: target.pools.replica(), leak_after_ms };
        Some((report, holders.into_iter().map(|holder| holder.report(now)).collect()))
    }
}

fn check(query: &ActivityQuery) -> Result<(u64, u32), Vec<FieldError>> {
    let mut errors = Vec::new();
    let texts = [
        ("state", &query.state),
        ("application", &query.application),
        ("user", &query.user),
        ("client", &query.client),
        ("wait", &query.wait),
        ("search", &query.search),
    ];
    for (field, text) in texts {
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            errors.push(FieldError { field: field.into(), reason: format!("allowed: up to {MAX_TEXT} characters") });
        }
    }
    let (page, limit) = (query.page.unwrap_or(1), query.limit.unwrap_or(DEFAULT_ROWS));
    if page == 0 {
        errors.push(FieldError { field: "page".into(), reason: "0; allowed: from 1".into() });
    }
    if !(1..=MAX_SESSIONS).contains(&limit) {
        errors.push(FieldError { field: "limit".into(), reason: format!("{limit}; allowed: 1 to {MAX_SESSIONS}") });
    }
    if errors.is_empty() { Ok((page, limit)) } else { Err(errors) }
}

/// Why sessions are missing from the list, if some are.
pub(crate) fn missing(observation: Option<&Observation>) -> Vec<Unknown> {
    let Some(seen) = observation else {
        return vec![Unknown { what: "The server has not been read yet.".into(), remedy: None }];
    };
    if let Some(error) = &seen.postgres_error {
        return vec![Unknown { what: format!("{error}."), remedy: None }];
    }
    if seen.sample.get(MetricId::SessionsActive).is_some() {
        return Vec::new();
    }
    let hidden = seen.limitations.iter().find(|limit| limit.what.starts_with("Sessions of other roles"));
    vec![match hidden {
        Some(limit) => Unknown { what: limit.what.clone(), remedy: Some(limit.remedy.clone()) },
        None => Unknown { what: "Sessions could not be read this time.".into(), remedy: None },
    }]
}

/// The sessions of a reading as they are shown.
pub(crate) fn views(seen: &Observation, limits: &SessionLimits) -> Vec<SessionView> {
    let behind = blocking::behind(&seen.sessions);
    seen.sessions
        .iter()
        .map(|session| view(session, seen.sample.at, limits, behind.get(&session.key.pid).copied().unwrap_or(0)))
        .collect()
}

fn view(session: &Session, now: Timestamp, limits: &SessionLimits, blocks: u64) -> SessionView {
    let age = |since: Option<Timestamp>| since.map(|since| now.since(since).as_secs_f64() * 1000.0);
    let state_ms = age(session.state_since);
    let is_past = |limit: f64| state_ms.is_some_and(|age| age >= limit);
    // A client that says nothing is idle, it does not wait.
    let waits = session.is_active() || session.wait_kind.as_deref() != Some("Client");
    SessionView {
        key: session.key,
        user: session.user.clone(),
        application: session.application.clone(),
        database: session.database.clone(),
        client: session.client.clone(),
        state: session.state.clone(),
        state_ms,
        transaction_ms: age(session.transaction_since),
        statement_ms: age(session.statement_since),
        wait_kind: session.wait_kind.clone().filter(|_| waits),
        wait_event: session.wait_event.clone().filter(|_| waits),
        lock_wait_ms: session.lock_wait_ms,
        blocked_by: session.blocked_by.clone(),
        blocks,
        query_id: session.query_id.map(|id| id.to_string()),
        statement_start_us: session.statement_start_us,
        statement: session.statement.clone(),
        xmin_age: session.xmin_age,
        long_running: session.state == "active" && is_past(limits.long_statement.degraded),
        leaked: session.is_idle_in_transaction() && is_past(limits.idle_in_transaction.degraded),
        own: session.own,
    }
}

fn wait_name(view: &SessionView) -> Option<String> {
    let kind = view.wait_kind.as_deref()?;
    Some(view.wait_event.as_deref().map_or_else(|| kind.to_owned(), |event| format!("{kind}: {event}")))
}

fn groups(views: &[SessionView]) -> SessionGroups {
    SessionGroups {
        states: group(views, |view| Some(view.state.clone())),
        applications: group(views, |view| Some(view.application.clone())),
        clients: group(views, |view| Some(view.client.clone().unwrap_or_default())),
        users: group(views, |view| Some(view.user.clone())),
        waits: group(views, wait_name),
    }
}

fn group(views: &[SessionView], name: impl Fn(&SessionView) -> Option<String>) -> Vec<SessionGroup> {
    let mut groups: BTreeMap<String, SessionGroup> = BTreeMap::new();
    for view in views {
        let Some(name) = name(view) else { continue };
        let group =
            groups.entry(name.clone()).or_insert(SessionGroup { name, sessions: 0, active: 0, idle_in_transaction: 0 });
        group.sessions += 1;
        group.active += u64::from(view.state == "active");
        group.idle_in_transaction += u64::from(view.state.starts_with("idle in transaction"));
    }
    let mut groups: Vec<SessionGroup> = groups.into_values().collect();
    groups.sort_by(|a, b| b.sessions.cmp(&a.sessions).then_with(|| a.name.cmp(&b.name)));
    groups.truncate(MAX_GROUPS);
    groups
}

fn is_meant(view: &SessionView, query: &ActivityQuery) -> bool {
    let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    let found = |text: &String| {
        let text = text.to_lowercase();
        let pid = view.key.pid.to_string();
        [&view.statement, &view.application, &view.user, &view.database, &pid]
            .into_iter()
            .chain(&view.client)
            .any(|field| field.to_lowercase().contains(&text))
    };
    let kind = match query.kind {
        SessionKind::All => true,
        SessionKind::LongRunning => view.long_running,
        SessionKind::Leaked => view.leaked,
        SessionKind::Blocked => !view.blocked_by.is_empty() || view.lock_wait_ms.is_some(),
        SessionKind::Blocking => view.blocks > 0,
    };
    kind && is(&query.state, &view.state)
        && is(&query.application, &view.application)
        && is(&query.user, &view.user)
        && is(&query.client, view.client.as_deref().unwrap_or_default())
        && query.wait.as_ref().is_none_or(|wait| wait_name(view).as_ref() == Some(wait))
        && query.search.as_ref().is_none_or(found)
}

fn sort(sessions: &mut [SessionView], query: &ActivityQuery) {
    let (sort, ascending) = (query.sort, query.ascending);
    let directed = |order: Ordering| if ascending { order } else { order.reverse() };
    let figure = |view: &SessionView| match sort {
        SessionSort::Transaction => view.transaction_ms,
        SessionSort::State => view.state_ms,
        SessionSort::Statement => view.statement_ms,
        SessionSort::Blocks => Some(view.blocks as f64),
        SessionSort::Xmin => view.xmin_age.map(|age| age as f64),
        _ => Some(f64::from(view.key.pid)),
    };
    let text = |view: &SessionView| match sort {
        SessionSort::Application => Some(view.application.clone()),
        SessionSort::User => Some(view.user.clone()),
        SessionSort::Client => view.client.clone(),
        SessionSort::Wait => wait_name(view),
        _ => None,
    };
    let is_text =
        matches!(sort, SessionSort::Application | SessionSort::User | SessionSort::Client | SessionSort::Wait);
    sessions.sort_by(|a, b| {
        let order = if is_text {
            unknown_last(text(a), text(b), |a, b| directed(a.cmp(b)))
        } else {
            unknown_last(figure(a), figure(b), |a, b| directed(a.total_cmp(b)))
        };
        order.then(a.key.cmp(&b.key))
    });
}

fn unknown_last<T>(a: Option<T>, b: Option<T>, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(&a, &b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::HealthSettings;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn view_of(session: &Session) -> SessionView {
        view(session, NOW, &HealthSettings::default().session_limits(), 0)
    }

    #[test]
    fn filters_sorts_and_groups() {
        let sessions = [
            Session { transaction_since: None, ..Session::sample(1, "idle", 5, NOW) },
            Session::sample(2, "idle in transaction", 70, NOW),
            Session { application: "report".into(), ..Session::sample(3, "active", 6, NOW) },
            Session { client: None, ..Session::sample(4, "active", 2, NOW) },
        ];
        let views: Vec<SessionView> = sessions.iter().map(view_of).collect();
        let pids = |query: ActivityQuery| -> Vec<i32> {
            let mut found: Vec<_> = views.iter().filter(|view| is_meant(view, &query)).cloned().collect();
            sort(&mut found, &query);
            found.iter().map(|view| view.key.pid).collect()
        };
        let query = ActivityQuery::default;
        assert_eq!(pids(query()), [2, 3, 4, 1], "oldest transaction first, none last");
        assert_eq!(pids(ActivityQuery { ascending: true, ..query() }), [4, 3, 2, 1], "none last either way");
        assert_eq!(pids(ActivityQuery { kind: SessionKind::LongRunning, ..query() }), [3]);
        assert_eq!(pids(ActivityQuery { kind: SessionKind::Leaked, ..query() }), [2]);
        assert_eq!(pids(ActivityQuery { application: Some("report".into()), ..query() }), [3]);
        assert_eq!(pids(ActivityQuery { client: Some(String::new()), ..query() }), [4], "no address: a Unix socket");
        assert_eq!(pids(ActivityQuery { search: Some("REPORT".into()), ..query() }), [3]);
        let groups = groups(&views);
        assert_eq!(
            groups.states[0],
            SessionGroup { name: "active".into(), sessions: 2, active: 2, idle_in_transaction: 0 }
        );
        assert_eq!((groups.applications[0].name.as_str(), groups.applications[0].sessions), ("order-sync", 3));
        assert!(check(&ActivityQuery { limit: Some(501), page: Some(0), ..query() }).is_err_and(|e| e.len() == 2));
    }

    #[test]
    fn a_silent_client_is_idle_and_does_not_wait() {
        let client = |state| Session {
            wait_kind: Some("Client".into()),
            wait_event: Some("ClientRead".into()),
            ..Session::sample(1, state, 5, NOW)
        };
        assert_eq!(wait_name(&view_of(&client("idle"))), None);
        assert_eq!(wait_name(&view_of(&client("active"))).as_deref(), Some("Client: ClientRead"));
    }
}
