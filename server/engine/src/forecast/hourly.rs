//! Points of any spacing as hours.

use super::{Hourly, MAX_HOURS};
use headroom_model::Timestamp;

const HOUR_MS: i64 = 3_600_000;

impl Hourly {
    /// The mean of each hour, from the first point to the last; hours without a point are gaps. Of more than [`MAX_HOURS`]
    /// the newest are kept. Points that are not finite count as not measured; their order does not matter.
    #[must_use]
    pub fn from_points(points: &[(Timestamp, f64)]) -> Hourly {
        let finite = || points.iter().filter(|(_, value)| value.is_finite());
        let hour = |at: &Timestamp| at.0.div_euclid(HOUR_MS);
        let Some(last) = finite().map(|(at, _)| hour(at)).max() else { return Hourly::default() };
        let oldest = last.saturating_sub(MAX_HOURS as i64 - 1);
        let first = finite().map(|(at, _)| hour(at)).filter(|it| *it >= oldest).min().unwrap_or(last);
        let mut sums = vec![(0.0, 0_u32); usize::try_from(last - first + 1).unwrap_or(1)];
        for (at, value) in finite() {
            let place = usize::try_from(hour(at).saturating_sub(first)).ok();
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                // A running mean: a sum of many large values would overflow.
                sum.1 += 1;
                sum.0 += (value - sum.0) / f64::from(sum.1);
            }
        }
        let values = sums.into_iter().map(|(mean, count)| (count > 0).then_some(mean)).collect();
        Hourly { start: Timestamp(first * HOUR_MS), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_their_mean_and_gaps_stay() {
        let at = |minutes: i64| Timestamp(minutes * 60_000);
        let points = [(at(130), 9.0), (at(5), 1.0), (at(50), 3.0), (at(70), f64::NAN), (at(-10), 4.0)];
        let hours = Hourly::from_points(&points);
        assert_eq!(hours.start, at(-60));
        assert_eq!(hours.values, [Some(4.0), Some(2.0), None, Some(9.0)]);
        assert_eq!(Hourly::from_points(&[]), Hourly::default());
    }

    #[test]
    fn of_a_very_long_past_the_newest_is_kept() {
        let points = [(Timestamp(i64::MIN), 1.0), (Timestamp(0), 2.0), (Timestamp(HOUR_MS), 3.0)];
        assert_eq!(Hourly::from_points(&points).values, [Some(2.0), Some(3.0)]);
    }
}
