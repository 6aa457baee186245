//! How figures are written: units, digits, durations and times (docs/ARCHITECTURE.md, "Numbers").
//!
//! At most three significant digits, thousands with a comma, a true minus, a space before the unit. A missing value is
//! an en dash; zero is `0`.

use crate::{Timestamp, metric::Unit};
use time::{format_description::BorrowedFormatItem, macros::format_description};

/// Written where nothing was measured; give it an accessible "no data".
pub const MISSING: &str = "–";

/// A value with its unit, in two parts so that a page can set the unit smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Digits, with sign.
    pub number: String,
    /// Unit; empty for plain counts.
    pub unit: &'static str,
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.number)?;
        if self.unit.is_empty() { Ok(()) } else { write!(f, " {}", self.unit) }
    }
}

/// Writes a measured value.
#[must_use]
pub fn value(value: f64, unit: Unit) -> Written {
    let plain = |unit| Written { number: number(value), unit };
    match unit {
        Unit::Percent => plain("%"),
        Unit::Milliseconds => millis(value),
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => {
            let Written { number, unit } = bytes(value);
            let unit = match unit {
                "B" => "B/s",
                "KiB" => "KiB/s",
                "MiB" => "MiB/s",
                "GiB" => "GiB/s",
                _ => "TiB/s",
            };
            Written { number, unit }
        }
        Unit::PerSecond => plain("/s"),
        Unit::Count | Unit::Ratio => plain(""),
        Unit::Score => Written { number: format!("{:.0}", value), unit: "" },
        Unit::Flag => Written { number: if value >= 0.5 { "yes" } else { "no" }.into(), unit: "" },
    }
}

/// Writes a value that may be missing.
#[must_use]
pub fn value_or_missing(measured: Option<f64>, unit: Unit) -> String {
    measured.map_or_else(|| MISSING.to_owned(), |v| value(v, unit).to_string())
}

/// Three significant digits at most below a thousand, whole numbers with commas above.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let size = value.abs();
    let text = if size >= 99.95 || size == 0.0 {
        grouped(size)
    } else if size >= 9.995 {
        trimmed(format!("{size:.1}"))
    } else if size >= 0.01 {
        trimmed(format!("{size:.2}"))
    } else {
        "under 0.01".to_owned()
    };
    if value < 0.0 && text != "0" { format!("−{text}") } else { text }
}

/// An exact count of things: `1 key`, `38,412 keys`.
#[must_use]
pub fn counted(value: u64, one: &str) -> String {
    format!("{} {one}{}", count(value), if value == 1 { "" } else { "s" })
}

/// An exact count: `38,412`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn grouped(size: f64) -> String {
    // Above 2^53 an f64 holds no odd numbers anyway; nothing we measure comes near.
    count(size.round().min(9_007_199_254_740_992.0) as u64)
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A figure in milliseconds: `0.07 ms`, `640 ms`, then seconds, minutes, hours, days.
fn millis(value: f64) -> Written {
    let size = value.abs();
    if size < 2000.0 {
        return Written { number: number(value), unit: "ms" };
    }
    if size < 60_000.0 {
        return Written { number: number(value / 1000.0), unit: "s" };
    }
    Written { number: duration_ms(value), unit: "" }
}

/// A duration in words: `640 ms`, `48.2 s`, `4 min 12 s`, `4 h 11 min`, `47 days`.
#[must_use]
pub fn duration_ms(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let size = value.abs();
    if size < 1000.0 {
        return format!("{} ms", number(size));
    }
    if size < 60_000.0 {
        return format!("{} s", number(size / 1000.0));
    }
    let secs = (size / 1000.0).round() as u64;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
    };
    match secs {
        0..3600 => two(secs / 60, "min", secs % 60, "s"),
        3600..172_800 => two(secs / 3600, "h", secs % 3600 / 60, "min"),
        _ => format!("{} days", count(secs / 86_400)),
    }
}

const BYTES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// The place in [`BYTES`] of the unit that a value is written in.
fn binary_power(value: f64) -> usize {
    let mut scaled = value.abs();
    let mut power = 0;
    while scaled >= 1023.5 && power + 1 < BYTES.len() {
        scaled /= 1024.0;
        power += 1;
    }
    power
}

/// Binary multiples: `5.9 GiB`.
#[must_use]
pub fn bytes(value: f64) -> Written {
    let power = binary_power(value);
    Written { number: number(value / 1024f64.powi(power as i32)), unit: BYTES[power] }
}

/// A tick of an axis that ends at `max`. All ticks have the unit of the end, so that they compare at a glance: `0`,
/// `1 k`, `2 k`.
#[must_use]
pub fn axis(value: f64, max: f64, unit: Unit) -> String {
    let (divisor, unit) = match unit {
        Unit::Percent => (1.0, "%"),
        Unit::Bytes | Unit::BytesPerSecond => {
            let power = binary_power(max);
            (1024f64.powi(power as i32), BYTES[power])
        }
        Unit::Milliseconds if max >= 2000.0 => (1000.0, "s"),
        _ if max >= 1e6 => (1e6, "M"),
        _ if max >= 2000.0 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if unit.is_empty() || (value == 0.0 && unit != "%") {
        return number(value);
    }
    format!("{} {unit}", number(value / divisor))
}

const HM: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]");
const HMS: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second]");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short]");
const DAY_YEAR: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short] [year]");

