//! Removes what is past its retention, in bounded bites: a shortened retention never holds the writer up.

use super::{Database, Query, Retention, StoreError, Upkeep};
use crate::store::HOUR_MS;
use headroom_model::Timestamp;

/// Rows a round removes, give or take one bite.
const ROWS_A_ROUND: u64 = 50_000;
/// The stretch of time that one statement removes of one metric: a week of minutes (10,080 rows), or of hours.
const BITE_MS: i64 = 7 * 24 * HOUR_MS;
/// How long a merged batch is remembered: longer than anyone keeps one to send it again.
const BATCHES_DAYS: u32 = 7;

pub async fn prune(database: &Database, now: Timestamp, retention: Retention) -> Result<Upkeep, StoreError> {
    // Whole hours: where minutes begin, hours take over without a step.
    let before = |days: u32| now.plus_millis(-i64::from(days) * 24 * HOUR_MS).floor_to(HOUR_MS);
    let mut pruned = 0;
    for (sql, cutoff) in [
        (EXPIRED_SESSIONS, now),
        (OLD_BATCHES, before(BATCHES_DAYS)),
        (OLD_EVENTS, before(retention.events_days)),
        (OLD_AUDIT, before(retention.events_days)),
        (OLD_OPERATIONS, before(retention.events_days)),
    ] {
        let query = Query::new(sql).bind(cutoff).bind(i64::try_from(ROWS_A_ROUND).unwrap_or(i64::MAX));
        pruned += database.write(query).await?;
    }
    let pairs = database.read(Query::new("SELECT t.id, m.id FROM targets t CROSS JOIN metrics m")).await?;
    for mut row in pairs {
        let (target, metric) = (row.int()?, row.int()?);
        for (sql, cutoff) in [(OLD_MINUTES, before(retention.minutes_days)), (OLD_HOURS, before(retention.hours_days))]
        {
            let query = Query::new(sql).bind(target).bind(metric).bind(cutoff).bind(BITE_MS);
            pruned += database.write(query).await?;
        }
        if pruned >= ROWS_A_ROUND {
            break;
        }
    }
    Ok(Upkeep { rows_pruned: pruned, unfinished: pruned >= ROWS_A_ROUND })
}

const EXPIRED_SESSIONS: &str =
    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at < $1 LIMIT $2)";
const OLD_BATCHES: &str =
    "DELETE FROM minute_batches WHERE id IN (SELECT id FROM minute_batches WHERE at < $1 LIMIT $2)";
const OLD_EVENTS: &str = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT $2)";
const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)";
const OLD_OPERATIONS: &str =
    "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE finished_at < $1 LIMIT $2)";

macro_rules! delete_old {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE target = $1 AND metric = $2 AND at < $3 AND at < $4 + (SELECT min(at) FROM ",
            $table,
            " WHERE target = $1 AND metric = $2)"
        )
    };
}

const OLD_MINUTES: &str = delete_old!("minutes");
const OLD_HOURS: &str = delete_old!("hours");
