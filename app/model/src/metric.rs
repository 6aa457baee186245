//! The metric catalogue: the one list of every figure.
//!
//! Metric picker, axis units, alert rules, forecasts, Prometheus names and the API documents come from here. A new
//! figure is one line here and one line in a collector.

use crate::Component;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// 0 to 100.
    Percent,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Occurrences a second.
    PerSecond,
    /// Things.
    Count,
    /// Points of a health score, 0 to 100.
    Score,
    /// One thing divided by another of its kind.
    Ratio,
    /// 1 is yes, 0 is no.
    Flag,
}

/// How values of a slot combine, and what a missing sample means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A level, or a rate already divided by its interval: slots average.
    Gauge,
    /// Events counted in the interval since the previous sample: slots add up.
    Delta,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Good {
    /// More is better.
    Up,
    /// Less is better.
    Down,
    /// Neither.
    Neutral,
}

/// One catalogue entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its id.
    pub id: MetricId,
    /// Name in sentence case, without the unit.
    pub name: &'static str,
    /// Unit of every value.
    pub unit: Unit,
    /// How values combine.
    pub kind: Kind,
    /// The component it tells about.
    pub component: Component,
    /// Which way is good.
    pub good: Good,
    /// What exactly is measured, from where.
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($variant:ident = $id:literal, $name:literal, $unit:ident, $kind:ident, $component:ident, $good:ident, $help:literal;)+) => {
        /// Names a metric of the catalogue. Sent and stored as its id (`database.connections`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum MetricId { $(#[doc = $help] $variant),+ }

        /// Every metric, in the order pickers show them.
        pub const CATALOGUE: &[Metric] = &[$(Metric {
            id: MetricId::$variant, name: $name, unit: Unit::$unit, kind: Kind::$kind,
            component: Component::$component, good: Good::$good, help: $help,
        }),+];

        impl MetricId {
            /// The id as stored and sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(MetricId::$variant => $id),+ }
            }

            /// The metric with this id.
            #[must_use]
            pub fn parse(id: &str) -> Option<Self> {
                match id { $($id => Some(MetricId::$variant),)+ _ => None }
            }
        }
    };
}

