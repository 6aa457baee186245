//! Tables, vacuum, replication, settings: what the server says of itself when asked.

use crate::{Timestamp, target::Limitation};
use serde::{Deserialize, Serialize};

/// How much of a table is wasted, estimated from statistics: rough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bloat {
    /// Bytes that a rewrite would free.
    pub bytes: u64,
    /// Share of the table's own pages, 0 to 100.
    pub percent: f64,
}

/// One table. Counters are of the time since the statistics of the database were reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TableSummary {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// With indexes and TOAST. Null while someone holds it with an ACCESS EXCLUSIVE lock.
    pub size_bytes: Option<u64>,
    /// Its own pages.
    pub heap_bytes: Option<u64>,
    /// Its indexes.
    pub index_bytes: Option<u64>,
    /// What is stored out of line, with its index.
    pub toast_bytes: Option<u64>,
    /// Growth in bytes a day, from the sizes that the console noted; null before it has noted any for an hour.
    pub growth_bytes_a_day: Option<f64>,
    /// How far back those sizes reach, in milliseconds.
    pub growth_over_ms: Option<u64>,
    /// Live rows, estimated by the server.
    pub live_rows: u64,
    /// Dead rows, estimated by the server.
    pub dead_rows: u64,
    /// Share of dead rows, 0 to 100; null without rows.
    pub dead_percent: Option<f64>,
    /// Dead rows at which autovacuum starts.
    pub vacuum_at: f64,
    /// Scans from end to end.
    pub seq_scans: u64,
    /// Rows that these read.
    pub seq_rows: u64,
    /// Scans through indexes.
    pub index_scans: u64,
    /// Share of updates that needed no new index entry (HOT), 0 to 100; null without updates.
    pub hot_percent: Option<f64>,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Wasted space, estimated; null where that cannot be said, see `bloat_unknown`.
    pub bloat: Option<Bloat>,
    /// Why there is no estimate.
    pub bloat_unknown: Option<String>,
    /// Newest vacuum, by hand or by itself.
    pub vacuumed_at: Option<Timestamp>,
    /// Newest analyze, by hand or by itself.
    pub analyzed_at: Option<Timestamp>,
    /// Age of its oldest transaction id as a share of 2³¹, 0 to 100.
    pub freeze_percent: f64,
    /// Foreign keys that it holds without an index for them.
    pub keys_without_index: u32,
}

/// All tables, bounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TableList {
    /// When they were read.
    pub at: Timestamp,
    /// The largest 500.
    pub tables: Vec<TableSummary>,
    /// Tables in all.
    pub total: u64,
    /// Since when counters count; null where that was never reset.
    pub counting_since: Option<Timestamp>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
}

/// One index of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IndexSummary {
    /// Name.
    pub name: String,
    /// The statement that makes it.
    pub definition: String,
    /// Bytes.
    pub size_bytes: Option<u64>,
    /// Scans since the reset.
    pub scans: u64,
    /// Newest scan, where the server tells (version 16 and newer).
    pub scanned_at: Option<Timestamp>,
    /// Backs the primary key.
    pub is_primary: bool,
    /// Enforces uniqueness.
    pub is_unique: bool,
    /// Can be used by queries.
    pub is_valid: bool,
}

/// A foreign key of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ForeignKey {
    /// Name of the constraint.
    pub name: String,
    /// The table that holds the key, as `schema.table`.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it points to.
    pub references: String,
    /// The statement that makes the index that it lacks; null where it has one. Without, each deleted or changed key of the
    /// table that it points to scans the table that holds it.
    pub missing_index: Option<String>,
}

/// How often something ran, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// Since the statistics were reset.
    pub count: u64,
    /// The newest.
    pub last: Option<Timestamp>,
}

/// One table, opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TableDetail {
    /// When it was read.
    pub at: Timestamp,
    /// The table itself.
    pub table: TableSummary,
    /// Its owner.
    pub owner: String,
    /// Storage parameters of its own (`fillfactor=70`).
    pub options: Vec<String>,
    /// Its indexes, largest first, at most 100.
    pub indexes: Vec<IndexSummary>,
    /// Foreign keys that it holds, at most 100.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of others that point to it and lack an index, at most 100.
    pub referenced_without_index: Vec<ForeignKey>,
    /// Age of its oldest transaction id, in transactions.
    pub freeze_age: i64,
    /// Age at which a vacuum to prevent wraparound begins.
    pub freeze_max_age: i64,
    /// Age of its oldest multixact.
    pub multixact_age: i64,
    /// Vacuums by hand.
    pub vacuums: Runs,
    /// Vacuums by the server itself.
    pub autovacuums: Runs,
    /// Analyzes by hand.
    pub analyzes: Runs,
    /// Analyzes by the server itself.
    pub autoanalyzes: Runs,
    /// Rows changed since the newest analyze.
    pub changed_since_analyze: u64,
    /// A vacuum that runs on it now.
    pub vacuum: Option<VacuumProgress>,
    /// What measuring its wasted space needs here; null where it can be measured.
    pub measure_missing: Option<Limitation>,
}

