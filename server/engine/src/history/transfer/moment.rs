//! A moment in a file: epoch seconds or milliseconds, or a date.

use super::shown;
use headroom_model::{
    Timestamp,
    range::{self, Edge},
};

/// Below this an epoch counts seconds (until the year 5138), from it on milliseconds (since March 1973).
const MILLIS_FROM: f64 = 1e11;
/// The last moment of the year 9999, in seconds.
const SECONDS_MAX: f64 = 253_402_300_800.0;

/// An epoch, in seconds or milliseconds.
pub fn epoch(value: f64) -> Option<Timestamp> {
    let millis = if value.abs() < MILLIS_FROM { value * 1000.0 } else { value };
    (millis.abs() < SECONDS_MAX * 1000.0).then(|| Timestamp(millis.round() as i64))
}

/// A moment as text.
pub fn read(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let found = match text.parse::<f64>() {
        Ok(value) => epoch(value),
        // Dates only: what is relative to now means something else tomorrow.
        Err(_) if text.starts_with(|c: char| c.is_ascii_digit()) => range::moment(text, Timestamp(0), Edge::Start),
        Err(_) => None,
    };
    found.ok_or_else(|| {
        format!("\"{}\" is not a time; allowed: epoch seconds or milliseconds, 2026-11-19T08:32:00Z", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_epochs_and_dates() {
        for text in [
            "1795098728.25",
            "1795098728250",
            "2026-11-19T14:32:08.25Z",
            "2026-11-19T15:32:08.25+01:00",
            "1.79509872825e9",
        ] {
            assert_eq!(read(text), Ok(Timestamp(1_795_098_728_250)), "{text}");
        }
        assert_eq!(read("2026-11-19 14:32"), Ok(Timestamp(1_795_098_720_000)));
        for text in ["", "now", "today", "yesterday 09:00", "NaN", "inf", "1e300", "noon"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
