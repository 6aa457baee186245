//! The hours as days: what is forecast.

use super::stats::{mean, median_of};
use headroom_model::forecast::Measure;

const DAY: usize = 24;

/// One value a day, the last day ending where the history ends. A day of which less than half of what is usual was measured
/// has none.
pub fn days(hours: &[Option<f64>], measure: Measure, profile: &[f64]) -> Vec<Option<f64>> {
    let offset = hours.len() % DAY;
    let day = |i: usize| &hours[offset + i * DAY..offset + (i + 1) * DAY];
    let counts: Vec<usize> = (0..hours.len() / DAY).map(|i| day(i).iter().flatten().count()).collect();
    let usual = median_of(counts.iter().filter(|count| **count > 0).map(|count| *count as f64)).unwrap_or(0.0);
    (0..counts.len())
        .map(|i| {
            if counts[i] == 0 || (counts[i] as f64) < usual / 2.0 {
                return None;
            }
            let start = offset + i * DAY;
            match measure {
                Measure::Level if counts[i] < DAY => {
                    // The hours that are there stand for all: what is usual at them goes out, what is usual all day goes in.
                    let flat = (start..start + DAY).filter_map(|h| Some(hours[h]? - super::repair::usual(profile, h)));
                    let whole = mean((start..start + DAY).map(|h| super::repair::usual(profile, h)))?;
                    // With one value a day there is nothing else to know.
                    if usual < 12.0 { mean(day(i).iter().flatten().copied()) } else { mean(flat).map(|it| it + whole) }
                }
                Measure::Level => mean(day(i).iter().flatten().copied()),
                Measure::DailyPeak => day(i).iter().flatten().copied().reduce(f64::max),
            }
        })
        .collect()
}

/// The days without gaps, for models that cannot have any: a gap gets what lies between its neighbours, plus what is usual
/// on that day of the week. Nothing is measured against these.
pub fn filled(days: &[Option<f64>], week: &[f64]) -> Vec<f64> {
    let usual = |i: usize| if week.is_empty() { 0.0 } else { week[i % week.len()] };
    let flat: Vec<Option<f64>> = days.iter().enumerate().map(|(i, value)| value.map(|it| it - usual(i))).collect();
    let known: Vec<usize> = (0..flat.len()).filter(|i| flat[*i].is_some()).collect();
    let at = |i: usize| flat[i].unwrap_or(0.0);
    (0..days.len())
        .map(|i| {
            let next = known.partition_point(|it| *it < i);
            let level = match (next.checked_sub(1).map(|it| known[it]), known.get(next)) {
                (_, Some(&right)) if right == i => at(i),
                (Some(left), Some(&right)) => {
                    at(left) + (at(right) - at(left)) * (i - left) as f64 / (right - left) as f64
                }
                (Some(only), None) => at(only),
                (None, Some(&only)) => at(only),
                (None, None) => 0.0,
            };
            level + usual(i)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_where_the_history_ends() {
        let hours: Vec<_> = (0..50).map(|i| Some(f64::from(i))).collect();
        assert_eq!(days(&hours, Measure::DailyPeak, &[]), [Some(25.0), Some(49.0)]);
        assert_eq!(days(&hours, Measure::Level, &[]), [Some(13.5), Some(37.5)]);
    }

    #[test]
    fn a_day_with_too_little_is_a_gap() {
        let mut hours: Vec<_> = (0..96).map(|i| Some(f64::from(i))).collect();
        hours[30..45].fill(None);
        assert_eq!(days(&hours, Measure::DailyPeak, &[]), [Some(23.0), None, Some(71.0), Some(95.0)]);
    }

    #[test]
    fn one_value_a_day_is_enough() {
        let mut hours = vec![None; 240];
        (0..10).for_each(|day| hours[day * 24 + 5] = Some(day as f64));
        let expected: Vec<_> = (0..10).map(|day| Some(f64::from(day))).collect();
        assert_eq!(days(&hours, Measure::Level, &[]), expected);
    }

    #[test]
    fn gaps_are_bridged_for_models() {
        assert_eq!(filled(&[None, Some(1.0), None, Some(3.0), None], &[]), [1.0, 1.0, 2.0, 3.0, 3.0]);
    }
}
