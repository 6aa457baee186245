//! The band of one hour, and of a slot of any width.

use super::{Hours, WEEK};
use crate::store::{HOUR_MS, Tally};
use headroom_model::{
    MetricId, Timestamp,
    baseline::{LEAST_WEEKS, MAX_WEEKS},
    metric::{Kind, Unit},
};

/// Hours of a week that must be known for its level.
const LEAST_FOR_LEVEL: usize = 24;
/// A band's half width in standard deviations.
const WIDTH: f64 = 3.0;
/// How much wider it is with few weeks: by this, divided by their number. Together with [`BESIDE`] it leaves less than 1.5 %
/// of pure noise outside for three to eight weeks (`baseline::tests::noise_is_seldom_unusual`).
const WIDER: f64 = 3.0;
/// Hours on either side whose deviations count as well.
const BESIDE: usize = 2;
/// Makes the median absolute deviation a standard deviation where values are normal.
const TO_DEVIATION: f64 = 1.4826;
/// A band is never narrower than this share of its middle on either side.
const LEAST_SHARE: f64 = 0.1;
/// An hour with a smaller share of the usual number of samples is a gap.
const LEAST_SAMPLES: f64 = 0.5;
/// The finest slots: their values are what the smallest and largest measurement of an hour are made of.
const FINEST_MS: f64 = 5_000.0;

/// A band at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    pub low: f64,
    pub mid: f64,
    pub high: f64,
}

impl Band {
    /// Between two bands: all of `self` at 0, all of `other` at 1.
    fn towards(self, other: Band, share: f64) -> Band {
        let mix = |a: f64, b: f64| a + (b - a) * share;
        Band { low: mix(self.low, other.low), mid: mix(self.mid, other.mid), high: mix(self.high, other.high) }
    }
}

/// What the earlier weeks say of one hour.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    /// How many weeks stand behind it.
    weeks: u8,
    mean: Spread,
    low: Spread,
    high: Spread,
}

/// A median and the deviation around it.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    mid: f64,
    deviation: f64,
}

/// The hours of a metric, ready to be asked.
#[derive(Debug)]
pub(super) struct Hourly {
    metric: MetricId,
    from: Timestamp,
    means: Vec<Option<f64>>,
    lows: Vec<Option<f64>>,
    highs: Vec<Option<f64>>,
    levels: Vec<Option<f64>>,
    is_positive: bool,
    usual: std::cell::RefCell<std::collections::HashMap<usize, Usual>>,
}

impl Hourly {
    pub fn new(metric: MetricId, hours: Hours<'_>) -> Self {
        let is_delta = metric.metric().kind == Kind::Delta;
        let counts: Vec<f64> = hours.tallies.iter().flatten().map(|tally| f64::from(tally.count)).collect();
        let least = median(counts).unwrap_or(0.0) * LEAST_SAMPLES;
        let whole = |tally: &&Tally| f64::from(tally.count) >= least;
        let column = |read: &dyn Fn(&Tally) -> f64| -> Vec<Option<f64>> {
            hours.tallies.iter().map(|tally| tally.as_ref().filter(whole).map(read)).collect()
        };
        let means = column(&|tally| if is_delta { tally.sum } else { tally.mean() });
        Hourly {
            metric,
            from: hours.from,
            levels: levels(&means),
            lows: column(&|tally| tally.min),
            highs: column(&|tally| tally.max),
            is_positive: hours.tallies.iter().flatten().all(|tally| tally.min >= 0.0),
            means,
            usual: Default::default(),
        }
    }

    /// The band of a slot, and the weeks behind it.
    pub fn slot(&self, at: Timestamp, step_ms: i64) -> (Option<Band>, u8) {
        if step_ms > HOUR_MS { self.coarse(at, step_ms) } else { self.fine(at, step_ms) }
    }

