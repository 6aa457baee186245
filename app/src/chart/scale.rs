//! Axes: round numbers for values, round clock times for the range.

use headroom_model::{Timestamp, format, metric::Unit};

/// A value axis with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Lowest value shown.
    pub min: f64,
    /// Highest value shown.
    pub max: f64,
    /// Distance of ticks.
    pub step: f64,
}

/// Where a value axis starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// At zero: counts, rates, durations.
    Zero,
    /// Shares that live near 100 %: at 80, 40 or 0, whatever holds the data; the axis ends at 100.
    Share,
    /// Shares that may be anywhere: 0 to 100.
    Full,
}

impl Scale {
    /// The tightest round axis over values between `low` and `high`, with 2 to 4 intervals.
    #[must_use]
    pub fn fit(low: f64, high: f64, unit: Unit, floor: Floor) -> Self {
        match floor {
            Floor::Full => Scale { min: 0.0, max: 100.0, step: 50.0 },
            Floor::Share if low >= 80.0 => Scale { min: 80.0, max: 100.0, step: 10.0 },
            Floor::Share if low >= 40.0 => Scale { min: 40.0, max: 100.0, step: 20.0 },
            Floor::Share => Scale { min: 0.0, max: 100.0, step: 50.0 },
            Floor::Zero => {
                let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
                let step = nice_step(high / 3.0, unit);
                Scale { min: 0.0, max: (high / step).ceil() * step, step }
            }
        }
    }

    /// Where the ticks lie, lowest first.
    pub fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.max - self.min) / self.step).round().clamp(1.0, 10.0) as u32;
        let (min, step) = (self.min, self.step);
        (0..=count).map(move |i| min + f64::from(i) * step)
    }

    /// Where a value lies from the top, in per cent of the height, kept inside the frame.
    #[must_use]
    pub fn percent_down(&self, value: f64) -> f64 {
        (100.0 - (value - self.min) / (self.max - self.min) * 100.0).clamp(0.0, 100.0)
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten (for bytes: powers of two) that is at least `rough`.
fn nice_step(rough: f64, unit: Unit) -> f64 {
    if matches!(unit, Unit::Bytes | Unit::BytesPerSecond) {
        return 2f64.powf(rough.max(1.0).log2().ceil());
    }
    let power = 10f64.powf(rough.log10().floor());
    // Half things do not exist.
    let whole = matches!(unit, Unit::Count) && rough < 1.0;
    if whole {
        return 1.0;
    }
    let mantissa = rough / power;
    let nice = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .filter(|nice| !(matches!(unit, Unit::Count) && *nice == 2.5 && power < 10.0))
        .find(|nice| mantissa <= nice + 1e-9)
        .unwrap_or(10.0);
    nice * power
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const STEPS: [i64; 19] = [
    10_000,
    30_000,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    84 * DAY,
];

/// Round times inside a range, at most `most`, with their labels: clock times, or days where ticks are days apart.
#[must_use]
pub fn time_ticks(from: Timestamp, to: Timestamp, most: i64) -> Vec<(Timestamp, String)> {
    let span = (to.0 - from.0).max(1);
    let step = STEPS.into_iter().find(|step| span / step < most.max(1)).unwrap_or(364 * DAY);
    let first = from.floor_to(step).plus_millis(step);
    (0..=most).map(|i| first.plus_millis(i * step)).take_while(|at| *at < to).map(|at| (at, label(at, step))).collect()
}

/// How the end of a range is labelled beside ticks `time_ticks` would give.
#[must_use]
pub fn end_label(from: Timestamp, to: Timestamp) -> String {
    label(to, if to.0 - from.0 >= 3 * DAY { DAY } else { MINUTE })
}

fn label(at: Timestamp, step: i64) -> String {
    if step >= DAY {
        let date = format::date(at);
        // The year is on the range button; axes are short.
        date.rsplit_once(' ').map_or(date.clone(), |(day, _)| day.to_owned())
    } else if step < MINUTE {
        format::clock_seconds(at)
    } else {
        format::clock(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_end_on_round_numbers() {
        for (high, unit, max, step) in [
            (640.0, Unit::Milliseconds, 750.0, 250.0),
            (3300.0, Unit::PerSecond, 4000.0, 2000.0),
            (14.0, Unit::Count, 15.0, 5.0),
            (0.0, Unit::Count, 1.0, 1.0),
            (7.0, Unit::Count, 10.0, 5.0),
            (5.9 * 1073741824.0, Unit::Bytes, 6.0 * 1073741824.0, 2147483648.0),
        ] {
            assert_eq!(Scale::fit(0.0, high, unit, Floor::Zero), Scale { min: 0.0, max, step }, "{high}");
        }
        assert_eq!(Scale::fit(91.0, 95.0, Unit::Percent, Floor::Share).min, 80.0);
        assert_eq!(Scale::fit(30.0, 95.0, Unit::Percent, Floor::Share).min, 0.0);
    }

    #[test]
    fn six_hours_are_labelled_by_the_clock() {
        let to = Timestamp(1_795_098_728_250);
        let ticks: Vec<String> =
            time_ticks(to.plus_millis(-6 * HOUR), to, 4).into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["10:00", "12:00", "14:00"]);
        let ticks: Vec<String> =
            time_ticks(to.plus_millis(-30 * DAY), to, 4).into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["22 Oct", "5 Nov", "19 Nov"]);
    }

    proptest! {
        #[test]
        fn an_axis_holds_its_data(high in 1e-6_f64..1e13, count in any::<bool>()) {
            let unit = if count { Unit::Count } else { Unit::Milliseconds };
            let scale = Scale::fit(0.0, high, unit, Floor::Zero);
            prop_assert!(scale.max >= high * 0.999_999);
            prop_assert!((2..=6).contains(&scale.ticks().count()));
        }

        #[test]
        fn ticks_lie_inside_and_are_few(from in 0_i64..2_000_000_000_000, span in 1_i64..80_000_000_000) {
            let (from, to) = (Timestamp(from), Timestamp(from + span));
            let ticks = time_ticks(from, to, 4);
            prop_assert!(ticks.len() <= 5);
            prop_assert!(ticks.iter().all(|(at, _)| *at > from && *at < to));
        }
    }
}