fn written(at: Timestamp, format: &[BorrowedFormatItem<'_>]) -> String {
    at.to_utc().format(format).unwrap_or_default()
}

/// `14:32`.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    written(at, HM)
}

/// `14:32:08`.
#[must_use]
pub fn clock_seconds(at: Timestamp) -> String {
    written(at, HMS)
}

/// `19 Nov 2026`.
#[must_use]
pub fn date(at: Timestamp) -> String {
    written(at, DAY_YEAR)
}

/// A moment as seen from `now`: today `14:32`, other days `18 Nov 14:32`, other years with the year.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let (day, today) = (at.to_utc().date(), now.to_utc().date());
    if day == today {
        clock(at)
    } else if day.year() == today.year() {
        format!("{} {}", written(at, DAY), clock(at))
    } else {
        format!("{} {}", written(at, DAY_YEAR), clock(at))
    }
}

/// As [`moment`], with seconds: `18 Nov 14:32:08`.
#[must_use]
pub fn moment_seconds(at: Timestamp, now: Timestamp) -> String {
    let seconds = clock_seconds(at);
    match moment(at, now).rsplit_once(' ') {
        Some((day, _)) => format!("{day} {seconds}"),
        None => seconds,
    }
}

/// The ends of a range: `08:32 – 14:32`, with days where they differ from today.
#[must_use]
pub fn range(from: Timestamp, to: Timestamp, now: Timestamp) -> String {
    let (start, end) = (from.to_utc().date(), to.to_utc().date());
    if to.0 - from.0 <= 15 * 60_000 && start == end && end == now.to_utc().date() {
        return format!("{} – {}", clock_seconds(from), clock_seconds(to));
    }
    let end_text = if start == end { clock(to) } else { moment(to, now) };
    format!("{} – {end_text}", moment(from, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_the_design() {
        for (input, unit, text) in [
            (640.0, Unit::Milliseconds, "640 ms"),
            (1420.4, Unit::Milliseconds, "1,420 ms"),
            (0.07, Unit::Milliseconds, "0.07 ms"),
            (48_200.0, Unit::Milliseconds, "48.2 s"),
            (252_000.0, Unit::Milliseconds, "4 min 12 s"),
            (91.24, Unit::Percent, "91.2 %"),
            (100.0, Unit::Percent, "100 %"),
            (3240.2, Unit::PerSecond, "3,240 /s"),
            (6_335_076_761.6, Unit::Bytes, "5.9 GiB"),
            (2048.0, Unit::BytesPerSecond, "2 KiB/s"),
            (0.0, Unit::Count, "0"),
            (-4.0, Unit::Count, "−4"),
            (1.37, Unit::Ratio, "1.37"),
            (77.0, Unit::Score, "77"),
        ] {
            assert_eq!(value(input, unit).to_string(), text);
        }
        assert_eq!(value_or_missing(None, Unit::Count), "–");
    }

    #[test]
    fn durations_follow_the_design() {
        for (input, text) in [
            (640.0, "640 ms"),
            (48_200.0, "48.2 s"),
            (252_000.0, "4 min 12 s"),
            (15_060_000.0, "4 h 11 min"),
            (47.0 * 86_400_000.0, "47 days"),
            (120_000.0, "2 min"),
        ] {
            assert_eq!(duration_ms(input), text);
        }
    }

    #[test]
    fn times_show_only_what_differs_from_now() {
        let now = Timestamp(1_795_098_728_250);
        assert_eq!(moment(now, now), "14:32");
        assert_eq!(moment(now.plus_millis(-86_400_000), now), "18 Nov 14:32");
        assert_eq!(moment(now.plus_millis(-366 * 86_400_000), now), "18 Nov 2025 14:32");
        assert_eq!(moment_seconds(now, now), "14:32:08");
        assert_eq!(moment_seconds(now.plus_millis(-86_400_000), now), "18 Nov 14:32:08");
        assert_eq!(range(now.plus_millis(-21_600_000), now, now), "08:32 – 14:32");
        assert_eq!(range(now.plus_millis(-600_000), now, now), "14:22:08 – 14:32:08");
        assert_eq!(range(now.plus_millis(-86_400_000), now, now), "18 Nov 14:32 – 14:32");
    }

    #[test]
    fn ticks_of_an_axis_share_their_unit() {
        let ticks = |step: f64, count: u8, unit| {
            let max = step * f64::from(count);
            (0..=count).map(|i| axis(step * f64::from(i), max, unit)).collect::<Vec<_>>().join(" · ")
        };
        assert_eq!(ticks(1000.0, 3, Unit::Milliseconds), "0 · 1 s · 2 s · 3 s");
        assert_eq!(ticks(500.0, 3, Unit::Milliseconds), "0 · 500 · 1,000 · 1,500");
        assert_eq!(ticks(1000.0, 2, Unit::PerSecond), "0 · 1 k · 2 k");
        assert_eq!(ticks(536_870_912.0, 2, Unit::Bytes), "0 · 0.5 GiB · 1 GiB");
        assert_eq!(ticks(50.0, 2, Unit::Percent), "0 % · 50 % · 100 %");
    }

    #[test]
    fn counts_are_exact() {
        assert_eq!(count(38_412), "38,412");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000_000), "1,000,000");
    }
}
