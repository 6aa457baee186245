//! Time ranges as people write them: `now-6h`, `now/d`, epoch milliseconds, ISO 8601, `yesterday 09:00`.
//!
//! The text stays in the URL; it is resolved against a clock that the caller passes.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use time::{
    Date, Month, PrimitiveDateTime, Time, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The range a page shows when its URL names none.
pub const DEFAULT_FROM: &str = "now-1h";
/// The end a page shows when its URL names none.
pub const DEFAULT_TO: &str = "now";
/// The longest range a query may ask for: 25 months of hours.
pub const MAX_RANGE_MS: i64 = 762 * DAY;

/// Offered relative ranges: `from`, name in the list, name on the button.
pub const PRESETS: &[(&str, &str)] = &[
    ("now-15m", "Last 15 minutes"),
    ("now-1h", "Last 1 hour"),
    ("now-6h", "Last 6 hours"),
    ("now-24h", "Last 24 hours"),
    ("now-7d", "Last 7 days"),
    ("now-30d", "Last 30 days"),
    ("now-90d", "Last 90 days"),
];

/// A range with both ends known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Start, inclusive.
    pub from: Timestamp,
    /// End, exclusive.
    pub to: Timestamp,
    /// Whether the end moves with the clock.
    pub live: bool,
}

impl Resolved {
    /// Length in milliseconds.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.to.0 - self.from.0
    }
}

/// The part of a range that history reaches, or the nearest range of the same length where it ends before history begins;
/// none where history reaches all of it.
#[must_use]
pub fn nearest_kept(range: Resolved, starts_at: Timestamp, now: Timestamp) -> Option<Resolved> {
    if range.from >= starts_at {
        return None;
    }
    if range.to > starts_at {
        return Some(Resolved { from: starts_at, ..range });
    }
    let to = starts_at.plus_millis(range.millis()).min(now.max(starts_at.plus_millis(1)));
    Some(Resolved { from: starts_at, to, live: false })
}

/// Why a range was refused; names the end it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError {
    /// `from` or `to`.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// Resolves a range against `now`.
///
/// # Errors
/// Names the end that cannot be read, a start that is not before its end, or a range that is too long.
pub fn resolve(from: &str, to: &str, now: Timestamp) -> Result<Resolved, RangeError> {
    let start = moment(from, now, Edge::Start).ok_or_else(|| unreadable("from", from))?;
    let end = moment(to, now, Edge::End).ok_or_else(|| unreadable("to", to))?;
    if start >= end {
        return Err(RangeError {
            field: "from",
            reason: format!("\"{from}\" ({}) is not before \"{to}\" ({})", start.to_rfc3339(), end.to_rfc3339()),
        });
    }
    if end.0 - start.0 > MAX_RANGE_MS {
        return Err(RangeError {
            field: "from",
            reason: format!("the range is {} days long; at most {}", (end.0 - start.0) / DAY, MAX_RANGE_MS / DAY),
        });
    }
    Ok(Resolved { from: start, to: end, live: to.trim() == "now" })
}

fn unreadable(field: &'static str, text: &str) -> RangeError {
    let shown: String = text.chars().take(60).collect();
    RangeError {
        field,
        reason: format!(
            "\"{shown}\" is not a moment; allowed: now, now-6h, now/d, epoch milliseconds, 2026-11-19T08:32:00Z, \
             2026-11-19 08:32, yesterday 09:00"
        ),
    }
}

/// Which end of a range is read: rounding (`/d`) goes down at the start and up at the end, as in Grafana.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// `from`.
    Start,
    /// `to`.
    End,
}

/// Reads one moment. None when the text is not one.
#[must_use]
pub fn moment(text: &str, now: Timestamp, edge: Edge) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    if let Some(rest) = text.strip_prefix("now") {
        return relative(rest, now, edge);
    }
    if let Some(rest) = text.strip_prefix("yesterday") {
        return clock(rest, now.to_utc().date().previous_day()?);
    }
    if let Some(rest) = text.strip_prefix("today") {
        return clock(rest, now.to_utc().date());
    }
    if let Ok(millis) = text.parse::<i64>() {
        // Four digits would be a year; nobody means the first seconds of 1970.
        return (millis.abs() >= 100_000_000).then_some(Timestamp(millis)).filter(|at| in_calendar(*at));
    }
    absolute(text)
}

