//! The state store over SQL: one text a statement, whichever database runs it.

mod access;
mod audit;
mod dictionary;
mod events;
mod history;
mod hot_keys;
mod imports;
mod lease;
mod locks;
mod moments;
mod operations;
mod plans;
mod shares;
mod statements;
mod table_sizes;
mod upkeep;

use super::{
    AdviceRow, AuditRow, Brought, EventQuery, Grid, HistoryStart, HotKey, MinuteRow, MomentRow, MomentsSize, NewAudit,
    NewImport, PlanRow, Retention, Rows, ShareOpenings, SlotRow, Staged, StateStore, StatementText, StoreError,
    StoredLock, StoredSession, TableSize, Tally, Token, Upkeep, User,
    database::{Database, Query, Row},
};
use async_trait::async_trait;
use dictionary::Dictionary;
use headroom_model::{
    MetricId, Role, TargetId, Timestamp,
    event::{Event, NewEvent},
    operation::Operation,
    origin::Origin,
    share::{Share, ShareId},
};
use std::time::Duration;
use uuid::Uuid;

/// The state store over either database.
#[derive(Debug)]
pub(super) struct SqlStore {
    database: Database,
    targets: Dictionary,
    metrics: Dictionary,
}

impl SqlStore {
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(SqlStore {
            database: Database::open(url).await?,
            targets: Dictionary::new(
                "SELECT id, name FROM targets",
                "INSERT INTO targets (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            ),
            metrics: Dictionary::new(
                "SELECT id, name FROM metrics",
                "INSERT INTO metrics (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            ),
        })
    }
}

#[async_trait]
impl StateStore for SqlStore {
    fn backend(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "sqlite",
            Database::Postgres(_) => "postgres",
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.database.read(Query::new("SELECT id FROM targets LIMIT 1")).await.map(drop)
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        let query = match self.database {
            Database::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Database::Postgres(_) => {
                "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = to_regnamespace('headroom')"
            }
        };
        let mut rows = self.database.read(Query::new(query)).await?;
        Ok(rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.count()?)
    }

    async fn merge_minutes(&self, batch: Uuid, target: &TargetId, rows: &[MinuteRow]) -> Result<(), StoreError> {
        history::merge(self, batch, target, rows).await
    }

    async fn tallies(
        &self,
        target: &TargetId,
        metrics: &[MetricId],
        grid: &Grid,
    ) -> Result<Vec<Vec<Option<Tally>>>, StoreError> {
        history::tallies(self, target, metrics, grid).await
    }

    async fn history_start(&self, target: &TargetId) -> Result<HistoryStart, StoreError> {
        history::start(&self.database, target).await
    }

    async fn save_moments(&self, target: &TargetId, rows: &[MomentRow]) -> Result<(), StoreError> {
        moments::save(self, target, rows).await
    }

    async fn moment(&self, target: &TargetId, at: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        moments::read(self, target, at).await
    }

    async fn moments_between(
        &self,
        target: &TargetId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Timestamp, Vec<u8>)>, StoreError> {
        moments::between(self, target, from, to, limit).await
    }

    async fn moments_around(
        &self,
        target: &TargetId,
        at: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
        moments::around(self, target, at).await
    }

    async fn moments_size(&self) -> Result<MomentsSize, StoreError> {
        moments::size(&self.database).await
    }

    async fn save_statements(
        &self,
        target: &TargetId,
        slots: &[SlotRow],
        texts: &[StatementText],
    ) -> Result<(), StoreError> {
        statements::save(self, target, slots, texts).await
    }

    async fn statement_slots(
        &self,
        target: &TargetId,
        step_ms: i64,
        range: (Timestamp, Timestamp),
    ) -> Result<Vec<SlotRow>, StoreError> {
        statements::slots(self, target, step_ms, range).await
    }

    async fn statement_span(
        &self,
        target: &TargetId,
        step_ms: i64,
    ) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        statements::span(self, target, step_ms).await
    }

