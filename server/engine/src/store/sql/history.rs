//! Minutes and hours: merged in, and read back on a grid.

use super::{Database, Grid, HistoryStart, MinuteRow, Query, SqlStore, StoreError, Tally, imports, is_taken};
use crate::store::{HOUR_MS, merge_into};
use futures::{StreamExt, TryStreamExt, stream};
use headroom_model::{MetricId, TargetId, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows a statement inserts, seven values each. Few: for SQLite `$1` is a name, and it looks each name up in the list of
/// all of them, so that the cost of a statement grows with its square.
const ROWS_A_STATEMENT: usize = 50;
/// Metrics read side by side: as many as there are connections to read with.
const SIDE_BY_SIDE: usize = 4;

/// Tallies by metric and start of minute or hour. Sorted, so that those who write at the same time lock rows in the same
/// order.
pub(super) type Keyed = BTreeMap<(i64, i64), Tally>;

pub async fn merge(store: &SqlStore, batch: Uuid, target: &TargetId, rows: &[MinuteRow]) -> Result<(), StoreError> {
    let Some(newest) = rows.iter().map(|row| row.at).max() else { return Ok(()) };
    let target = store.targets.ensure(&store.database, &[target.as_str()]).await?[0];
    let names: Vec<&str> = rows.iter().map(|row| row.metric.as_str()).collect();
    let metrics = store.metrics.ensure(&store.database, &names).await?;
    let minutes = gather(rows.iter().zip(&metrics).map(|(row, id)| ((*id, row.at.0), row.tally)));
    let hours = hours_of(&minutes);

    let mut queries =
        vec![Query::new("INSERT INTO minute_batches (id, at) VALUES ($1, $2)").bind(batch.to_string()).bind(newest)];
    queries.extend(upserts(MERGE_MINUTES, target, &minutes));
    queries.extend(upserts(MERGE_HOURS, target, &hours));
    match store.database.transaction(queries).await {
        // Only the batch can stand there already: everything else is merged on conflict.
        Err(error) if is_taken(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Combines what has the same key.
pub(super) fn gather(rows: impl Iterator<Item = ((i64, i64), Tally)>) -> Keyed {
    let mut gathered = Keyed::new();
    for (key, tally) in rows {
        gathered.entry(key).and_modify(|there| there.merge(&tally)).or_insert(tally);
    }
    gathered
}

fn hours_of(minutes: &Keyed) -> Keyed {
    gather(minutes.iter().map(|((metric, at), value)| ((*metric, Timestamp(*at).floor_to(HOUR_MS).0), *value)))
}

/// How a table takes rows in: before and behind the values.
pub(super) type Merge = (&'static str, &'static str);

macro_rules! merge_into {
    ($table:literal, $owner:literal) => {
        (
            concat!("INSERT INTO ", $table, " (", $owner, ", metric, at, total, lowest, highest, samples) VALUES "),
            concat!(
                " ON CONFLICT (",
                $owner,
                ", metric, at) DO UPDATE SET total = ",
                $table,
                ".total + excluded.total, lowest = CASE WHEN excluded.lowest < ",
                $table,
                ".lowest THEN excluded.lowest ELSE ",
                $table,
                ".lowest END, highest = CASE WHEN excluded.highest > ",
                $table,
                ".highest THEN excluded.highest ELSE ",
                $table,
                ".highest END, samples = ",
                $table,
                ".samples + excluded.samples"
            ),
        )
    };
}

const MERGE_MINUTES: Merge = merge_into!("minutes", "target");
const MERGE_HOURS: Merge = merge_into!("hours", "target");
pub(super) const STAGE_MINUTES: Merge = merge_into!("imported_minutes", "import");
pub(super) const STAGE_HOURS: Merge = merge_into!("imported_hours", "import");
/// Whole hours stand in place of what is there.
pub(super) const STAGE_WHOLE_HOURS: Merge = (
    STAGE_HOURS.0,
    " ON CONFLICT (import, metric, at) DO UPDATE SET total = excluded.total, lowest = excluded.lowest, \
     highest = excluded.highest, samples = excluded.samples",
);

/// Statements that take rows in; `owner` is their target or import.
pub(super) fn upserts(merge: Merge, owner: i64, rows: &Keyed) -> Vec<Query> {
    let rows: Vec<_> = rows.iter().collect();
    rows.chunks(ROWS_A_STATEMENT)
        .map(|chunk| {
            let mut query = Query::new(merge.0);
            if chunk.len() < ROWS_A_STATEMENT {
                query = query.once();
            }
            for (i, ((metric, at), tally)) in chunk.iter().enumerate() {
                query.push(if i == 0 { "(" } else { ", (" }).push_bind(owner);
                query.push(", ").push_bind(*metric).push(", ").push_bind(*at);
                for value in [tally.sum, tally.min, tally.max] {
                    query.push(", ").push_bind(value);
                }
                query.push(", ").push_bind(tally.count).push(")");
            }
            query.push(merge.1);
            query
        })
        .collect()
}

macro_rules! read_slots {
    ($table:literal, $owner:literal) => {
        concat!(
            "SELECT (at - $3) / $5, sum(total), min(lowest), max(highest), CAST(sum(samples) AS BIGINT) FROM ",
            $table,
            " WHERE ",
            $owner,
            " = $1 AND metric = $2 AND at >= $3 AND at < $4 GROUP BY 1"
        )
    };
}

pub async fn tallies(
    store: &SqlStore,
    target: &TargetId,
    metrics: &[MetricId],
    grid: &Grid,
) -> Result<Vec<Vec<Option<Tally>>>, StoreError> {
    let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
    let imports = imports::touching(&store.database, target, grid).await?;
    let target = store.targets.find(&store.database, &[target.as_str()]).await?[0];
    let metrics = store.metrics.find(&store.database, &names).await?;
    // One statement a metric and source: each is one stretch of the clustered key, and several run side by side.
    stream::iter(metrics.into_iter().map(|metric| column(&store.database, target, &imports, metric, *grid)))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
}

async fn column(
    database: &Database,
    target: Option<i64>,
    imports: &[i64],
    metric: Option<i64>,
    grid: Grid,
) -> Result<Vec<Option<Tally>>, StoreError> {
    let mut slots = vec![None; grid.slots];
    // A target or metric without a number was never stored: all gaps.
    let Some(metric) = metric else { return Ok(slots) };
    let (measured, imported) = if grid.step_ms % HOUR_MS == 0 {
        (read_slots!("hours", "target"), read_slots!("imported_hours", "import"))
    } else {
        (read_slots!("minutes", "target"), read_slots!("imported_minutes", "import"))
    };
    if let Some(target) = target {
        read_into(database, measured, target, metric, grid, &mut slots).await?;
    }
    for import in imports {
        read_into(database, imported, *import, metric, grid, &mut slots).await?;
    }
    Ok(slots)
}

async fn read_into(
    database: &Database,
    sql: &'static str,
    owner: i64,
    metric: i64,
    grid: Grid,
    slots: &mut [Option<Tally>],
) -> Result<(), StoreError> {
    let query = Query::new(sql).bind(owner).bind(metric).bind(grid.from).bind(grid.end()).bind(grid.step_ms);
    for mut row in database.read(query).await? {
        let slot = row.int()?;
        let tally = Tally {
            sum: row.real()?,
            min: row.real()?,
            max: row.real()?,
            count: u32::try_from(row.count()?).unwrap_or(u32::MAX),
        };
        if let Some(slot) = usize::try_from(slot).ok().and_then(|slot| slots.get_mut(slot)) {
            merge_into(slot, &tally);
        }
    }
    Ok(())
}

pub async fn start(database: &Database, target: &TargetId) -> Result<HistoryStart, StoreError> {
    // One seek a metric: the oldest of all metrics cannot be had from the key directly.
    let query = Query::new(
        "SELECT min((SELECT min(at) FROM minutes WHERE target = t.id AND metric = m.id)), \
                min((SELECT min(at) FROM hours WHERE target = t.id AND metric = m.id)) \
         FROM targets t CROSS JOIN metrics m WHERE t.name = $1",
    );
    let mut rows = database.read(query.bind(target.as_str())).await?;
    let row = rows.first_mut().ok_or(sqlx::Error::RowNotFound)?;
    let mut oldest = || Ok::<_, StoreError>(row.maybe_int()?.map(Timestamp));
    let measured = HistoryStart { minutes: oldest()?, hours: oldest()?, measured: None };
    let imported = imports::start(database, target).await?;
    let older = |one: Option<Timestamp>, other: Option<Timestamp>| one.into_iter().chain(other).min();
    Ok(HistoryStart {
        minutes: older(measured.minutes, imported.minutes),
        hours: older(measured.hours, imported.hours),
        measured: older(measured.earliest(), imported.measured),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of the rows of one metric in one hour: where they are.
    fn is_in(metric: i64, hour: i64) -> impl Fn(i64, i64) -> bool {
        move |other, at| other == metric && Timestamp(at).floor_to(HOUR_MS).0 == hour
    }

    proptest! {
        /// The hours written beside a batch hold exactly what its minutes hold.
        #[test]
        fn an_hour_is_the_sum_of_its_minutes(
            values in prop::collection::vec((0_i64..3, 0_i64..240, -99_i32..99), 1..80),
        ) {
            let values: Vec<_> =
                values.into_iter().map(|(metric, minute, value)| (metric, minute * 60_000, f64::from(value))).collect();
            let minutes = gather(values.iter().map(|(metric, at, value)| ((*metric, *at), Tally::of(*value))));
            let hours = hours_of(&minutes);
            for ((metric, hour), tally) in &hours {
                let is_in = is_in(*metric, *hour);
                let inside = || values.iter().filter(|(m, at, _)| is_in(*m, *at)).map(|(_, _, value)| *value);
                prop_assert_eq!(tally.sum, inside().sum::<f64>());
                prop_assert_eq!(tally.min, inside().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(tally.max, inside().fold(f64::NEG_INFINITY, f64::max));
                prop_assert_eq!(tally.count as usize, inside().count());
            }
            let all: u32 = hours.values().map(|tally| tally.count).sum();
            prop_assert_eq!(all as usize, values.len());
        }
    }
}
