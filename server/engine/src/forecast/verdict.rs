//! A forecast as it is told: figures in their unit, the model in words, the backtest, the date.

use super::{
    Ask, Outlook,
    backtest::Residual,
    models::least_squares,
    passage::{Paths, days_until},
    season::WEEK,
    stats::mean,
    what_if::factor,
};
use headroom_model::forecast::{Backtest, BacktestError, Crossing, Forecast, Season};

const DAY_MS: i64 = 86_400_000;
/// Days of history below which no date is promised.
const PROMISE_DAYS_MIN: f64 = 2.0;
/// The most that a scaled error is shown as; beyond that the figure hardly ever changes.
const MASE_MAX: f64 = 999.0;
/// Standard errors that growth must have to count as growth.
const GROWING: f64 = 2.0;

/// Writes it down.
pub fn write(outlook: &Outlook, ask: &Ask) -> Forecast {
    let (low80, high80) = outlook.band(0.8);
    let (low95, high95) = outlook.band(0.95);
    let mut seasons = Vec::new();
    seasons.extend(outlook.has_daily_course.then_some(Season::Day));
    seasons.extend((!outlook.learned.week.is_empty()).then_some(Season::Week));
    seasons.extend((!outlook.learned.year.is_empty()).then_some(Season::Year));
    Forecast {
        start: outlook.start,
        step_ms: DAY_MS,
        median: outlook.median(),
        low80,
        high80,
        low95,
        high95,
        measure: ask.measure,
        model: words(outlook, ask, &seasons),
        history_days: outlook.history_days,
        growth_per_day: (growth(outlook) * factor(&ask.what_if) * outlook.unit).clamp(f64::MIN, f64::MAX),
        backtest: backtest(outlook),
        shifts: outlook.shifts.clone(),
        shifts_recur: outlook.shifts_recur,
        spikes: outlook.spikes,
        gaps: outlook.gaps,
        crossing: crossing(outlook, ask),
        seasons,
    }
}

/// The trend's change a day.
fn growth(outlook: &Outlook) -> f64 {
    let days = outlook.stale + outlook.trend.len();
    outlook.trend.last().map_or(0.0, |last| (last - outlook.now) / days as f64)
}

fn words(outlook: &Outlook, ask: &Ask, seasons: &[Season]) -> String {
    let training = outlook.history.training(outlook.history.days.len(), &outlook.learned);
    let models: Vec<&str> = outlook.trials.chosen.iter().map(|model| model.words(&training)).collect();
    let models = match &models[..] {
        [one] => (*one).to_owned(),
        many => format!("the median of {}", list(many)),
    };
    let season = match seasons {
        [] => String::new(),
        some => format!(", with a {} course", list(&some.iter().map(|it| it.word()).collect::<Vec<_>>())),
    };
    format!("{} by {models}{season}", capital(Outlook::measure_words(ask.measure)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// The error of the combined forecast beside a straight line's and seasonal naive's, over the same days.
fn backtest(outlook: &Outlook) -> Option<Backtest> {
    let history = &outlook.history;
    let residuals = outlook.trials.residuals(history);
    if residuals.is_empty() {
        return None;
    }
    let period = if history.days.len() < 2 * WEEK { 1 } else { WEEK };
    let scale =
        mean((period..history.days.len()).filter_map(|i| Some((history.days[i]? - history.days[i - period]?).abs())))
            .unwrap_or(0.0);
    let came = mean(residuals.iter().filter_map(|it| Some(history.days[it.origin + it.h]?.abs())))?;
    let error = |of: Option<f64>| -> BacktestError {
        let error = of.unwrap_or(0.0);
        let mase = if error == 0.0 { 0.0 } else { (error / scale).min(MASE_MAX) };
        let error_percent = (came > 0.0).then(|| (100.0 * error / came).min(1e9));
        BacktestError { mase, error: error * outlook.unit, error_percent }
    };
    let straight = |it: &Residual| {
        let (slope, level) = least_squares(&history.measured[..it.origin])?;
        Some((history.measured[it.origin + it.h]? - level - slope * (it.origin + it.h) as f64).abs())
    };
    let naive = |it: &Residual| {
        // The newest day before the origin on the same day of the week that was measured.
        let place = it.origin + it.h;
        let known = (1..=place / period).map(|back| place - back * period).filter(|day| *day < it.origin);
        let last = known.filter_map(|day| history.days[day]).next()?;
        Some((history.days[place]? - last).abs())
    };
    Some(Backtest {
        horizon_days: u32::try_from(outlook.trials.ahead).unwrap_or(u32::MAX),
        folds: u32::try_from(outlook.trials.folds.len()).unwrap_or(u32::MAX),
        ours: error(mean(residuals.iter().map(|it| it.error.abs()))),
        straight_line: error(mean(residuals.iter().filter_map(straight))),
        seasonal_naive: error(mean(residuals.iter().filter_map(naive))),
        covered80_percent: covered(outlook, &residuals, 0.8),
        covered95_percent: covered(outlook, &residuals, 0.95),
    })
}

/// Share of the errors inside the interval, in per cent; each fold measured with what the others taught.
fn covered(outlook: &Outlook, residuals: &[Residual], share: f64) -> f64 {
    let held = outlook.trials.folds.iter().flat_map(|fold| {
        let others: Vec<Residual> = residuals.iter().filter(|it| it.origin != fold.origin).copied().collect();
        let spread = super::interval::Spread::learn(&others, &outlook.rest, outlook.learned.bend);
        let reach = spread.reach(share);
        residuals
            .iter()
            .filter(|it| it.origin == fold.origin)
            .map(|it| f64::from(u8::from(it.error.abs() <= reach * spread.sigma(it.since_bend, it.h))))
            .collect::<Vec<_>>()
    });
    100.0 * mean(held).unwrap_or(0.0)
}

fn crossing(outlook: &Outlook, ask: &Ask) -> Crossing {
    let Some(limit) = ask.limit() else { return Crossing::NoLimit };
    if outlook.newest().is_some_and(|value| value >= limit) {
        return Crossing::Reached;
    }
    if outlook.history_days < PROMISE_DAYS_MIN {
        let reason =
            format!("{:.0} hours of history promise no date; two days are needed", outlook.history_days * 24.0);
        return Crossing::Unpromised { reason };
    }
    let within_days = u32::try_from(outlook.days()).unwrap_or(u32::MAX);
    let paths = Paths {
        median: &outlook.median,
        before: outlook.newest().map_or(outlook.now, |value| value / outlook.unit),
        spread: &outlook.spread,
        since_bend: outlook.since_bend(),
        rest: &outlook.rest,
        seed: ask.seed,
    };
    let found = days_until(limit / outlook.unit, &paths, |h, value| outlook.changes.apply(h, value));
    let [p10, p50, p90] = found.map(|days| days.is_finite().then_some(days));
    if p10.is_none() || (p50.is_none() && !grows(outlook, ask)) {
        return Crossing::Never { within_days };
    }
    Crossing::Within { p10, p50, p90 }
}

/// Whether the figure grows by more than chance: its slope is over two standard errors, or something that adds is planned.
fn grows(outlook: &Outlook, ask: &Ask) -> bool {
    let days = outlook.since_bend().max(2) as f64;
    let error = (12.0 * outlook.spread.line / days.powi(3)).sqrt();
    !ask.what_if.planned.is_empty() || growth(outlook) * factor(&ask.what_if) > GROWING * error
}
