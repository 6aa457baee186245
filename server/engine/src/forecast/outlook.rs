//! The eight steps in a row.

use super::{
    Ask, Hourly, MAX_HOURS,
    backtest::{self, History, Learned, Trials},
    daily,
    interval::Spread,
    models::{Model, Training, least_squares},
    repair, shifts,
    stats::median_of,
    what_if::Changes,
};
use headroom_model::{
    Timestamp,
    forecast::{Measure, Shift},
};

const HOUR_MS: i64 = 3_600_000;
const DAY: usize = 24;
/// Measured hours below which there is nothing to say.
const HOURS_MIN: usize = 6;
/// Days without a measurement at the end beyond which the past says nothing of the present.
const STALE_DAYS_MAX: usize = 14;
/// How many times its history a forecast looks ahead at most.
const TIMES_HISTORY: f64 = 6.0;

/// A forecast before it is written down: what it was made from, and intervals of any share.
pub struct Outlook {
    pub(super) start: Timestamp,
    /// What values were divided by.
    pub(super) unit: f64,
    pub(super) history: History,
    pub(super) learned: Learned,
    pub(super) trials: Trials,
    pub(super) spread: Spread,
    /// Days ahead of `start`, the figure as forecast without changes.
    pub(super) median: Vec<f64>,
    pub(super) trend: Vec<f64>,
    /// The trend on the last day of the history.
    pub(super) now: f64,
    /// Days between the last measured hour and `start`.
    pub(super) stale: usize,
    pub(super) rest: Vec<f64>,
    pub(super) changes: Changes,
    pub(super) shifts: Vec<Shift>,
    pub(super) shifts_recur: bool,
    pub(super) spikes: u32,
    pub(super) gaps: u32,
    pub(super) history_days: f64,
    pub(super) has_daily_course: bool,
    bounds: (f64, f64),
}

/// Looks ahead, or says why not.
///
/// # Errors
/// In words: the data do not support a forecast.
pub fn outlook(input: &Hourly, ask: &Ask) -> Result<Outlook, String> {
    let skipped = input.values.len().saturating_sub(MAX_HOURS);
    let values: Vec<Option<f64>> =
        input.values[skipped..].iter().map(|value| value.filter(|it| it.is_finite())).collect();
    let Some(first) = values.iter().position(Option::is_some) else {
        return Err("nothing was measured".to_owned());
    };
    let last = values.iter().rposition(Option::is_some).unwrap_or(first);
    let stale = (values.len() - 1 - last) / DAY;
    let start = input.start.plus_millis(HOUR_MS.saturating_mul((skipped + last + 1) as i64));
    let start = start.plus_millis(HOUR_MS.saturating_mul((stale * DAY) as i64));
    let values = &values[first..=last];
    let measured = values.iter().flatten().count();
    if measured < HOURS_MIN {
        return Err(format!("{measured} hours were measured; {HOURS_MIN} are needed"));
    }
    if stale > STALE_DAYS_MAX {
        return Err(format!("the newest measurement is {stale} days old"));
    }
    let largest = values.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    let unit = if largest >= f64::MIN_POSITIVE { largest } else { 1.0 };
    let scaled: Vec<Option<f64>> = values.iter().map(|value| value.map(|it| it / unit)).collect();

    let repaired = repair::repair(&scaled);
    let levelled = shifts::level(&repaired.hours, &repaired.profile);
    let days = daily::days(&levelled.hours, ask.measure, &repaired.profile);
    let known = days.iter().flatten().count();
    if known * 2 < days.len() {
        return Err(format!("{known} of the last {} days have measurements; half are needed", days.len()));
    }
    let flat =
        levelled.hours.iter().enumerate().map(|(i, value)| value.map(|it| it - repair::usual(&repaired.profile, i)));
    let history =
        History { hours: flat.collect(), measured: daily::days(&scaled, ask.measure, &repaired.profile), days };
    let history_days = (measured as f64 / DAY as f64).max(known as f64);
    let most = (TIMES_HISTORY * history_days).max(1.0) as usize;
    let horizon = ask.horizon().min(most);

    let count = history.days.len();
    let learned = history.learn(count);
    let trials = backtest::run(&history, &learned, horizon);
    let now = history.training(count, &learned);
    let (median, trend) = combine(&now, &trials.chosen, stale + horizon)
        .ok_or_else(|| format!("{} measured hours are too few for a line", measured))?;
    let rest = rest(&now);
    let residuals = trials.residuals(&history);
    let spread = Spread::learn(&residuals, &rest, learned.bend);
    let today = 2.0 * trend[0] - trend.get(1).copied().unwrap_or(trend[0]);
    let changes = Changes::new(&ask.what_if, start, &trend[stale..], today, unit);
    let moment = |hour: usize| input.start.plus_millis(HOUR_MS.saturating_mul((skipped + first + hour) as i64));
    let bound = |of: Option<f64>, open: f64| of.filter(|it| it.is_finite()).unwrap_or(open);
    Ok(Outlook {
        start,
        unit,
        median: median[stale..].to_vec(),
        trend: trend[stale..].to_vec(),
        now: today,
        stale,
        rest,
        changes,
        shifts: levelled.steps.iter().map(|step| Shift { at: moment(step.hour), by: step.by * unit }).collect(),
        shifts_recur: levelled.recur,
        spikes: repaired.spikes + levelled.excursion_hours,
        gaps: u32::try_from(values.len() - measured).unwrap_or(u32::MAX),
        history_days,
        has_daily_course: daily_course(&scaled, &repaired.profile),
        bounds: (bound(ask.floor, f64::MIN), bound(ask.ceiling, f64::MAX)),
        history,
        learned,
        trials,
        spread,
    })
}

