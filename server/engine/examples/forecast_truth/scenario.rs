//! Figures made by known laws: a line with a course of the day, noise that remembers, and what breaks forecasts.
//!
//! All of it is drawn from the seed. Units are one day's growth where it matters: noise of an hour is half to twice of it
//! (a tenth to a third for the short one, which has no year to average over), a purge takes thirty to eighty days' growth,
//! spikes are twenty to eighty days' growth high.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// What a scenario has.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// Days of history.
    days: usize,
    /// Days ahead over which errors and intervals are judged.
    pub judged_days: usize,
    grows: bool,
    spikes: bool,
    slope_changes: bool,
    purge: bool,
    weekly: bool,
    noise: std::ops::Range<f64>,
}

const STEADY: Scenario = Scenario {
    name: "steady",
    days: 180,
    judged_days: 30,
    grows: true,
    spikes: false,
    slope_changes: false,
    purge: false,
    weekly: false,
    noise: 0.5..2.0,
};

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    STEADY,
    Scenario { name: "spikes", spikes: true, ..STEADY },
    Scenario { name: "slope change", slope_changes: true, ..STEADY },
    Scenario { name: "purge", purge: true, ..STEADY },
    Scenario { name: "purge, slope change, spikes", spikes: true, slope_changes: true, purge: true, ..STEADY },
    Scenario { name: "weekly season", weekly: true, ..STEADY },
    Scenario { name: "flat", grows: false, ..STEADY },
    Scenario { name: "short", days: 10, judged_days: 7, noise: 0.1..0.35, ..STEADY },
];

/// A year with everything in it: how long does it take?
pub const YEAR: Scenario = Scenario {
    name: "a year of hours",
    days: 365,
    spikes: true,
    slope_changes: true,
    purge: true,
    weekly: true,
    ..STEADY
};

/// One draw of a scenario.
pub struct Case {
    pub scenario: &'static Scenario,
    pub seed: u64,
    /// The past.
    pub hours: Vec<f64>,
    /// What came: the mean of each day.
    pub came: Vec<f64>,
    pub limit: f64,
    /// When the limit was met; none when it never was.
    pub truth_days: Option<f64>,
}

/// Draws a case, and `ahead` days of what comes after its history.
pub fn case(scenario: &'static Scenario, seed: u64, ahead: usize) -> Case {
    let mut random = StdRng::seed_from_u64(seed * 1_000 + scenario.name.len() as u64);
    let growth = random.random_range(0.3..1.0);
    let base = growth * random.random_range(150.0..400.0);
    let slope = if scenario.grows { growth } else { 0.0 };
    let history = scenario.days * 24;
    let before_end = |random: &mut StdRng, days: std::ops::Range<usize>| {
        history - random.random_range(days.start * 24..days.end * 24)
    };
    let (bend, faster) = if scenario.slope_changes {
        (before_end(&mut random, 30..90), random.random_range(2.0..4.0))
    } else {
        (history, 1.0)
    };
    let (purged, purge) = if scenario.purge {
        (before_end(&mut random, 15..90), growth * random.random_range(30.0..80.0))
    } else {
        (history, 0.0)
    };
    let daily = growth * random.random_range(1.0..3.0);
    let weekend = if scenario.weekly { growth * random.random_range(5.0..12.0) } else { 0.0 };
    let sigma = growth * random.random_range(scenario.noise.clone());
    let mut spike = (0_usize, 0.0);
    let mut noise = 0.0;
    // AR(1) with φ 0.8 an hour: what was high an hour ago is still high.
    let shock = sigma * (1.0_f64 - 0.64).sqrt();
    let law = |hour: usize| {
        let grown = slope * hour as f64 / 24.0;
        let more =
            if scenario.slope_changes { slope * (faster - 1.0) * hour.saturating_sub(bend) as f64 / 24.0 } else { 0.0 };
        base + grown + more - if hour >= purged { purge } else { 0.0 }
    };
    let values: Vec<f64> = (0..history + ahead * 24)
        .map(|hour| {
            noise = 0.8 * noise + shock * normal(&mut random);
            if scenario.spikes && spike.0 == 0 && random.random::<f64>() < 0.005 {
                spike = (random.random_range(1..5), growth * random.random_range(20.0..80.0));
            }
            let extra = if spike.0 > 0 && hour < history { spike.1 } else { 0.0 };
            spike.0 = spike.0.saturating_sub(1);
            let course = daily * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
            let week = if hour / 24 % 7 >= 5 { -weekend } else { 0.0 };
            law(hour) + course + week + noise + extra
        })
        .collect();
    let pace = slope * if scenario.slope_changes { faster } else { 1.0 };
    let until = if scenario.days < 30 { random.random_range(12.0..25.0) } else { random.random_range(40.0..100.0) };
    let margin = if scenario.grows { pace * until } else { growth * 40.0 };
    let limit = law(history) + margin;
    let came = days(&values[history..]);
    let truth_days = passage(limit, came.iter().copied());
    Case { scenario, seed, hours: values[..history].to_vec(), came, limit, truth_days }
}

/// The mean of each day.
pub fn days(hours: &[f64]) -> Vec<f64> {
    hours.chunks_exact(24).map(|day| day.iter().sum::<f64>() / 24.0).collect()
}

/// When the first day reaches `limit`: between the middles of days in proportion.
pub fn passage(limit: f64, days: impl Iterator<Item = f64>) -> Option<f64> {
    let mut before = None;
    for (h, value) in days.enumerate() {
        if value >= limit {
            let part = before.map_or(1.0, |before| (limit - before) / (value - before));
            return Some((h as f64 - 0.5 + part).max(0.0));
        }
        before = Some(value);
    }
    None
}

fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (random.random::<f64>() * std::f64::consts::TAU).cos()
}
