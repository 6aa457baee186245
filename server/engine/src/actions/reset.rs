//! Resets of statistics, by scope.

use super::{
    ActionError, Request,
    statements::{self, Totals},
};
use crate::{
    cache::Cache,
    cache_view::Lists,
    clock::Clock,
    collect::STATEMENTS_RESET,
    console::Console,
    dataset::Page,
    requests::RequestStats,
    spine::{
        feed::Feed,
        slot::{Moment, Slot},
    },
    store::{NewAudit, StateStore},
};
use headroom_model::{
    TargetId, Timestamp,
    action::{ActionOutcome, ResetPreview, ResetScope},
    event::{EventKind, NewEvent},
    format,
};
use serde_json::json;
use std::sync::Arc;

pub(super) fn slot<'a>(console: &'a Console, target: &TargetId) -> Result<&'a Arc<Slot>, ActionError> {
    console.slot(target).ok_or_else(|| ActionError::UnknownTarget(target.clone()))
}

pub(super) fn cache(console: &Console, target: &TargetId) -> Result<Cache<Page>, ActionError> {
    console.datasets.cache(target).cloned().ok_or_else(|| ActionError::UnknownTarget(target.clone()))
}

fn answers(cache: &Cache<Page>) -> u64 {
    let counters = cache.classes().into_iter().map(|class| class.report().counters);
    counters.map(|counters| counters.hits() + counters.misses).sum()
}

pub(super) async fn preview(
    console: &Console,
    target: &TargetId,
    scope: ResetScope,
) -> Result<ResetPreview, ActionError> {
    let slot = slot(console, target)?;
    let (entries, effect) = match scope {
        ResetScope::Statements => {
            let totals = statements::totals(&slot.target).await?;
            let effect = format!(
                "Discards the totals of {} statements of this database ({} calls). Other databases and the console's \
                 history stay.",
                format::count(totals.statements),
                format::count(totals.calls),
            );
            (totals.statements, effect)
        }
        ResetScope::Pool => {
            let lanes = slot.target.pools.snapshot();
            let effect = format!(
                "Discards the counters of {} lanes ({} checkouts). Connections stay as they are, and so does the history.",
                lanes.len(),
                format::count(lanes.iter().map(|lane| lane.acquired).sum()),
            );
            (lanes.len() as u64, effect)
        }
        ResetScope::Cache => {
            let cache = cache(console, target)?;
            let classes = cache.classes().len() as u64;
            let effect = format!(
                "Discards the counters of {} datasets ({} answers) and their hottest keys. Cached values and the history \
                 stay.",
                format::count(classes),
                format::count(answers(&cache)),
            );
            (classes, effect)
        }
        ResetScope::Requests => {
            let routes = console.requests.routes();
            let effect = format!(
                "Discards the latencies of {} routes ({} requests). The history stays.",
                routes.len(),
                format::count(routes.iter().map(|route| route.count).sum()),
            );
            (routes.len() as u64, effect)
        }
    };
    Ok(ResetPreview { scope, entries, counting_since: counting_since(console, slot, scope), effect })
}

fn counting_since(console: &Console, slot: &Slot, scope: ResetScope) -> Option<Timestamp> {
    match scope {
        ResetScope::Statements => {
            slot.published().update.target.statements_reset_at.max(slot.statements_reset_at.get())
        }
        ResetScope::Pool => slot.pool_reset_at.get().or(Some(console.started_at)),
        ResetScope::Cache => slot.cache_reset_at.get().or(Some(console.started_at)),
        ResetScope::Requests => console.requests_reset_at.get().or(Some(console.started_at)),
    }
}

/// A reset under way. It owns what it needs, so that it runs to its end, audit and event included, also when the caller
/// goes away.
pub(super) struct Reset {
    pub slot: Arc<Slot>,
    pub scope: ResetScope,
    pub request: Request,
    pub clock: Clock,
    pub store: Arc<dyn StateStore>,
    pub feed: Arc<Feed>,
    pub requests: Arc<RequestStats>,
    pub requests_reset_at: Arc<Moment>,
    pub cache: Cache<Page>,
    pub lists: Arc<Lists>,
}

