//! Step 8: days until a limit, as quantiles of the first passage of many paths.
//!
//! A path is the forecast plus what may go wrong together: one line drawn from the uncertainty of level and slope, wandering
//! that adds up, and days of noise taken in blocks of a week from the history's own (moving block bootstrap: Künsch 1989).

use super::{interval::Spread, stats::quantile};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Paths drawn: the 10 % quantile is known to about 1.5 percentage points.
const PATHS: usize = 400;
/// Days of noise that stay together.
const BLOCK: usize = 7;

/// What paths are drawn from.
pub struct Paths<'a> {
    /// The forecast, day by day.
    pub median: &'a [f64],
    /// The value before its first day.
    pub before: f64,
    /// How errors grow.
    pub spread: &'a Spread,
    /// Days since the last bend.
    pub since_bend: usize,
    /// The newest history's distances from its own line.
    pub rest: &'a [f64],
    /// Seed: the same ask has the same answer.
    pub seed: u64,
}

/// Days until one in ten, half and nine in ten of the paths reach `limit`; infinite beyond the horizon.
pub fn days_until(limit: f64, paths: &Paths<'_>, change: impl Fn(usize, f64) -> f64) -> [f64; 3] {
    let mut random = StdRng::seed_from_u64(paths.seed);
    let spread = paths.spread;
    // What intervals add to the shape's σ, so that paths are as wide as they are.
    let scale = spread.reach(0.9) / super::interval::normal_reach(0.9);
    let days = paths.since_bend.max(2) as f64;
    let slope_sigma = (12.0 * spread.line / days.powi(3)).sqrt();
    let level_sigma = (spread.line / days).sqrt();
    let wander_sigma = spread.wandering.sqrt();
    let noise_sigma = spread.noise.sqrt();
    let mut found: Vec<f64> = (0..PATHS)
        .map(|_| {
            // The line turns about the middle of what it was learned from.
            let (slope, level) = (slope_sigma * normal(&mut random), level_sigma * normal(&mut random));
            let (mut wandered, mut block) = (0.0, (0, 0));
            let mut before = paths.before;
            for (h, median) in paths.median.iter().enumerate() {
                if wander_sigma > 0.0 {
                    wandered += wander_sigma * normal(&mut random);
                }
                let noise = if paths.rest.len() < 2 * BLOCK {
                    noise_sigma * normal(&mut random)
                } else {
                    if h % BLOCK == 0 {
                        block = (random.random_range(0..=paths.rest.len() - BLOCK), h);
                    }
                    paths.rest[block.0 + h - block.1]
                };
                let error = level + slope * (days / 2.0 + h as f64 + 0.5) + wandered + noise;
                let value = change(h, median + scale * error);
                if value >= limit {
                    let part = if value > before { ((limit - before) / (value - before)).clamp(0.0, 1.0) } else { 0.0 };
                    // A day's value stands for its middle.
                    return (h as f64 - 0.5 + part).max(0.0);
                }
                before = value;
            }
            f64::INFINITY
        })
        .collect();
    found.sort_unstable_by(f64::total_cmp);
    [0.1, 0.5, 0.9].map(|share| quantile(&found, share).unwrap_or(f64::INFINITY))
}

/// A draw of the standard normal law (Box and Muller 1958).
fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (random.random::<f64>() * std::f64::consts::TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(limit: f64, seed: u64) -> [f64; 3] {
        let median: Vec<f64> = (0..200).map(f64::from).collect();
        let rest: Vec<f64> = (0..100).map(|i| f64::from(i * 7919 % 101) / 50.0 - 1.0).collect();
        let spread = Spread::learn(&[], &rest, 0);
        days_until(
            limit,
            &Paths { median: &median, before: -1.0, spread: &spread, since_bend: 100, rest: &rest, seed },
            |_, it| it,
        )
    }

    #[test]
    fn paths_arrive_about_when_the_median_does_and_in_order() {
        let [p10, p50, p90] = until(100.0, 1);
        assert!(p10 <= p50 && p50 <= p90, "{p10} {p50} {p90}");
        assert!((p50 - 100.0).abs() < 2.0, "{p50}");
    }

    #[test]
    fn beyond_the_horizon_there_is_no_day() {
        assert_eq!(until(1e6, 1)[0], f64::INFINITY);
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(until(100.0, 1), until(100.0, 1));
        assert_ne!(until(100.0, 1), until(100.0, 2));
    }
}
