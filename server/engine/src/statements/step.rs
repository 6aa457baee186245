//! Widths of slots: the finer, the shorter they are kept.

use crate::store::{HOUR_MS, MINUTE_MS, Retention};
use headroom_model::{Timestamp, range::Resolved};

const DAY_MS: i64 = 24 * HOUR_MS;

/// How wide a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A minute: kept for a day.
    Minute,
    /// Ten minutes: kept as long as minutes of history, 30 days.
    TenMinutes,
    /// An hour: kept as long as hours of history, 25 months.
    Hour,
    /// A day: kept as long as hours.
    Day,
}

impl Step {
    pub const ALL: [Step; 4] = [Step::Minute, Step::TenMinutes, Step::Hour, Step::Day];

    /// Its width.
    pub fn millis(self) -> i64 {
        match self {
            Step::Minute => MINUTE_MS,
            Step::TenMinutes => 10 * MINUTE_MS,
            Step::Hour => HOUR_MS,
            Step::Day => DAY_MS,
        }
    }

    /// The oldest slot that is kept.
    pub fn kept_from(self, retention: Retention, now: Timestamp) -> Timestamp {
        match self {
            Step::Minute => now.plus_millis(-DAY_MS).floor_to(HOUR_MS),
            Step::TenMinutes => retention.minutes_from(now),
            Step::Hour | Step::Day => retention.hours_from(now),
        }
    }

    /// The longest range that is read in slots of this width.
    fn longest_ms(self) -> i64 {
        match self {
            Step::Minute => 3 * HOUR_MS,
            Step::TenMinutes => 36 * HOUR_MS,
            Step::Hour => 32 * DAY_MS,
            Step::Day => i64::MAX,
        }
    }

    /// The finest width that reaches back to the start of a range and does not cut it into too many.
    pub fn of(range: Resolved, retention: Retention, now: Timestamp) -> Step {
        let fits = |step: &Step| range.millis() <= step.longest_ms() && range.from >= step.kept_from(retention, now);
        Step::ALL.into_iter().find(fits).unwrap_or(Step::Day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_width_that_is_kept_answers() {
        let now = Timestamp(1_795_098_728_250);
        let step = |ago_hours: i64, hours: i64| {
            let from = now.plus_millis(-ago_hours * HOUR_MS);
            let range = Resolved { from, to: from.plus_millis(hours * HOUR_MS), live: false };
            Step::of(range, Retention::default(), now)
        };
        assert_eq!([step(1, 1), step(24, 24), step(168, 168), step(9_000, 9_000)], Step::ALL);
        assert_eq!(step(200, 1), Step::TenMinutes, "minutes of last week are gone");
        assert_eq!(step(31 * 24, 1), Step::Hour);
    }
}
