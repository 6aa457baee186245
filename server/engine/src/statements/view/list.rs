//! The list of statements over a range: filtered, sorted, a page of it.

use super::{Whole, row, stats, widened};
use crate::{
    collect::Work,
    console::Console,
    latency::Mode,
    statements::{Step, estimate::percentiles, read::mode, slot::Slot},
    store::{HOUR_MS, StatementText, StoreError},
    text::short,
};
use headroom_model::{
    TargetId, Timestamp,
    range::Resolved,
    statements::{
        Facet, MAX_ROWS, Regression, StatementAsk, StatementFilter, StatementKind, StatementList, StatementRow,
        StatementSort,
    },
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

/// Points of the small line in a row.
const TREND_POINTS: usize = 30;
/// Longest text in a row, in characters.
const TEXT_CHARS: usize = 300;
/// Values to filter by, of each sort.
const MAX_FACETS: usize = 50;
/// Statements that are compared with what is usual.
const JUDGED: usize = 100;

/// Statements whose parts are held at a time: servers whose ids do not last have very many.
const PARTED: usize = 1_000;

/// What each statement did over a range.
fn sums(slots: &[(Timestamp, Slot)]) -> HashMap<i64, Work> {
    let mut sums: HashMap<i64, Work> = HashMap::new();
    for (id, work) in slots.iter().flat_map(|(_, slot)| &slot.statements) {
        sums.entry(*id).or_insert(Work::ZERO).add(work);
    }
    sums
}

/// A range in [`TREND_POINTS`] parts.
struct Parts<'a> {
    slots: &'a [(Timestamp, Slot)],
    range: Resolved,
}

impl Parts<'_> {
    /// What some statements did in each part.
    fn of(&self, ids: impl Iterator<Item = i64>) -> HashMap<i64, Vec<Work>> {
        let mut parts: HashMap<i64, Vec<Work>> = ids.map(|id| (id, vec![Work::ZERO; TREND_POINTS])).collect();
        for (at, slot) in self.slots {
            let share = (at.0 - self.range.from.0) as f64 / self.range.millis().max(1) as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
            let part = ((share * TREND_POINTS as f64) as usize).min(TREND_POINTS - 1);
            for (id, parts) in &mut parts {
                if let Some(work) = slot.statements.get(id) {
                    parts[part].add(work);
                }
            }
        }
        parts
    }

    /// Puts percentiles and the small line into rows.
    fn tell(&self, rows: &mut [StatementRow]) {
        for rows in rows.chunks_mut(PARTED) {
            let parts = self.of(rows.iter().filter_map(|row| row.query_id.parse().ok()));
            for row in rows {
                let Some(parts) = row.query_id.parse().ok().and_then(|id: i64| parts.get(&id)) else { continue };
                let modes: Vec<Mode> = parts.iter().filter_map(mode).collect();
                if let Ok((p95, p99)) = percentiles(&modes) {
                    (row.stats.p95_ms, row.stats.p99_ms) = (Some(p95), Some(p99));
                }
                row.trend = parts.iter().map(Work::mean_ms).collect();
            }
        }
    }
}

impl Console {
    /// Statements of a target over a range: figures in slots of a minute, ten minutes, an hour or a day, the finest that are
    /// kept and not too many. Cancelling is safe.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn statements(
        &self,
        target: &TargetId,
        range: Resolved,
        ask: &StatementAsk,
    ) -> Result<StatementList, StoreError> {
        let now = self.clock.now();
        let log = &self.statements;
        let step = Step::of(range, self.config.retention, now);
        let range = widened(range, step.millis());
        let slots = log.slots(target, step, (range.from, range.to)).await?;
        let whole = Whole::of(slots.iter().map(|(_, slot)| slot));
        let sums = sums(&slots);
        let texts = log.texts(target, sums.keys().copied().collect()).await?;
        let regressions = self.regressions_at(target, range, now, (step, &slots)).await?;
        let starts_at = log.starts_at(target).await?;

        let mut rows: Vec<StatementRow> = sums
            .iter()
            .map(|(id, work)| named(row(*id, stats(work, &whole)), texts.get(id), regressions.get(id)))
            .collect();
        let known = rows.len() as u64;
        let tags = facets(rows.iter().flat_map(|row| row.tags.iter().map(ToString::to_string)));
        let roles = facets(rows.iter().flat_map(|row| row.roles.iter().cloned()));
        let full_text = |row: &StatementRow| texts.get(&row.query_id.parse().ok()?)?.text.as_deref();
        let words: Vec<String> = ask.filter.text.split_whitespace().map(str::to_lowercase).collect();
        rows.retain(|row| passes(row, &ask.filter) && holds(row, full_text(row), &words));
        let parts = Parts { slots: &slots, range };
        if ask.sort == StatementSort::P95 {
            parts.tell(&mut rows);
        }
        rows.sort_by(|a, b| in_order(a, b, ask));
        let found = rows.len() as u64;
        let limit = ask.limit.clamp(1, MAX_ROWS) as usize;
        let before = (ask.page.max(1) as usize - 1).saturating_mul(limit);
        let mut page: Vec<StatementRow> = rows.into_iter().skip(before).take(limit).collect();
        if ask.sort != StatementSort::P95 {
            parts.tell(&mut page);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a stretch of time in milliseconds")]
        let measured_ms = whole.measured_ms.round() as i64;
        Ok(StatementList {
            target: target.clone(),
            range,
            step_ms: step.millis(),
            measured_ms,
            calls: super::whole(whole.calls),
            total_ms: whole.time_ms,
            found,
            known,
            absence: (known == 0).then(|| self.no_statements(target, range, starts_at)),
            notes: if known == 0 { Vec::new() } else { self.statement_notes(target) },
            rows: page,
            tags,
            roles,
            patterns: log.patterns(target),
            starts_at,
        })
    }

    /// Statements that were slower than usual in the last hour of a range. `known` are the slots of the range.
    pub(super) async fn regressions_at(
        &self,
        target: &TargetId,
        range: Resolved,
        now: Timestamp,
        known: (Step, &[(Timestamp, Slot)]),
    ) -> Result<HashMap<i64, Regression>, StoreError> {
        let end = range.to.min(now);
        let last = Resolved { from: end.plus_millis(-HOUR_MS).max(range.from), to: end, live: false };
        if let (Step::Minute, slots) = known {
            let begin = slots.partition_point(|(at, _)| *at < last.from);
            return self.statements.regressions(target, end, &slots[begin..], JUDGED).await;
        }
        let step = Step::of(last, self.config.retention, now);
        let hour = self.statements.slots(target, step, (last.from, last.to)).await?;
        self.statements.regressions(target, end, &hour, JUDGED).await
    }
}

