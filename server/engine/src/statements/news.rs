//! What is new about statements, told on the timeline: those that came, went, or became slower than usual.
//!
//! Looked for with every roll-up, so at most every ten minutes, and bounded: [`MOST_OF_A_SORT`] of a sort each time, the rest
//! counted. A statement that the console ever saw is not new because it runs again.

use super::{StatementLog, Step, TEN_MINUTES_MS, read::level, slot::Slot, usual};
use crate::{
    collect::Work,
    issues::one_line,
    store::{HOUR_MS, MINUTE_MS, StatementText, StoreError},
};
use headroom_model::{
    Band, TargetId, Timestamp,
    event::{EventKind, NewEvent},
    format,
    metric::Unit,
    statements::Regression,
};
use std::collections::{HashMap, HashSet};

/// Events of a sort at once.
const MOST_OF_A_SORT: usize = 3;
/// Below this share of time and of calls a statement is not worth an event.
const LEAST_SHARE: f64 = 0.01;
/// Nor with fewer calls.
const LEAST_CALLS: f64 = 20.0;
/// Before the console has watched for so long, everything is new.
const SETTLED_MS: i64 = HOUR_MS;
/// Statements looked at for slowness, those with most time.
const JUDGED: usize = 50;
/// A slowdown that began earlier was told of already, or is no news.
const NEWS_MS: i64 = 2 * HOUR_MS;
/// Hours looked at for statements that went, and in how many of them one must have run.
const HOURS: i64 = 24;
const REGULAR: usize = 20;

impl StatementLog {
    /// What the ten minutes from `at` brought; they have just been rolled up.
    pub(super) async fn news(&self, target: &TargetId, at: Timestamp) -> Result<Vec<NewEvent>, StoreError> {
        let end = at.plus_millis(TEN_MINUTES_MS);
        let hour = self.stored(target, Step::TenMinutes, (end.plus_millis(-HOUR_MS), end)).await?;
        let Some((_, newest)) = hour.last() else { return Ok(Vec::new()) };
        let mut news = Vec::new();
        let began = self.store.statement_span(target, Step::TenMinutes.millis()).await?.map(|(first, _)| first);
        if began.is_some_and(|began| began.plus_millis(SETTLED_MS) <= at) {
            news.extend(self.came(target, at, newest).await?);
        }
        news.extend(self.slowed(target, end, &hour).await?);
        if end == end.floor_to(HOUR_MS) {
            news.extend(self.went(target, end).await?);
        }
        Ok(news)
    }

    async fn came(&self, target: &TargetId, at: Timestamp, newest: &Slot) -> Result<Vec<NewEvent>, StoreError> {
        let mut worth: Vec<(i64, f64)> = newest
            .statements
            .iter()
            .filter(|(_, work)| work.calls >= LEAST_CALLS && share(work, newest) >= LEAST_SHARE)
            .map(|(id, work)| (*id, share(work, newest)))
            .collect();
        worth.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let texts = self.texts(target, worth.iter().map(|(id, _)| *id).collect()).await?;
        let new = worth.into_iter().filter_map(|(id, _)| {
            let text = texts.get(&id).filter(|text| text.first_at >= at)?;
            let work = newest.statements.get(&id)?;
            let title = format!(
                "New statement: {} of the execution time, {} a call",
                format::value(100.0 * work.time_ms / newest.time_ms.max(f64::MIN_POSITIVE), Unit::Percent),
                format::value(work.time_ms / work.calls, Unit::Milliseconds),
            );
            Some((text.first_at, title, shown(Some(text))))
        });
        Ok(events(target, None, new.collect(), "new statements"))
    }

    async fn slowed(
        &self,
        target: &TargetId,
        end: Timestamp,
        hour: &[(Timestamp, Slot)],
    ) -> Result<Vec<NewEvent>, StoreError> {
        let found = self.regressions(target, end, hour, JUDGED).await?;
        let told = self.with(target, |track| std::mem::replace(&mut track.slower, found.clone())).unwrap_or_default();
        let is_news =
            |regression: &Regression| regression.since.is_some_and(|since| since >= end.plus_millis(-NEWS_MS));
        let mut new: Vec<(i64, Regression)> =
            found.into_iter().filter(|(id, regression)| !told.contains_key(id) && is_news(regression)).collect();
        new.sort_by(|a, b| b.1.factor().total_cmp(&a.1.factor()).then(a.0.cmp(&b.0)));
        let texts = self.texts(target, new.iter().map(|(id, _)| *id).collect()).await?;
        let told = new.into_iter().map(|(id, regression)| {
            let title = format!("A statement is {} times slower than usual", format::number(regression.factor()));
            let detail = format!(
                "{} a call instead of {} ({}): {}",
                format::value(regression.mean_ms, Unit::Milliseconds),
                format::value(regression.usual_ms, Unit::Milliseconds),
                regression.basis,
                shown(texts.get(&id)),
            );
            (regression.since.unwrap_or(end), title, detail)
        });
        Ok(events(target, Some(Band::Degraded), told.collect(), "slower statements"))
    }

