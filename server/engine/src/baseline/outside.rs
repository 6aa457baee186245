//! Stretches outside a band.

use headroom_model::{
    Timestamp,
    baseline::{Anomaly, Baseline, MAX_ANOMALIES},
    metric::Kind,
    series::Series,
};

/// A stretch goes on across this many slots inside the band.
const BRIDGED: usize = 1;

/// Stretches of a series outside its band, oldest first; the largest where there are many. A single fine slot outside is
/// noise: a stretch has three slots where they are finer than a minute, two below five minutes.
pub(super) fn anomalies(shown: &Series, band: &Baseline, now: Timestamp) -> Vec<Anomaly> {
    let least = match shown.step_ms {
        ..60_000 => 3,
        60_000..300_000 => 2,
        _ => 1,
    };
    // Of the slot that fills, events are still missing.
    let fills = |slot: usize| shown.metric.metric().kind == Kind::Delta && shown.at(slot + 1) > now;
    let mut found: Vec<Stretch> = Vec::new();
    let mut open: Option<Stretch> = None;
    for slot in (0..shown.avg.len()).filter(|slot| !fills(*slot)) {
        let Some(now) = Stretch::at(shown, band, slot) else { continue };
        match &mut open {
            Some(before) if before.is_above == now.is_above && slot - before.last <= BRIDGED + 1 => before.extend(now),
            _ => found.extend(open.replace(now)),
        }
    }
    found.extend(open);
    found.retain(|stretch| stretch.slots >= least);
    if found.len() > MAX_ANOMALIES {
        found.sort_by(|a, b| b.peak.excess().total_cmp(&a.peak.excess()));
        found.truncate(MAX_ANOMALIES);
        found.sort_by_key(|stretch| stretch.first);
    }
    let anomaly =
        |stretch: Stretch| Anomaly { from: shown.at(stretch.first), to: shown.at(stretch.last + 1), ..stretch.peak };
    found.into_iter().map(anomaly).collect()
}

struct Stretch {
    first: usize,
    last: usize,
    /// Slots outside the band.
    slots: usize,
    is_above: bool,
    peak: Anomaly,
}

impl Stretch {
    /// A stretch of one slot, where that lies outside.
    fn at(shown: &Series, band: &Baseline, slot: usize) -> Option<Self> {
        let value = shown.avg[slot]?;
        let (low, expected, high) = (band.low[slot]?, band.mid[slot]?, band.high[slot]?);
        let (is_above, bound) = match (value > high, value < low) {
            (true, _) => (true, high),
            (_, true) => (false, low),
            _ => return None,
        };
        let factor = (expected > 0.0 && value >= 0.0).then(|| value / expected).filter(|factor| factor.is_finite());
        let at = shown.at(slot);
        let peak = Anomaly { from: at, to: at, at, value, expected, bound, factor };
        Some(Stretch { first: slot, last: slot, slots: 1, is_above, peak })
    }

    fn extend(&mut self, next: Stretch) {
        self.last = next.last;
        self.slots += next.slots;
        if next.peak.excess() > self.peak.excess() {
            self.peak = next.peak;
        }
    }
}