    async fn statement_texts(&self, target: &TargetId, ids: &[i64]) -> Result<Vec<StatementText>, StoreError> {
        statements::texts(self, target, ids).await
    }

    async fn upkeep(&self, now: Timestamp, retention: Retention) -> Result<Upkeep, StoreError> {
        upkeep::prune(&self.database, now, retention).await
    }

    async fn begin_import(&self, import: &NewImport) -> Result<i64, StoreError> {
        imports::begin(&self.database, import).await
    }

    async fn stage(&self, import: i64, now: Timestamp, rows: &Staged) -> Result<(), StoreError> {
        imports::stage(self, import, now, rows).await
    }

    async fn keep_import(&self, import: i64, brought: Brought) -> Result<(), StoreError> {
        imports::keep(&self.database, import, brought).await
    }

    async fn drop_import(&self, import: i64) -> Result<bool, StoreError> {
        imports::take_out(&self.database, import).await
    }

    async fn origins(&self, target: Option<&TargetId>) -> Result<Vec<Origin>, StoreError> {
        imports::origins(&self.database, target).await
    }

    async fn known(
        &self,
        target: &TargetId,
        metric: MetricId,
        rows: Rows,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, bool)>, StoreError> {
        imports::known(self, target, metric, rows, from, to).await
    }