impl Reset {
    pub async fn run(self) -> Result<ActionOutcome, ActionError> {
        let mut parameters = json!({ "scope": self.scope.as_str() });
        let done = match self.scope {
            ResetScope::Statements => self.statements(&mut parameters).await,
            ResetScope::Pool => self.pool(&mut parameters),
            ResetScope::Requests => self.requests(&mut parameters),
            ResetScope::Cache => self.cache(&mut parameters),
        };
        self.lists.forget();
        let target = (self.scope != ResetScope::Requests).then(|| self.slot.target.id.clone());
        let at = self.clock.now();
        let audit = NewAudit {
            at,
            actor: self.request.actor.name.clone(),
            role: self.request.actor.role,
            origin: self.request.origin,
            action: "stats.reset".to_owned(),
            target: target.clone(),
            parameters,
            reason: self.request.reason,
            outcome: done.as_ref().map_or_else(ToString::to_string, Clone::clone),
            succeeded: done.is_ok(),
        };
        let audit_id = self.store.add_audit(&audit).await;
        let effect = done?;
        self.feed.mark_soon(NewEvent {
            at,
            target,
            kind: EventKind::StatisticsReset,
            band: None,
            title: match self.scope {
                ResetScope::Statements => STATEMENTS_RESET.to_owned(),
                ResetScope::Pool => "Pool counters were reset".to_owned(),
                ResetScope::Requests => "Request latencies were reset".to_owned(),
                ResetScope::Cache => "Cache counters were reset".to_owned(),
            },
            detail: Some(effect.clone()),
            actor: Some(self.request.actor.name),
        });
        Ok(ActionOutcome { audit_id: audit_id?, at, effect })
    }

    async fn statements(&self, parameters: &mut serde_json::Value) -> Result<String, ActionError> {
        // Noted before it is done: the collector may notice the reset sooner than this task hears of it.
        let earlier = self.slot.statements_reset_at.get();
        self.slot.statements_reset_at.set(self.clock.now());
        let result = statements::reset(&self.slot.target).await;
        if result.is_err() {
            self.slot.statements_reset_at.restore(earlier);
        }
        let (before, after) = result?;
        parameters["before"] = totals(before);
        parameters["after"] = totals(after);
        verified(before.calls, after.calls, "calls")?;
        Ok(format!(
            "{} statements with {} calls discarded; {} counted again since",
            format::count(before.statements),
            format::count(before.calls),
            format::count(after.statements),
        ))
    }

    fn pool(&self, parameters: &mut serde_json::Value) -> Result<String, ActionError> {
        let pools = &self.slot.target.pools;
        let checkouts = || pools.snapshot().iter().map(|lane| lane.acquired).sum::<u64>();
        let before = checkouts();
        pools.reset_statistics();
        let after = checkouts();
        self.slot.pool_reset_at.set(self.clock.now());
        parameters["checkouts"] = before.into();
        verified(before, after, "checkouts")?;
        Ok(format!("counters of {} checkouts discarded; {after} counted again since", format::count(before)))
    }

    fn cache(&self, parameters: &mut serde_json::Value) -> Result<String, ActionError> {
        let before = answers(&self.cache);
        self.cache.reset_statistics();
        let after = answers(&self.cache);
        self.slot.cache_reset_at.set(self.clock.now());
        parameters["answers"] = before.into();
        verified(before, after, "answers")?;
        Ok(format!("counters of {} answers discarded; {after} counted again since", format::count(before)))
    }

    fn requests(&self, parameters: &mut serde_json::Value) -> Result<String, ActionError> {
        let count = || self.requests.routes().iter().map(|route| route.count).sum::<u64>();
        let before = count();
        self.requests.reset();
        let after = count();
        self.requests_reset_at.set(self.clock.now());
        parameters["requests"] = before.into();
        verified(before, after, "requests")?;
        Ok(format!("latencies of {} requests discarded; {after} counted again since", format::count(before)))
    }
}

fn totals(totals: Totals) -> serde_json::Value {
    json!({ "statements": totals.statements, "calls": totals.calls, "seconds": totals.seconds })
}

/// Counting goes on while a reset is checked, so the totals must have fallen, not be zero.
fn verified(before: u64, after: u64, what: &str) -> Result<(), ActionError> {
    if after < before || before == 0 {
        return Ok(());
    }
    Err(ActionError::NotVerified(format!("{after} {what} are counted after the reset, {before} were before it")))
}
