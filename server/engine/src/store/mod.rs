//! The state store: what must outlive the process, in SQLite or PostgreSQL behind one trait.
//!
//! Every statement is written once and runs on either; one test suite runs against both. SQLite is the default,
//! so that the console still answers when the database that it watches is down.

mod database;
mod grid;
mod sql;
#[cfg(test)]
mod tests;

pub use grid::{Grid, HOUR_MS, MINUTE_MS, Tally};
pub(crate) use grid::{merge_into, nice_step};

use async_trait::async_trait;
use headroom_model::{
    MetricId, Role, TargetId, Timestamp,
    event::{Event, EventKind, NewEvent},
    operation::Operation,
    origin::Origin,
    share::{Share, ShareId},
    statements::Tag,
};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use uuid::Uuid;

/// Why the state store could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database refused or did not answer.
    #[error("state store: {0}")]
    Database(#[from] sqlx::Error),
    /// It took too long.
    #[error("state store: no answer in time")]
    Timeout,
    /// What was stored cannot be read back.
    #[error("state store: a stored {what} cannot be read: {cause}")]
    Unreadable {
        /// What kind of thing.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// The URL names no state store.
    #[error("the state store's URL is none; allowed: sqlite:path, sqlite::memory:, postgres://user@host/database")]
    Url,
    /// Its file could not be made.
    #[error("state store {}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Its schema could not be brought up to date.
    #[error("state store migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// An import ended before it was kept: it was given up for dead, or taken out.
    #[error("the import has ended; nothing of it was kept")]
    ImportEnded,
    /// A name is taken.
    #[error("{what} \"{name}\" exists already")]
    Exists {
        /// `user` or `token`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

/// One metric over one minute, merged with what is stored for that minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinuteRow {
    /// The metric.
    pub metric: MetricId,
    /// Start of the minute.
    pub at: Timestamp,
    /// The measurements of the minute.
    pub tally: Tally,
}

/// Where the stored history of a target begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryStart {
    /// The oldest minute.
    pub minutes: Option<Timestamp>,
    /// The oldest hour.
    pub hours: Option<Timestamp>,
    /// Where what was measured begins, here or elsewhere: what is older was generated.
    pub measured: Option<Timestamp>,
}

impl HistoryStart {
    /// The oldest moment of all.
    #[must_use]
    pub fn earliest(&self) -> Option<Timestamp> {
        match (self.minutes, self.hours) {
            // An hour's row is dated to its beginning, also where the first measurement came later.
            (Some(minutes), Some(hours)) if minutes.floor_to(HOUR_MS) <= hours => Some(minutes),
            (minutes, hours) => hours.or(minutes),
        }
    }
}

/// How long history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Minutes, in days. Default 30.
    pub minutes_days: u32,
    /// Hours, in days. Default 762 (25 months).
    pub hours_days: u32,
    /// Events, audit and ended operations, in days. Default 762.
    pub events_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { minutes_days: 30, hours_days: 762, events_days: 762 }
    }
}

impl Retention {
    /// The oldest minute that is kept at a moment. Whole hours: where minutes begin, hours take over without a step.
    #[must_use]
    pub fn minutes_from(&self, now: Timestamp) -> Timestamp {
        days_before(now, self.minutes_days)
    }

    /// The oldest hour that is kept at a moment.
    #[must_use]
    pub fn hours_from(&self, now: Timestamp) -> Timestamp {
        days_before(now, self.hours_days)
    }
}

/// So many days ago, at the start of the hour.
fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.plus_millis(-i64::from(days) * 24 * HOUR_MS).floor_to(HOUR_MS)
}

/// What one round of upkeep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Rows removed because their retention ended.
    pub rows_pruned: u64,
    /// Whether there was more to remove than one round may.
    pub unfinished: bool,
}

/// Rows of history by what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// A minute each.
    Minutes,
    /// An hour each.
    Hours,
}

