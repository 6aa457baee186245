//! Step 3: sudden changes of level, such as a purge. A change of the daily median beyond 8 median absolute deviations of such
//! changes is one; it is added to everything before it, so that what is left is how the figure grows.
//!
//! Three things are kept apart from it: an excursion (up, and back within three days) is an outlier; changes in one direction
//! that come back regularly are a habit of the figure and stay; and days of the week that differ are no changes.

use super::{
    repair::{flat_median, usual},
    stats::{mean, median_of, trimmed_mean_abs},
};

const DAY: usize = 24;
/// Median absolute deviations beyond which a change is a shift.
const MADS: f64 = 8.0;
/// Days on either side from which the size is measured.
const REACH_DAYS: usize = 10;
/// Days within which a change and its opposite are one excursion.
const EXCURSION_DAYS: usize = 3;
/// The most shifts told apart; a figure with more has no level to speak of.
const SHIFTS_MAX: usize = 64;

/// A change of level at an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The first hour of the new level.
    pub hour: usize,
    /// New level less the old one.
    pub by: f64,
}

/// The hours on one level.
pub struct Levelled {
    /// The hours, what came before a shift moved to the level after it; excursions are gaps.
    pub hours: Vec<Option<f64>>,
    /// The shifts, oldest first.
    pub steps: Vec<Step>,
    /// Whether they were left in place as a habit.
    pub recur: bool,
    /// Hours left out as excursions.
    pub excursion_hours: u32,
}

/// Finds shifts and moves what came before them. `profile` is what is usual at each hour.
pub fn level(hours: &[Option<f64>], profile: &[f64]) -> Levelled {
    let mut hours = hours.to_vec();
    let mut edges = edges(&hours, profile);
    let excursion_hours = drop_excursions(&mut hours, &mut edges);
    let mut steps = measure(&hours, profile, &edges);
    if recurs(&steps, hours.len()) {
        return Levelled { hours, steps, recur: true, excursion_hours };
    }
    // What is small beside the usual changes once it is measured well was none.
    let usual_change = trimmed_mean_abs(changes(&hours, profile).into_iter().map(|(_, _, by)| by));
    steps.retain(|step| step.by.abs() > 2.0 * usual_change);
    for step in &steps {
        for value in hours[..step.hour].iter_mut().flatten() {
            *value += step.by;
        }
    }
    Levelled { hours, steps, recur: false, excursion_hours }
}

/// Changes of the daily median from one measured day to the next: (hour between them, days between them, change).
/// Growth and, with four weeks or more, the course of the week are taken out. Days end where the history ends.
fn changes(hours: &[Option<f64>], profile: &[f64]) -> Vec<(usize, usize, f64)> {
    let offset = hours.len() % DAY;
    let days: Vec<(usize, f64)> = (0..hours.len() / DAY)
        .filter_map(|day| Some((day, flat_median(hours, profile, offset + day * DAY..offset + (day + 1) * DAY)?)))
        .collect();
    let mut found: Vec<(usize, usize, f64)> =
        days.windows(2).map(|pair| (pair[1].0, pair[1].0 - pair[0].0, pair[1].1 - pair[0].1)).collect();
    let growth = median_of(found.iter().map(|(_, days, by)| by / *days as f64)).unwrap_or(0.0);
    for (_, days, by) in &mut found {
        *by -= growth * *days as f64;
    }
    if found.len() >= 28 {
        for weekday in 0..7 {
            let of = |it: &&mut (usize, usize, f64)| it.0 % 7 == weekday && it.1 == 1;
            let Some(usual) = median_of(found.iter_mut().filter(of).map(|it| it.2)) else { continue };
            found.iter_mut().filter(of).for_each(|it| it.2 -= usual);
        }
    }
    for (at, ..) in &mut found {
        *at = offset + *at * DAY;
    }
    found
}

