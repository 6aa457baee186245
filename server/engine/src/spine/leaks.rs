//! The watch over leaked connections: each is told once, as an event with the line of code that took it.

use super::{feed::Feed, slot::Slot};
use crate::{clock::Clock, pool::Holder};
use headroom_model::{
    Band, TargetId, Timestamp,
    event::{EventKind, NewEvent},
    format,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two looks: a leak is told within this after it became one.
const EVERY: Duration = Duration::from_millis(500);

/// Watches the pools of all targets, and of applications in this process, until stopped.
pub(crate) async fn watch(slots: Vec<Arc<Slot>>, feed: Arc<Feed>, clock: Clock, stop: CancellationToken) {
    let look = async {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = clock.now();
            for slot in &slots {
                let mut leaks = Vec::new();
                slot.target.each_pools(|pools| leaks.extend(pools.take_leaks(now)));
                for leak in leaks {
                    let held_ms = now.since(leak.since).as_secs_f64() * 1000.0;
                    feed.mark_soon(event(&slot.target.id, &leak, held_ms, now));
                }
            }
        }
    };
    stop.run_until_cancelled(look).await;
}

fn event(target: &TargetId, leak: &Holder, held_ms: f64, at: Timestamp) -> NewEvent {
    let Holder { application, lane, call_site, purpose, .. } = leak;
    let lane = lane.name();
    tracing::warn!(%target, %application, lane, %call_site, purpose = purpose.as_deref(), "a connection may be leaked");
    let purpose = purpose.as_ref().map(|purpose| format!(", for {purpose}")).unwrap_or_default();
    NewEvent {
        at,
        target: Some(target.clone()),
        kind: EventKind::Alert,
        band: Some(Band::Degraded),
        title: format!(
            "Connection held for {}: {}:{}",
            format::duration_ms(held_ms),
            call_site.file(),
            call_site.line()
        ),
        detail: Some(format!(
            "{application}, lane {lane}{purpose}. It may be leaked: whoever took it has not given it back."
        )),
        actor: None,
    }
}
