//! Removes what is past its retention, in bounded bites: a shortened retention never holds the writer up.

use super::{Database, Query, Retention, StoreError, Upkeep, statements};
use crate::{
    statements::Step,
    store::{HOUR_MS, MINUTE_MS, TABLE_SIZES_DAYS, days_before},
};
use headroom_model::{Timestamp, share::SHARE_REMEMBERED_DAYS};

/// Rows a round removes, give or take one bite.
const ROWS_A_ROUND: u64 = 50_000;
/// Rows of one metric that one statement removes: a week of minutes, 420 days of hours.
const BITE_ROWS: i64 = 10_080;
/// How long a merged batch is remembered: longer than anyone keeps one to send it again.
const BATCHES_DAYS: u32 = 7;
/// An import that is not kept and has given no sign of life for so long is cleared away.
const IMPORT_PATIENCE_MS: i64 = HOUR_MS;

pub async fn prune(database: &Database, now: Timestamp, retention: Retention) -> Result<Upkeep, StoreError> {
    let mut done = Upkeep::default();
    for (sql, cutoff) in [
        (EXPIRED_SESSIONS, now),
        (OLD_BATCHES, days_before(now, BATCHES_DAYS)),
        (OLD_EVENTS, days_before(now, retention.events_days)),
        (OLD_AUDIT, days_before(now, retention.events_days)),
        (OLD_OPERATIONS, days_before(now, retention.events_days)),
        (OLD_TABLE_SIZES, days_before(now, TABLE_SIZES_DAYS)),
        (OLD_PLANS, days_before(now, retention.events_days)),
        (ENDED_SHARES, days_before(now, SHARE_REMEMBERED_DAYS)),
    ] {
        let query = Query::new(sql).bind(cutoff).bind(i64::try_from(ROWS_A_ROUND).unwrap_or(i64::MAX));
        done.rows_pruned += database.write(query).await?;
    }
    let (minutes, hours) = (retention.minutes_from(now), retention.hours_from(now));
    for mut row in database.read(Query::new("SELECT id FROM targets")).await? {
        let target = row.int()?;
        for (table, cutoff) in [(MINUTES, minutes), (HOURS, hours)] {
            bite(database, table, target, cutoff, &mut done).await?;
        }
        // A day of documents at once: they are larger than rows of figures. One round removes a day of each target.
        let query = Query::new(OLD_MOMENTS).bind(target).bind(minutes).bind(24 * HOUR_MS);
        let mut removed = database.write(query).await?;
        let cutoffs = Step::ALL.map(|step| (step.millis(), step.kept_from(retention, now)));
        removed += statements::prune(database, target, &cutoffs, hours).await?;
        done.rows_pruned += removed;
        done.unfinished |= removed > 0;
    }
    // From here on nobody can fill or keep what is being cleared away.
    let dead = Query::new("UPDATE imports SET touched_at = 0 WHERE NOT kept AND touched_at < $1");
    database.write(dead.bind(now.plus_millis(-IMPORT_PATIENCE_MS))).await?;
    let shorten = Query::new("UPDATE imports SET from_at = $1 WHERE kept AND from_at < $1");
    database.write(shorten.bind(hours)).await?;
    for mut row in database.read(Query::new("SELECT id, kept, to_at FROM imports WHERE kept OR touched_at = 0")).await?
    {
        let (import, kept, to) = (row.int()?, row.flag()?, row.timestamp()?);
        let gone = !kept || to <= hours;
        let all = Timestamp(i64::MAX);
        for (table, cutoff) in [(IMPORTED_MINUTES, minutes), (IMPORTED_HOURS, hours)] {
            bite(database, table, import, if gone { all } else { cutoff }, &mut done).await?;
        }
        if gone {
            database.write(Query::new(EMPTY_IMPORT).bind(import)).await?;
        }
    }
    done.unfinished |= done.rows_pruned >= ROWS_A_ROUND;
    Ok(done)
}