    /// A slot of several hours: their mean, or their sum where events are counted. At least half of them must be known.
    fn coarse(&self, at: Timestamp, step_ms: i64) -> (Option<Band>, u8) {
        let hours = usize::try_from(step_ms / HOUR_MS).unwrap_or(1);
        let Some(first) = self.index(at) else { return (None, 0) };
        let found: Vec<_> =
            (first..first + hours).map(|hour| (self.of_hour(hour, HOUR_MS), self.usual(hour).weeks)).collect();
        let weeks = found.iter().map(|(_, weeks)| *weeks).max().unwrap_or(0);
        let bands: Vec<Band> = found.into_iter().filter_map(|(band, _)| band).collect();
        if bands.len() * 2 < hours {
            return (None, weeks);
        }
        let scale = match self.metric.metric().kind {
            Kind::Gauge => 1.0,
            Kind::Delta => hours as f64,
        } / bands.len() as f64;
        let sum = |read: fn(&Band) -> f64| bands.iter().map(read).sum::<f64>() * scale;
        (Some(Band { low: sum(|band| band.low), mid: sum(|band| band.mid), high: sum(|band| band.high) }), weeks)
    }

    /// A slot within an hour: between the middles of that hour and the nearer one beside it.
    fn fine(&self, at: Timestamp, step_ms: i64) -> (Option<Band>, u8) {
        let middle = at.plus_millis(step_ms / 2);
        let Some(hour) = self.index(middle) else { return (None, 0) };
        let weeks = self.usual(hour).weeks;
        let Some(band) = self.of_hour(hour, step_ms) else { return (None, weeks) };
        let from_middle = (middle.0 - self.from.0).rem_euclid(HOUR_MS) as f64 / HOUR_MS as f64 - 0.5;
        let beside = if from_middle < 0.0 { hour.checked_sub(1) } else { hour.checked_add(1) };
        let beside = beside.and_then(|hour| self.of_hour(hour, step_ms));
        (Some(beside.map_or(band, |beside| band.towards(beside, from_middle.abs()))), weeks)
    }

    fn index(&self, at: Timestamp) -> Option<usize> {
        usize::try_from((at.0 - self.from.0).div_euclid(HOUR_MS)).ok().filter(|_| at >= self.from)
    }

    /// The band that slots of a width have in the middle of an hour.
    fn of_hour(&self, hour: usize, step_ms: i64) -> Option<Band> {
        let usual = self.usual(hour);
        if usual.weeks < LEAST_WEEKS {
            return None;
        }
        let width = WIDTH * (1.0 + WIDER / f64::from(usual.weeks));
        let band = match self.metric.metric().kind {
            Kind::Delta => {
                let share = step_ms as f64 / HOUR_MS as f64;
                let mid = usual.mean.mid * share;
                let noise = WIDTH * mid.max(0.25).sqrt();
                let half = (width * usual.mean.deviation * share).hypot(noise).max(LEAST_SHARE * mid);
                Band { low: mid - half, mid, high: mid + half }
            }
            Kind::Gauge => {
                let mid = usual.mean.mid;
                let floor = least_half(self.metric, mid);
                let reach = |spread: Spread| (width * spread.deviation).max(floor);
                let means = Band { low: mid - reach(usual.mean), mid, high: mid + reach(usual.mean) };
                let samples = Band {
                    low: usual.low.mid.min(mid) - reach(usual.low),
                    mid,
                    high: usual.high.mid.max(mid) + reach(usual.high),
                };
                let hour_ms = HOUR_MS as f64;
                let share = (step_ms as f64 / FINEST_MS).max(1.0).ln() / (hour_ms / FINEST_MS).ln();
                samples.towards(means, share.min(1.0))
            }
        };
        Some(self.bounded(band))
    }

    /// What was never negative is not expected to be, and a share is not expected above the whole.
    fn bounded(&self, band: Band) -> Band {
        let top = if self.metric.metric().unit == Unit::Percent && band.mid <= 100.0 { 100.0 } else { f64::INFINITY };
        let bottom = if self.is_positive { 0.0 } else { f64::NEG_INFINITY };
        let bound = |value: f64| value.max(bottom).min(top);
        Band { low: bound(band.low), mid: bound(band.mid), high: bound(band.high) }
    }

