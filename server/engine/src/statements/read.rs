//! Slots from the store and from memory, on one grid.

use super::{
    StatementLog, Step, TEN_MINUTES_MS,
    slot::Slot,
    usual::{self, Level, Usual, WEEKS},
};
use crate::{
    collect::Work,
    latency::Mode,
    store::{HOUR_MS, StoreError},
};
use headroom_model::{TargetId, Timestamp};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// Baselines kept: those of the newest hours of some targets, and of hours that people look back at.
const MOST_BASELINES: u64 = 64;
/// Roll-ups complete the hours that a baseline rests on.
const BASELINE_FOR: Duration = Duration::from_secs(600);

/// What is usual for each statement at an hour.
pub(super) type UsualOfAll = Arc<HashMap<i64, Usual>>;

/// Baselines by target and hour, each computed once.
pub(super) struct Baselines(moka::future::Cache<(TargetId, Timestamp), UsualOfAll>);

impl Default for Baselines {
    fn default() -> Self {
        Baselines(moka::future::Cache::builder().max_capacity(MOST_BASELINES).time_to_live(BASELINE_FOR).build())
    }
}

/// Calls, mean and deviation of what was done; none without a call.
pub(super) fn level(work: &Work) -> Option<Level> {
    Some(Level { calls: work.calls, mean_ms: work.mean_ms()?, deviation_ms: work.deviation_ms().unwrap_or(0.0) })
}

/// The same as a part of a mixture.
pub(super) fn mode(work: &Work) -> Option<Mode> {
    let Level { calls, mean_ms, deviation_ms } = level(work)?;
    Some(Mode { calls, mean_ms, deviation_ms })
}

impl StatementLog {
    /// Slots of one width from the store, the parts of each joined, oldest first. What cannot be read is left out and logged.
    pub(super) async fn stored(
        &self,
        target: &TargetId,
        step: Step,
        range: (Timestamp, Timestamp),
    ) -> Result<Vec<(Timestamp, Slot)>, StoreError> {
        self.stored_but(target, step, range, Vec::new()).await
    }

    /// As [`StatementLog::stored`], without this process's part of some slots.
    async fn stored_but(
        &self,
        target: &TargetId,
        step: Step,
        range: (Timestamp, Timestamp),
        but: Vec<Timestamp>,
    ) -> Result<Vec<(Timestamp, Slot)>, StoreError> {
        let rows = self.store.statement_slots(target, step.millis(), range).await?;
        let own = self.part;
        let decoded = tokio::task::spawn_blocking(move || {
            let mut slots: BTreeMap<Timestamp, Slot> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.part != own || !but.contains(&row.at)) {
                match Slot::decode(&row.body) {
                    Ok(slot) => slots.entry(row.at).or_default().merge(&slot),
                    Err(error) => tracing::error!(%error, at = row.at.0, "a slot of statements is left out"),
                }
            }
            slots.into_iter().collect()
        });
        // It ends early only with the process.
        Ok(decoded.await.unwrap_or_default())
    }

    /// What statements did from `from` until `to` in slots of one width, oldest first: rolled-up ones, and at the end the
    /// minutes that are not rolled up yet, joined to slots of the same width.
    pub(super) async fn slots(
        &self,
        target: &TargetId,
        step: Step,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<(Timestamp, Slot)>, StoreError> {
        let from = from.floor_to(step.millis());
        let mut slots: BTreeMap<Timestamp, Slot> = BTreeMap::new();
        let mut minutes_from = from;
        if step != Step::Minute {
            slots.extend(self.stored(target, step, (from, to)).await?);
            let rolled = self.store.statement_span(target, Step::TenMinutes.millis()).await?;
            minutes_from = rolled.map_or(from, |(_, newest)| newest.plus_millis(TEN_MINUTES_MS)).max(from);
        }
        // Memory first: what is written meanwhile is then seen twice, and told by its name, rather than not at all.
        let remembered = self.remembered(target, (minutes_from, to));
        let but = remembered.iter().map(|(at, _)| *at).collect();
        let minutes = self.stored_but(target, Step::Minute, (minutes_from, to), but).await?;
        for (at, minute) in minutes.into_iter().chain(remembered) {
            slots.entry(at.floor_to(step.millis())).or_default().merge(&minute);
        }
        Ok(slots.into_iter().collect())
    }

    /// Minutes that are in memory alone.
    fn remembered(&self, target: &TargetId, (from, to): (Timestamp, Timestamp)) -> Vec<(Timestamp, Slot)> {
        let within = |at: &Timestamp| (from..to).contains(at);
        self.with(target, |track| {
            let ended = track.ended.iter().map(|(at, slot)| (*at, slot.clone()));
            ended.chain(track.open.clone()).filter(|(at, _)| within(at)).collect()
        })
        .unwrap_or_default()
    }

    /// What is usual at the hour that starts at `hour`, of every statement of which enough is known.
    pub(super) async fn usual(&self, target: &TargetId, hour: Timestamp) -> Result<UsualOfAll, StoreError> {
        let computed = self.baselines.0.try_get_with((target.clone(), hour), async {
            let mut hours = self.stored(target, Step::Hour, (hour.plus_millis(-7 * 24 * HOUR_MS), hour)).await?;
            for week in 2..=WEEKS {
                let at = hour.plus_millis(-week * 7 * 24 * HOUR_MS);
                hours.extend(self.stored(target, Step::Hour, (at, at.plus_millis(HOUR_MS))).await?);
            }
            let mut levels: HashMap<i64, BTreeMap<Timestamp, Level>> = HashMap::new();
            for (at, slot) in &hours {
                for (id, work) in &slot.statements {
                    if let Some(level) = level(work) {
                        levels.entry(*id).or_default().insert(*at, level);
                    }
                }
            }
            let usual = |(id, hours): (i64, BTreeMap<Timestamp, Level>)| Some((id, usual::usual(&hours, hour)?));
            Ok::<UsualOfAll, StoreError>(Arc::new(levels.into_iter().filter_map(usual).collect()))
        });
        computed.await.map_err(|error: Arc<StoreError>| StoreError::Unreadable {
            what: "baseline of statements",
            cause: error.to_string(),
        })
    }
}
