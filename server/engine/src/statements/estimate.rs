//! Percentiles of one statement, estimated from means and deviations of slots, and why there are none where there are none.
//!
//! Each slot is taken as one log-normal ([`crate::latency`]), the whole as their mixture: a statement that became slower
//! within the range has both its times in it. That is good while the calls of one slot have one typical time. Where they have
//! two (a cold and a warm path), the deviation is large against the mean, and an estimate would be off by several times: then
//! there is none. What the threshold costs and saves is measured in docs/benchmarks.md.

use crate::latency::{Mixture, Mode};

/// Standard deviation over mean above which the calls of a slot are not taken as of one kind.
const MOST_VARIATION: f64 = 1.0;
/// Share of calls that may lie in slots which vary more.
const MOST_UNCLEAR: f64 = 0.1;

/// The 95th and the 99th percentile in milliseconds.
///
/// # Errors
/// Says why an estimate would mislead.
pub(super) fn percentiles(modes: &[Mode]) -> Result<(f64, f64), String> {
    let calls: f64 = modes.iter().map(|mode| mode.calls).sum();
    let unclear = modes.iter().filter(|mode| mode.deviation_ms > MOST_VARIATION * mode.mean_ms);
    let unclear: f64 = unclear.map(|mode| mode.calls).sum();
    let Some(mixture) = Mixture::new(modes) else {
        return Err("No percentiles: fewer than 20 calls in the range.".to_owned());
    };
    if unclear > MOST_UNCLEAR * calls {
        return Err(
            "No percentiles: its times vary by more than their mean, so it may have a fast and a slow way, and an \
             estimate would mislead."
                .to_owned(),
        );
    }
    Ok((mixture.quantile_ms(0.95), mixture.quantile_ms(0.99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(calls: f64, mean_ms: f64, variation: f64) -> Mode {
        Mode { calls, mean_ms, deviation_ms: variation * mean_ms }
    }

    #[test]
    fn one_way_has_an_estimate_and_two_ways_have_none() {
        let (p95, p99) = percentiles(&[mode(1000.0, 10.0, 0.3)]).unwrap();
        assert!((15.0..16.5).contains(&p95) && p95 < p99, "{p95} {p99}");
        assert!(percentiles(&[mode(1000.0, 6.0, 3.6)]).unwrap_err().contains("mislead"));
        assert!(percentiles(&[mode(5.0, 6.0, 0.1)]).unwrap_err().contains("20 calls"));
        // One odd slot among many does not hide the rest.
        assert!(percentiles(&[mode(1000.0, 10.0, 0.3), mode(50.0, 10.0, 4.0)]).is_ok());
    }

    #[test]
    fn a_statement_that_became_slower_has_both_times() {
        let (p95, _) = percentiles(&[mode(900.0, 1.0, 0.1), mode(100.0, 100.0, 0.1)]).unwrap();
        assert!((95.0..105.0).contains(&p95), "{p95}");
    }
}