    /// Statements that are slower than usual in the last hour before `end`, of the `most` with most time.
    pub(super) async fn regressions(
        &self,
        target: &TargetId,
        end: Timestamp,
        hour: &[(Timestamp, Slot)],
        most: usize,
    ) -> Result<HashMap<i64, Regression>, StoreError> {
        let mut last = Slot::default();
        for (_, slot) in hour {
            last.merge(slot);
        }
        let usual = self.usual(target, end.plus_millis(-1).floor_to(HOUR_MS)).await?;
        let mut judged: Vec<(i64, Work)> =
            last.statements.into_iter().filter(|(id, _)| usual.contains_key(id)).collect();
        judged.sort_by(|a, b| b.1.time_ms.total_cmp(&a.1.time_ms).then(a.0.cmp(&b.0)));
        judged.truncate(most);
        let judge = |(id, work): &(i64, Work), slots: &[(Timestamp, usual::Level)]| {
            Some((*id, usual::slower(level(work)?, usual.get(id)?, slots)?))
        };
        let slower: Vec<(i64, Work)> = judged.into_iter().filter(|one| judge(one, &[]).is_some()).collect();
        if slower.is_empty() {
            return Ok(HashMap::new());
        }
        // Since when: only now are the finer slots of a day worth their reading.
        let day = self.stored(target, Step::TenMinutes, (end.plus_millis(-HOURS * HOUR_MS), end)).await?;
        let dated = slower.iter().filter_map(|one| {
            let levels = day.iter().filter_map(|(at, slot)| Some((*at, level(slot.statements.get(&one.0)?)?)));
            judge(one, &levels.collect::<Vec<_>>())
        });
        Ok(dated.collect())
    }

    async fn went(&self, target: &TargetId, end: Timestamp) -> Result<Vec<NewEvent>, StoreError> {
        let start = end.plus_millis(-HOUR_MS);
        let hours = self.stored(target, Step::Hour, (start.plus_millis(-HOURS * HOUR_MS), end)).await?;
        let Some(((at, last), earlier)) = hours.split_last() else { return Ok(Vec::new()) };
        if *at != start || last.measured_ms < 50.0 * MINUTE_MS as f64 || last.evicted {
            return Ok(Vec::new());
        }
        let mut ran: HashMap<i64, usize> = HashMap::new();
        let mut sum = Slot::default();
        for (_, slot) in earlier {
            for (id, _) in slot.statements.iter().filter(|(_, work)| work.calls > 0.0) {
                *ran.entry(*id).or_default() += 1;
            }
            sum.merge(slot);
        }
        let is_gone = |id: &i64, work: &Work| {
            ran.get(id).is_some_and(|hours| *hours >= REGULAR)
                && share(work, &sum) >= LEAST_SHARE
                && !last.statements.contains_key(id)
        };
        let gone: HashSet<i64> =
            sum.statements.iter().filter(|(id, work)| is_gone(id, work)).map(|(id, _)| *id).collect();
        let texts = self.texts(target, gone.iter().copied().collect()).await?;
        let mut told: Vec<(Timestamp, String, String)> = gone
            .iter()
            .map(|id| {
                let before = share(sum.statements.get(id).unwrap_or(&Work::ZERO), &sum) * 100.0;
                let title = "A statement no longer runs".to_owned();
                let detail = format!(
                    "{} of the time or calls of the day before, none in the last hour: {}",
                    format::value(before, Unit::Percent),
                    shown(texts.get(id)),
                );
                (start, title, detail)
            })
            .collect();
        told.sort();
        Ok(events(target, None, told, "statements that no longer run"))
    }

    /// What is known of statements, newer than what is written where it is.
    pub(super) async fn texts(
        &self,
        target: &TargetId,
        ids: Vec<i64>,
    ) -> Result<HashMap<i64, StatementText>, StoreError> {
        let stored = self.store.statement_texts(target, &ids).await?;
        let mut texts: HashMap<i64, StatementText> = stored.into_iter().map(|text| (text.query_id, text)).collect();
        self.with(target, |track| {
            for id in ids {
                let Some(seen) = track.seen.get(&id) else { continue };
                let text = texts.entry(id).or_insert_with(|| StatementText {
                    query_id: id,
                    text: None,
                    tags: Vec::new(),
                    roles: Vec::new(),
                    first_at: seen.first_at,
                    last_at: seen.last_at,
                });
                if let Some(known) = &seen.text {
                    (text.text, text.tags) = (Some(known.to_string()), seen.tags.to_vec());
                }
                text.last_at = text.last_at.max(seen.last_at);
                text.roles = seen.roles.iter().map(|role| role.to_string()).collect();
            }
        });
        Ok(texts)
    }
}

/// The larger of a statement's shares of time and of calls.
fn share(work: &Work, all: &Slot) -> f64 {
    let of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    of(work.time_ms, all.time_ms).max(of(work.calls, all.calls))
}

fn shown(text: Option<&StatementText>) -> String {
    text.and_then(|known| known.text.as_deref()).map_or_else(|| "text not known".to_owned(), one_line)
}

/// Events of one sort, the rest counted in the last of them.
fn events(target: &TargetId, band: Option<Band>, told: Vec<(Timestamp, String, String)>, sort: &str) -> Vec<NewEvent> {
    let more = told.len().saturating_sub(MOST_OF_A_SORT);
    let mut events: Vec<NewEvent> = told
        .into_iter()
        .take(MOST_OF_A_SORT)
        .map(|(at, title, detail)| NewEvent {
            at,
            target: Some(target.clone()),
            kind: EventKind::Statement,
            band,
            title,
            detail: Some(detail),
            actor: None,
        })
        .collect();
    if let Some(detail) = events.last_mut().filter(|_| more > 0).and_then(|event| event.detail.as_mut()) {
        detail.push_str(&format!("; and {more} more {sort}"));
    }
    events
}
