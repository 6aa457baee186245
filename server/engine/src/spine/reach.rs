//! Whether a server answers: from signs of life to outages and recoveries.

use headroom_model::{
    Band, TargetId, Timestamp,
    event::{EventKind, NewEvent},
    format,
    target::Reach,
};

/// Follows one server of one target.
#[derive(Debug)]
pub(crate) struct ReachTracker {
    server: &'static str,
    reach: Reach,
}

impl ReachTracker {
    /// A server that has not been asked yet, or none at all.
    pub fn new(server: &'static str, configured: bool) -> Self {
        ReachTracker { server, reach: if configured { Reach::Starting } else { Reach::Absent } }
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn is_down(&self) -> bool {
        matches!(self.reach, Reach::Down { .. })
    }

    /// Takes a sign of life, or its absence, in. Answers the event when the server stopped or began to answer again.
    pub fn observe(&mut self, sign: Result<(), String>, target: &TargetId, now: Timestamp) -> Option<NewEvent> {
        let event = |kind, band, title: String, detail: String| NewEvent {
            at: now,
            target: Some(target.clone()),
            kind,
            band: Some(band),
            title,
            detail: Some(detail),
            actor: None,
        };
        let server = self.server;
        let (reach, event) = match (&self.reach, sign) {
            (Reach::Absent, _) | (Reach::Up { .. }, Ok(())) => return None,
            (Reach::Starting, Ok(())) => (Reach::Up { since: now }, None),
            (Reach::Down { since, .. }, Ok(())) => {
                let lasted = format::duration_ms(now.since(*since).as_millis() as f64);
                let title = format!("{server} answers again");
                let event = event(EventKind::Recovery, Band::Excellent, title, format!("after {lasted}"));
                (Reach::Up { since: now }, Some(event))
            }
            (Reach::Down { since, .. }, Err(reason)) => (Reach::Down { since: *since, reason }, None),
            (Reach::Starting | Reach::Up { .. }, Err(reason)) => {
                let title = format!("{server} does not answer");
                let event = event(EventKind::Outage, Band::Critical, title, reason.clone());
                (Reach::Down { since: now, reason }, Some(event))
            }
        };
        self.reach = reach;
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outage_is_one_event_and_each_recovery_another() {
        let (target, start) = (TargetId("orders".into()), Timestamp(1_795_098_728_250));
        let mut postgres = ReachTracker::new("PostgreSQL", true);
        let mut observe = |sign: Result<(), &str>, secs: i64| {
            let event = postgres.observe(sign.map_err(str::to_owned), &target, start.plus_millis(secs * 1000));
            (event.map(|event| (event.kind, event.detail.unwrap())), postgres.reach().clone())
        };
        assert_eq!(observe(Ok(()), 0), (None, Reach::Up { since: start }));
        assert_eq!(observe(Ok(()), 2), (None, Reach::Up { since: start }));
        let (event, _) = observe(Err("refused"), 4);
        assert_eq!(event, Some((EventKind::Outage, "refused".into())));
        let down = Reach::Down { since: start.plus_millis(4000), reason: "starting up".into() };
        assert_eq!(observe(Err("starting up"), 6), (None, down));
        let (event, reach) = observe(Ok(()), 68);
        assert_eq!(event, Some((EventKind::Recovery, "after 1 min 4 s".into())));
        assert_eq!(reach, Reach::Up { since: start.plus_millis(68_000) });
    }

    #[test]
    fn nothing_is_expected_of_what_is_not_configured() {
        let mut redis = ReachTracker::new("Redis", false);
        assert_eq!(redis.observe(Err("refused".into()), &TargetId("orders".into()), Timestamp(0)), None);
        assert_eq!(redis.reach(), &Reach::Absent);
    }
}
