//! A client backend, as one reading saw it.

use headroom_model::{
    Timestamp,
    activity::{SessionKey, SessionLock},
};

/// A client backend of the watched server.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Process id and start of the backend.
    pub key: SessionKey,
    /// Role.
    pub user: String,
    /// application_name.
    pub application: String,
    /// Database.
    pub database: String,
    /// Address of the client; none over a Unix socket.
    pub client: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// When that state began.
    pub state_since: Option<Timestamp>,
    /// When the open transaction began.
    pub transaction_since: Option<Timestamp>,
    /// When the statement began that runs, or ran last.
    pub statement_since: Option<Timestamp>,
    /// The same by the server's clock, in microseconds since 1970.
    pub statement_start_us: Option<i64>,
    /// wait_event_type, when waiting.
    pub wait_kind: Option<String>,
    /// wait_event, when waiting.
    pub wait_event: Option<String>,
    /// How long it has waited for a lock.
    pub lock_wait_ms: Option<f64>,
    /// Pids that block it.
    pub blocked_by: Vec<i32>,
    /// What it holds and waits for, at most 20. Read of sessions that block others or are blocked.
    pub locks: Vec<SessionLock>,
    /// Key in pg_stat_statements, from PostgreSQL 14 on.
    pub query_id: Option<i64>,
    /// Age of its snapshot, in transactions.
    pub xmin_age: Option<i64>,
    /// Whether it is the console's own.
    pub own: bool,
    /// Statement text with its literals replaced, at most 500 characters.
    pub statement: String,
}

impl Session {
    /// Whether it works on a statement, waiting or not.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "active" | "fastpath function call")
    }

    /// Whether it sits in a transaction and does nothing.
    #[must_use]
    pub fn is_idle_in_transaction(&self) -> bool {
        self.state.starts_with("idle in transaction")
    }

    /// Whether it waits for a lock.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.lock_wait_ms.is_some() || !self.blocked_by.is_empty()
    }

    /// How long it has been in its state.
    #[must_use]
    pub fn state_ms(&self, now: Timestamp) -> Option<f64> {
        self.state_since.map(|since| now.since(since).as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
impl Session {
    /// A session of the shop for tests, `state_secs` in its state before `now`.
    pub(crate) fn sample(pid: i32, state: &str, state_secs: i64, now: Timestamp) -> Session {
        let since = Some(now.plus_millis(-state_secs * 1000));
        Session {
            key: SessionKey { pid, backend_start_us: now.plus_millis(-3_600_000).0 * 1000 },
            user: "shop".into(),
            application: "order-sync".into(),
            database: "orders".into(),
            client: Some("10.0.0.7".into()),
            state: state.into(),
            state_since: since,
            transaction_since: since,
            statement_since: since,
            statement_start_us: since.map(|since| since.0 * 1000),
            wait_kind: None,
            wait_event: None,
            lock_wait_ms: None,
            blocked_by: Vec::new(),
            locks: Vec::new(),
            query_id: None,
            xmin_age: None,
            own: false,
            statement: "UPDATE order_items SET quantity = ? WHERE id = ?".into(),
        }
    }
}
