//! What happened in the generated year: releases, incidents, restarts, one purge. From a seed, so that figures and events tell
//! the same story.

use headroom_model::{
    Band, TargetId, Timestamp,
    event::{EventKind, NewEvent},
};

/// A minute, an hour and a day in milliseconds.
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// How far back it reaches.
pub const DAYS: i64 = 365;

/// Days before the end on which a release slowed statements down for a while, and for how many minutes.
const SLOW: [(i64, i64); 5] = [(301, 45), (219, 30), (151, 80), (86, 35), (12, 55)];
/// Days before the end on which the database was restarted.
const RESTARTS: [i64; 3] = [262, 118, 23];
/// How long nothing was measured then.
const RESTART_GAP: i64 = 4 * MINUTE;
/// The day old orders were purged.
const PURGE: i64 = 140;
/// Days on which a sale doubled the load, for how many hours.
const SALES: [(i64, i64); 4] = [(333, 6), (240, 5), (97, 8), (9, 5)];
/// A release every so many days.
const RELEASES: i64 = 14;

/// The year before a moment.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where it ends: where measuring begins.
    pub end: Timestamp,
    /// What it is drawn from.
    pub seed: u64,
}

impl Plan {
    /// Its first hour.
    pub fn start(&self) -> Timestamp {
        self.end.plus_millis(-DAYS * DAY).floor_to(HOUR)
    }

    /// So many days before the end, at an hour of that day.
    fn day(&self, days: i64, hour: i64) -> Timestamp {
        self.end.plus_millis(-days * DAY).floor_to(DAY).plus_millis(hour * HOUR + 8 * MINUTE)
    }

    /// How much slower statements are than usual: 1 mostly.
    pub fn slowness(&self, at: Timestamp) -> f64 {
        let slow = |(days, minutes): (i64, i64)| {
            let into = at.0 - self.day(days, 13).0;
            (0..minutes * MINUTE).contains(&into)
        };
        if SLOW.into_iter().any(slow) { 3.8 } else { 1.0 }
    }

    /// How much more is asked than usual: 1 mostly.
    pub fn rush(&self, at: Timestamp) -> f64 {
        let most = SALES.into_iter().map(|(days, hours)| {
            let into = (at.0 - self.day(days, 17).0) as f64 / (hours * HOUR) as f64;
            // Comes and goes within its hours.
            if (0.0..=1.0).contains(&into) { 1.0 + 1.1 * (into * std::f64::consts::PI).sin() } else { 1.0 }
        });
        most.fold(1.0, f64::max)
    }

    /// Whether nothing was measured: the database was down.
    pub fn is_gap(&self, at: Timestamp) -> bool {
        RESTARTS.into_iter().any(|days| (0..RESTART_GAP).contains(&(at.0 - self.day(days, 4).0)))
    }

    /// How long ago the newest restart was.
    pub fn since_restart(&self, at: Timestamp) -> Option<i64> {
        RESTARTS.into_iter().map(|days| at.0 - self.day(days, 4).0).filter(|since| *since >= 0).min()
    }

    /// Whether the purge is done.
    pub fn is_purged(&self, at: Timestamp) -> bool {
        at >= self.day(PURGE, 3)
    }

    /// What the timeline shows of it, oldest first.
    pub fn events(&self, target: &TargetId) -> Vec<NewEvent> {
        let event = |at, kind, band, title: String, detail: &str| NewEvent {
            at,
            target: Some(target.clone()),
            kind,
            band,
            title,
            detail: Some(format!("{detail} (generated)")),
            actor: Some("demo".to_owned()),
        };
        let mut events = Vec::new();
        for (number, days) in (1..DAYS / RELEASES).rev().map(|release| release * RELEASES).enumerate() {
            let title = format!("Release 4.{number}.0");
            events.push(event(self.day(days, 10), EventKind::Deploy, None, title, "Planned release"));
        }
        for (number, (days, _)) in SLOW.into_iter().enumerate() {
            let title = format!("Hotfix {}", number + 1);
            events.push(event(
                self.day(days, 13),
                EventKind::Deploy,
                None,
                title,
                "Slowed statements down until it was undone",
            ));
        }
        for days in RESTARTS {
            let at = self.day(days, 4);
            let band = Some(Band::Critical);
            events.push(event(at, EventKind::Outage, band, "PostgreSQL does not answer".to_owned(), "Maintenance"));
            let back = at.plus_millis(RESTART_GAP);
            events.push(event(back, EventKind::Restart, None, "PostgreSQL restarted".to_owned(), "Minor update"));
        }
        let purge = "Orders older than two years purged".to_owned();
        events.push(event(self.day(PURGE, 3), EventKind::Action, None, purge, "Archive run"));
        events.retain(|event| event.at >= self.start() && event.at < self.end);
        events.sort_by_key(|event| event.at);
        events
    }

    /// Noise from 0 to 1 that belongs to a stream and a moment, the same on each call; it changes smoothly over `scale`.
    pub fn noise(&self, stream: u64, at: Timestamp, scale: i64) -> f64 {
        let (cell, part) = (at.0.div_euclid(scale), at.0.rem_euclid(scale) as f64 / scale as f64);
        let draw = |cell: i64| {
            let bits = mix(mix(self.seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ cell.unsigned_abs());
            (bits >> 11) as f64 / (1_u64 << 53) as f64
        };
        let smooth = part * part * (3.0 - 2.0 * part);
        draw(cell) * (1.0 - smooth) + draw(cell + 1) * smooth
    }
}

/// SplitMix64's finaliser: <https://prng.di.unimi.it/splitmix64.c>.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_lie_where_the_figures_tell_of_them_and_say_what_they_are() {
        let plan = Plan { end: Timestamp(1_795_098_728_250), seed: 7 };
        let events = plan.events(&TargetId("shop".into()));
        assert!(events.len() > 25 && events.is_sorted_by_key(|event| event.at));
        for event in &events {
            assert!(event.detail.as_ref().unwrap().contains("generated"));
            match event.kind {
                EventKind::Outage => assert!(plan.is_gap(event.at)),
                EventKind::Restart => {
                    assert!(!plan.is_gap(event.at) && plan.since_restart(event.at) == Some(RESTART_GAP))
                }
                EventKind::Deploy if event.title.starts_with("Hotfix") => assert!(plan.slowness(event.at) > 1.0),
                _ => {}
            }
        }
        assert!(!plan.is_gap(plan.end) && plan.slowness(plan.end) == 1.0 && plan.rush(plan.end) == 1.0);
    }

    #[test]
    fn noise_is_repeatable_bounded_and_of_its_seed() {
        let plan = Plan { end: Timestamp(0), seed: 7 };
        let other = Plan { seed: 8, ..plan };
        let draw =
            |plan: Plan| (0..500).map(|minute| plan.noise(3, Timestamp(minute * MINUTE), HOUR)).collect::<Vec<_>>();
        assert_eq!(draw(plan), draw(plan));
        assert!(draw(plan) != draw(other) && draw(plan).iter().all(|noise| (0.0..=1.0).contains(noise)));
    }
}