/// A stretch of history that is about to be brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImport {
    /// Whose.
    pub target: TargetId,
    /// Where it comes from.
    pub source: String,
    /// Whether it is made up.
    pub generated: bool,
    /// Who brings it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// Rows of an import on their way in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staged {
    /// Minutes: combined with what the import has for them already.
    pub minutes: Vec<MinuteRow>,
    /// Parts of hours: combined as well.
    pub hours: Vec<MinuteRow>,
    /// Whole hours: they stand in place of what the import has for them.
    pub whole_hours: Vec<MinuteRow>,
}

/// What an import has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Start of the oldest point.
    pub from: Timestamp,
    /// End of the newest one.
    pub to: Timestamp,
    /// How many metrics.
    pub metrics: u32,
    /// How many points.
    pub points: u64,
}

/// Which events to read. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Events of this target and of the console itself; none means all.
    pub target: Option<TargetId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only these kinds; empty means all.
    pub kinds: Vec<EventKind>,
    /// Only ids below this: the keyset cursor.
    pub before: Option<i64>,
    /// At most this many, capped at 500.
    pub limit: u32,
}

/// One action for the record. Parameters hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// With which role.
    pub role: Role,
    /// From where (peer address), where known.
    pub origin: Option<String>,
    /// What (`stats.reset`).
    pub action: String,
    /// On which target.
    pub target: Option<TargetId>,
    /// Parameters as JSON.
    pub parameters: serde_json::Value,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// How it ended: what was verified, or the error.
    pub outcome: String,
    /// Whether it did what it promised.
    pub succeeded: bool,
}

/// A stored audit row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Rising.
    pub id: i64,
    /// The action.
    pub audit: NewAudit,
}

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Unique name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A bearer token as stored: the token itself is shown once and never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Unique name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// SHA-256 of the token (it carries 256 random bits, so a slow hash adds nothing).
    pub hash: Vec<u8>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A signed-in session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// SHA-256 of the cookie.
    pub hash: Vec<u8>,
    /// Whose.
    pub user: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLock {
    /// Who holds it, in words.
    pub owner: String,
    /// How often it was taken.
    pub fence: u64,
    /// How long it lasts without another sign.
    pub left: Duration,
}

/// Keys of one dataset that are remembered as hot.
pub const HOT_KEYS_MAX: usize = 1_000;

/// A key that was used much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotKey {
    /// The key.
    pub key: String,
    /// How often, by the sketch that counted it.
    pub accesses: u64,
}

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Days for which sizes of tables are kept.
pub const TABLE_SIZES_DAYS: u32 = 30;

/// How large a table was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// With indexes and TOAST.
    pub bytes: u64,
}

/// What ran in one minute, as its writer made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomentRow {
    /// Start of the minute.
    pub at: Timestamp,
    /// How many readings it was made from: of two documents of a minute, the one with more stays.
    pub readings: u32,
    /// The document.
    pub body: Arc<[u8]>,
}

/// How much is kept of what ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MomentsSize {
    /// Minutes of all targets.
    pub minutes: u64,
    /// Bytes of their documents.
    pub bytes: u64,
}

/// Slots of statements read at once.
pub const STATEMENT_SLOTS_MAX: usize = 3_000;
/// Statements remembered of a target.
pub const STATEMENTS_MAX: usize = 10_000;

/// What statements did in one slot, as its writer made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// Width of the slot.
    pub step_ms: i64,
    /// Its start.
    pub at: Timestamp,
    /// Which of the consoles that saw a part of it: when that one started. Zero where the whole slot is in it.
    pub part: Timestamp,
    /// The document.
    pub body: Arc<[u8]>,
}

/// A statement that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementText {
    /// pg_stat_statements key.
    pub query_id: i64,
    /// Text without literals; none while the server has not told it.
    pub text: Option<String>,
    /// Tags from its comment.
    pub tags: Vec<Tag>,
    /// Roles that ran it.
    pub roles: Vec<String>,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last, to the hour.
    pub last_at: Timestamp,
}

/// How often a snapshot was opened since it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareOpenings {
    /// Which.
    pub id: ShareId,
    /// How often.
    pub opens: u32,
    /// When last.
    pub last_at: Timestamp,
}

