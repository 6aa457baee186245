//! How fast an operation works and how long it has left.

use headroom_model::Timestamp;

/// Steps closer together than this are taken together: a clock of milliseconds is too coarse for them.
const STEP_MS: f64 = 250.0;
/// Time constant of the moving average: what happened this long ago weighs 1/e.
const MEMORY_MS: f64 = 5000.0;

/// An exponentially weighted moving average of units a second, for steps at irregular times.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateMeter {
    at: Timestamp,
    done: u64,
    rate: Option<f64>,
}

impl RateMeter {
    pub fn start(now: Timestamp) -> Self {
        RateMeter { at: now, done: 0, rate: None }
    }

    /// Takes a step in; answers units a second, once known.
    pub fn observe(&mut self, done: u64, now: Timestamp) -> Option<f64> {
        let elapsed_ms = now.since(self.at).as_secs_f64() * 1000.0;
        if elapsed_ms < STEP_MS {
            return self.rate;
        }
        let current = done.saturating_sub(self.done) as f64 * 1000.0 / elapsed_ms;
        let weight = 1.0 - (-elapsed_ms / MEMORY_MS).exp();
        let rate = self.rate.map_or(current, |rate| rate + weight * (current - rate));
        *self = RateMeter { at: now, done, rate: Some(rate) };
        self.rate
    }
}

/// Milliseconds left at a rate; none where it cannot be said.
pub(super) fn eta_ms(done: u64, total: Option<u64>, rate: Option<f64>) -> Option<u64> {
    let (left, rate) = (total?.saturating_sub(done), rate?);
    // Slower than one unit in 28 hours is a standstill, and a date is not promised.
    (rate > 1e-5).then(|| (left as f64 * 1000.0 / rate) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_a_change_followed() {
        let at = |ms: i64| Timestamp(1_000_000 + ms);
        let mut meter = RateMeter::start(at(0));
        assert_eq!(meter.observe(10, at(100)), None);
        for step in 1..=20 {
            meter.observe(step as u64 * 50, at(step * 500));
        }
        assert_eq!(meter.rate.map(f64::round), Some(100.0));
        assert_eq!(eta_ms(1000, Some(3000), meter.rate), Some(20_000));
        for step in 1..=100 {
            meter.observe(1000 + step as u64 * 100, at(10_000 + step * 500));
        }
        assert!((meter.rate.unwrap() - 200.0).abs() < 1.0);
    }

    #[test]
    fn nothing_is_promised_without_a_rate() {
        assert_eq!(eta_ms(1, None, Some(1.0)), None);
        assert_eq!(eta_ms(1, Some(2), None), None);
        assert_eq!(eta_ms(1, Some(2), Some(0.0)), None);
        assert_eq!(eta_ms(5, Some(2), Some(1.0)), Some(0));
    }
}
