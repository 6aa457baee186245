//! One statement over a range: figures, series, what is usual, and the minutes in which it took most time.

use super::{Whole, list::named, row, stats, widened};
use crate::{
    collect::{Counter, Work},
    console::Console,
    statements::{
        Step,
        estimate::percentiles,
        read::{level, mode},
        slot::Slot,
        usual::{self, Level, WEEKS},
    },
    store::{HOUR_MS, MINUTE_MS, StoreError},
};
use headroom_model::{
    TargetId, Timestamp,
    range::Resolved,
    statements::{Basis, MAX_SLOTS, StatementDetail, StatementSeries},
};
use std::collections::{BTreeMap, HashMap};

/// Ranges up to this length show what is usual: every hour of it takes eight more to read.
const USUAL_FOR_MS: i64 = 48 * HOUR_MS;
/// Minutes told of, and records looked through for them.
const MOST_MINUTES: usize = 5;
const LOOKED_THROUGH: usize = 12;

impl Console {
    /// One statement of a target over a range; none where it was never seen. Cancelling is safe.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn statement(
        &self,
        target: &TargetId,
        query_id: i64,
        range: Resolved,
    ) -> Result<Option<StatementDetail>, StoreError> {
        let now = self.clock.now();
        let log = &self.statements;
        let step = Step::of(range, self.config.retention, now);
        let range = widened(range, step.millis());
        let slots = log.slots(target, step, (range.from, range.to)).await?;
        let texts = log.texts(target, vec![query_id]).await?;
        let text = texts.get(&query_id);
        let all = Whole::of(slots.iter().map(|(_, slot)| slot));
        let of_it: Vec<(Timestamp, &Work)> =
            slots.iter().filter_map(|(at, slot)| Some((*at, slot.statements.get(&query_id)?))).collect();
        if of_it.is_empty() && text.is_none() {
            return Ok(None);
        }
        let mut sum = Work::ZERO;
        for (_, work) in &of_it {
            sum.add(work);
        }
        let modes: Vec<_> = of_it.iter().filter_map(|(_, work)| mode(work)).collect();
        let estimate = percentiles(&modes);
        let mut figures = stats(&sum, &all);
        if let Ok((p95, p99)) = estimate {
            (figures.p95_ms, figures.p99_ms) = (Some(p95), Some(p99));
        }
        let regressions = self.regressions_at(target, range, now, (step, &slots)).await?;
        let mut statement = named(row(query_id, figures), text, regressions.get(&query_id));
        statement.text = text.and_then(|known| known.text.clone());
        let usual = self.usual_of(target, query_id, range).await?;
        let last_hour = range.to.min(now).plus_millis(-1).floor_to(HOUR_MS);
        let basis = log.usual(target, last_hour).await?.get(&query_id).map(|usual| usual.basis);
        let starts_at = log.starts_at(target).await?;
        let patterns = log.patterns(target).into_iter();
        Ok(Some(StatementDetail {
            target: target.clone(),
            range,
            last_at: text.map(|known| known.last_at),
            series: series(&slots, query_id, range, step, &usual),
            no_estimate: estimate.err(),
            basis,
            minutes: self.minutes_of(target, query_id, step, &of_it).await?,
            patterns: patterns
                .filter(|one| one.list_id == statement.query_id || one.lookup_id == statement.query_id)
                .collect(),
            absence: of_it.is_empty().then(|| self.no_statements(target, range, starts_at)),
            statement,
            starts_at,
        }))
    }

    /// What is usual in each hour of a range, by the same hours of earlier weeks.
    async fn usual_of(
        &self,
        target: &TargetId,
        query_id: i64,
        range: Resolved,
    ) -> Result<HashMap<Timestamp, f64>, StoreError> {
        if range.millis() > USUAL_FOR_MS {
            return Ok(HashMap::new());
        }
        let (from, to) = (range.from.floor_to(HOUR_MS), range.to);
        let mut hours: BTreeMap<Timestamp, Level> = BTreeMap::new();
        for week in 1..=WEEKS {
            let back = -week * 7 * 24 * HOUR_MS;
            for (at, slot) in
                self.statements.stored(target, Step::Hour, (from.plus_millis(back), to.plus_millis(back))).await?
            {
                if let Some(level) = slot.statements.get(&query_id).and_then(level) {
                    hours.insert(at, level);
                }
            }
        }
        let count = (to.0 - from.0).max(0) / HOUR_MS + 1;
        let usual = |n: i64| {
            let hour = from.plus_millis(n * HOUR_MS);
            let usual = usual::usual(&hours, hour)?;
            matches!(usual.basis, Basis::Weeks(_)).then_some((hour, usual.mid_ms))
        };
        Ok((0..count).filter_map(usual).collect())
    }

    /// The minutes in which it took most time and whose records name it.
    async fn minutes_of(
        &self,
        target: &TargetId,
        query_id: i64,
        step: Step,
        slots: &[(Timestamp, &Work)],
    ) -> Result<Vec<Timestamp>, StoreError> {
        let mut busiest: Vec<(Timestamp, f64)> = slots.iter().map(|(at, work)| (*at, work.time_ms)).collect();
        busiest.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        let minutes = match step {
            Step::Minute => busiest.into_iter().map(|(at, _)| at).collect(),
            Step::TenMinutes => {
                let first = busiest.first().map(|(at, _)| *at);
                first.into_iter().flat_map(|at| (0..10).map(move |n| at.plus_millis(n * MINUTE_MS))).collect()
            }
            // Which of its many minutes it was is not known.
            Step::Hour | Step::Day => Vec::new(),
        };
        let name = query_id.to_string();
        let mut found: Vec<(Timestamp, f64)> = Vec::new();
        for at in minutes.into_iter().take(LOOKED_THROUGH) {
            let record = self.moments.record(target, at).await?;
            let here = record.iter().flat_map(|record| &record.statements).find(|one| one.query_id == name);
            found.extend(here.map(|one| (at, one.total_ms)));
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        Ok(found.into_iter().take(MOST_MINUTES).map(|(at, _)| at).collect())
    }
}