fn in_calendar(at: Timestamp) -> bool {
    at.0.abs() < 253_402_300_800_000
}

/// `-6h`, `+1d`, `/d`, `-1d/d`; the units are s, m, h, d, w, M (month) and y.
fn relative(mut rest: &str, now: Timestamp, edge: Edge) -> Option<Timestamp> {
    let mut at = now;
    for _ in 0..8 {
        let Some(op) = rest.chars().next() else { return in_calendar(at).then_some(at) };
        rest = &rest[1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, tail) = rest.split_at(digits);
        let unit = tail.chars().next()?;
        rest = &tail[1..];
        match op {
            '-' | '+' => {
                let count: i64 = if count.is_empty() { 1 } else { count.parse().ok()? };
                at = shift(at, if op == '-' { count.checked_neg()? } else { count }, unit)?;
            }
            '/' if count.is_empty() => at = round(at, unit, edge)?,
            _ => return None,
        }
    }
    None
}

fn unit_millis(unit: char) -> Option<i64> {
    Some(match unit {
        's' => 1000,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    })
}

fn shift(at: Timestamp, count: i64, unit: char) -> Option<Timestamp> {
    if let Some(millis) = unit_millis(unit) {
        return Some(Timestamp(at.0.checked_add(count.checked_mul(millis)?)?));
    }
    let months = match unit {
        'M' => count,
        'y' => count.checked_mul(12)?,
        _ => return None,
    };
    let date = at.to_utc();
    let index = i64::from(date.year()).checked_mul(12)?.checked_add(i64::from(date.month() as u8) - 1)?;
    let index = index.checked_add(months)?;
    let year = i32::try_from(index.div_euclid(12)).ok()?;
    let month = Month::try_from(u8::try_from(index.rem_euclid(12)).ok()? + 1).ok()?;
    // The 31st of a month that has none becomes its last day.
    let day = date.day().min(month.length(year));
    Some(date.replace_date(Date::from_calendar_date(year, month, day).ok()?).into())
}

fn round(at: Timestamp, unit: char, edge: Edge) -> Option<Timestamp> {
    let date = at.to_utc().date();
    let start = match unit {
        's' | 'm' | 'h' => at.floor_to(unit_millis(unit)?),
        'd' => midnight(date),
        'w' => midnight(date).plus_millis(-DAY * i64::from(date.weekday().number_days_from_monday())),
        'M' => midnight(date.replace_day(1).ok()?),
        'y' => midnight(Date::from_ordinal_date(date.year(), 1).ok()?),
        _ => return None,
    };
    if edge == Edge::Start || start == at { Some(start) } else { shift(start, 1, unit) }
}

fn midnight(date: Date) -> Timestamp {
    date.midnight().assume_utc().into()
}

const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute][optional [:[second]]]");
const MINUTES: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day][first [ ][T]][hour]:[minute][optional [:[second]]][optional [Z]]");
const DAYS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

fn clock(rest: &str, date: Date) -> Option<Timestamp> {
    let rest = rest.trim();
    let time = if rest.is_empty() { Time::MIDNIGHT } else { Time::parse(rest, CLOCK).ok()? };
    Some(date.with_time(time).assume_utc().into())
}

