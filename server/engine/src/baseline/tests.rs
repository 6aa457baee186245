//! Bands over made weeks whose truth is known.

use super::*;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Monday 23 Nov 2026, 00:00 UTC.
const MONDAY: Timestamp = Timestamp(1_795_392_000_000);
const DAY: usize = 24;
/// The shown week is over.
const END: Timestamp = Timestamp(MONDAY.0 + WEEK as i64 * HOUR_MS);

/// Hours of so many weeks before `MONDAY` and one week from it on, as `value` gives them by hour of all.
fn hours(weeks: usize, mut value: impl FnMut(usize) -> Option<f64>) -> (Timestamp, Vec<Option<Tally>>) {
    let tally = |mean: f64| Tally { sum: mean * 60.0, min: mean, max: mean, count: 60 };
    let all = (0..(weeks + 1) * WEEK).map(|hour| value(hour).map(tally)).collect();
    (MONDAY.plus_millis(-((weeks * WEEK) as i64) * HOUR_MS), all)
}

/// A day of the shown week, hour by hour, with a value of its own for each.
fn shown(metric: MetricId, step_ms: i64, slots: usize, value: impl Fn(usize) -> Option<f64>) -> Series {
    let avg: Vec<_> = (0..slots).map(value).collect();
    Series { metric, from: MONDAY, step_ms, min: avg.clone(), max: avg.clone(), avg }
}

fn band(series: &Series, (from, tallies): &(Timestamp, Vec<Option<Tally>>)) -> Baseline {
    baseline(series, Hours { from: *from, tallies }, END)
}