catalogue! {
    HealthScore = "health.score", "Health", Score, Gauge, Application, Up, "Overall health score, 100 minus all deductions";
    HealthDatabase = "health.database", "Database health", Score, Gauge, Database, Up, "Health score of the database";
    HealthCache = "health.cache", "Cache health", Score, Gauge, Cache, Up, "Health score of the cache";
    HealthApplication = "health.application", "Application health", Score, Gauge, Application, Up, "Health score of pools and process";
    HealthLocks = "health.locks", "Locks health", Score, Gauge, Locks, Up, "Health score of locks";

    DatabaseUp = "database.up", "PostgreSQL answers", Flag, Gauge, Database, Up, "1 while PostgreSQL answers, 0 while it does not";
    QueryLatencyP50 = "database.query_latency_p50", "Query latency p50", Milliseconds, Gauge, Database, Down, "Estimate over all statements of the interval: mixture of log-normals from pg_stat_statements mean and deviation";
    QueryLatencyP95 = "database.query_latency_p95", "Query latency p95", Milliseconds, Gauge, Database, Down, "Estimate over all statements of the interval: mixture of log-normals from pg_stat_statements mean and deviation";
    QueryLatencyP99 = "database.query_latency_p99", "Query latency p99", Milliseconds, Gauge, Database, Down, "Estimate over all statements of the interval: mixture of log-normals from pg_stat_statements mean and deviation";
    QueryLatencyMean = "database.query_latency_mean", "Query latency mean", Milliseconds, Gauge, Database, Down, "Execution time divided by calls in the interval, pg_stat_statements";
    Queries = "database.queries", "Throughput", PerSecond, Gauge, Database, Neutral, "Statements executed a second, the console's own left out, pg_stat_statements calls";
    SlowestStatementMean = "database.slowest_statement_mean", "Slowest statement", Milliseconds, Gauge, Database, Down, "Highest interval mean among statements with at least one call, pg_stat_statements";
    Transactions = "database.transactions", "Transactions", PerSecond, Gauge, Database, Neutral, "Commits and rollbacks a second, pg_stat_database";
    RollbackShare = "database.rollback_share", "Rollbacks", Percent, Gauge, Database, Down, "Rollbacks as a share of all transactions in the interval, pg_stat_database";
    RowsReturned = "database.rows_returned", "Rows read", PerSecond, Gauge, Database, Neutral, "tup_returned a second, pg_stat_database";
    RowsWritten = "database.rows_written", "Rows written", PerSecond, Gauge, Database, Neutral, "Rows inserted, updated and deleted a second, pg_stat_database";
    BufferHitRatio = "database.buffer_hit_ratio", "Buffer hit ratio", Percent, Gauge, Database, Up, "Blocks found in shared buffers in the interval; unknown below 1,000 blocks, pg_stat_database";
    TempBytes = "database.temp_bytes", "Temporary files", BytesPerSecond, Gauge, Database, Down, "Bytes written to temporary files a second, pg_stat_database";
    BlockReadTime = "database.block_read_time", "Block read time", Milliseconds, Gauge, Database, Down, "Mean time of one block read in the interval, needs track_io_timing, pg_stat_database";
    Connections = "database.connections", "Connections in use", Count, Gauge, Database, Neutral, "Client backends of the whole server, pg_stat_activity";
    ConnectionsMax = "database.connections_max", "Connection limit", Count, Gauge, Database, Neutral, "max_connections less the reserved ones";
    ConnectionsUsed = "database.connections_used", "Connections used", Percent, Gauge, Database, Down, "Client backends as a share of the connection limit";
    SessionsActive = "database.sessions_active", "Active sessions", Count, Gauge, Database, Neutral, "Client backends that run a statement, pg_stat_activity";
    SessionsIdleInTransaction = "database.sessions_idle_in_transaction", "Idle in transaction", Count, Gauge, Database, Down, "Client backends idle inside an open transaction, pg_stat_activity";
    LongestIdleInTransaction = "database.longest_idle_in_transaction", "Longest idle in transaction", Milliseconds, Gauge, Database, Down, "Age of the oldest idle-in-transaction state, pg_stat_activity";
    LongestStatement = "database.longest_statement", "Longest running statement", Milliseconds, Gauge, Database, Down, "Age of the oldest running client statement, pg_stat_activity";
    LongestTransaction = "database.longest_transaction", "Longest transaction", Milliseconds, Gauge, Database, Down, "Age of the oldest open client transaction, pg_stat_activity";
    DatabaseSize = "database.size", "Database size", Bytes, Gauge, Database, Neutral, "pg_database_size of the watched database";
    LargestTable = "database.largest_table", "Largest table", Bytes, Gauge, Database, Neutral, "Size of the largest table with its indexes and TOAST, pg_total_relation_size";
    WalSize = "database.wal_size", "WAL on disk", Bytes, Gauge, Database, Down, "Size of the files in pg_wal; needs pg_monitor, pg_ls_waldir";
    WalBytes = "database.wal_bytes", "WAL written", BytesPerSecond, Gauge, Database, Neutral, "Write-ahead log a second, pg_current_wal_insert_lsn";
    CheckpointsTimed = "database.checkpoints_timed", "Timed checkpoints", Count, Delta, Database, Neutral, "Checkpoints started by checkpoint_timeout, pg_stat_checkpointer or pg_stat_bgwriter";
    CheckpointsRequested = "database.checkpoints_requested", "Requested checkpoints", Count, Delta, Database, Down, "Checkpoints started by WAL volume or command, pg_stat_checkpointer or pg_stat_bgwriter";
    CheckpointWriteTime = "database.checkpoint_write_time", "Checkpoint write time", Milliseconds, Delta, Database, Down, "Time spent writing checkpoint files in the interval";
    IoReads = "database.io_reads", "Blocks read", PerSecond, Gauge, Database, Down, "Blocks read from the operating system a second, pg_stat_io (16+) or pg_stat_database";
    IoWrites = "database.io_writes", "Blocks written", PerSecond, Gauge, Database, Neutral, "Blocks written by all processes a second, pg_stat_io (16+)";
    ReplicationLagBytes = "database.replication_lag_bytes", "Replication lag", Bytes, Gauge, Database, Down, "WAL not replayed by the slowest replica (0 on a replica that has replayed all it received)";
    ReplicationLag = "database.replication_lag", "Replication delay", Milliseconds, Gauge, Database, Down, "replay_lag of the slowest replica, or time behind on a replica; 0 where received equals replayed";
    Replicas = "database.replicas", "Replicas connected", Count, Gauge, Database, Neutral, "Rows of pg_stat_replication";
    TransactionIdAge = "database.transaction_id_age", "Transaction id age", Percent, Gauge, Database, Down, "age(datfrozenxid) as a share of 2^31, worst database";
    MultixactAge = "database.multixact_age", "Multixact age", Percent, Gauge, Database, Down, "mxid_age(datminmxid) as a share of 2^31, worst database";
    SequenceUsed = "database.sequence_used", "Fullest sequence", Percent, Gauge, Database, Down, "Used share of what a sequence, or the integer column it fills, can hold, worst sequence that does not cycle; needs SELECT on the sequences";
    DeadRowsWorst = "database.dead_rows_worst", "Dead rows, worst table", Percent, Gauge, Database, Down, "Dead rows as a share of all, worst table above 10,000 rows, pg_stat_user_tables";
    TablesOverdueVacuum = "database.tables_overdue_vacuum", "Tables overdue for vacuum", Count, Gauge, Database, Down, "Tables past their autovacuum threshold, pg_stat_user_tables and reloptions";
    AutovacuumWorkers = "database.autovacuum_workers", "Autovacuum workers", Count, Gauge, Database, Neutral, "Running autovacuum workers, pg_stat_activity";

    LocksWaiting = "locks.waiting", "Sessions waiting over 1 s", Count, Gauge, Locks, Down, "Client backends that have waited for a lock for over one second, pg_locks";
    LocksBlocked = "locks.blocked", "Sessions waiting for a lock", Count, Gauge, Locks, Down, "Client backends that wait for a lock, pg_stat_activity";
    LocksLongestWait = "locks.longest_wait", "Longest lock wait", Milliseconds, Gauge, Locks, Down, "Age of the oldest lock wait; 0 when nobody waits";
    LocksHeld = "locks.held", "Locks held", Count, Gauge, Locks, Neutral, "Granted locks of client backends, pg_locks";
    Deadlocks = "locks.deadlocks", "Deadlocks", Count, Delta, Locks, Down, "Deadlocks detected in the interval, pg_stat_database";

    WaitsRunning = "waits.running", "Running, not waiting", Count, Gauge, Database, Neutral, "Active sessions without a wait event, mean over the looks of the interval, one a second: on the processor, or ready for it, pg_stat_activity";
    WaitsIo = "waits.io", "Waiting for input and output", Count, Gauge, Database, Down, "Active sessions with wait event type IO, mean over the looks of the interval, one a second, pg_stat_activity";
    WaitsLock = "waits.lock", "Waiting for a lock", Count, Gauge, Locks, Down, "Active sessions with wait event type Lock, mean over the looks of the interval, one a second, pg_stat_activity";
    WaitsLwlock = "waits.lwlock", "Waiting for an internal lock", Count, Gauge, Database, Down, "Active sessions with wait event type LWLock, mean over the looks of the interval, one a second, pg_stat_activity";
    WaitsClient = "waits.client", "Waiting for the client", Count, Gauge, Database, Neutral, "Active sessions with wait event type Client, mean over the looks of the interval, one a second, pg_stat_activity";
    WaitsOther = "waits.other", "Waiting for something else", Count, Gauge, Database, Neutral, "Active sessions with another wait event type (BufferPin, IPC, Timeout, Extension, …), mean over the looks of the interval, one a second, pg_stat_activity";

    CacheHitRate = "cache.hit_rate", "Cache hit rate", Percent, Gauge, Cache, Up, "Lookups of datasets in the interval that a tier answered, stale ones included; unknown below 20 lookups";
    CacheMemoryShare = "cache.memory_share", "Answered from memory", Percent, Gauge, Cache, Up, "Lookups of datasets in the interval answered from memory; unknown below 20 lookups";
    CacheRedisShare = "cache.redis_share", "Answered from Redis", Percent, Gauge, Cache, Neutral, "Lookups of datasets in the interval answered from Redis as second tier; unknown below 20 lookups";
    CacheStaleShare = "cache.stale_share", "Answered stale", Percent, Gauge, Cache, Down, "Lookups of datasets in the interval answered with a value past its time, because loading was slow or failed; unknown below 20 lookups";
    CacheMissShare = "cache.miss_share", "Missed", Percent, Gauge, Cache, Down, "Lookups of datasets in the interval that no tier answered; unknown below 20 lookups";
    CacheLookups = "cache.lookups", "Cache lookups", PerSecond, Gauge, Cache, Neutral, "Lookups of datasets a second, all tiers";
    CacheMisses = "cache.misses", "Cache misses", PerSecond, Gauge, Cache, Down, "Lookups of datasets a second that no tier answered";
    CacheLoads = "cache.loads", "Cache loads", PerSecond, Gauge, Cache, Neutral, "Pages of datasets loaded from PostgreSQL a second, those refreshed before their time included";
    CacheLoadErrors = "cache.load_errors", "Failed cache loads", Percent, Gauge, Cache, Down, "Loads that failed or took too long as a share of all loads of the interval";
    CacheEvictions = "cache.evictions", "Cache evictions", PerSecond, Gauge, Cache, Down, "Pages that left memory for lack of room a second";
    CacheEvictionShare = "cache.eviction_share", "Cache eviction share", Percent, Gauge, Cache, Down, "Evicted pages as a share of all that left memory (evicted, expired, invalidated) in the interval; unknown below 20";
    CacheMemory = "cache.memory", "Cache memory", Bytes, Gauge, Cache, Neutral, "What the target's datasets take in the console's memory";
    CacheMemoryMax = "cache.memory_max", "Cache memory limit", Bytes, Gauge, Cache, Neutral, "What the target's datasets may take in the console's memory";
    CacheMemoryUsed = "cache.memory_used", "Cache memory used", Percent, Gauge, Cache, Neutral, "Cache memory as a share of its limit; a full cache evicts";
    CacheKeys = "cache.keys", "Cache keys", Count, Gauge, Cache, Neutral, "Pages of datasets in the console's memory";
    CacheMemoryLatencyP50 = "cache.memory_latency_p50", "Memory answer p50", Milliseconds, Gauge, Cache, Down, "Exact over the timed answers from memory of the interval; about 2,000 a second of each dataset are timed at most";
    CacheMemoryLatencyP95 = "cache.memory_latency_p95", "Memory answer p95", Milliseconds, Gauge, Cache, Down, "Exact over the timed answers from memory of the interval; about 2,000 a second of each dataset are timed at most";
    CacheMemoryLatencyP99 = "cache.memory_latency_p99", "Memory answer p99", Milliseconds, Gauge, Cache, Down, "Exact over the timed answers from memory of the interval; about 2,000 a second of each dataset are timed at most";
    CacheRedisLatencyP50 = "cache.redis_latency_p50", "Redis read p50", Milliseconds, Gauge, Cache, Down, "Exact over the reads of the interval from Redis as second tier, whether they found something or not";
    CacheRedisLatencyP95 = "cache.redis_latency_p95", "Redis read p95", Milliseconds, Gauge, Cache, Down, "Exact over the reads of the interval from Redis as second tier, whether they found something or not";
    CacheRedisLatencyP99 = "cache.redis_latency_p99", "Redis read p99", Milliseconds, Gauge, Cache, Down, "Exact over the reads of the interval from Redis as second tier, whether they found something or not";
    CacheLoadLatencyP50 = "cache.load_latency_p50", "Cache load p50", Milliseconds, Gauge, Cache, Down, "Exact over the loads of the interval that ended well, from asking for a connection to the last row";
    CacheLoadLatencyP95 = "cache.load_latency_p95", "Cache load p95", Milliseconds, Gauge, Cache, Down, "Exact over the loads of the interval that ended well, from asking for a connection to the last row";
    CacheLoadLatencyP99 = "cache.load_latency_p99", "Cache load p99", Milliseconds, Gauge, Cache, Down, "Exact over the loads of the interval that ended well, from asking for a connection to the last row";
    CacheSavedTime = "cache.saved_time", "Database time saved a second", Milliseconds, Gauge, Cache, Up, "Answers from a tier a second times the mean load of their dataset since the statistics were reset; unknown before the first load";
    CacheSuppressed = "cache.suppressed", "Suppressed stampedes", PerSecond, Gauge, Cache, Neutral, "Callers a second that waited for a load under way instead of loading themselves";
    CachePoison = "cache.poison", "Unreadable values in Redis", Count, Delta, Cache, Down, "Values of Redis that could not be read and were removed in the interval";
    CacheResynchronisations = "cache.resynchronisations", "Cache resynchronisations", Count, Delta, Cache, Down, "How often in the interval messages of other instances were missed and everything was verified with Redis";
    CacheRedisUp = "cache.redis_up", "Redis answers as second tier", Flag, Gauge, Cache, Up, "1 while Redis takes and answers what the datasets ask of it, 0 while memory goes on alone; unknown before the first lookup";
    CacheInvalidationsWaiting = "cache.invalidations_waiting", "Invalidations waiting", Count, Gauge, Cache, Down, "Invalidations that Redis must still be told when it is back; unknown before the first lookup";

    RedisUp = "redis.up", "Redis answers", Flag, Gauge, Cache, Up, "1 while Redis answers, 0 while it does not";
    RedisHitRatio = "redis.hit_ratio", "Redis hit rate", Percent, Gauge, Cache, Up, "keyspace_hits as a share of all lookups in the interval, all users of this Redis; unknown below 100 lookups";
    RedisLookups = "redis.lookups", "Redis lookups", PerSecond, Gauge, Cache, Neutral, "keyspace_hits and keyspace_misses a second";
    RedisCommands = "redis.commands", "Redis commands", PerSecond, Gauge, Cache, Neutral, "total_commands_processed a second";
    RedisMemory = "redis.memory", "Redis memory", Bytes, Gauge, Cache, Neutral, "used_memory";
    RedisMemoryMax = "redis.memory_max", "Redis memory limit", Bytes, Gauge, Cache, Neutral, "maxmemory; unknown when not set";
    RedisMemoryUsed = "redis.memory_used", "Redis memory used", Percent, Gauge, Cache, Down, "used_memory as a share of maxmemory";
    RedisFragmentation = "redis.fragmentation", "Redis memory fragmentation", Ratio, Gauge, Cache, Down, "mem_fragmentation_ratio: resident over used memory";
    RedisEvictions = "redis.evictions", "Redis evictions", PerSecond, Gauge, Cache, Down, "evicted_keys a second";
    RedisEvictionShare = "redis.eviction_share", "Redis eviction share", Percent, Gauge, Cache, Down, "Evicted keys as a share of all keys that left (evicted and expired) in the interval";
    RedisExpirations = "redis.expirations", "Redis expirations", PerSecond, Gauge, Cache, Neutral, "expired_keys a second";
    RedisKeys = "redis.keys", "Redis keys", Count, Gauge, Cache, Neutral, "Keys of all databases, INFO keyspace";
    RedisClients = "redis.clients", "Redis clients", Count, Gauge, Cache, Neutral, "connected_clients";
    RedisClientsUsed = "redis.clients_used", "Redis clients used", Percent, Gauge, Cache, Down, "connected_clients as a share of maxclients";
    RedisBlockedClients = "redis.blocked_clients", "Blocked Redis clients", Count, Gauge, Cache, Neutral, "blocked_clients";
    RedisRejected = "redis.rejected", "Rejected Redis connections", Count, Delta, Cache, Down, "rejected_connections in the interval";
    RedisRoundTrip = "redis.round_trip", "Redis round trip", Milliseconds, Gauge, Cache, Down, "One PING from the console over an open connection";
    RedisForkTime = "redis.fork_time", "Redis fork time", Milliseconds, Gauge, Cache, Down, "latest_fork_usec";
    RedisNetworkIn = "redis.network_in", "Redis network in", BytesPerSecond, Gauge, Cache, Neutral, "total_net_input_bytes a second";
    RedisNetworkOut = "redis.network_out", "Redis network out", BytesPerSecond, Gauge, Cache, Neutral, "total_net_output_bytes a second";

    PoolInUse = "pool.in_use", "Pool in use", Count, Gauge, Application, Neutral, "Connections of the console's own pools that are lent out, all lanes";
    PoolIdle = "pool.idle", "Pool idle", Count, Gauge, Application, Neutral, "Open connections of the console's own pools that wait for work";
    PoolMax = "pool.max", "Pool limit", Count, Gauge, Application, Neutral, "Largest size of the console's own pools, all lanes";
    PoolUsed = "pool.used", "Pool used", Percent, Gauge, Application, Down, "Fullest lane: connections lent out as a share of its limit";
    PoolWaiting = "pool.waiting", "Pool waiters", Count, Gauge, Application, Down, "Callers that wait for a connection, all lanes";
    PoolWaitP95 = "pool.wait_p95", "Checkout wait p95", Milliseconds, Gauge, Application, Down, "Exact, over the checkouts of the interval, all lanes";
    PoolTimeouts = "pool.timeouts", "Pool timeouts", Count, Delta, Application, Down, "Checkouts that gave up in the interval";
    PoolLeaks = "pool.leaks", "Suspected leaks", Count, Gauge, Application, Down, "Connections lent out for over 60 s";

    RequestRate = "requests.rate", "Requests", PerSecond, Gauge, Application, Neutral, "HTTP requests answered by the console a second";
    RequestErrors = "requests.errors", "Request errors", Percent, Gauge, Application, Down, "Answers with status 500 and above as a share of all in the interval";
    RequestP95 = "requests.p95", "Request latency p95", Milliseconds, Gauge, Application, Down, "Exact, over the requests of the interval, streams left out";

    ProcessCpu = "process.cpu", "Console CPU", Percent, Gauge, Application, Down, "CPU time of the console as a share of one core";
    ProcessMemory = "process.memory", "Console memory", Bytes, Gauge, Application, Down, "Resident memory of the console";
    ProcessOpenFiles = "process.open_files", "Open files", Count, Gauge, Application, Neutral, "Open file descriptors of the console";
    ProcessLoopLag = "process.loop_lag", "Event-loop lag", Milliseconds, Gauge, Application, Down, "Worst delay of a timer in the interval";
    ProcessWorkersBusy = "process.workers_busy", "Runtime workers busy", Percent, Gauge, Application, Down, "Busy share of the runtime's worker threads";
    ProcessTasks = "process.tasks", "Runtime tasks", Count, Gauge, Application, Neutral, "Tasks alive in the runtime";
    HostCpu = "host.cpu", "CPU", Percent, Gauge, Database, Down, "CPU of the machine; only where the target runs on the console's own machine";
    HostMemoryUsed = "host.memory_used", "Memory used", Percent, Gauge, Database, Down, "Memory of the machine in use; only where the target runs on the console's own machine";
    HostNetworkIn = "host.network_in", "Network in", BytesPerSecond, Gauge, Database, Neutral, "Bytes a second that the machine received, loopback left out; only where the target runs on the console's own machine";
    HostNetworkOut = "host.network_out", "Network out", BytesPerSecond, Gauge, Database, Neutral, "Bytes a second that the machine sent, loopback left out; only where the target runs on the console's own machine";
    HostNetworkSpeed = "host.network_speed", "Network speed", BytesPerSecond, Gauge, Database, Neutral, "What the machine's network interfaces can carry each way; only where the target runs on the console's own machine and they say so";
    HostDiskUsed = "host.disk_used", "Disk used", Bytes, Gauge, Database, Neutral, "Used of the file system that holds the data directory; only where the target runs on the console's own machine; needs pg_monitor";
    HostDiskSize = "host.disk_size", "Disk size", Bytes, Gauge, Database, Neutral, "Size of the file system that holds the data directory, without what is reserved; only where the target runs on the console's own machine; needs pg_monitor";

    SelfCollectTime = "self.collect_time", "Collection time", Milliseconds, Gauge, Application, Down, "Time the newest sample took to collect";
    SelfTargetLoad = "self.target_load", "Load on the target", Percent, Gauge, Application, Down, "Execution time of the console's own statements on the target as a share of one core";
    SelfFailures = "self.failures", "Failed collections", Count, Delta, Application, Down, "Collections that ended in an error or a timeout";
}