/// The hours where the level changes, oldest first, and by about how much.
fn edges(hours: &[Option<f64>], profile: &[f64]) -> Vec<Step> {
    let changes = changes(hours, profile);
    if changes.len() < 4 {
        return Vec::new();
    }
    let mad = median_of(changes.iter().map(|it| it.2.abs())).unwrap_or(0.0);
    // Counts that hardly change have a deviation of zero.
    let limit = MADS * mad.max(0.25 * trimmed_mean_abs(changes.iter().map(|it| it.2)));
    let mut edges: Vec<Step> = Vec::new();
    for &(at, days, by) in changes.iter().filter(|it| it.2.abs() > limit && it.2 != 0.0) {
        let hour = sharpest(hours, profile, at.saturating_sub(days * DAY)..(at + DAY).min(hours.len()), by);
        match edges.last_mut() {
            // A change in the middle of a day shows in two differences.
            Some(last) if last.by.signum() == by.signum() && hour.abs_diff(last.hour) < DAY + DAY / 2 => {
                let whole = Step { hour, by: last.by + by };
                let range = last.hour.saturating_sub(DAY)..(hour + DAY).min(hours.len());
                *last = Step { hour: sharpest(hours, profile, range, whole.by), by: whole.by };
            }
            _ => edges.push(Step { hour, by }),
        }
    }
    edges.sort_by_key(|edge| edge.hour);
    edges.dedup_by_key(|edge| edge.hour);
    if edges.len() > SHIFTS_MAX { Vec::new() } else { edges }
}