/// The median of the chosen models, and of their trends.
fn combine(now: &Training<'_>, chosen: &[Model], horizon: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let of: Vec<_> = chosen.iter().filter_map(|model| model.project(now, horizon)).collect();
    let median = (0..horizon).map(|h| median_of(of.iter().map(|it| it.at(h)))).collect::<Option<_>>()?;
    let trend = (0..horizon).map(|h| median_of(of.iter().map(|it| it.trend[h]))).collect::<Option<_>>()?;
    Some((median, trend))
}

/// Distances of the days since the last bend from their own line, seasons taken out. With hardly any days: of the hours.
fn rest(now: &Training<'_>) -> Vec<f64> {
    let flat = now.flat();
    let newest = if flat.len() >= 4 { &flat[now.bend..] } else { now.hours };
    let Some((slope, level)) = least_squares(newest) else { return Vec::new() };
    newest.iter().enumerate().filter_map(|(i, value)| Some((*value)? - level - slope * i as f64)).collect()
}

/// Whether what is usual at each hour explains a quarter of how hours differ from those around.
fn daily_course(hours: &[Option<f64>], profile: &[f64]) -> bool {
    if profile.is_empty() {
        return false;
    }
    let steps = |usual: bool| -> f64 {
        let at = |i: usize| Some(hours[i]? - if usual { repair::usual(profile, i) } else { 0.0 });
        (12..hours.len()).filter_map(|i| Some((at(i)? - at(i - 12)?).abs())).sum()
    };
    let before = steps(false);
    before > 0.0 && steps(true) < 0.75 * before
}

impl Outlook {
    /// Days ahead.
    #[must_use]
    pub fn days(&self) -> usize {
        self.median.len()
    }

    /// Days since the last bend, as the chosen models see it.
    pub(super) fn since_bend(&self) -> usize {
        let knows = self.trials.chosen.contains(&Model::LineSinceBend);
        self.history.days.len() - if knows { self.learned.bend } else { 0 }
    }

    /// The figure of each day, what-if applied.
    #[must_use]
    pub fn median(&self) -> Vec<f64> {
        self.median.iter().enumerate().map(|(h, value)| self.shown(h, *value)).collect()
    }

    /// The interval of each day that holds `share` (0 to 1) of the outcomes: low ends, high ends.
    #[must_use]
    pub fn band(&self, share: f64) -> (Vec<f64>, Vec<f64>) {
        let reach = self.spread.reach(share);
        let since = self.since_bend();
        let width = |h: usize| reach * self.spread.sigma(since, self.stale + h);
        let end = |sign: f64| -> Vec<f64> {
            self.median.iter().enumerate().map(|(h, value)| self.shown(h, value + sign * width(h))).collect()
        };
        let (low, high) = (end(-1.0), end(1.0));
        // A planned "×−1" turns them round.
        low.into_iter().zip(high).map(|(low, high)| (low.min(high), low.max(high))).unzip()
    }

    /// A value of day `h` with the what-if, inside its bounds, in its unit.
    fn shown(&self, h: usize, value: f64) -> f64 {
        (self.changes.apply(h, value) * self.unit).max(self.bounds.0).min(self.bounds.1)
    }

    /// The figure of the last whole day as it was measured, in its unit.
    pub(super) fn newest(&self) -> Option<f64> {
        self.history.measured.iter().rev().flatten().next().map(|value| value * self.unit)
    }

    pub(super) fn measure_words(measure: Measure) -> &'static str {
        match measure {
            Measure::Level => "daily mean",
            Measure::DailyPeak => "highest hour of each day",
        }
    }
}