/// A plan of a statement under its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// Its shape.
    pub fingerprint: String,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
    /// The plan as JSON.
    pub body: String,
}

/// What became of an advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdviceRow {
    /// Which.
    pub id: String,
    /// When it was last looked at.
    pub at: Timestamp,
    /// The advice as JSON.
    pub body: String,
}

/// The state store. All methods are safe to cancel: each is one statement or one transaction.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// `sqlite` or `postgres`.
    fn backend(&self) -> &'static str;
    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Bytes of its tables and indexes.
    async fn size_bytes(&self) -> Result<u64, StoreError>;

    /// Merges minutes, and the hours they belong to, in one transaction: sum and count add up, min and max widen.
    /// `batch` names the call: one that is sent again because its answer was lost counts once.
    async fn merge_minutes(&self, batch: Uuid, target: &TargetId, rows: &[MinuteRow]) -> Result<(), StoreError>;
    /// What was measured in each slot of a grid, one column a metric in the order asked. Hours answer where the slots are
    /// hours or more, minutes elsewhere.
    async fn tallies(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        grid: &Grid,
    ) -> Result<Vec<Vec<Option<Tally>>>, StoreError>;
    /// Where the history of a target begins.
    async fn history_start(&self, target: &TargetId) -> Result<HistoryStart, StoreError>;
    /// Stores what ran in some minutes. Sending it again changes nothing.
    async fn save_moments(&self, target: &TargetId, rows: &[MomentRow]) -> Result<(), StoreError>;
    /// What ran in the minute that starts at `at`.
    async fn moment(&self, target: &TargetId, at: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;
    /// What ran in the minutes from `from` until `to`, oldest first, at most `limit`: the newest where there are more.
    async fn moments_between(
        &self,
        target: &TargetId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Timestamp, Vec<u8>)>, StoreError>;
    /// The nearest minutes that are kept: not after `at`, and after it.
    async fn moments_around(
        &self,
        target: &TargetId,
        at: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError>;
    /// How much is kept of what ran.
    async fn moments_size(&self) -> Result<MomentsSize, StoreError>;
    /// Stores what statements did, and whose they are, in one transaction. Sending it again changes nothing.
    async fn save_statements(
        &self,
        target: &TargetId,
        slots: &[SlotRow],
        texts: &[StatementText],
    ) -> Result<(), StoreError>;
    /// Slots of a width that begin in a stretch of time, oldest first, at most [`STATEMENT_SLOTS_MAX`].
    async fn statement_slots(
        &self,
        target: &TargetId,
        step_ms: i64,
        range: (Timestamp, Timestamp),
    ) -> Result<Vec<SlotRow>, StoreError>;
    /// The oldest and the newest slot of a width.
    async fn statement_span(
        &self,
        target: &TargetId,
        step_ms: i64,
    ) -> Result<Option<(Timestamp, Timestamp)>, StoreError>;
    /// What is known of statements; those that were never seen are left out.
    async fn statement_texts(&self, target: &TargetId, ids: &[i64]) -> Result<Vec<StatementText>, StoreError>;
    /// Removes what is past its retention, a bounded number of rows a call.
    async fn upkeep(&self, now: Timestamp, retention: Retention) -> Result<Upkeep, StoreError>;

    /// Begins an import: nothing of it shows until [`StateStore::keep_import`]. One that gives no sign of life for an hour
    /// is cleared away by upkeep.
    async fn begin_import(&self, import: &NewImport) -> Result<i64, StoreError>;
    /// Takes rows of an import in, all or none.
    async fn stage(&self, import: i64, now: Timestamp, rows: &Staged) -> Result<(), StoreError>;
    /// Shows an import, all of it at once.
    async fn keep_import(&self, import: i64, brought: Brought) -> Result<(), StoreError>;
    /// Takes an import out, kept or not; false when there is none. Its rows are removed by upkeep.
    async fn drop_import(&self, import: i64) -> Result<bool, StoreError>;
    /// The kept imports of a target, or of all, oldest point first; at most 1,000.
    async fn origins(&self, target: Option<&TargetId>) -> Result<Vec<Origin>, StoreError>;
    /// The moments from `from` until `to` that have a row of this metric, and whether it was measured rather than imported.
    async fn known(
        &self,
        target: &TargetId,
        metric: MetricId,
        rows: Rows,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, bool)>, StoreError>;
    /// Rows by table, those of history first. Reads all of them: not for a request.
    async fn row_counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError>;

    /// Adds an event. `uid` names the call: one that is sent again because its answer was lost adds nothing.
    async fn add_event(&self, uid: Uuid, event: &NewEvent) -> Result<Event, StoreError>;
    /// Reads events, newest first.
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError>;

    /// Adds an audit row and answers its id.
    async fn add_audit(&self, audit: &NewAudit) -> Result<i64, StoreError>;
    /// Reads a page of the audit, newest first, and how many rows there are in all.
    async fn audit(&self, offset: u64, limit: u32) -> Result<(Vec<AuditRow>, u64), StoreError>;

    /// Audit rows of a target and of the console itself in a stretch of time, oldest first, at most `limit`.
    async fn audit_between(
        &self,
        target: &TargetId,
        (from, to): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError>;

    /// Adds a user.
    async fn add_user(&self, user: &User) -> Result<(), StoreError>;
    /// Removes a user and its sessions; false when there was none.
    async fn remove_user(&self, name: &str) -> Result<bool, StoreError>;
    /// A user by name.
    async fn user(&self, name: &str) -> Result<Option<User>, StoreError>;
    /// All users by name, at most 1,000.
    async fn users(&self) -> Result<Vec<User>, StoreError>;
    /// Adds a token.
    async fn add_token(&self, token: &Token) -> Result<(), StoreError>;
    /// Removes a token; false when there was none.
    async fn remove_token(&self, name: &str) -> Result<bool, StoreError>;
    /// All tokens by name, at most 1,000.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;
    /// The token with this hash, whether or not it has expired.
    async fn token(&self, hash: &[u8]) -> Result<Option<Token>, StoreError>;
    /// Whether any user or token is defined.
    async fn is_access_defined(&self) -> Result<bool, StoreError>;
    /// Adds a session; false when its user is gone. A user's oldest sessions beyond fifty end.
    async fn add_session(&self, session: &StoredSession) -> Result<bool, StoreError>;
    /// The session with this hash, with its user's current role; none when it ended or the user is gone.
    async fn session(&self, hash: &[u8], now: Timestamp) -> Result<Option<(StoredSession, Role)>, StoreError>;
    /// Ends a session.
    async fn remove_session(&self, hash: &[u8]) -> Result<(), StoreError>;

    /// Takes the store for one console, or keeps it, for `term` from now by the store's own clock; false while another one
    /// has it.
    async fn hold(&self, holder: Uuid, term: Duration) -> Result<bool, StoreError>;
    /// Gives the store free for another console.
    async fn release(&self, holder: Uuid) -> Result<(), StoreError>;

    /// Takes a lock that is free or has run out, for `ttl` from now by the store's own clock, and answers its fence, which
    /// rises with every taking; none while another holds it. `holder` names this taking, `owner` tells people who it is.
    async fn take_lock(&self, name: &str, holder: Uuid, owner: &str, ttl: Duration) -> Result<Option<u64>, StoreError>;
    /// Keeps a lock for `ttl` from now; false when it is no longer this holder's. What has run out is not revived.
    async fn renew_lock(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<bool, StoreError>;
    /// Gives a lock free; false when it was no longer this holder's.
    async fn free_lock(&self, name: &str, holder: Uuid) -> Result<bool, StoreError>;
    /// The lock of this name, while it is held.
    async fn lock(&self, name: &str) -> Result<Option<StoredLock>, StoreError>;

    /// Adds a snapshot with its compressed points, where need be in place of the oldest that ended; false when as many work as may, of all or of its
    /// maker.
    async fn add_share(&self, share: &Share, points: &[u8]) -> Result<bool, StoreError>;
    /// A snapshot, whether or not it still opens.
    async fn share(&self, id: &ShareId) -> Result<Option<Share>, StoreError>;
    /// The compressed points of a snapshot; empty when it was revoked.
    async fn share_points(&self, id: &ShareId) -> Result<Option<Vec<u8>>, StoreError>;
    /// Reads a page of the snapshots of a maker (none: of all), newest first, and how many there are in all.
    async fn shares(&self, maker: Option<&str>, offset: u64, limit: u32) -> Result<(Vec<Share>, u64), StoreError>;
    /// Ends a snapshot and drops its points; false when there is none or it was revoked before.
    async fn revoke_share(&self, id: &ShareId, by: &str, at: Timestamp) -> Result<bool, StoreError>;
    /// Counts that snapshots were opened: all of them, or none.
    async fn shares_opened(&self, openings: &[ShareOpenings]) -> Result<(), StoreError>;

    /// Puts these keys in place of the remembered ones of a dataset; at most [`HOT_KEYS_MAX`].
    async fn save_hot_keys(&self, target: &TargetId, dataset: &str, keys: &[HotKey]) -> Result<(), StoreError>;
    /// The remembered keys of a dataset, most used first.
    async fn hot_keys(&self, target: &TargetId, dataset: &str) -> Result<Vec<HotKey>, StoreError>;

    /// Notes how large tables are; of each day the first reading stays.
    async fn note_table_sizes(&self, target: &TargetId, sizes: &[TableSize]) -> Result<(), StoreError>;
    /// The oldest noted size of each table since a moment, at most 5,000.
    async fn table_sizes(&self, target: &TargetId, since: Timestamp) -> Result<Vec<TableSize>, StoreError>;
    /// Keeps a plan of a statement under its shape; answers the shape that it had last. At most 10 shapes a statement and
    /// 2,000 plans a target; the ones not seen for longest give way.
    async fn save_plan(&self, target: &TargetId, query_id: i64, plan: &PlanRow) -> Result<Option<String>, StoreError>;
    /// The plans of a statement, newest first, at most 10.
    async fn plans(&self, target: &TargetId, query_id: i64) -> Result<Vec<PlanRow>, StoreError>;
    /// Keeps advices, all or none; at most 200 a target, the newest.
    async fn save_advice(&self, target: &TargetId, rows: &[AdviceRow]) -> Result<(), StoreError>;
    /// The advices of a target, newest first, at most 200.
    async fn advice(&self, target: &TargetId) -> Result<Vec<AdviceRow>, StoreError>;

    /// Stores an operation, new or moved.
    async fn save_operation(&self, operation: &Operation) -> Result<(), StoreError>;
    /// The newest operations, newest first.
    async fn operations(&self, target: Option<&TargetId>, limit: u32) -> Result<Vec<Operation>, StoreError>;
    /// The newest operations of a kind (`cache.warm`) on a target, newest first.
    async fn operations_of(&self, kind: &str, target: &TargetId, limit: u32) -> Result<Vec<Operation>, StoreError>;
    /// Operations of a target and of the console itself that ran in a stretch of time, oldest first, at most `limit`.
    async fn operations_between(
        &self,
        target: &TargetId,
        (from, to): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Operation>, StoreError>;
    /// Marks what an earlier process left running as failed ("the console stopped"); answers how many.
    async fn fail_interrupted_operations(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Opens the state store that `url` names (`sqlite:path`, `sqlite::memory:` or `postgres://…`) and brings its schema up
/// to date. Several processes may do so at once. SQLite's file is created readable by its owner alone; PostgreSQL's tables
/// stand in the schema `headroom`.
///
/// # Errors
/// The URL names neither, the database cannot be reached, or a migration fails.
pub async fn open(url: &str) -> Result<Arc<dyn StateStore>, StoreError> {
    Ok(Arc::new(sql::SqlStore::open(url).await?))
}
