//! Step 6: rolling origins. From a dozen earlier days each model looks ahead and is measured against what came. The models
//! within a tenth of the best are combined by their median, day by day.
//!
//! Each model learns only from what lies before its origin: seasons and bends are found anew. Outliers and shifts are those
//! of the whole history: what a purge takes away cannot be foreseen and is nobody's error.

use super::{
    bend::{SIDE_MIN, last_bend},
    models::{DAYS_MIN, Model, Projection, Training},
    season,
    stats::median_of,
};

/// The most origins.
const FOLDS_MAX: usize = 12;
/// The furthest that a backtest looks ahead, in days.
const AHEAD_MAX: usize = 90;
/// Fair errors below which all are used.
pub const FAIR_MIN: usize = 12;
/// How much worse than the best a model may be and still have a say.
const NEAR_BEST: f64 = 1.1;

/// The repaired history.
pub struct History {
    /// Hours, on one level, what is usual at each taken out.
    pub hours: Vec<Option<f64>>,
    /// Days, on one level.
    pub days: Vec<Option<f64>>,
    /// Days as they were measured.
    pub measured: Vec<Option<f64>>,
}

/// What a training learns about seasons and bends.
pub struct Learned {
    pub week: Vec<f64>,
    pub year: Vec<f64>,
    pub bend: usize,
}

impl History {
    /// Seasons and bends of the first `count` days.
    pub fn learn(&self, count: usize) -> Learned {
        let days = &self.days[..count];
        let week = season::week(days);
        let flat = |week: &[f64], year: &[f64]| -> Vec<Option<f64>> {
            let usual = |profile: &[f64], i: usize| if profile.is_empty() { 0.0 } else { profile[i % profile.len()] };
            days.iter().enumerate().map(|(i, value)| value.map(|it| it - usual(week, i) - usual(year, i))).collect()
        };
        let year = season::year(&flat(&week, &[]));
        let bend = last_bend(&flat(&week, &year));
        Learned { week, year, bend }
    }

    /// The first `count` days as models see them.
    pub fn training<'a>(&'a self, count: usize, learned: &'a Learned) -> Training<'a> {
        let hours = &self.hours[..self.hours.len() % 24 + count * 24];
        Training { hours, days: &self.days[..count], week: &learned.week, year: &learned.year, bend: learned.bend }
    }
}

/// One look ahead from an earlier day.
pub struct Fold {
    /// Days that were known.
    pub origin: usize,
    /// Days since the last bend as it was known then.
    pub since_bend: usize,
    /// By model of [`Model::ALL`].
    projections: Vec<Option<Projection>>,
}

/// Every look ahead.
pub struct Trials {
    /// Oldest first.
    pub folds: Vec<Fold>,
    /// How far they looked.
    pub ahead: usize,
    /// The models that are combined, best first.
    pub chosen: Vec<Model>,
}

/// An error of the combined forecast: what came less what was forecast.
#[derive(Clone, Copy, Debug)]
pub struct Residual {
    /// The fold.
    pub origin: usize,
    /// Days since the bend that its models knew.
    pub since_bend: usize,
    /// Days ahead, from 0.
    pub h: usize,
    /// The error.
    pub error: f64,
}

/// Looks ahead from earlier days and chooses.
pub fn run(history: &History, learned: &Learned, horizon: usize) -> Trials {
    let count = history.days.len();
    let ahead = (count / 4).clamp(1, AHEAD_MAX).min(horizon);
    let folds: Vec<Fold> = origins(count, ahead).into_iter().map(|origin| fold(history, origin, ahead)).collect();
    let chosen = choose(history, learned, &folds, ahead);
    Trials { folds, ahead, chosen }
}

/// Days to look ahead from: the second half of the history, oldest first.
fn origins(count: usize, ahead: usize) -> Vec<usize> {
    let first = if count >= 2 * DAYS_MIN { (count / 2).max(DAYS_MIN) } else { 2 };
    let last = count.saturating_sub((ahead / 4).max(1));
    if first > last {
        return Vec::new();
    }
    let folds = FOLDS_MAX.min(last - first + 1);
    let step = |i: usize| if folds < 2 { last } else { first + (last - first) * i / (folds - 1) };
    (0..folds).map(step).collect()
}

fn fold(history: &History, origin: usize, ahead: usize) -> Fold {
    let learned = history.learn(origin);
    let training = history.training(origin, &learned);
    let ahead = ahead.min(history.days.len() - origin);
    let mut projections: Vec<Option<Projection>> =
        Model::ALL.iter().map(|model| model.project(&training, ahead)).collect();
    // Where no bend was known the line since the bend is the line.
    if projections[1].is_none() {
        projections[1] = projections[0].clone();
    }
    Fold { origin, since_bend: origin - learned.bend, projections }
}

