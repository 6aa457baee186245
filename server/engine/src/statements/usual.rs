//! What a statement's time usually is at an hour, and whether it is slower now.
//!
//! Usual is the median of the same hour of earlier weeks; where fewer than three are known, of the hours of the week before.
//! Spread is the median absolute deviation, never below a tenth of the median. A statement is slower when its mean lies four
//! such deviations above, its own standard error included, and half again as high.

use crate::store::HOUR_MS;
use headroom_model::{
    Timestamp,
    statements::{Basis, Regression, Sureness},
};
use std::collections::BTreeMap;

/// Weeks that are looked back.
pub(super) const WEEKS: i64 = 8;
/// Fewer known weeks are no baseline.
const LEAST_WEEKS: usize = 3;
/// Fewer known hours are no baseline.
const LEAST_HOURS: usize = 6;
/// An hour or window with fewer calls tells nothing.
const LEAST_CALLS: f64 = 20.0;
/// Makes the median absolute deviation a standard deviation where values are normal.
const TO_DEVIATION: f64 = 1.4826;
/// The least spread, as a share of the median: what nobody would call slower.
const LEAST_SPREAD: f64 = 0.1;
/// How many times slower at least.
const LEAST_FACTOR: f64 = 1.5;
/// Deviations beyond usual.
const LIKELY: f64 = 4.0;
const SURE: f64 = 8.0;

/// Calls and mean of one statement in one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub calls: f64,
    pub mean_ms: f64,
    /// Population standard deviation; 0 where it is not known.
    pub deviation_ms: f64,
}

/// What is usual at an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub mid_ms: f64,
    pub spread_ms: f64,
    pub basis: Basis,
}

/// What is usual at the hour that starts at `hour`, from earlier hours.
pub(super) fn usual(hours: &BTreeMap<Timestamp, Level>, hour: Timestamp) -> Option<Usual> {
    let known = |level: &&Level| level.calls >= LEAST_CALLS;
    let weeks: Vec<f64> = (1..=WEEKS)
        .filter_map(|week| hours.get(&hour.plus_millis(-week * 7 * 24 * HOUR_MS)).filter(known))
        .map(|level| level.mean_ms)
        .collect();
    if weeks.len() >= LEAST_WEEKS {
        let basis = Basis::Weeks(u8::try_from(weeks.len()).unwrap_or(u8::MAX));
        return Some(around(weeks, basis));
    }
    let before: Vec<f64> = hours
        .range(hour.plus_millis(-7 * 24 * HOUR_MS)..hour)
        .map(|(_, level)| level)
        .filter(known)
        .map(|level| level.mean_ms)
        .collect();
    let basis = Basis::Hours(u8::try_from(before.len()).unwrap_or(u8::MAX));
    (before.len() >= LEAST_HOURS).then(|| around(before, basis))
}

fn around(values: Vec<f64>, basis: Basis) -> Usual {
    let mid = median(values.clone());
    let spread = TO_DEVIATION * median(values.into_iter().map(|value| (value - mid).abs()).collect());
    Usual { mid_ms: mid, spread_ms: spread.max(LEAST_SPREAD * mid), basis }
}

/// The median of at least one value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.get(half) {
        None => 0.0,
        Some(upper) if values.len().is_multiple_of(2) => f64::midpoint(values[half - 1], *upper),
        Some(middle) => *middle,
    }
}

/// Whether a statement is slower than usual, and since when as far as `slots` tell, oldest first.
pub(super) fn slower(now: Level, usual: &Usual, slots: &[(Timestamp, Level)]) -> Option<Regression> {
    if now.calls < LEAST_CALLS || now.mean_ms < LEAST_FACTOR * usual.mid_ms {
        return None;
    }
    let error = now.deviation_ms / now.calls.sqrt();
    let beyond = (now.mean_ms - usual.mid_ms) / usual.spread_ms.hypot(error).max(f64::MIN_POSITIVE);
    let sureness = match beyond {
        beyond if beyond >= SURE => Sureness::Sure,
        beyond if beyond >= LIKELY => Sureness::Likely,
        _ => return None,
    };
    Some(Regression {
        mean_ms: now.mean_ms,
        usual_ms: usual.mid_ms,
        basis: usual.basis,
        sureness,
        since: since(slots, f64::midpoint(usual.mid_ms, now.mean_ms)),
    })
}