/// A row with what is known of its statement.
pub(super) fn named(row: StatementRow, text: Option<&StatementText>, regression: Option<&Regression>) -> StatementRow {
    let shown = text.and_then(|known| known.text.as_deref());
    StatementRow {
        kind: shown.map_or(StatementKind::Utility, StatementKind::of),
        text: shown.map(|text| short(text, TEXT_CHARS)),
        tags: text.map_or_else(Vec::new, |known| known.tags.clone()),
        roles: text.map_or_else(Vec::new, |known| known.roles.clone()),
        first_at: text.map(|known| known.first_at),
        regression: regression.copied(),
        ..row
    }
}

/// Whether a statement holds every word, in its text, its tags or its id. Words are in lower case.
fn holds(row: &StatementRow, text: Option<&str>, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut all = text.unwrap_or_default().to_lowercase();
    for tag in &row.tags {
        all.push(' ');
        all.push_str(&tag.to_string().to_lowercase());
    }
    words.iter().all(|word| all.contains(word) || row.query_id.contains(word))
}

fn passes(row: &StatementRow, filter: &StatementFilter) -> bool {
    (filter.tag.is_empty() || row.tags.iter().any(|tag| tag.to_string() == filter.tag))
        && (filter.role.is_empty() || row.roles.contains(&filter.role))
        && filter.kind.is_none_or(|kind| row.kind == kind)
        && filter.mean_ms_min.is_none_or(|least| row.stats.mean_ms.is_some_and(|mean| mean >= least as f64))
}

/// What a row is sorted by; the larger the earlier.
fn key(row: &StatementRow, sort: StatementSort) -> Option<f64> {
    let stats = &row.stats;
    match sort {
        StatementSort::Time => Some(stats.total_ms),
        StatementSort::Calls => Some(stats.calls as f64),
        StatementSort::Mean => stats.mean_ms,
        StatementSort::P95 => stats.p95_ms,
        StatementSort::Rows => Some(stats.rows as f64),
        StatementSort::Reads => stats.shared_read,
        StatementSort::HitRatio => stats.hit_ratio().map(|ratio| -ratio),
        StatementSort::Temp => stats.temp_bytes(),
        StatementSort::Wal => stats.wal_bytes,
        StatementSort::Io => stats.io_ms,
        StatementSort::Plan => stats.plan_ms,
        StatementSort::Slower => row.regression.map(|regression| regression.factor()),
        StatementSort::FirstSeen => row.first_at.map(|at| at.0 as f64),
    }
}

/// The unknown comes last whichever way the list is turned; equals are in order of time and id.
fn in_order(a: &StatementRow, b: &StatementRow, ask: &StatementAsk) -> Ordering {
    let by_key = match (key(a, ask.sort), key(b, ask.sort)) {
        (Some(a), Some(b)) if ask.reversed => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    by_key.then(b.stats.total_ms.total_cmp(&a.stats.total_ms)).then_with(|| a.query_id.cmp(&b.query_id))
}

fn facets(values: impl Iterator<Item = String>) -> Vec<Facet> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut facets: Vec<Facet> = counts.into_iter().map(|(value, statements)| Facet { value, statements }).collect();
    facets.sort_by(|a, b| b.statements.cmp(&a.statements).then_with(|| a.value.cmp(&b.value)));
    facets.truncate(MAX_FACETS);
    facets
}