fn absolute(text: &str) -> Option<Timestamp> {
    if let Ok(at) = time::OffsetDateTime::parse(text, &Rfc3339) {
        return Some(at.checked_to_offset(UtcOffset::UTC)?.into());
    }
    if let Ok(at) = PrimitiveDateTime::parse(text, MINUTES) {
        return Some(at.assume_utc().into());
    }
    Date::parse(text, DAYS).ok().map(midnight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Thu 19 Nov 2026, 14:32:08.250 UTC.
    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn at(text: &str, edge: Edge) -> Option<String> {
        moment(text, NOW, edge).map(Timestamp::to_rfc3339)
    }

    #[test]
    fn reads_what_people_write() {
        for (text, start) in [
            ("now", "2026-11-19T14:32:08.25Z"),
            ("now-6h", "2026-11-19T08:32:08.25Z"),
            ("now-1d/d", "2026-11-18T00:00:00Z"),
            ("now/d", "2026-11-19T00:00:00Z"),
            ("now/w", "2026-11-16T00:00:00Z"),
            ("now/M", "2026-11-01T00:00:00Z"),
            ("now/y", "2026-01-01T00:00:00Z"),
            ("now-9M", "2026-02-19T14:32:08.25Z"),
            ("now-1y", "2025-11-19T14:32:08.25Z"),
            ("yesterday 09:00", "2026-11-18T09:00:00Z"),
            ("today", "2026-11-19T00:00:00Z"),
            ("1795098728250", "2026-11-19T14:32:08.25Z"),
            ("2026-11-19", "2026-11-19T00:00:00Z"),
            ("2026-11-19 08:32", "2026-11-19T08:32:00Z"),
            ("2026-11-19T08:32:10", "2026-11-19T08:32:10Z"),
            ("2026-11-19T08:32:10Z", "2026-11-19T08:32:10Z"),
            ("2026-11-19T08:32:10+02:00", "2026-11-19T06:32:10Z"),
        ] {
            assert_eq!(at(text, Edge::Start).as_deref(), Some(start), "{text}");
        }
        assert_eq!(at("now/d", Edge::End).as_deref(), Some("2026-11-20T00:00:00Z"));
        assert_eq!(at("now/M", Edge::End).as_deref(), Some("2026-12-01T00:00:00Z"));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for text in [
            "",
            "later",
            "now-",
            "now-6",
            "now-6x",
            "now*2",
            "now/6h",
            "2026-13-01",
            "12",
            "now-é",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(moment(text, NOW, Edge::Start), None, "{text}");
        }
    }

    #[test]
    fn names_the_end_that_is_wrong() {
        assert_eq!(resolve("never", "now", NOW).unwrap_err().field, "from");
        assert_eq!(resolve("now-6h", "never", NOW).unwrap_err().field, "to");
        assert!(resolve("now", "now-6h", NOW).unwrap_err().reason.contains("is not before"));
        assert!(resolve("now-3y", "now", NOW).unwrap_err().reason.contains("at most"));
    }

    #[test]
    fn what_is_kept_of_a_range_is_offered() {
        let range = |from: i64, to: i64| Resolved { from: Timestamp(from), to: Timestamp(to), live: false };
        let kept = |from, to| nearest_kept(range(from, to), Timestamp(1_000), Timestamp(1_500));
        assert_eq!(kept(1_000, 1_200), None);
        assert_eq!(kept(900, 1_200), Some(range(1_000, 1_200)));
        assert_eq!(kept(100, 300), Some(range(1_000, 1_200)));
        assert_eq!(kept(100, 1_000), Some(range(1_000, 1_500)), "not beyond now");
    }

    proptest! {
        /// What is offered is a range, and history reaches all of it.
        #[test]
        fn what_is_offered_works(from in 0_i64..9_000, length in 1_i64..9_000, start in 0_i64..20_000, now in 0_i64..30_000) {
            let asked = Resolved { from: Timestamp(from), to: Timestamp(from + length), live: false };
            let start = Timestamp(start);
            match nearest_kept(asked, start, Timestamp(now)) {
                Some(offered) => {
                    prop_assert!(offered.from < offered.to && offered.millis() <= length);
                    prop_assert_eq!(nearest_kept(offered, start, Timestamp(now)), None);
                }
                None => prop_assert!(asked.from >= start),
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,50}") {
            let _ = moment(&text, NOW, Edge::End);
        }

        #[test]
        fn relative_text_never_panics(text in "now([-+/][0-9]{0,20}[smhdwMy]){0,9}") {
            let _ = moment(&text, NOW, Edge::Start);
        }

        #[test]
        fn a_written_moment_reads_back(millis in 100_000_000_000_i64..4_000_000_000_000) {
            prop_assert_eq!(moment(&Timestamp(millis).to_rfc3339(), NOW, Edge::Start), Some(Timestamp(millis)));
        }

        #[test]
        fn rounding_brackets(millis in 100_000_000_000_i64..4_000_000_000_000, unit in "[smhdwMy]") {
            let text = format!("now/{unit}");
            let down = moment(&text, Timestamp(millis), Edge::Start).unwrap();
            let up = moment(&text, Timestamp(millis), Edge::End).unwrap();
            prop_assert!(down.0 <= millis && millis <= up.0);
        }
    }
}