fn noise(rng: &mut StdRng) -> f64 {
    // Irwin-Hall: close to normal, deviation 1.
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// By day and hour: busy on weekdays at noon.
fn season(hour: usize) -> f64 {
    let (day, hour) = (hour / DAY % 7, hour % DAY);
    let busy = if day < 5 { 60.0 } else { 20.0 };
    100.0 + busy * (-((hour as f64 - 12.0) / 4.0).powi(2)).exp()
}

#[test]
fn a_constant_never_alarms_and_a_jump_does() {
    let past = hours(9, |_| Some(40.0));
    let flat = band(&shown(MetricId::Connections, HOUR_MS, DAY, |_| Some(41.0)), &past);
    assert_eq!((flat.weeks, flat.silent.clone()), (8, None));
    assert_eq!((flat.low[3], flat.mid[3], flat.high[3]), (Some(36.0), Some(40.0), Some(44.0)));
    assert!(flat.anomalies.is_empty());
    let jump = |hour: usize| Some(if (10..13).contains(&hour) { 120.0 + hour as f64 } else { 40.0 });
    let found = band(&shown(MetricId::Connections, HOUR_MS, DAY, jump), &past).anomalies;
    assert_eq!(found.len(), 1, "{found:?}");
    let one = found[0];
    assert_eq!((one.from, one.to), (MONDAY.plus_millis(10 * HOUR_MS), MONDAY.plus_millis(13 * HOUR_MS)));
    assert_eq!((one.value, one.expected, one.bound, one.factor), (132.0, 40.0, 44.0, Some(3.3)));
}

#[test]
fn what_is_usual_at_noon_is_not_at_night() {
    let mut rng = StdRng::seed_from_u64(3);
    let past = hours(8, |hour| Some(season(hour) + noise(&mut rng)));
    // Monday at noon, and the same value at four in the morning.
    let at = |wanted: usize| {
        let value = move |hour: usize| Some(if hour == wanted { 158.0 } else { season(hour) });
        band(&shown(MetricId::Queries, HOUR_MS, DAY, value), &past).anomalies
    };
    assert_eq!(at(12), []);
    assert_eq!(at(4).len(), 1);
}

#[test]
fn growth_is_not_unusual_and_a_step_beyond_it_is() {
    // 1 % of the start a day for ten weeks, with the season on top.
    let grown = |hour: usize| 10_000.0 * (1.0 + hour as f64 / 2400.0) + 10.0 * season(hour);
    let past = hours(9, |hour| Some(grown(hour)));
    let week = 9 * WEEK;
    let as_ever = band(&shown(MetricId::RedisKeys, HOUR_MS, 2 * DAY, |hour| Some(grown(week + hour))), &past);
    assert_eq!(as_ever.anomalies, []);
    let middle = as_ever.mid[20].unwrap();
    assert!((middle / grown(week + 20) - 1.0).abs() < 0.01, "{middle} is not {}", grown(week + 20));
    let step = |hour: usize| Some(grown(week + hour) * if hour >= 30 { 1.4 } else { 1.0 });
    assert_eq!(band(&shown(MetricId::RedisKeys, HOUR_MS, 2 * DAY, step), &past).anomalies.len(), 1);
}

#[test]
fn fewer_than_three_weeks_stay_silent() {
    for (weeks, known) in [(0, "no earlier week is known"), (1, "1 earlier week is known"), (2, "2 earlier weeks are")]
    {
        let past = hours(weeks, |_| Some(1.0));
        let band = band(&shown(MetricId::Connections, HOUR_MS, DAY, |_| Some(500.0)), &past);
        assert!(band.silent.as_deref().unwrap().contains(known), "{band:?}");
        assert!(band.anomalies.is_empty() && band.mid.iter().all(Option::is_none));
    }
    assert_eq!(band(&shown(MetricId::Connections, HOUR_MS, DAY, |_| Some(1.0)), &hours(3, |_| Some(1.0))).silent, None);
    let long = shown(MetricId::Connections, 24 * HOUR_MS, 60, |_| Some(1.0));
    assert!(band(&long, &hours(8, |_| Some(1.0))).silent.unwrap().contains("35 days"));
    assert!(band(&shown(MetricId::DatabaseUp, HOUR_MS, 5, |_| Some(1.0)), &hours(8, |_| Some(1.0))).silent.is_some());
}

#[test]
fn one_bad_week_and_gaps_do_not_move_the_band() {
    let bad = |hour: usize| match hour / WEEK {
        2 => Some(4_000.0),
        5 if hour.is_multiple_of(3) => None,
        _ => Some(40.0),
    };
    let band = band(&shown(MetricId::Connections, HOUR_MS, DAY, |_| Some(40.0)), &hours(8, bad));
    assert_eq!(band.mid, vec![Some(40.0); DAY]);
    assert!(band.anomalies.is_empty());
    assert!(band.high.iter().flatten().all(|high| *high < 60.0), "{band:?}");
}

#[test]
fn counts_are_scaled_to_the_slot_and_the_newest_slot_still_fills() {
    let (from, mut tallies) = hours(8, |_| Some(1.0));
    for tally in tallies.iter_mut().flatten() {
        tally.sum = 360.0;
    }
    // Six a minute are usual, the last minute has only begun.
    let value = |slot: usize| Some(if slot == 59 { 0.0 } else { 6.0 });
    let series = shown(MetricId::Deadlocks, 60_000, 60, value);
    let hours = Hours { from, tallies: &tallies };
    let begun = MONDAY.plus_millis(59 * 60_000 + 5_000);
    let quiet = baseline(&series, hours, begun);
    assert!((quiet.mid[30].unwrap() - 6.0).abs() < 1e-9);
    assert_eq!(quiet.anomalies, []);
    // Two fine slots make a stretch; once over, the last minute counts as every other.
    let late = shown(MetricId::Deadlocks, 60_000, 60, |slot| Some(if slot >= 58 { 60.0 } else { 6.0 }));
    assert_eq!(baseline(&late, hours, begun).anomalies.len(), 0);
    assert_eq!(baseline(&late, hours, END).anomalies.len(), 1);
    let burst = shown(MetricId::Deadlocks, 60_000, 60, |slot| Some(if (20..25).contains(&slot) { 60.0 } else { 6.0 }));
    let found = baseline(&burst, hours, END).anomalies;
    assert_eq!((found.len(), found[0].factor), (1, Some(10.0)));
}

#[test]
fn fine_slots_may_do_what_samples_did() {
    // Means of 100, single samples between 50 and 200.
    let (from, mut tallies) = hours(8, |_| Some(100.0));
    for tally in tallies.iter_mut().flatten() {
        (tally.min, tally.max) = (50.0, 200.0);
    }
    let value = |slot: usize| Some(if slot.is_multiple_of(7) { 195.0 } else { 100.0 });
    let hours = Hours { from, tallies: &tallies };
    let fine = baseline(&shown(MetricId::Queries, 5_000, 720, value), hours, END);
    assert_eq!(fine.anomalies, []);
    let coarse = baseline(&shown(MetricId::Queries, HOUR_MS, DAY, |_| Some(195.0)), hours, END);
    assert_eq!(coarse.anomalies.len(), 1);
}

/// How often noise without any anomaly is called one, slot by slot: printed by `cargo test baseline -- --nocapture`.
#[test]
fn noise_is_seldom_unusual() {
    let mut rng = StdRng::seed_from_u64(11);
    for weeks in 3..=9 {
        let (mut outside, mut slots) = (0_usize, 0_usize);
        for _ in 0..20 {
            let mut past = hours(weeks, |hour| Some(season(hour) * 10.0 + 60.0 * noise(&mut rng)));
            let now = past.1.split_off(weeks * WEEK);
            let series = shown(MetricId::Queries, HOUR_MS, WEEK, |hour| now[hour].map(|tally| tally.mean()));
            let band = band(&series, &past);
            for slot in 0..WEEK {
                let value = series.avg[slot].unwrap();
                outside += usize::from(value < band.low[slot].unwrap() || value > band.high[slot].unwrap());
                slots += 1;
            }
        }
        let share = outside as f64 * 100.0 / slots as f64;
        println!("baseline: {weeks} weeks: {outside} of {slots} slots of pure noise lie outside ({share:.2} %)");
        assert!(share < 2.5, "{weeks} weeks: {share} %");
    }
}

proptest! {
    #[test]
    fn a_band_is_in_order_and_a_gap_has_no_anomaly(
        past in prop::collection::vec(prop::option::weighted(0.8, -1e3..1e6_f64), 0..(9 * WEEK)),
        now in prop::collection::vec(prop::option::weighted(0.8, -1e3..1e6_f64), 1..200),
        step_ms in prop::sample::select(vec![5_000, 60_000, 900_000, HOUR_MS, 6 * HOUR_MS]),
        metric in prop::sample::select(vec![MetricId::Connections, MetricId::Deadlocks, MetricId::BufferHitRatio]),
        offset in 0_i64..10_000_000,
    ) {
        let tally = |value: f64| Tally { sum: value * 60.0, min: value - 1.0, max: value + 1.0, count: 60 };
        let tallies: Vec<_> = past.iter().map(|value| value.map(tally)).collect();
        let from = MONDAY.plus_millis(-(tallies.len() as i64) * HOUR_MS);
        let mut series = shown(metric, step_ms, now.len(), |slot| now[slot]);
        series.from = MONDAY.plus_millis(offset);
        let band = baseline(&series, Hours { from, tallies: &tallies }, END);
        prop_assert_eq!([band.low.len(), band.mid.len(), band.high.len()], [now.len(); 3]);
        for slot in 0..now.len() {
            match (band.low[slot], band.mid[slot], band.high[slot]) {
                (Some(low), Some(mid), Some(high)) => prop_assert!(low <= mid && mid <= high && low.is_finite() && high.is_finite()),
                (None, None, None) => {}
                other => prop_assert!(false, "half a band: {other:?}"),
            }
        }
        for one in &band.anomalies {
            let slot = ((one.at.0 - series.from.0) / step_ms) as usize;
            prop_assert_eq!(Some(one.value), now[slot]);
            prop_assert!(one.from <= one.at && one.at < one.to);
            prop_assert!(one.value > band.high[slot].unwrap() || one.value < band.low[slot].unwrap());
        }
        prop_assert!(band.anomalies.windows(2).all(|pair| pair[0].to <= pair[1].from));
    }

    /// More of the same does not change what is usual: a shift of everything shifts the band.
    #[test]
    fn a_band_moves_with_its_past(shift in 0.0..1e5_f64, seed in any::<u64>()) {
        let made = |shift: f64| {
            let mut rng = StdRng::seed_from_u64(seed);
            let past = hours(8, |hour| Some(season(hour) + noise(&mut rng) + shift));
            band(&shown(MetricId::Queries, HOUR_MS, DAY, |_| Some(0.0)), &past)
        };
        let (here, there) = (made(0.0), made(shift));
        for (a, b) in here.mid.iter().zip(&there.mid) {
            prop_assert!((a.unwrap() + shift - b.unwrap()).abs() < 1e-6 * shift.max(1.0));
        }
    }
}
