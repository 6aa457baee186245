//! What the Overview page and the shell around every page show at first paint.

use crate::{
    Actor, MetricId, Timestamp, event::Event, format, live::LiveUpdate, operation::Operation, origin::Origin,
    range::Resolved, series::Series, target::TargetInfo,
};
use serde::{Deserialize, Serialize};

/// The present of one target; the live feed keeps it fresh afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The newest view of the target.
    pub live: LiveUpdate,
    /// Operations that run, and the ones that ended lately, newest first.
    pub operations: Vec<Operation>,
}

/// The past of one target over a range. Apart from [`Overview`], because it needs the state store and the present does
/// not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The range the series cover.
    pub range: Resolved,
    /// One series a requested metric, in order.
    pub series: Vec<Series>,
    /// The newest events in the range, newest first.
    pub events: Vec<Event>,
    /// What the health checks allow, for the metrics that have a check.
    pub limits: Vec<MetricLimits>,
    /// Stretches of the range that were imported or generated, oldest first.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// When the history of the target starts; none when there is none.
    pub starts: Option<Timestamp>,
}

/// What a health check allows of a metric, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricLimits {
    /// The metric.
    pub metric: MetricId,
    /// Past this it is degraded.
    pub degraded: f64,
    /// Past this it is critical; below `degraded` where little is bad.
    pub critical: f64,
}

/// What the shell around every page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shell {
    /// All targets, in configured order; the first is the default one.
    pub targets: Vec<TargetScore>,
    /// Who looks.
    pub actor: Actor,
    /// Milliseconds between samples.
    pub interval_ms: u64,
    /// The server's clock, for ages that do not depend on the browser's.
    pub now: Timestamp,
    /// Version of the console.
    pub version: String,
    /// How long history is kept.
    pub kept: Kept,
}

/// How long history is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// One point a minute, for so many days.
    pub minutes_days: u32,
    /// One point an hour, for so many days.
    pub hours_days: u32,
}

impl Kept {
    /// Until when the minutes of a moment are kept, and until when its hours.
    #[must_use]
    pub fn until(self, at: Timestamp) -> (Timestamp, Timestamp) {
        (at.plus_millis(i64::from(self.minutes_days) * DAY_MS), at.plus_millis(i64::from(self.hours_days) * DAY_MS))
    }

    /// "minutes for 30 days, hours for 25 months".
    #[must_use]
    pub fn words(self) -> String {
        format!("minutes for {}, hours for {}", days(self.minutes_days), days(self.hours_days))
    }
}

/// Days, or months where those are many.
fn days(days: u32) -> String {
    if days < 92 {
        return format::counted(days.into(), "day");
    }
    // A month as the calendar has them on average.
    format!("{:.0} months", f64::from(days) / 30.44)
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How much of a range lies before what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// All of it; the nearest range of its length that is kept.
    All(Resolved),
    /// Its beginning, up to this moment.
    Part(Timestamp),
}

/// What of a range is not kept, when history starts at `starts`. A range that only begins before the first sample ever taken
/// has lost nothing: that it is missing is said by the charts, and no older link could show more.
#[must_use]
pub fn lost(range: Resolved, starts: Timestamp, kept: Kept, now: Timestamp) -> Option<Lost> {
    if range.to <= starts {
        let end = starts.plus_millis(range.millis());
        return Some(Lost::All(Resolved { from: starts, to: Timestamp(end.0.min(now.0.max(starts.0))), live: false }));
    }
    // Upkeep works in whole hours, a few times an hour.
    let pruned_to = now.plus_millis(-i64::from(kept.hours_days) * DAY_MS + 2 * 60 * 60 * 1000);
    (range.from < starts && starts <= pruned_to).then_some(Lost::Part(starts))
}

/// A target in the picker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetScore {
    /// The target.
    pub info: TargetInfo,
    /// Its overall score; none when unknown.
    pub score: Option<u8>,
}

/// How an action ended, from the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// Its audit row.
    pub audit_id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Whether it did what it promised.
    pub succeeded: bool,
    /// What was verified, or why not.
    pub outcome: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);
    const KEPT: Kept = Kept { minutes_days: 30, hours_days: 762 };

    fn range(from_days: i64, to_days: i64) -> Resolved {
        let ago = |days: i64| NOW.plus_millis(-days * DAY_MS);
        Resolved { from: ago(from_days), to: ago(to_days), live: false }
    }

    #[test]
    fn retention_is_said_in_words() {
        assert_eq!(KEPT.words(), "minutes for 30 days, hours for 25 months");
        assert_eq!(Kept { minutes_days: 1, hours_days: 90 }.words(), "minutes for 1 day, hours for 90 days");
        assert_eq!(KEPT.until(NOW).0, NOW.plus_millis(30 * DAY_MS));
    }

    #[test]
    fn what_is_not_kept_is_told_with_the_nearest_that_is() {
        let starts = range(762, 0).from;
        assert_eq!(lost(range(5, 1), starts, KEPT, NOW), None);
        assert_eq!(lost(range(800, 700), starts, KEPT, NOW), Some(Lost::Part(starts)));
        let nearest = Resolved { from: starts, to: starts.plus_millis(10 * DAY_MS), live: false };
        assert_eq!(lost(range(810, 800), starts, KEPT, NOW), Some(Lost::All(nearest)));
        // A console that began yesterday: nothing is lost, unless a link asks for what lies before.
        let young = range(1, 0).from;
        assert_eq!(lost(range(2, 0), young, KEPT, NOW), None);
        let nearest = Resolved { from: young, to: NOW, live: false };
        assert_eq!(lost(range(9, 3), young, KEPT, NOW), Some(Lost::All(nearest)));
    }
}
