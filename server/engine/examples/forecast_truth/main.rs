//! The truth about forecasts: figures made by known laws, their past forecast, and what came measured against it, beside a
//! straight line and seasonal naive.
//!
//! `cargo run --release -p headroom-engine --example forecast_truth -- [seeds] [peer seeds] [folder]`
//!
//! Prints one JSON document: every case with its errors, and how long a year of hours takes. With a folder it writes the
//! first `peer seeds` cases of each scenario to `cases.ndjson` there, so that others can try the same
//! (end2end/bench/forecast.mjs).

mod scenario;

use headroom_engine::forecast::{Ask, Hourly, forecast, outlook};
use headroom_model::{
    Timestamp,
    forecast::{Crossing, Measure, Verdict},
};
use scenario::{Case, SCENARIOS};
use serde_json::{Value, json};
use std::{io::Write, time::Instant};

/// How far dates are looked for.
const HORIZON_DAYS: usize = 365;
/// The engine's constants were chosen while looking at seeds 1 to 60; these are others.
const FIRST_SEED: u64 = 1_001;
/// Times a year of hours is forecast; the median counts.
const ROUNDS: usize = 9;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = |i: usize, usual: u64| arguments.get(i).map_or(Ok(usual), |text| text.parse());
    let (seeds, peer_seeds) = (count(0, 60)?, count(1, 3)?);
    let mut file = match arguments.get(2) {
        Some(folder) => Some(std::fs::File::create(format!("{folder}/cases.ndjson"))?),
        None => None,
    };
    let mut cases = Vec::new();
    for scenario in SCENARIOS {
        for seed in FIRST_SEED..FIRST_SEED + seeds {
            let case = scenario::case(scenario, seed, HORIZON_DAYS);
            if let Some(file) = file.as_mut().filter(|_| seed < FIRST_SEED + peer_seeds) {
                writeln!(file, "{}", line(&case))?;
            }
            cases.push(measure(&case));
        }
    }
    println!(
        "{}",
        json!({ "cases": cases, "yearMs": year(file.as_mut())?, "horizonDays": HORIZON_DAYS, "seeds": seeds })
    );
    Ok(())
}

/// A case for others to try.
fn line(case: &Case) -> Value {
    json!({
        "scenario": case.scenario.name, "seed": case.seed, "hours": case.hours,
        "came": &case.came[..case.scenario.judged_days], "limit": case.limit, "truthDays": case.truth_days,
        "scale": scale(case), "horizonDays": HORIZON_DAYS,
    })
}

/// How long a year of hours takes, in milliseconds.
fn year(file: Option<&mut std::fs::File>) -> anyhow::Result<f64> {
    let case = scenario::case(&scenario::YEAR, FIRST_SEED, HORIZON_DAYS);
    if let Some(file) = file {
        writeln!(file, "{}", line(&case))?;
    }
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| timed(&case).1).collect();
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

fn asked(case: &Case) -> (Hourly, Ask) {
    let input = Hourly { start: Timestamp(1_790_000_000_000), values: case.hours.iter().copied().map(Some).collect() };
    let horizon_days = u32::try_from(HORIZON_DAYS).unwrap_or(u32::MAX);
    (input, Ask { horizon_days, limit: Some(case.limit), measure: Measure::Level, ..Ask::default() })
}

fn timed(case: &Case) -> (Verdict, f64) {
    let (input, ask) = asked(case);
    let began = Instant::now();
    let worked = worked_ms();
    let verdict = forecast(&input, &ask);
    let passed = began.elapsed().as_secs_f64() * 1e3;
    (verdict, worked.zip(worked_ms()).map_or(passed, |(before, after)| after - before))
}

/// Milliseconds that this thread had a processor, so that what else runs does not count. They are counted with the
/// scheduler's tick of about 4 ms. None where the system does not tell.
fn worked_ms() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e6)
}

/// One case: ours and the two simple ones.
fn measure(case: &Case) -> Value {
    let (verdict, ms) = timed(case);
    let judged = &case.came[..case.scenario.judged_days];
    let scale = scale(case);
    let mase = |forecast: &dyn Fn(usize) -> f64| {
        judged.iter().enumerate().map(|(h, came)| (came - forecast(h)).abs()).sum::<f64>() / judged.len() as f64 / scale
    };
    let days = scenario::days(&case.hours);
    let (slope, level) = least_squares(&days);
    let line = |h: usize| level + slope * (days.len() + h) as f64;
    let naive = |h: usize| days[days.len() - 7 + h % 7];
    let mut ours = json!({ "days": null, "mase": null, "covered": null, "ms": ms, "model": "silent" });
    if let Verdict::Forecast(it) = &verdict {
        let (input, ask) = asked(case);
        let (low, high) = outlook(&input, &ask).map(|it| it.band(0.9)).unwrap_or_default();
        let reached = judged.iter().enumerate().filter(|(h, came)| (low[*h]..=high[*h]).contains(came)).count();
        let days = match it.crossing {
            Crossing::Within { p50, .. } => p50,
            Crossing::Reached => Some(0.0),
            _ => None,
        };
        let within = match it.crossing {
            Crossing::Within { p10, p90, .. } => {
                case.truth_days.map(|truth| p10.is_none_or(|p10| p10 <= truth) && p90.is_none_or(|p90| truth <= p90))
            }
            _ => None,
        };
        ours = json!({
            "days": days, "mase": mase(&|h| it.median[h]), "covered": reached as f64 / judged.len() as f64,
            "ms": ms, "model": it.model, "truthBetweenP10AndP90": within,
        });
    }
    json!({
        "scenario": case.scenario.name, "seed": case.seed, "truthDays": case.truth_days, "ours": ours,
        "line": { "days": first_at(case.limit, &line), "mase": mase(&line) },
        "naive": { "days": first_at(case.limit, &naive), "mase": mase(&naive) },
    })
}

/// Mean change from one week to the next: what errors are measured in.
fn scale(case: &Case) -> f64 {
    let days = scenario::days(&case.hours);
    let period = if days.len() < 14 { 1 } else { 7 };
    let changes: Vec<f64> = days.windows(period + 1).map(|it| (it[period] - it[0]).abs()).collect();
    changes.iter().sum::<f64>() / changes.len() as f64
}

/// The first day ahead that is at the limit.
fn first_at(limit: f64, forecast: &dyn Fn(usize) -> f64) -> Option<f64> {
    scenario::passage(limit, (0..HORIZON_DAYS).map(forecast))
}

fn least_squares(days: &[f64]) -> (f64, f64) {
    let count = days.len() as f64;
    let (x, y) = ((count - 1.0) / 2.0, days.iter().sum::<f64>() / count);
    let across: f64 = days.iter().enumerate().map(|(i, value)| (i as f64 - x) * (value - y)).sum();
    let along: f64 = (0..days.len()).map(|i| (i as f64 - x).powi(2)).sum();
    (across / along, y - across / along * x)
}