    fn usual(&self, hour: usize) -> Usual {
        if let Some(usual) = self.usual.borrow().get(&hour) {
            return *usual;
        }
        let usual = self.look_back(hour);
        self.usual.borrow_mut().insert(hour, usual);
        usual
    }

    fn look_back(&self, hour: usize) -> Usual {
        let earlier = self.earlier(hour, &self.means);
        let weeks = u8::try_from(earlier.len()).unwrap_or(MAX_WEEKS);
        if weeks < LEAST_WEEKS {
            return Usual { weeks, ..Usual::default() };
        }
        Usual {
            weeks,
            mean: self.spread(hour, &self.means),
            low: self.spread(hour, &self.lows),
            high: self.spread(hour, &self.highs),
        }
    }

    fn spread(&self, hour: usize, column: &[Option<f64>]) -> Spread {
        let mid = median(self.earlier(hour, column)).unwrap_or(0.0);
        let mut deviations = Vec::new();
        for hour in hour.saturating_sub(BESIDE)..=hour + BESIDE {
            let values = self.earlier(hour, column);
            // Around their own median: the step from one hour to the next is not a deviation.
            let Some(own) = median(values.clone()) else { continue };
            let mut own: Vec<f64> = values.iter().map(|value| (value - own).abs()).collect();
            own.sort_by(f64::total_cmp);
            // One of an odd number is the median itself and deviates from it by nothing.
            deviations.extend(own.iter().skip(own.len() % 2));
        }
        Spread { mid, deviation: TO_DEVIATION * median(deviations).unwrap_or(0.0) }
    }

    /// The same hour of earlier weeks, moved to the level of now where both levels are known.
    fn earlier(&self, hour: usize, column: &[Option<f64>]) -> Vec<f64> {
        let level = self.levels.get(hour).copied().flatten();
        let weeks = (1..=usize::from(MAX_WEEKS)).filter_map(|week| hour.checked_sub(week * WEEK));
        let known = weeks.filter_map(|before| {
            let value = column.get(before).copied().flatten()?;
            Some((value, level.zip(self.levels[before]).map(|(now, then)| value - then + now)))
        });
        let (raw, moved): (Vec<f64>, Vec<Option<f64>>) = known.unzip();
        let moved: Vec<f64> = moved.into_iter().flatten().collect();
        // Values at different levels do not mix: either all are moved or none.
        if moved.len() >= usize::from(LEAST_WEEKS) { moved } else { raw }
    }
}

/// The median of the week before each hour. One hour more than there are, for the hour that runs.
fn levels(means: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut week: Vec<f64> = Vec::with_capacity(WEEK);
    let mut levels = Vec::with_capacity(means.len() + 1);
    for hour in 0..=means.len() {
        levels.push((week.len() >= LEAST_FOR_LEVEL).then(|| middle(&week)));
        if let Some(value) = means.get(hour).copied().flatten() {
            let place = week.partition_point(|other| *other < value);
            week.insert(place, value);
        }
        if let Some(gone) = hour.checked_sub(WEEK).and_then(|hour| means.get(hour).copied().flatten()) {
            let place = week.partition_point(|other| *other < gone);
            week.remove(place);
        }
    }
    levels
}

/// The narrowest half of a band: what nobody would call unusual.
fn least_half(metric: MetricId, mid: f64) -> f64 {
    let least = match metric.metric().unit {
        Unit::Percent | Unit::Milliseconds | Unit::Count => 1.0,
        Unit::Score => 2.0,
        Unit::Bytes | Unit::BytesPerSecond => 65_536.0,
        Unit::PerSecond => 0.1,
        Unit::Ratio => 0.05,
        Unit::Flag => 0.5,
    };
    (LEAST_SHARE * mid.abs()).max(least)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| middle(&values))
}

/// The middle of sorted values, at least one.
fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] }
}