/// The first slot of the newest stretch above a level. A single slot below it is chance.
fn since(slots: &[(Timestamp, Level)], level_ms: f64) -> Option<Timestamp> {
    let mut first = None;
    let mut below = 0;
    for (at, level) in slots.iter().rev().filter(|(_, level)| level.calls > 0.0) {
        if level.mean_ms >= level_ms {
            (first, below) = (Some(*at), 0);
        } else {
            below += 1;
            if below > 1 {
                return first;
            }
        }
    }
    // It has been so since before the oldest slot.
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Timestamp = Timestamp(1_795_096_800_000);

    fn level(calls: f64, mean_ms: f64) -> Level {
        Level { calls, mean_ms, deviation_ms: mean_ms / 2.0 }
    }

    fn at(hours: i64) -> Timestamp {
        HOUR.plus_millis(hours * HOUR_MS)
    }

    #[test]
    fn the_same_hour_of_the_week_comes_before_other_hours() {
        let mut hours: BTreeMap<Timestamp, Level> = (1..=100).map(|ago| (at(-ago), level(50.0, 10.0))).collect();
        let recent = usual(&hours, HOUR).unwrap();
        assert_eq!((recent.mid_ms, recent.spread_ms, recent.basis), (10.0, 1.0, Basis::Hours(100)));
        // A heavy report runs every week at this hour: it is not slower, it is Thursday.
        hours.extend((1..=4).map(|week| (at(-week * 168), level(50.0, 90.0 + week as f64))));
        let weekly = usual(&hours, HOUR).unwrap();
        assert_eq!((weekly.mid_ms, weekly.basis), (92.5, Basis::Weeks(4)));
        assert!(slower(level(50.0, 95.0), &weekly, &[]).is_none());
        assert!(slower(level(50.0, 95.0), &recent, &[]).is_some());
    }

    #[test]
    fn too_little_is_no_baseline() {
        assert_eq!(usual(&(1..=5).map(|ago| (at(-ago), level(50.0, 10.0))).collect(), HOUR), None);
        assert_eq!(usual(&(1..=50).map(|ago| (at(-ago), level(5.0, 10.0))).collect(), HOUR), None);
        let usual = usual(&(1..=6).map(|ago| (at(-ago), level(50.0, 10.0))).collect(), HOUR).unwrap();
        assert!(slower(level(19.0, 100.0), &usual, &[]).is_none(), "too few calls");
        assert!(slower(level(50.0, 14.0), &usual, &[]).is_none(), "not half again as slow");
        // Few calls that vary much prove nothing.
        assert!(slower(Level { calls: 25.0, mean_ms: 16.0, deviation_ms: 40.0 }, &usual, &[]).is_none());
    }

    #[test]
    fn a_slowdown_is_dated_to_its_first_slot() {
        let usual = usual(&(1..=20).map(|ago| (at(-ago), level(50.0, 10.0))).collect(), HOUR).unwrap();
        let slot = |minutes: i64, mean: f64| (HOUR.plus_millis(minutes * 60_000), level(10.0, mean));
        let slots = [
            slot(0, 10.0),
            slot(10, 80.0),
            slot(20, 11.0),
            slot(30, 9.0),
            slot(40, 50.0),
            slot(50, 12.0),
            slot(60, 55.0),
        ];
        let found = slower(level(500.0, 40.0), &usual, &slots).unwrap();
        assert_eq!((found.sureness, found.since), (Sureness::Sure, Some(HOUR.plus_millis(40 * 60_000))));
        assert_eq!(found.factor(), 4.0);
        assert_eq!(slower(level(500.0, 40.0), &usual, &slots[4..]).unwrap().since, None, "it began before");
    }
}