impl MetricId {
    /// The catalogue entry.
    #[must_use]
    pub const fn metric(self) -> &'static Metric {
        // The enum and the table come from the same macro, in the same order.
        &CATALOGUE[self as usize]
    }

    /// Whether its values are estimates rather than measurements; a page says so beside them
    /// (docs/decisions/0003-latency-percentiles-are-estimates.md).
    #[must_use]
    pub const fn is_estimate(self) -> bool {
        matches!(self, MetricId::QueryLatencyP50 | MetricId::QueryLatencyP95 | MetricId::QueryLatencyP99)
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MetricId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MetricId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        MetricId::parse(&id).ok_or_else(|| de::Error::custom(format!("metric \"{id}\" is not in the catalogue")))
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for MetricId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A metric id of the catalogue, such as database.connections"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for MetricId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_names_itself_and_estimates_say_so() {
        for metric in CATALOGUE {
            assert_eq!(MetricId::parse(metric.id.as_str()), Some(metric.id));
            assert_eq!(metric.id.metric(), metric);
            assert_eq!(metric.id.is_estimate(), metric.help.starts_with("Estimate"), "{}", metric.id);
        }
    }

    #[test]
    fn ids_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in CATALOGUE {
            let id = metric.id.as_str();
            assert!(seen.insert(id), "{id} stands twice");
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_'), "{id}");
            assert_eq!(id.matches('.').count(), 1, "{id}");
        }
    }
}