    async fn row_counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        upkeep::row_counts(&self.database).await
    }

    async fn add_event(&self, uid: Uuid, event: &NewEvent) -> Result<Event, StoreError> {
        events::add(&self.database, uid, event).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        events::list(&self.database, query).await
    }

    async fn add_audit(&self, audit: &NewAudit) -> Result<i64, StoreError> {
        audit::add(&self.database, audit).await
    }

    async fn audit(&self, offset: u64, limit: u32) -> Result<(Vec<AuditRow>, u64), StoreError> {
        audit::page(&self.database, offset, limit).await
    }

    async fn audit_between(
        &self,
        target: &TargetId,
        range: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        audit::between(&self.database, target, range, limit).await
    }

    async fn add_user(&self, user: &User) -> Result<(), StoreError> {
        access::add_user(&self.database, user).await
    }

    async fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        access::remove_user(&self.database, name).await
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        access::users(&self.database).await
    }

    async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        access::user(&self.database, name).await
    }

    async fn add_token(&self, token: &Token) -> Result<(), StoreError> {
        access::add_token(&self.database, token).await
    }

    async fn remove_token(&self, name: &str) -> Result<bool, StoreError> {
        access::remove_token(&self.database, name).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        access::tokens(&self.database).await
    }

    async fn token(&self, hash: &[u8]) -> Result<Option<Token>, StoreError> {
        access::token(&self.database, hash).await
    }

    async fn is_access_defined(&self) -> Result<bool, StoreError> {
        access::is_defined(&self.database).await
    }

    async fn add_session(&self, session: &StoredSession) -> Result<bool, StoreError> {
        access::add_session(&self.database, session).await
    }

    async fn session(&self, hash: &[u8], now: Timestamp) -> Result<Option<(StoredSession, Role)>, StoreError> {
        access::session(&self.database, hash, now).await
    }

    async fn remove_session(&self, hash: &[u8]) -> Result<(), StoreError> {
        access::remove_session(&self.database, hash).await
    }

    async fn hold(&self, holder: Uuid, term: Duration) -> Result<bool, StoreError> {
        lease::hold(&self.database, holder, term).await
    }

    async fn release(&self, holder: Uuid) -> Result<(), StoreError> {
        lease::release(&self.database, holder).await
    }

    async fn take_lock(&self, name: &str, holder: Uuid, owner: &str, ttl: Duration) -> Result<Option<u64>, StoreError> {
        locks::take(&self.database, name, holder, owner, ttl).await
    }

    async fn renew_lock(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<bool, StoreError> {
        locks::renew(&self.database, name, holder, ttl).await
    }

    async fn free_lock(&self, name: &str, holder: Uuid) -> Result<bool, StoreError> {
        locks::free(&self.database, name, holder).await
    }

    async fn lock(&self, name: &str) -> Result<Option<StoredLock>, StoreError> {
        locks::read(&self.database, name).await
    }

    async fn add_share(&self, share: &Share, points: &[u8]) -> Result<bool, StoreError> {
        shares::add(&self.database, share, points).await
    }

    async fn share(&self, id: &ShareId) -> Result<Option<Share>, StoreError> {
        shares::one(&self.database, id).await
    }

    async fn share_points(&self, id: &ShareId) -> Result<Option<Vec<u8>>, StoreError> {
        shares::points(&self.database, id).await
    }

    async fn shares(&self, maker: Option<&str>, offset: u64, limit: u32) -> Result<(Vec<Share>, u64), StoreError> {
        shares::page(&self.database, maker, offset, limit).await
    }

    async fn revoke_share(&self, id: &ShareId, by: &str, at: Timestamp) -> Result<bool, StoreError> {
        shares::revoke(&self.database, id, by, at).await
    }

    async fn shares_opened(&self, openings: &[ShareOpenings]) -> Result<(), StoreError> {
        shares::opened(&self.database, openings).await
    }

    async fn save_hot_keys(&self, target: &TargetId, dataset: &str, keys: &[HotKey]) -> Result<(), StoreError> {
        hot_keys::save(&self.database, target, dataset, keys).await
    }

    async fn hot_keys(&self, target: &TargetId, dataset: &str) -> Result<Vec<HotKey>, StoreError> {
        hot_keys::list(&self.database, target, dataset).await
    }

    async fn note_table_sizes(&self, target: &TargetId, sizes: &[TableSize]) -> Result<(), StoreError> {
        table_sizes::note(&self.database, target, sizes).await
    }

    async fn table_sizes(&self, target: &TargetId, since: Timestamp) -> Result<Vec<TableSize>, StoreError> {
        table_sizes::oldest(&self.database, target, since).await
    }

    async fn save_plan(&self, target: &TargetId, query_id: i64, plan: &PlanRow) -> Result<Option<String>, StoreError> {
        plans::save(&self.database, target, query_id, plan).await
    }

    async fn plans(&self, target: &TargetId, query_id: i64) -> Result<Vec<PlanRow>, StoreError> {
        plans::list(&self.database, target, query_id).await
    }

    async fn save_advice(&self, target: &TargetId, rows: &[AdviceRow]) -> Result<(), StoreError> {
        plans::save_advice(&self.database, target, rows).await
    }

    async fn advice(&self, target: &TargetId) -> Result<Vec<AdviceRow>, StoreError> {
        plans::advice(&self.database, target).await
    }

    async fn save_operation(&self, operation: &Operation) -> Result<(), StoreError> {
        operations::save(&self.database, operation).await
    }

    async fn operations(&self, target: Option<&TargetId>, limit: u32) -> Result<Vec<Operation>, StoreError> {
        operations::list(&self.database, target, limit).await
    }

    async fn operations_of(&self, kind: &str, target: &TargetId, limit: u32) -> Result<Vec<Operation>, StoreError> {
        operations::list_kind(&self.database, kind, target, limit).await
    }

    async fn operations_between(
        &self,
        target: &TargetId,
        range: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Operation>, StoreError> {
        operations::between(&self.database, target, range, limit).await
    }

    async fn fail_interrupted_operations(&self, now: Timestamp) -> Result<u64, StoreError> {
        operations::fail_interrupted(&self.database, now).await
    }
}

/// Whether the database refused a row because its name or key exists.
fn is_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(sqlx::Error::Database(cause)) if cause.is_unique_violation())
}

/// A text column that holds one of our names.
fn named<T>(what: &'static str, name: String, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    parse(&name).ok_or_else(|| StoreError::Unreadable { what, cause: format!("\"{name}\" is not known") })
}
