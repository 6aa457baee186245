//! How fast tables grow: the sizes that the console noted, one a table and day.

use crate::{
    collect::TableFigures,
    store::{DAY_MS, HOUR_MS, StateStore, TABLE_SIZES_DAYS, TableSize},
};
use headroom_model::{TargetId, Timestamp, tables::TableSummary};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// Sizes that lie closer together say nothing.
const SPAN_LEAST_MS: i64 = HOUR_MS;
/// How long the state store may take; without its answer growth is unknown.
const ANSWER: Duration = Duration::from_secs(1);

/// What is noted of one target.
pub(crate) struct Growth {
    store: Arc<dyn StateStore>,
    target: TargetId,
    /// The day that is being noted, and the tables noted on it: bounded by the tables of one reading.
    noted: Mutex<(i64, HashSet<(String, String)>)>,
}

impl Growth {
    pub(super) fn new(store: Arc<dyn StateStore>, target: TargetId) -> Self {
        Growth { store, target, noted: Mutex::default() }
    }

    /// Notes the sizes of tables that were not noted on this day yet. A store that does not answer is asked again next time.
    pub(crate) async fn note(&self, tables: &[TableFigures], at: Timestamp) {
        let day = at.0.div_euclid(DAY_MS);
        let new: Vec<TableSize> = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.0 != day {
                *noted = (day, HashSet::new());
            }
            let is_new = |table: &&TableFigures| !noted.1.contains(&(table.schema.clone(), table.name.clone()));
            let size = |table: &TableFigures| TableSize {
                schema: table.schema.clone(),
                name: table.name.clone(),
                at,
                bytes: u64::try_from(table.size_bytes).unwrap_or(0),
            };
            tables.iter().filter(is_new).map(size).collect()
        };
        if new.is_empty() {
            return;
        }
        match self.store.note_table_sizes(&self.target, &new).await {
            Ok(()) => {
                let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
                if noted.0 == day {
                    noted.1.extend(new.into_iter().map(|size| (size.schema, size.name)));
                }
            }
            Err(error) => tracing::warn!(target_id = %self.target, %error, "sizes of tables were not noted"),
        }
    }

    /// Says how fast tables grow, where that is known: from the oldest size of the last 30 days until now.
    pub(super) async fn fill(&self, tables: &mut [TableSummary], at: Timestamp) {
        let since = at.plus_millis(-i64::from(TABLE_SIZES_DAYS) * DAY_MS);
        let Ok(Ok(sizes)) = timeout(ANSWER, self.store.table_sizes(&self.target, since)).await else { return };
        let oldest: HashMap<(&str, &str), &TableSize> =
            sizes.iter().map(|size| ((size.schema.as_str(), size.name.as_str()), size)).collect();
        for table in tables {
            let (Some(now), Some(then)) = (table.size_bytes, oldest.get(&(table.schema.as_str(), table.name.as_str())))
            else {
                continue;
            };
            let span = at.0 - then.at.0;
            if span >= SPAN_LEAST_MS {
                table.growth_bytes_a_day = Some((now as f64 - then.bytes as f64) * DAY_MS as f64 / span as f64);
                table.growth_over_ms = u64::try_from(span).ok();
            }
        }
    }
}
