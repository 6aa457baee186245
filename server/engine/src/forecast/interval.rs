//! Step 7: how wide the forecast is.
//!
//! The shape says how errors grow with the days ahead: noise that is always there, the uncertainty of a line learned from so
//! many days (its textbook variance, with the noise's own memory counted in), and wandering that adds up day by day. The
//! size comes from the errors that the rolling origins made: the share of them that an interval must hold decides how many
//! times the shape's σ it is wide (conformal, after Vovk et al. 2005; per horizon, since the shape is).

use super::{
    backtest::{FAIR_MIN, Residual, is_fair},
    stats::{mean, quantile, variance},
};

/// Wandering that is tried, as a share of the noise's variance a day.
const WANDERING: [f64; 10] = [0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];
/// Errors of one fold that lie close together know much the same; this many count as one.
const ALIKE: f64 = 4.0;
/// What an error of a normal law weighs beside those seen, where few were.
const PRIOR: f64 = 8.0;

/// How errors grow.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Variance of a day's noise.
    pub noise: f64,
    /// Variance of the line's own noise: the day's, times its memory.
    pub line: f64,
    /// Variance that each further day adds.
    pub wandering: f64,
    /// Sizes of the errors in σ of the shape, smallest first.
    sizes: Vec<f64>,
    /// Their root mean square.
    scale: f64,
}

/// The variance of a line learned from `days` days, `h` days ahead (from 0), for noise of variance 1.
pub fn line_variance(days: usize, h: usize) -> f64 {
    let (days, h) = (days.max(2) as f64, h as f64 + 0.5);
    1.0 / days + 12.0 * (days / 2.0 + h).powi(2) / days.powi(3)
}

impl Spread {
    /// Learns the spread from the errors of the backtest. `rest` are the newest history's distances from its own line, `bend`
    /// the day of the last bend.
    pub fn learn(residuals: &[Residual], rest: &[f64], bend: usize) -> Spread {
        // Two of the degrees of freedom went into the line.
        let noise = (variance(rest) * rest.len() as f64 / rest.len().saturating_sub(2).max(1) as f64).max(1e-24);
        let memory = memory(rest);
        let mut used: Vec<Residual> = residuals.iter().filter(|it| is_fair(bend, it.origin, it.h)).copied().collect();
        if used.len() < FAIR_MIN {
            used = residuals.to_vec();
        }
        let shape = |wandering: f64| Spread {
            noise,
            line: noise * memory,
            wandering: wandering * noise,
            sizes: Vec::new(),
            scale: 1.0,
        };
        let best =
            WANDERING.into_iter().map(|it| (likelihood(&shape(it), &used), it)).max_by(|a, b| a.0.total_cmp(&b.0));
        let mut spread = shape(best.map_or(0.0, |(_, wandering)| wandering));
        spread.sizes = used.iter().map(|it| it.error.abs() / spread.sigma(it.since_bend, it.h)).collect();
        spread.sizes.sort_unstable_by(f64::total_cmp);
        spread.scale = mean(spread.sizes.iter().map(|size| size * size)).map_or(1.0, f64::sqrt).max(1e-12);
        spread
    }

    /// σ of the shape `h` days ahead (from 0), learned from `days` days.
    pub fn sigma(&self, days: usize, h: usize) -> f64 {
        (self.noise + self.line * line_variance(days, h) + self.wandering * (h as f64 + 1.0)).sqrt()
    }

    /// How many σ an interval is wide to either side that holds `share` of the outcomes.
    pub fn reach(&self, share: f64) -> f64 {
        let seen = self.sizes.len() as f64 / ALIKE;
        // The finite sample's own correction: of few errors the largest is not large enough.
        let share_seen = (share * (1.0 + 1.0 / seen.max(1.0))).min(1.0);
        let normal = normal_reach(share) * (seen * self.scale + PRIOR) / (seen + PRIOR);
        let conformal = quantile(&self.sizes, share_seen).unwrap_or(normal);
        (seen * conformal + PRIOR * normal) / (seen + PRIOR)
    }
}

/// How many times the variance of independent noise the mean of `rest` has: 7 × the variance of weekly means over that of
/// days, between 1 and 7.
fn memory(rest: &[f64]) -> f64 {
    let weeks: Vec<f64> = rest.chunks_exact(7).filter_map(|week| mean(week.iter().copied())).collect();
    let daily = variance(rest);
    if weeks.len() < 4 || daily <= 0.0 {
        return 1.5;
    }
    (7.0 * variance(&weeks) / daily).clamp(1.0, 7.0)
}

/// Log likelihood of normal errors of this shape, whatever their size.
fn likelihood(shape: &Spread, residuals: &[Residual]) -> f64 {
    let count = residuals.len() as f64;
    let (mut logs, mut squares) = (0.0, 0.0);
    for it in residuals {
        let sigma = shape.sigma(it.since_bend, it.h);
        logs += sigma.ln();
        squares += (it.error / sigma).powi(2);
    }
    if count > 0.0 && squares > 0.0 { -logs - count / 2.0 * (squares / count).ln() } else { 0.0 }
}

/// How many σ of a normal law hold `share` of it, to either side: Abramowitz and Stegun 26.2.23, off by less than 0.0005.
pub fn normal_reach(share: f64) -> f64 {
    let tail = ((1.0 - share) / 2.0).clamp(1e-12, 0.5);
    let t = (-2.0 * tail.ln()).sqrt();
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let bottom = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - top / bottom).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn noise(count: usize) -> Vec<f64> {
        let mut random = StdRng::seed_from_u64(5);
        (0..count).map(|_| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn normal_reaches_are_the_tables() {
        for (share, reach) in [(0.8, 1.2816), (0.9, 1.6449), (0.95, 1.9600)] {
            assert!((normal_reach(share) - reach).abs() < 5e-4, "{share}");
        }
    }

    #[test]
    fn an_interval_holds_its_share_of_errors_like_those_seen() {
        let errors = noise(400);
        let residual = |(i, error): (usize, &f64)| Residual {
            origin: 200 + i / 30,
            since_bend: 200,
            h: i % 30,
            error: 3.0 * error,
        };
        let residuals: Vec<_> = errors.iter().enumerate().map(residual).collect();
        // The rest is three times too quiet: the errors decide.
        let spread = Spread::learn(&residuals, &noise(200), 0);
        for share in [0.8, 0.9, 0.95] {
            let reach = spread.reach(share);
            let held = residuals.iter().filter(|it| it.error.abs() <= reach * spread.sigma(200, it.h)).count();
            assert!((held as f64 / 400.0 - share).abs() < 0.03, "{held} of 400 for {share}");
        }
    }

    #[test]
    fn wandering_is_seen() {
        let residuals: Vec<_> = noise(30)
            .into_iter()
            .flat_map(|pace| {
                (0..60).map(move |h| Residual {
                    origin: 200,
                    since_bend: 200,
                    h,
                    error: pace * (h as f64 + 1.0).sqrt() * 3.0,
                })
            })
            .collect();
        let spread = Spread::learn(&residuals, &noise(200), 0);
        assert!(spread.wandering > 0.0);
        assert!(spread.sigma(200, 200) > 2.0 * spread.sigma(200, 20));
    }
}