/// The figures of one statement on the grid of a range.
fn series(
    slots: &[(Timestamp, Slot)],
    query_id: i64,
    range: Resolved,
    step: Step,
    usual: &HashMap<Timestamp, f64>,
) -> StatementSeries {
    let step_ms = step.millis();
    let count = usize::try_from(range.millis().max(0) / step_ms).unwrap_or(0).min(MAX_SLOTS);
    let by_time: HashMap<Timestamp, &Slot> = slots.iter().map(|(at, slot)| (*at, slot)).collect();
    let mut series = StatementSeries { from: range.from, step_ms, ..StatementSeries::default() };
    for n in 0..count {
        let at = range.from.plus_millis(step_ms * n as i64);
        let slot = by_time.get(&at);
        let work = slot.and_then(|slot| slot.statements.get(&query_id));
        let called = work.filter(|work| work.calls > 0.0);
        let a_call = |counters: &[Counter], factor: f64| {
            let work = called?;
            let sum = counters.iter().map(|counter| work.counters.get(*counter)).sum::<Option<f64>>()?;
            Some(sum * factor / work.calls)
        };
        let rate = slot
            .filter(|slot| slot.measured_ms > 0.0)
            .map(|slot| work.map_or(0.0, |work| work.calls) * 1000.0 / slot.measured_ms);
        let time_share = slot.map(|slot| 100.0 * super::share(work.map_or(0.0, |work| work.time_ms), slot.time_ms));
        let estimate = called.and_then(mode).and_then(|mode| percentiles(&[mode]).ok());
        series.calls_per_second.push(rate);
        series.mean_ms.push(called.and_then(Work::mean_ms));
        series.p95_ms.push(estimate.map(|(p95, _)| p95));
        series.p99_ms.push(estimate.map(|(_, p99)| p99));
        series.rows_per_call.push(called.map(|work| work.rows / work.calls));
        series.time_share.push(time_share);
        series.hits_per_call.push(a_call(&[Counter::SharedHit], 1.0));
        series.reads_per_call.push(a_call(&[Counter::SharedRead], 1.0));
        series.io_ms_per_call.push(a_call(&[Counter::IoMs], 1.0));
        series.temp_bytes_per_call.push(a_call(&[Counter::TempRead, Counter::TempWritten], super::BLOCK_BYTES));
        series.wal_bytes_per_call.push(a_call(&[Counter::WalBytes], 1.0));
        series.usual_ms.push(usual.get(&at.floor_to(HOUR_MS)).copied());
    }
    series
}