/// The hour of `range` where the 12 hours after differ most from the 12 before, in the direction of `by`.
fn sharpest(hours: &[Option<f64>], profile: &[f64], range: std::ops::Range<usize>, by: f64) -> usize {
    let contrast = |hour: usize| {
        let before = flat_median(hours, profile, hour.saturating_sub(DAY / 2)..hour)?;
        let after = flat_median(hours, profile, hour..hour + DAY / 2)?;
        // The medians stay the same for hours around the step; the values right at it tell.
        let at = hours.get(hour).copied().flatten()? - usual(profile, hour);
        let ahead =
            hour.checked_sub(1).and_then(|it| hours[it]).map_or(before, |value| value - usual(profile, hour - 1));
        Some((after - before + at - ahead) * by.signum())
    };
    let middle = range.start.midpoint(range.end);
    range
        .clone()
        .filter_map(|hour| Some((hour, contrast(hour)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(middle, |(hour, _)| hour)
}

/// Leaves out stretches that go up (or down) and come back, and returns how many hours those had.
fn drop_excursions(hours: &mut [Option<f64>], edges: &mut Vec<Step>) -> u32 {
    let mut dropped = 0;
    let mut i = 0;
    while i + 1 < edges.len() {
        let (out, back) = (edges[i], edges[i + 1]);
        let returns = (out.by + back.by).abs() < 0.35 * out.by.abs().max(back.by.abs());
        if returns && back.hour - out.hour <= EXCURSION_DAYS * DAY {
            for value in &mut hours[out.hour..back.hour] {
                dropped += u32::from(value.take().is_some());
            }
            edges.drain(i..i + 2);
        } else {
            i += 1;
        }
    }
    dropped
}

/// The size of each shift by least squares: one slope on both sides and a step between them.
fn measure(hours: &[Option<f64>], profile: &[f64], edges: &[Step]) -> Vec<Step> {
    let reach = REACH_DAYS * DAY;
    let side = |range: std::ops::Range<usize>| -> Vec<(f64, f64)> {
        range.filter_map(|i| Some((i as f64, hours[i]? - usual(profile, i)))).collect()
    };
    let size = |i: usize| -> Option<f64> {
        let hour = edges[i].hour;
        let from = i.checked_sub(1).map_or(0, |last| edges[last].hour).max(hour.saturating_sub(reach));
        let to = edges.get(i + 1).map_or(hours.len(), |next| next.hour).min(hour + reach);
        let sides = [side(from..hour), side(hour..to)];
        let centres: Vec<(f64, f64)> = sides
            .iter()
            .map(|of| Some((mean(of.iter().map(|it| it.0))?, mean(of.iter().map(|it| it.1))?)))
            .collect::<Option<_>>()?;
        let (mut across, mut along) = (0.0, 0.0);
        for (of, (x, y)) in sides.iter().zip(&centres) {
            across += of.iter().map(|it| (it.0 - x) * (it.1 - y)).sum::<f64>();
            along += of.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>();
        }
        let slope = if along > 0.0 { across / along } else { 0.0 };
        Some(centres[1].1 - centres[0].1 - slope * (centres[1].0 - centres[0].0))
    };
    edges.iter().enumerate().map(|(i, edge)| Step { hour: edge.hour, by: size(i).unwrap_or(edge.by) }).collect()
}

/// Whether three or more of them go one way at about equal distances, up to now: a purge every week, say.
fn recurs(steps: &[Step], end: usize) -> bool {
    [1.0, -1.0].into_iter().any(|direction| {
        let at: Vec<usize> = steps.iter().filter(|step| step.by.signum() == direction).map(|step| step.hour).collect();
        let between: Vec<usize> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (Some(least), Some(most), Some(last)) = (between.iter().min(), between.iter().max(), at.last()) else {
            return false;
        };
        between.len() >= 2 && *least >= DAY && *most as f64 <= 1.5 * *least as f64 && end - last <= *most + *most / 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 units a day with a little noise, and `change` at an hour.
    fn growing(days: usize, changes: &[(usize, f64)]) -> Vec<Option<f64>> {
        let level = |i: usize| changes.iter().filter(|(at, _)| i >= *at).map(|(_, by)| by).sum::<f64>();
        (0..days * DAY).map(|i| Some(500.0 + i as f64 / 12.0 + (i * 7919 % 101) as f64 / 50.0 + level(i))).collect()
    }

    #[test]
    fn a_purge_is_found_to_the_hour_and_taken_out() {
        let hours = growing(60, &[(701, -90.0)]);
        let levelled = level(&hours, &[]);
        assert_eq!(levelled.steps.len(), 1, "{:?}", levelled.steps);
        assert_eq!(levelled.steps[0].hour, 701);
        assert!((levelled.steps[0].by + 90.0).abs() < 1.0, "{:?}", levelled.steps);
        let slope = (levelled.hours[1400].unwrap() - levelled.hours[8].unwrap()) / (1392.0 / 24.0);
        assert!((slope - 2.0).abs() < 0.1, "{slope}");
        assert_eq!(levelled.hours[1400], hours[1400], "the newest level stays");
    }

    #[test]
    fn growth_alone_is_no_shift() {
        let levelled = level(&growing(60, &[]), &[]);
        assert!(levelled.steps.is_empty() && !levelled.recur, "{:?}", levelled.steps);
    }

    #[test]
    fn weekends_are_no_shifts() {
        let weekend = |i: usize| if i / DAY % 7 >= 5 { 40.0 } else { 0.0 };
        let hours: Vec<_> = growing(90, &[]).iter().enumerate().map(|(i, v)| Some(v.unwrap() - weekend(i))).collect();
        assert!(level(&hours, &[]).steps.is_empty());
    }

    #[test]
    fn up_and_back_is_an_excursion() {
        let levelled = level(&growing(60, &[(700, 90.0), (748, -90.0)]), &[]);
        assert!(levelled.steps.is_empty(), "{:?}", levelled.steps);
        assert_eq!(levelled.excursion_hours, 48);
        assert_eq!(levelled.hours[720], None);
    }

    #[test]
    fn a_purge_every_ten_days_is_a_habit() {
        let changes: Vec<_> = (1..6).map(|i| (i * 240, -20.0)).collect();
        let hours = growing(60, &changes);
        let levelled = level(&hours, &[]);
        assert!(levelled.recur, "{:?}", levelled.steps);
        assert_eq!(levelled.hours, hours);
    }
}
