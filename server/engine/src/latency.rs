//! Percentiles of all statements of an interval, estimated.
//!
//! `pg_stat_statements` knows a mean and a deviation of each statement, no distribution. Execution times of one
//! statement are close to log-normal, so the whole is taken as a mixture of one log-normal a statement, weighted by its
//! calls. With mean m and coefficient of variation c, the log-normal has σ² = ln(1 + c²) and μ = ln m − σ²/2; the
//! mixture's distribution function rises monotonically, so a quantile is found by bisection. The estimate is good where
//! each statement has one typical time and poor where one statement has two (a cold and a warm path).

/// Below this many calls a percentile would say nothing.
const LEAST_CALLS: f64 = 20.0;

/// Halvings of an interval that starts at most about 60 nats wide: a relative error below 1e-8.
const HALVINGS: u32 = 34;

/// Statements faster than this (milliseconds) count as this fast; keeps logarithms finite.
const FASTEST_MS: f64 = 1e-6;

/// One statement over an interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) calls: f64,
    pub(crate) mean_ms: f64,
    /// Population standard deviation; 0 where it is not known.
    pub(crate) deviation_ms: f64,
}

/// The mixture of all statements of an interval.
#[derive(Debug)]
pub(crate) struct Mixture {
    /// (weight, μ, σ), weights add up to 1.
    modes: Vec<(f64, f64, f64)>,
    low: f64,
    high: f64,
}

impl Mixture {
    /// None where there are too few calls to speak of percentiles.
    pub(crate) fn new(modes: &[Mode]) -> Option<Self> {
        let calls: f64 = modes.iter().map(|mode| mode.calls).sum();
        if calls < LEAST_CALLS {
            return None;
        }
        let modes: Vec<(f64, f64, f64)> = modes
            .iter()
            .filter(|mode| mode.calls > 0.0)
            .map(|mode| {
                let mean = mode.mean_ms.max(FASTEST_MS);
                let variation = mode.deviation_ms.max(0.0) / mean;
                let variance = variation.mul_add(variation, 1.0).ln();
                (mode.calls / calls, mean.ln() - variance / 2.0, variance.sqrt())
            })
            .collect();
        let low = modes.iter().map(|(_, mu, sigma)| mu - 6.0 * sigma).fold(f64::INFINITY, f64::min);
        let high = modes.iter().map(|(_, mu, sigma)| mu + 6.0 * sigma).fold(f64::NEG_INFINITY, f64::max);
        Some(Mixture { modes, low, high })
    }

    /// The time below which `quantile` of all calls stay, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let (mut low, mut high) = (self.low, self.high);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.below(middle) < quantile { low = middle } else { high = middle }
        }
        high.exp()
    }

    /// Share of calls faster than `exp(x)` milliseconds.
    fn below(&self, x: f64) -> f64 {
        self.modes
            .iter()
            .map(
                |&(weight, mu, sigma)| {
                    if sigma < 1e-9 { if x >= mu { weight } else { 0.0 } } else { weight * normal((x - mu) / sigma) }
                },
            )
            .sum()
    }
}

/// The normal distribution function: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.2.17; absolute
/// error below 7.5e-8.
fn normal(z: f64) -> f64 {
    const B: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / 0.231_641_9_f64.mul_add(z.abs(), 1.0);
    let polynomial = B.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mode(calls: f64, mean_ms: f64, deviation_ms: f64) -> Mode {
        Mode { calls, mean_ms, deviation_ms }
    }

    #[test]
    fn one_log_normal_has_its_textbook_quantiles() {
        // μ = 1, σ = 0.5: quantiles exp(μ + σ·z) with z(0.95) = 1.644854, z(0.99) = 2.326348.
        let (mu, sigma) = (1.0_f64, 0.5_f64);
        let mean = (mu + sigma * sigma / 2.0).exp();
        let deviation = mean * (sigma * sigma).exp_m1().sqrt();
        let mixture = Mixture::new(&[mode(1000.0, mean, deviation)]).unwrap();
        for (q, z) in [(0.5, 0.0), (0.95, 1.644_854), (0.99, 2.326_348)] {
            let exact = (mu + sigma * z).exp();
            assert!((mixture.quantile_ms(q) / exact - 1.0).abs() < 1e-5, "{q}: {}", mixture.quantile_ms(q));
        }
    }

    #[test]
    fn constant_statements_are_steps() {
        let mixture = Mixture::new(&[mode(90.0, 1.0, 0.0), mode(10.0, 100.0, 0.0)]).unwrap();
        assert!((mixture.quantile_ms(0.5) - 1.0).abs() < 1e-6);
        assert!((mixture.quantile_ms(0.95) - 100.0).abs() < 1e-3);
    }

    #[test]
    fn too_few_calls_have_no_percentiles() {
        assert!(Mixture::new(&[mode(19.0, 1.0, 0.1)]).is_none());
        assert!(Mixture::new(&[]).is_none());
    }

    proptest! {
        #[test]
        fn quantiles_rise_and_stay_finite(
            modes in proptest::collection::vec((20.0..1e6_f64, 0.0..1e5_f64, 0.0..1e6_f64), 1..20),
        ) {
            let modes: Vec<Mode> = modes.into_iter().map(|(c, m, d)| mode(c, m, d)).collect();
            let mixture = Mixture::new(&modes).unwrap();
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| mixture.quantile_ms(q));
            prop_assert!(p50.is_finite() && p99.is_finite() && 0.0 < p50 && p50 <= p95 && p95 <= p99);
        }
    }
}
