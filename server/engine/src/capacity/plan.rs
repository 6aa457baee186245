//! The plan: by when which step, so that every resource stays clear of its earliest limit.

use super::words;
use headroom_model::{
    Timestamp,
    capacity::{CapacityDashboard, Plan, PlanMonth, PlanStep, RESERVE_DAYS, Resource, ResourceReport},
    forecast::{Crossing, Forecast, Verdict},
    format,
};

const DAY_MS: f64 = 86_400_000.0;
/// A step should last so long.
const LASTS_DAYS: usize = 365;
/// Steps of one resource; what grows faster needs another answer than steps.
const MAX_STEPS: usize = 6;

/// The plan over a dashboard's whole horizon, as seen at `now`.
pub(super) fn draw(full: &CapacityDashboard, horizon_days: u32, now: Timestamp) -> Plan {
    let mut steps: Vec<PlanStep> = Vec::new();
    let mut unplanned = Vec::new();
    for report in &full.resources {
        match steps_of(report, horizon_days, now) {
            Ok(of_this) => steps.extend(of_this),
            Err(reason) => unplanned.push(format!("{}: {reason}", report.resource.name())),
        }
    }
    steps.sort_by_key(|step| (step.by, step.resource));
    let mut months: Vec<PlanMonth> = Vec::new();
    for step in steps {
        let month = step.by.to_rfc3339().chars().take(7).collect::<String>();
        match months.last_mut().filter(|last| last.month == month) {
            Some(last) => last.steps.push(step),
            None => months.push(PlanMonth { month, steps: vec![step] }),
        }
    }
    Plan {
        target: full.target.clone(),
        computed_at: full.computed_at,
        horizon_days,
        reserve_days: RESERVE_DAYS,
        months,
        unplanned,
    }
}

/// The steps of one resource, or why nothing can be planned for it.
fn steps_of(report: &ResourceReport, horizon_days: u32, now: Timestamp) -> Result<Vec<PlanStep>, String> {
    let forecast = match &report.verdict {
        Verdict::Forecast(forecast) => forecast,
        Verdict::Silent { reason } => return Err(reason.clone()),
    };
    let limit = match (&report.limit, &forecast.crossing) {
        (_, Crossing::Unpromised { reason }) => return Err(reason.clone()),
        (Some(limit), crossing) if *crossing != Crossing::NoLimit => limit.value,
        _ => return Err(report.limit_help.clone().unwrap_or_else(|| "it has no limit".to_owned())),
    };
    let mut earliest = match forecast.crossing {
        Crossing::Reached => Some(0.0),
        Crossing::Within { p10, p50, .. } => p10.or(p50),
        _ => None,
    };
    let mut steps = Vec::new();
    let mut from = limit;
    while let Some(day) = earliest.filter(|day| *day <= f64::from(horizon_days) + f64::from(RESERVE_DAYS)) {
        let met = at_day(forecast, day);
        let due = met.plus_millis(-(f64::from(RESERVE_DAYS) * DAY_MS) as i64);
        let (by, overdue) = if due <= now { (now, true) } else { (due, false) };
        if (by.0 - forecast.start.0) as f64 > f64::from(horizon_days) * DAY_MS {
            break;
        }
        let to = next_limit(report.resource, from, needed(forecast, day));
        let next = crossing_of(forecast, day as usize, to);
        let is_last = words::is_final(report.resource);
        let achieves = match next {
            _ if is_last => words::final_effect(report.resource).to_owned(),
            Some(next) => {
                format!("estimate: lasts to {} in nine of ten outcomes", format::date(at_day(forecast, next as f64)))
            }
            None => format!(
                "estimate: lasts beyond {} in nine of ten outcomes",
                format::date(at_day(forecast, forecast.high80.len() as f64))
            ),
        };
        let because = if day <= 0.0 {
            format!("it is at {} already", format::value(from, report.unit))
        } else {
            format!("it may reach {} on {}", format::value(from, report.unit), format::date(met))
        };
        steps.push(PlanStep {
            by,
            resource: report.resource,
            step: words::step(report, from, to),
            because,
            achieves,
            overdue,
        });
        if is_last || steps.len() == MAX_STEPS {
            break;
        }
        earliest = next.map(|day| day as f64);
        from = to;
    }
    Ok(steps)
}

/// The moment so many days into a forecast.
fn at_day(forecast: &Forecast, day: f64) -> Timestamp {
    forecast.start.plus_millis((day * DAY_MS) as i64)
}

/// What nine in ten outcomes stay below for as long as a step should last.
pub(super) fn needed(forecast: &Forecast, from_day: f64) -> f64 {
    let from = (from_day.max(0.0) as usize).min(forecast.high80.len().saturating_sub(1));
    let until = (from + LASTS_DAYS).min(forecast.high80.len());
    forecast.high80.get(from..until).unwrap_or_default().iter().copied().fold(0.0, f64::max)
}

/// The first day after `after` on which one in ten outcomes is at a limit.
fn crossing_of(forecast: &Forecast, after: usize, limit: f64) -> Option<usize> {
    let rest = forecast.high80.iter().enumerate().skip(after + 1);
    rest.into_iter().find(|(_, value)| **value >= limit).map(|(day, _)| day)
}

/// The next size people would take that holds `needed`: a quarter more than before, or half, and so on. Of machines whose
/// limit is a share, what the share would have to be: the step says how much more machine that is.
pub(super) fn next_limit(resource: Resource, from: f64, needed: f64) -> f64 {
    let factor = (needed / from.max(f64::MIN_POSITIVE)).max(1.0);
    let quarters = (factor * 4.0).ceil().max(5.0) / 4.0;
    let to = from * quarters;
    match resource {
        Resource::Connections | Resource::QueueDepth => (to / 5.0).ceil() * 5.0,
        _ => to,
    }
}