/// Wasted space as pgstattuple_approx measured it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MeasuredBloat {
    /// When.
    pub at: Timestamp,
    /// Bytes of the table's own pages.
    pub heap_bytes: u64,
    /// Dead rows, in bytes.
    pub dead_bytes: u64,
    /// Free space, in bytes.
    pub free_bytes: u64,
    /// Dead rows and free space as a share of the pages, 0 to 100.
    pub percent: f64,
    /// Share of the pages that were read, 0 to 100; the others are known to hold no dead rows.
    pub scanned_percent: f64,
}

/// A vacuum that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VacuumProgress {
    /// Its backend.
    pub pid: i32,
    /// `schema.table`; null in another database.
    pub table: Option<String>,
    /// What it does at the moment.
    pub phase: String,
    /// Blocks of the table read.
    pub blocks_done: u64,
    /// Blocks of the table.
    pub blocks: u64,
    /// Passes over the indexes so far.
    pub index_passes: u64,
    /// Started by the server itself.
    pub is_automatic: bool,
    /// Since when; null where the role may not see it.
    pub since: Option<Timestamp>,
}

/// A database and how old its oldest transaction id is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FreezeAge {
    /// Database, or `schema.table`.
    pub name: String,
    /// In transactions.
    pub age: i64,
    /// Share of 2³¹ of the older of both, 0 to 100. At 100 the server accepts no writes.
    pub percent: f64,
    /// Age of its oldest multixact.
    pub multixact_age: i64,
}

/// Who keeps vacuum from removing dead rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct XminHolder {
    /// `session`, `prepared transaction`, `replication slot` or `standby`.
    pub kind: String,
    /// Pid, name or identifier.
    pub name: String,
    /// Role, application, state, where known.
    pub detail: String,
    /// Age of the oldest transaction whose rows it keeps, in transactions.
    pub age: i64,
    /// Since when, where known.
    pub since: Option<Timestamp>,
    /// What frees it.
    pub remedy: String,
    /// Whether it holds back tables of this database, not only other databases or the catalogue.
    pub is_here: bool,
}

/// Vacuum and freeze of the whole server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VacuumReport {
    /// When it was read.
    pub at: Timestamp,
    /// Vacuums that run.
    pub running: Vec<VacuumProgress>,
    /// Autovacuum workers at most.
    pub workers_max: u32,
    /// Age at which a vacuum to prevent wraparound begins.
    pub freeze_max_age: i64,
    /// Databases, oldest first, at most 50.
    pub databases: Vec<FreezeAge>,
    /// Tables of this database, oldest first, at most 20.
    pub tables: Vec<FreezeAge>,
    /// Who keeps dead rows from being removed, oldest first, at most 20.
    pub holders: Vec<XminHolder>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
}

/// Something with a size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NamedBytes {
    /// Its name.
    pub name: String,
    /// Its bytes; null where the role may not read them.
    pub bytes: Option<u64>,
}

/// Bytes of databases and of this one's parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SizeReport {
    /// When it was read.
    pub at: Timestamp,
    /// This database.
    pub database: String,
    /// Its bytes.
    pub database_bytes: u64,
    /// Growth in bytes a day over the history that is kept, at most a month; null before an hour of it.
    pub growth_bytes_a_day: Option<f64>,
    /// Pages of tables.
    pub heap_bytes: u64,
    /// Indexes.
    pub index_bytes: u64,
    /// Out of line.
    pub toast_bytes: u64,
    /// Write-ahead log on disk; null where the role may not read it.
    pub wal_bytes: Option<u64>,
    /// All databases, largest first, at most 50.
    pub databases: Vec<NamedBytes>,
    /// The largest tables, at most 20.
    pub largest: Vec<NamedBytes>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
}

/// One kind of input and output (`pg_stat_io`, version 16 and newer), since the reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IoFigures {
    /// `client backend`, `autovacuum worker`, `checkpointer`, …
    pub backend: String,
    /// `relation`, `temp relation` or `wal`.
    pub object: String,
    /// `normal`, `vacuum`, `bulkread`, `bulkwrite`, `init`.
    pub context: String,
    /// Bytes read; null where that does not happen.
    pub read_bytes: Option<f64>,
    /// Bytes written.
    pub written_bytes: Option<f64>,
    /// Bytes by which files grew.
    pub extended_bytes: Option<f64>,
    /// Found in the buffers.
    pub hits: Option<f64>,
    /// Buffers that had to make room.
    pub evictions: Option<f64>,
    /// Milliseconds of reading; null without track_io_timing.
    pub read_ms: Option<f64>,
    /// Milliseconds of writing.
    pub write_ms: Option<f64>,
}