/// Removes what is older than `cutoff`, a bite of each metric, until the round is full. Looks first: mostly there is nothing,
/// and looking does not take the writer.
async fn bite(
    database: &Database,
    table: Table,
    owner: i64,
    cutoff: Timestamp,
    done: &mut Upkeep,
) -> Result<(), StoreError> {
    if done.rows_pruned >= ROWS_A_ROUND {
        return Ok(());
    }
    for mut row in database.read(Query::new(table.oldest).bind(owner)).await? {
        let (metric, Some(oldest)) = (row.int()?, row.maybe_int()?.map(Timestamp)) else { continue };
        if oldest >= cutoff {
            continue;
        }
        let end = oldest.plus_millis(BITE_ROWS * table.step_ms).min(cutoff);
        done.rows_pruned += database.write(Query::new(table.delete).bind(owner).bind(metric).bind(end)).await?;
        done.unfinished |= end < cutoff;
        if done.rows_pruned >= ROWS_A_ROUND {
            break;
        }
    }
    Ok(())
}

/// Tables that grow, those of history first.
const COUNTS: [(&str, &str); 11] = [
    ("minutes", "SELECT count(*) FROM minutes"),
    ("hours", "SELECT count(*) FROM hours"),
    ("imported_minutes", "SELECT count(*) FROM imported_minutes"),
    ("imported_hours", "SELECT count(*) FROM imported_hours"),
    ("moments", "SELECT count(*) FROM moments"),
    ("statement_slots", "SELECT count(*) FROM statement_slots"),
    ("statement_texts", "SELECT count(*) FROM statement_texts"),
    ("events", "SELECT count(*) FROM events"),
    ("audit", "SELECT count(*) FROM audit"),
    ("operations", "SELECT count(*) FROM operations"),
    ("plans", "SELECT count(*) FROM plans"),
];

pub async fn row_counts(database: &Database) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut counts = Vec::with_capacity(COUNTS.len());
    for (table, sql) in COUNTS {
        let mut rows = database.read(Query::new(sql)).await?;
        counts.push((table, rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.count()?));
    }
    Ok(counts)
}

const OLD_MOMENTS: &str = "DELETE FROM moments WHERE target = $1 AND at < $2 \
     AND at < $3 + (SELECT min(at) FROM moments WHERE target = $1)";
const EXPIRED_SESSIONS: &str =
    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at < $1 LIMIT $2)";
const OLD_BATCHES: &str =
    "DELETE FROM minute_batches WHERE id IN (SELECT id FROM minute_batches WHERE at < $1 LIMIT $2)";
const OLD_EVENTS: &str = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT $2)";
const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)";
const OLD_OPERATIONS: &str =
    "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE finished_at < $1 LIMIT $2)";
/// A day of one target is some hundred rows.
const OLD_TABLE_SIZES: &str = "DELETE FROM table_sizes WHERE at < $1 \
     AND day IN (SELECT DISTINCT day FROM table_sizes WHERE at < $1 ORDER BY day LIMIT $2)";
const OLD_PLANS: &str = "DELETE FROM plans WHERE (target, query_id, fingerprint) IN \
     (SELECT target, query_id, fingerprint FROM plans WHERE last_at < $1 LIMIT $2)";
const ENDED_SHARES: &str = "DELETE FROM shares WHERE id IN \
     (SELECT id FROM shares WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)";

/// An import that has no rows left.
const EMPTY_IMPORT: &str = "DELETE FROM imports WHERE id = $1 AND (NOT kept OR to_at <= from_at) \
     AND NOT EXISTS (SELECT 1 FROM imported_minutes WHERE import = $1) \
     AND NOT EXISTS (SELECT 1 FROM imported_hours WHERE import = $1)";

/// A table of history: the oldest row of each metric (one seek each), and the removal of a metric's rows before a moment.
#[derive(Clone, Copy)]
struct Table {
    step_ms: i64,
    oldest: &'static str,
    delete: &'static str,
}

macro_rules! table {
    ($table:literal, $owner:literal, $step_ms:expr) => {
        Table {
            step_ms: $step_ms,
            oldest: concat!(
                "SELECT m.id, (SELECT min(at) FROM ",
                $table,
                " WHERE ",
                $owner,
                " = $1 AND metric = m.id) FROM metrics m"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE ", $owner, " = $1 AND metric = $2 AND at < $3"),
        }
    };
}

const MINUTES: Table = table!("minutes", "target", MINUTE_MS);
const HOURS: Table = table!("hours", "target", HOUR_MS);
const IMPORTED_MINUTES: Table = table!("imported_minutes", "import", MINUTE_MS);
const IMPORTED_HOURS: Table = table!("imported_hours", "import", HOUR_MS);
