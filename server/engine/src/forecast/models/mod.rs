//! Step 5: the models. Each looks at the history up to some day and says what the days after it will be.

mod ets;
mod line;
mod naive;

pub use line::least_squares;

use super::season::WEEK;

/// Days of history from which on the days themselves are modelled, not the hours.
pub const DAYS_MIN: usize = 14;

/// A history up to some day, ready to be learned from.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The hours, on one level, what is usual at each of them taken out. Ends with the last day.
    pub hours: &'a [Option<f64>],
    /// The days.
    pub days: &'a [Option<f64>],
    /// What is usual on each day of the week, or empty.
    pub week: &'a [f64],
    /// What is usual on each day of the year, or empty.
    pub year: &'a [f64],
    /// The day of the last change of slope.
    pub bend: usize,
}

impl Training<'_> {
    /// What is usual on day `i`, which may lie ahead.
    pub fn usual(&self, i: usize) -> f64 {
        let of = |profile: &[f64]| if profile.is_empty() { 0.0 } else { profile[i % profile.len()] };
        of(self.week) + of(self.year)
    }

    /// The days, what is usual taken out.
    pub fn flat(&self) -> Vec<Option<f64>> {
        self.days.iter().enumerate().map(|(i, value)| value.map(|it| it - self.usual(i))).collect()
    }

    /// The seasons of the `horizon` days ahead.
    fn ahead(&self, horizon: usize) -> Vec<f64> {
        (0..horizon).map(|h| self.usual(self.days.len() + h)).collect()
    }
}

/// The days ahead.
#[derive(Clone, Debug)]
pub struct Projection {
    /// Where the figure goes.
    pub trend: Vec<f64>,
    /// What the seasons add.
    pub season: Vec<f64>,
}

impl Projection {
    /// Day `h` ahead, from 0.
    pub fn at(&self, h: usize) -> f64 {
        self.trend[h] + self.season[h]
    }
}

/// A way to look ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A robust line through everything.
    Line,
    /// A robust line since the last change of slope.
    LineSinceBend,
    /// Decomposition into trend and season, the trend by exponential smoothing.
    Smoothing,
    /// As a week ago.
    Naive,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 4] = [Model::Line, Model::LineSinceBend, Model::Smoothing, Model::Naive];

    /// Looks ahead; none when the history is too short for this model, or it found nothing.
    pub fn project(self, of: &Training<'_>, horizon: usize) -> Option<Projection> {
        let projection = match self {
            Model::Line if of.days.len() < DAYS_MIN => line::through_hours(of, horizon),
            Model::Line => line::through_days(of, 0, horizon),
            Model::LineSinceBend if of.bend == 0 => None,
            Model::LineSinceBend => line::through_days(of, of.bend, horizon),
            Model::Smoothing if of.days.len() < DAYS_MIN => None,
            Model::Smoothing => ets::project(of, horizon),
            Model::Naive => naive::project(of, horizon),
        }?;
        let finite = |values: &[f64]| values.len() == horizon && values.iter().all(|value| value.is_finite());
        (finite(&projection.trend) && finite(&projection.season)).then_some(projection)
    }

    /// Its name in a sentence.
    pub fn words(self, of: &Training<'_>) -> &'static str {
        match self {
            Model::Line if of.days.len() < DAYS_MIN => "a robust line through the hours (Theil–Sen)",
            Model::Line => "a robust line (Theil–Sen)",
            Model::LineSinceBend => "a robust line since the last change of slope (Theil–Sen)",
            Model::Smoothing if of.week.is_empty() => "exponential smoothing (AutoETS)",
            Model::Smoothing => "seasonal decomposition with exponential smoothing (MSTL, AutoETS)",
            Model::Naive if of.days.len() < 2 * WEEK => "the level of the last day",
            Model::Naive => "the last week repeated",
        }
    }
}
