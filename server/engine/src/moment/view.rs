//! One minute as a reader sees it: the record, what else happened, and why there is no record.

use super::Around;
use crate::{
    console::Console,
    store::{AuditRow, EventQuery, MINUTE_MS, StoreError},
};
use headroom_model::{
    TargetId, Timestamp,
    event::Event,
    format,
    moment::{Absence, AbsenceCause, MinuteAction, MinuteOperation, Moment},
    operation::Operation,
    origin::Origin,
    range::Resolved,
};

/// Events, operations and actions told of a minute, each.
const MOST: u32 = 50;

impl Console {
    /// Everything that is known of the minute of a target that holds `at`. Says why there is no record of it, and where the
    /// nearest one is. Cancelling is safe.
    ///
    /// # Errors
    /// The state store did not answer, and memory does not have the minute.
    pub async fn moment(&self, target: &TargetId, at: Timestamp) -> Result<Moment, StoreError> {
        let at = at.floor_to(MINUTE_MS);
        let now = self.clock.now();
        let record = self.moments.record(target, at).await?;
        let absence = match &record {
            Some(_) => None,
            None => {
                let minute = Resolved { from: at, to: at.plus_millis(MINUTE_MS), live: false };
                let (around, origins) =
                    tokio::try_join!(self.moments.nearest(target, at), self.history.origins(target, minute))?;
                Some(self.absence(target, at, now, around, origins.first()))
            }
        };
        let (timeline, timeline_missing) = match self.timeline(target, at).await {
            Ok(timeline) => (timeline, None),
            // The record came from memory: better that than nothing.
            Err(error) if record.is_some() => {
                tracing::warn!(%error, %target, "no events of a minute");
                let missing = "The state store does not answer, so events, operations and actions are not known.";
                (Timeline::default(), Some(missing.to_owned()))
            }
            Err(error) => return Err(error),
        };
        let Timeline { events, operations, actions } = timeline;
        Ok(Moment {
            target: target.clone(),
            at,
            open: at.plus_millis(MINUTE_MS) > now,
            record,
            absence,
            events,
            operations,
            actions,
            timeline_missing,
        })
    }

    fn absence(
        &self,
        target: &TargetId,
        at: Timestamp,
        now: Timestamp,
        around: Around,
        origin: Option<&Origin>,
    ) -> Absence {
        let days = self.config.retention.minutes_days;
        let (cause, reason) = if at > now {
            (AbsenceCause::NotYet, "This minute has not come yet.".to_owned())
        } else if at.plus_millis(MINUTE_MS) > now {
            (AbsenceCause::NotYet, format!("Nothing of \"{target}\" has been read in this minute so far."))
        } else if let Some(Origin { source, generated, .. }) = origin {
            match generated {
                true => (
                    AbsenceCause::Generated,
                    format!("The figures of this time are generated ({source}): nothing ran."),
                ),
                false => {
                    let reason = format!("The figures of this time were imported ({source}), without what ran.");
                    (AbsenceCause::Imported, reason)
                }
            }
        } else if at < self.config.retention.minutes_from(now) {
            (AbsenceCause::Pruned, format!("What ran is kept for {}.", format::counted(days.into(), "day")))
        } else if let (None, Some(first)) = (around.before, around.after) {
            let first = format::moment(first, now);
            (AbsenceCause::BeforeFirst, format!("The console has kept what ran on \"{target}\" since {first} UTC."))
        } else if around == Around::default() {
            (AbsenceCause::BeforeFirst, format!("The console has not kept anything yet of what ran on \"{target}\"."))
        } else {
            let minute = format::moment(at, now);
            (AbsenceCause::NotWatched, format!("The console did not read \"{target}\" at {minute} UTC."))
        };
        Absence { cause, reason, nearest: around.nearest(at) }
    }

    async fn timeline(&self, target: &TargetId, at: Timestamp) -> Result<Timeline, StoreError> {
        let (from, to) = (at.plus_millis(-MINUTE_MS), at.plus_millis(2 * MINUTE_MS));
        let query = EventQuery {
            target: Some(target.clone()),
            from: Some(from),
            to: Some(to),
            limit: MOST,
            ..EventQuery::default()
        };
        let (mut events, operations, actions) = tokio::try_join!(
            self.store.events(&query),
            self.store.operations_between(target, (from, to), MOST),
            self.store.audit_between(target, (from, to), MOST),
        )?;
        events.sort_by_key(|event| (event.event.at, event.id));
        Ok(Timeline {
            events,
            operations: operations.into_iter().map(operation).collect(),
            actions: actions.into_iter().map(action).collect(),
        })
    }
}

/// What else happened around a minute.
#[derive(Default)]
struct Timeline {
    events: Vec<Event>,
    operations: Vec<MinuteOperation>,
    actions: Vec<MinuteAction>,
}

fn operation(operation: Operation) -> MinuteOperation {
    MinuteOperation {
        id: operation.id,
        kind: operation.kind,
        title: operation.title,
        actor: operation.actor,
        state: operation.state,
        began_at: operation.started_at.unwrap_or(operation.created_at),
        finished_at: operation.finished_at,
        outcome: operation.outcome,
    }
}

/// What every reader of the audit may see; parameters and origin stay there.
fn action(row: AuditRow) -> MinuteAction {
    let audit = row.audit;
    MinuteAction {
        id: row.id,
        at: audit.at,
        actor: audit.actor,
        action: audit.action,
        reason: audit.reason,
        outcome: audit.outcome,
        succeeded: audit.succeeded,
    }
}
