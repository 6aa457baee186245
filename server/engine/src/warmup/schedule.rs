//! When a warmup starts by itself: a cron expression of five fields, in UTC.

use chrono::{DateTime, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use headroom_model::{Timestamp, warmup::WarmupStrategy};

/// An expression that cannot be used, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// What is loaded then.
    pub strategy: WarmupStrategy,
    cron: Cron,
    text: String,
}

impl Schedule {
    /// Reads `minute hour day-of-month month day-of-week`.
    ///
    /// # Errors
    /// It has more or fewer fields, a field is out of its range, or no moment ever fits.
    pub fn new(cron: &str, strategy: WarmupStrategy) -> Result<Self, ScheduleError> {
        let text = cron.split_whitespace().collect::<Vec<_>>().join(" ");
        let fields = text.split(' ').filter(|field| !field.is_empty()).count();
        if fields != 5 {
            return Err(ScheduleError(format!("it has {fields} fields; needed: minute hour day month weekday")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| ScheduleError(error.to_string()))?;
        let schedule = Schedule { strategy, cron, text };
        // 31 February comes never; a schedule is looked at from a fixed day, so that the answer is the same every day.
        schedule.after(Timestamp(0)).ok_or_else(|| ScheduleError("no such day ever comes".into()))?;
        Ok(schedule)
    }

    /// The expression.
    #[must_use]
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// The first moment after this one that fits; none beyond the calendar.
    #[must_use]
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let at = DateTime::<Utc>::from_timestamp_millis(at.0)?;
        self.cron.find_next_occurrence(&at, false).ok().map(|next| Timestamp(next.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-19T08:32:00Z, a Thursday.
    const AT: Timestamp = Timestamp(1_795_077_120_000);

    #[test]
    fn the_next_moment_is_after_this_one_and_in_utc() {
        assert_eq!(AT.to_rfc3339(), "2026-11-19T08:32:00Z");
        for (cron, expected) in [
            ("0 6 * * *", "2026-11-20T06:00:00Z"),
            ("*/15 * * * *", "2026-11-19T08:45:00Z"),
            ("32 8 * * *", "2026-11-20T08:32:00Z"),
            ("0  6 * * MON", "2026-11-23T06:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ] {
            let schedule = Schedule::new(cron, WarmupStrategy::BySavings).unwrap();
            assert_eq!(schedule.after(AT).unwrap().to_rfc3339(), expected, "{cron}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for cron in ["", "* * * *", "0 0 6 * * *", "60 6 * * *", "0 24 * * *", "@daily", "0 0 31 2 *", "a b c d e"] {
            assert!(Schedule::new(cron, WarmupStrategy::BySavings).is_err(), "{cron}");
        }
    }
}
