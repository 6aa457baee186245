//! What the database did since its statistics were reset; checkpoints; input and output.

use super::{Look, counter, maybe_counter, moment};
use headroom_model::{
    Timestamp,
    tables::{CheckpointFigures, DatabaseStats, IoFigures},
};
use sqlx::{Row, postgres::PgRow};

/// Below this many blocks a hit ratio says nothing.
const LEAST_BLOCKS: u64 = 1000;

/// Columns that came with a version are read as fields of the row, so that one statement serves all.
const DATABASE: &str = "
SELECT /* headroom */ d.numbackends, d.xact_commit, d.xact_rollback, d.blks_hit, d.blks_read, d.tup_returned,
    d.tup_inserted + d.tup_updated + d.tup_deleted AS written, d.temp_files, d.temp_bytes, d.deadlocks, d.conflicts,
    d.checksum_failures, (to_jsonb(d) ->> 'sessions_abandoned')::int8 + (to_jsonb(d) ->> 'sessions_fatal')::int8
        + (to_jsonb(d) ->> 'sessions_killed')::int8 AS lost,
    floor(extract(epoch FROM d.stats_reset) * 1000)::int8 AS since
FROM pg_stat_database d WHERE d.datname = current_database()";

const CHECKPOINTER: &str = "
SELECT /* headroom */ num_timed AS timed, num_requested AS requested, write_time AS write_ms, sync_time AS sync_ms,
    buffers_written AS buffers, floor(extract(epoch FROM stats_reset) * 1000)::int8 AS since FROM pg_stat_checkpointer";
const BGWRITER: &str = "
SELECT /* headroom */ checkpoints_timed AS timed, checkpoints_req AS requested, checkpoint_write_time AS write_ms,
    checkpoint_sync_time AS sync_ms, buffers_checkpoint AS buffers,
    floor(extract(epoch FROM stats_reset) * 1000)::int8 AS since FROM pg_stat_bgwriter";

/// From version 18 on the view counts bytes itself; before, operations of one size.
const IO: &str = "
SELECT /* headroom */ * FROM (
    SELECT i.backend_type AS backend, i.object, i.context,
        coalesce((j ->> 'read_bytes')::float8, i.reads * (j ->> 'op_bytes')::float8) AS read_bytes,
        coalesce((j ->> 'write_bytes')::float8, i.writes * (j ->> 'op_bytes')::float8) AS written_bytes,
        coalesce((j ->> 'extend_bytes')::float8, i.extends * (j ->> 'op_bytes')::float8) AS extended_bytes,
        i.hits::float8 AS hits, i.evictions::float8 AS evictions,
        CASE WHEN t.timed OR i.read_time > 0 THEN i.read_time END AS read_ms,
        CASE WHEN t.timed OR i.write_time > 0 THEN i.write_time END AS write_ms
    FROM pg_stat_io i, LATERAL to_jsonb(i) j,
        LATERAL (SELECT current_setting(CASE i.object WHEN 'wal' THEN 'track_wal_io_timing' ELSE 'track_io_timing' END)::bool AS timed) t) f
WHERE coalesce(f.read_bytes, 0) + coalesce(f.written_bytes, 0) + coalesce(f.extended_bytes, 0) + coalesce(f.hits, 0) > 0
ORDER BY coalesce(f.read_bytes, 0) + coalesce(f.written_bytes, 0) + coalesce(f.extended_bytes, 0) DESC, backend, object, context
LIMIT 50";

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<DatabaseStats> {
    let row = sqlx::query(DATABASE).fetch_one(to.connection()).await?;
    let checkpoints = if to.server.version >= 170_000 { CHECKPOINTER } else { BGWRITER };
    let checkpoints = checkpoint(&sqlx::query(checkpoints).fetch_one(to.connection()).await?)?;
    let io = match to.server.version >= 160_000 {
        true => Some(to.all(IO).await?.iter().map(io).collect::<sqlx::Result<_>>()?),
        false => None,
    };
    let (hits, reads) = (counter(&row, "blks_hit")?, counter(&row, "blks_read")?);
    Ok(DatabaseStats {
        at,
        database: to.server.database.clone(),
        since: moment(&row, "since")?,
        connections: u32::try_from(row.try_get::<i32, _>("numbackends")?).unwrap_or(0),
        commits: counter(&row, "xact_commit")?,
        rollbacks: counter(&row, "xact_rollback")?,
        hit_percent: (hits + reads >= LEAST_BLOCKS).then(|| 100.0 * hits as f64 / (hits + reads) as f64),
        rows_read: counter(&row, "tup_returned")?,
        rows_written: counter(&row, "written")?,
        temp_files: counter(&row, "temp_files")?,
        temp_bytes: counter(&row, "temp_bytes")?,
        deadlocks: counter(&row, "deadlocks")?,
        conflicts: counter(&row, "conflicts")?,
        checksum_failures: maybe_counter(&row, "checksum_failures")?,
        sessions_lost: maybe_counter(&row, "lost")?,
        checkpoints,
        io,
    })
}

fn checkpoint(row: &PgRow) -> sqlx::Result<CheckpointFigures> {
    Ok(CheckpointFigures {
        timed: counter(row, "timed")?,
        requested: counter(row, "requested")?,
        write_ms: row.try_get("write_ms")?,
        sync_ms: row.try_get("sync_ms")?,
        buffers: counter(row, "buffers")?,
        since: moment(row, "since")?,
    })
}

fn io(row: &PgRow) -> sqlx::Result<IoFigures> {
    Ok(IoFigures {
        backend: row.try_get("backend")?,
        object: row.try_get("object")?,
        context: row.try_get("context")?,
        read_bytes: row.try_get("read_bytes")?,
        written_bytes: row.try_get("written_bytes")?,
        extended_bytes: row.try_get("extended_bytes")?,
        hits: row.try_get("hits")?,
        evictions: row.try_get("evictions")?,
        read_ms: row.try_get("read_ms")?,
        write_ms: row.try_get("write_ms")?,
    })
}