impl Fold {
    /// The median of `models`, day by day.
    pub fn combined(&self, models: &[Model]) -> Vec<f64> {
        let of: Vec<&Projection> = Model::ALL
            .iter()
            .zip(&self.projections)
            .filter(|(model, _)| models.contains(model))
            .filter_map(|(_, projection)| projection.as_ref())
            .collect();
        let days = of.first().map_or(0, |it| it.trend.len());
        (0..days).filter_map(|h| median_of(of.iter().map(|it| it.at(h)))).collect()
    }
}

/// The models that did best, best first. Without a fold: a line.
fn choose(history: &History, learned: &Learned, folds: &[Fold], ahead: usize) -> Vec<Model> {
    let now = history.training(history.days.len(), learned);
    let mut errors: Vec<(Model, f64)> = Model::ALL
        .into_iter()
        .filter(|model| *model != Model::LineSinceBend || learned.bend > 0)
        .filter(|model| model.project(&now, ahead).is_some())
        .filter_map(|model| Some((model, mean_error(history, learned, folds, &[model])?)))
        .collect();
    errors.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(&(_, best)) = errors.first() else { return vec![Model::Line] };
    errors.into_iter().filter(|(_, error)| *error <= NEAR_BEST * best).map(|(model, _)| model).collect()
}

/// Mean size of the errors over every fold; none when nothing came, or a fold has none of the models.
fn mean_error(history: &History, learned: &Learned, folds: &[Fold], models: &[Model]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_usize);
    let mut everything = (0.0, 0_usize);
    for fold in folds {
        let combined = fold.combined(models);
        if combined.is_empty() {
            // It could not say anything yet: a fold of a short past counts against nobody.
            continue;
        }
        for (h, (forecast, came)) in combined.iter().zip(&history.days[fold.origin..]).enumerate() {
            let Some(came) = came else { continue };
            let error = (came - forecast).abs();
            everything = (everything.0 + error, everything.1 + 1);
            if is_fair(learned.bend, fold.origin, h) {
                (sum, count) = (sum + error, count + 1);
            }
        }
    }
    let (sum, count) = if count < FAIR_MIN { everything } else { (sum, count) };
    (count > 0).then(|| sum / count as f64)
}

/// Whether an error says something of the time since the last bend: a fold from before the bend (or from too soon after it
/// to know it) that is measured against days after it does not. The errors shown count all the same.
pub fn is_fair(bend: usize, origin: usize, h: usize) -> bool {
    bend == 0 || origin >= bend + SIDE_MIN || origin + h < bend
}

impl Trials {
    /// Every error of the combined forecast.
    pub fn residuals(&self, history: &History) -> Vec<Residual> {
        let knows_bend = self.chosen.contains(&Model::LineSinceBend);
        self.folds
            .iter()
            .flat_map(|fold| {
                let since_bend = if knows_bend { fold.since_bend } else { fold.origin };
                let came = &history.days[fold.origin..];
                let of = fold.combined(&self.chosen).into_iter().zip(came).enumerate();
                of.filter_map(move |(h, (forecast, came))| {
                    Some(Residual { origin: fold.origin, since_bend, h, error: (*came)? - forecast })
                })
                .collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(days: Vec<Option<f64>>) -> History {
        let hours = days.iter().flat_map(|day| std::iter::repeat_n(*day, 24)).collect();
        History { hours, measured: days.clone(), days }
    }

    #[test]
    fn a_line_wins_on_a_line_and_a_week_on_a_week() {
        let noise = |i: usize| (i * i * 7919 % 101) as f64 / 50.0;
        let line = history((0..120).map(|i| Some(5.0 * i as f64 + noise(i))).collect());
        let trials = run(&line, &line.learn(120), 30);
        assert!(trials.chosen.contains(&Model::Line) && !trials.chosen.contains(&Model::Naive), "{:?}", trials.chosen);
        // Weeks that drift about: no line is any better than the last of them.
        let drift = |i: usize| (0..i / 7).map(|week| if week * 7919 % 13 < 6 { -9.0 } else { 9.0 }).sum::<f64>();
        let weeks = history((0..120).map(|i| Some(drift(i) + (i % 7) as f64)).collect());
        let trials = run(&weeks, &weeks.learn(120), 30);
        assert!(!trials.chosen.is_empty());
        assert_eq!(trials.folds.len(), FOLDS_MAX);
        assert!(trials.residuals(&weeks).iter().all(|it| it.h < trials.ahead && it.origin < 120));
    }

    #[test]
    fn origins_leave_something_to_learn_and_something_to_come() {
        for count in 0..400 {
            for origin in origins(count, (count / 4).clamp(1, 90)) {
                assert!(origin >= 2 && origin < count, "{origin} of {count}");
            }
        }
    }
}
