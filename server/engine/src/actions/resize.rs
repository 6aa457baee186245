//! Another size for a lane of the console's pool, while connections are lent.

use super::{ActionError, Request};
use crate::{
    console::Console,
    pool::{LANE_MAX, Lane},
    store::NewAudit,
    target::Target,
};
use headroom_model::{
    MetricId, TargetId,
    action::ActionOutcome,
    event::{EventKind, NewEvent},
    pool::{LaneReport, ResizePreview},
};
use serde_json::json;
use std::sync::Arc;

fn target(console: &Console, id: &TargetId) -> Result<Arc<Target>, ActionError> {
    console.target(id).ok_or_else(|| ActionError::UnknownTarget(id.clone()))
}

/// The lane as it is now, among all lanes.
fn lane_of(target: &Target, lane: Lane) -> Result<(LaneReport, Vec<LaneReport>), ActionError> {
    let lanes = target.pools.snapshot();
    let found = lanes.iter().find(|report| report.lane == lane.name()).cloned();
    let none = || ActionError::Refused(format!("{} has no replica, so there is no lane {}", target.id, lane.name()));
    Ok((found.ok_or_else(none)?, lanes))
}

pub(super) fn preview(console: &Console, id: &TargetId, lane: Lane, max: u32) -> Result<ResizePreview, ActionError> {
    let target = target(console, id)?;
    // One for the collection, one for the sign of life beside it.
    let least = if lane == Lane::Monitor { 2 } else { 1 };
    if !(least..=LANE_MAX).contains(&max) {
        return Err(ActionError::Refused(format!(
            "lane {} has {least} to {LANE_MAX} connections, not {max}",
            lane.name()
        )));
    }
    let (now, lanes) = lane_of(&target, lane)?;
    let on_primary = lanes.iter().filter(|report| report.lane != Lane::Replica.name());
    let total = on_primary.map(|report| if report.lane == now.lane { max } else { report.max }).sum();
    let figures = console.latest(id).map(|update| update.figures.clone()).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a server's max_connections")]
    let server_max = figures.get(&MetricId::ConnectionsMax).map(|max| *max as u32);
    let beyond = now.in_use.saturating_sub(max);
    let mut effect =
        format!("At most {max} connections of lane {} are lent at once, {} until now.", lane.name(), now.max);
    if max < now.max {
        effect += &if beyond > 0 {
            format!(" {beyond} that are lent beyond that are closed when they come back; nothing is cut.")
        } else {
            " Nothing that is lent is cut.".to_owned()
        };
    }
    if let Some(server_max) = server_max.filter(|server_max| total > *server_max) {
        effect +=
            &format!(" All lanes together may then want {total}, more than the {server_max} that PostgreSQL offers.");
    }
    effect +=
        &format!(" The size lasts until the console restarts; to keep it, set {}_max under [targets.pool].", key(lane));
    Ok(ResizePreview { lane: now.lane, from: now.max, to: max, total, server_max, effect })
}

/// The configuration's name of a lane's size.
fn key(lane: Lane) -> &'static str {
    match lane {
        Lane::Replica => Lane::Data.name(),
        lane => lane.name(),
    }
}

pub(super) async fn run(
    console: &Console,
    id: &TargetId,
    lane: Lane,
    max: u32,
    request: Request,
) -> Result<ActionOutcome, ActionError> {
    let preview = preview(console, id, lane, max)?;
    let target = target(console, id)?;
    target.pools.resize(lane, max);
    let (after, _) = lane_of(&target, lane)?;
    let done = if after.max == max {
        Ok(format!(
            "lane {}: {} connections instead of {}; {} lent out, {} idle",
            after.lane, after.max, preview.from, after.in_use, after.idle
        ))
    } else {
        Err(ActionError::NotVerified(format!(
            "lane {} has {} connections, {max} were asked for",
            after.lane, after.max
        )))
    };
    let at = console.clock.now();
    let audit = NewAudit {
        at,
        actor: request.actor.name.clone(),
        role: request.actor.role,
        origin: request.origin,
        action: "pool.resize".to_owned(),
        target: Some(id.clone()),
        parameters: json!({ "lane": after.lane, "from": preview.from, "to": max }),
        reason: request.reason,
        outcome: done.as_ref().map_or_else(ToString::to_string, Clone::clone),
        succeeded: done.is_ok(),
    };
    let audit_id = console.store.add_audit(&audit).await;
    let effect = done?;
    console.feed().mark_soon(NewEvent {
        at,
        target: Some(id.clone()),
        kind: EventKind::Configuration,
        band: None,
        title: format!("Lane {} has {max} connections", after.lane),
        detail: Some(effect.clone()),
        actor: Some(request.actor.name),
    });
    Ok(ActionOutcome { audit_id: audit_id?, at, effect })
}