/// Checkpoints since the reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointFigures {
    /// Because it was time.
    pub timed: u64,
    /// Because the log was full, or someone asked.
    pub requested: u64,
    /// Milliseconds of writing.
    pub write_ms: f64,
    /// Milliseconds of syncing.
    pub sync_ms: f64,
    /// Buffers written.
    pub buffers: u64,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What this database did since its statistics were reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStats {
    /// When it was read.
    pub at: Timestamp,
    /// This database.
    pub database: String,
    /// Since when; null where that was never reset.
    pub since: Option<Timestamp>,
    /// Sessions connected now.
    pub connections: u32,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Blocks found in the buffers, of all asked for, 0 to 100; null below 1,000 blocks.
    pub hit_percent: Option<f64>,
    /// Rows read.
    pub rows_read: u64,
    /// Rows inserted, updated and deleted.
    pub rows_written: u64,
    /// Temporary files.
    pub temp_files: u64,
    /// Their bytes.
    pub temp_bytes: u64,
    /// Deadlocks.
    pub deadlocks: u64,
    /// Queries cancelled on a replica for conflicts with recovery.
    pub conflicts: u64,
    /// Pages whose checksum was wrong; null where checksums are off.
    pub checksum_failures: Option<u64>,
    /// Sessions that ended without a goodbye, by error or by an administrator (version 14 and newer).
    pub sessions_lost: Option<u64>,
    /// Checkpoints of the server.
    pub checkpoints: CheckpointFigures,
    /// Input and output of the server, most bytes first; null before version 16.
    pub io: Option<Vec<IoFigures>>,
}

/// A standby that follows this server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Standby {
    /// application_name.
    pub name: String,
    /// Address; null for a socket, or where the role may not see it.
    pub address: Option<String>,
    /// `streaming`, `catchup`, …; null where the role may not see it.
    pub state: Option<String>,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync: Option<String>,
    /// Bytes not sent yet.
    pub send_lag_bytes: Option<f64>,
    /// Bytes sent and not flushed there yet.
    pub flush_lag_bytes: Option<f64>,
    /// Bytes flushed there and not replayed yet.
    pub replay_lag_bytes: Option<f64>,
    /// Milliseconds until it replays what is written here; 0 where it has everything.
    pub replay_lag_ms: Option<f64>,
}

/// A replication slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplicationSlot {
    /// Name.
    pub name: String,
    /// `physical` or `logical`.
    pub kind: String,
    /// In use.
    pub is_active: bool,
    /// Bytes of log that it keeps on disk.
    pub retained_bytes: Option<f64>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Bytes that may be written before it is in danger; null without a bound.
    pub safe_bytes: Option<f64>,
    /// Unused since then (version 17 and newer).
    pub inactive_since: Option<Timestamp>,
    /// Why it cannot be used any more (version 17 and newer).
    pub invalidation: Option<String>,
    /// What should be done; null where all is well.
    pub advice: Option<String>,
}

/// What a replica receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    /// `streaming`, …; null where nothing is received.
    pub status: Option<String>,
    /// Whom it follows.
    pub from: Option<String>,
    /// Bytes received and not replayed.
    pub replay_lag_bytes: Option<f64>,
    /// Newest message of the primary.
    pub heard_at: Option<Timestamp>,
    /// Whether replay is paused.
    pub is_paused: bool,
    /// Something is received, but the role may not see what.
    pub is_hidden: bool,
}

/// Replication of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplicationReport {
    /// When it was read.
    pub at: Timestamp,
    /// It follows another server.
    pub is_replica: bool,
    /// Those that follow this one, at most 50.
    pub standbys: Vec<Standby>,
    /// Slots, most bytes kept first, at most 50.
    pub slots: Vec<ReplicationSlot>,
    /// On a replica: what it receives.
    pub receiver: Option<Receiver>,
    /// What could not be read, and how to lift it.
    pub limitations: Vec<Limitation>,
}

/// A setting that is worth a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SettingAdvice {
    /// Its name.
    pub name: String,
    /// Its value, as `SHOW` writes it.
    pub value: String,
    /// Data may be lost or the server may stop; else it costs speed or insight.
    pub is_risk: bool,
    /// Why it is worth a look, here.
    pub reason: String,
    /// What changes it; null where that depends.
    pub remedy: Option<String>,
    /// Where the PostgreSQL documentation says so.
    pub source: String,
}

/// Settings that are worth a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SettingsReport {
    /// When they were read.
    pub at: Timestamp,
    /// How many rules were checked.
    pub checked: u32,
    /// Risks first.
    pub advice: Vec<SettingAdvice>,
}

/// What VACUUM (ANALYZE) of a table would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OptimizePreview {
    /// `schema.table`.
    pub table: String,
    /// The exact statement.
    pub statement: String,
    /// Bytes with indexes: read at most.
    pub size_bytes: Option<u64>,
    /// Dead rows, estimated.
    pub dead_rows: u64,
    /// Newest vacuum.
    pub vacuumed_at: Option<Timestamp>,
    /// One sentence: what happens and what does not.
    pub effect: String,
    /// What keeps dead rows from being removed at the moment; null where nothing does.
    pub hindrance: Option<String>,
    /// The right that is missing, and its grant; null where it may be done.
    pub missing: Option<Limitation>,
}
