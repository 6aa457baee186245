//! What the page says of forecasts.

use headroom_model::{
    Timestamp,
    capacity::{CapacityDashboard, Reaches, ResourceReport},
    forecast::{Crossing, Forecast, Measure, Verdict},
    format,
};

const DAY_MS: f64 = 86_400_000.0;

/// The sentence under the heading, in three parts: before, the first limit, after.
pub fn head(dashboard: &CapacityDashboard, now: Timestamp) -> (String, Option<String>, String) {
    let days = dashboard.horizon_days;
    let history = dashboard.resources.iter().filter_map(ResourceReport::forecast).map(|forecast| forecast.history_days);
    let updated = format::moment(dashboard.computed_at, now);
    let from = match history.fold(0.0, f64::max) {
        none if none <= 0.0 => format!("Updated {updated}. "),
        history => {
            format!("Forecast from up to {} days of hours, updated {updated}. ", format::number(history.round()))
        }
    };
    let first = dashboard.resources.first().map(|report| (report, report.reaches(days)));
    match first {
        Some((report, reaches @ Reaches::In { median, .. })) => {
            let at = report.forecast().map(|forecast| forecast.start.plus_millis((median * DAY_MS) as i64));
            let about = at.map(|at| format!(", about {}.", format::date(at))).unwrap_or_default();
            (
                format!("{from}The first limit is "),
                Some(format!("{}, {}", report.resource.name().to_lowercase_first(), reaches.words())),
                about,
            )
        }
        Some((report, Reaches::Now)) => {
            (from, Some(format!("{} is at its limit", report.resource.name())), ".".to_owned())
        }
        Some((report, reaches @ Reaches::Perhaps { .. })) => {
            let name = report.resource.name().to_lowercase_first();
            (
                format!("{from}The first limit may be "),
                Some(format!("{name}, {} days", reaches.range())),
                ".".to_owned(),
            )
        }
        Some((_, Reaches::Not { .. })) => (from, None, format!("No limit is reached in {days} days.")),
        _ => (from, None, "Nothing can be forecast yet.".to_owned()),
    }
}

/// The beginning of a name within a sentence.
trait WithinSentence {
    fn to_lowercase_first(&self) -> String;
}

impl WithinSentence for str {
    fn to_lowercase_first(&self) -> String {
        if self.chars().skip(1).any(char::is_uppercase) {
            return self.to_owned();
        }
        let mut chars = self.chars();
        chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
    }
}

/// When a resource reaches its limit, or why that is not known.
pub fn reaches(report: &ResourceReport, horizon_days: u32) -> String {
    match (&report.verdict, report.reaches(horizon_days)) {
        (Verdict::Silent { .. }, _) => "no forecast".to_owned(),
        (Verdict::Forecast(forecast), Reaches::Unknown) => match &forecast.crossing {
            Crossing::Unpromised { .. } => "no date yet".to_owned(),
            _ => "no limit known".to_owned(),
        },
        (_, reaches) => reaches.short(),
    }
}

/// As [`reaches`], with the range.
pub fn reaches_in_full(report: &ResourceReport, horizon_days: u32) -> String {
    match report.reaches(horizon_days) {
        Reaches::Unknown => reaches(report, horizon_days),
        known => known.words(),
    }
}

/// The sentence of a chart.
pub fn sentence(report: &ResourceReport, horizon_days: u32) -> String {
    let measure = match report.measure {
        Measure::DailyPeak => "daily peak hour",
        Measure::Level => "daily level",
    };
    let name = report.resource.name();
    format!("{name}, {measure}: {}; {}", report.used(), reaches_in_full(report, horizon_days))
}

/// What is said under a chart: model, backtest, shifts, history; or why there is no forecast. One line each.
pub fn evidence(report: &ResourceReport) -> Vec<String> {
    match &report.verdict {
        Verdict::Silent { reason } => vec![format!("No forecast: {}", reason.trim_end_matches('.').to_owned() + ".")],
        Verdict::Forecast(forecast) => {
            let mut lines = vec![model(forecast)];
            lines.push(backtest(forecast, report));
            lines.extend(shifts(forecast, report));
            if let Crossing::Unpromised { reason } = &forecast.crossing {
                lines.push(format!("No date: {}.", reason.trim_end_matches('.')));
            }
            match (&report.limit, &report.limit_help) {
                (Some(limit), _) => {
                    lines.push(format!("Limit {}: {}.", format::value(limit.value, report.unit), limit.label));
                }
                (None, Some(help)) => lines.push(format!("No limit known. {help}")),
                (None, None) => {}
            }
            lines
        }
    }
}

fn model(forecast: &Forecast) -> String {
    let days = format::number(forecast.history_days.round().max(1.0));
    format!("Model: {}; {days} days of history.", forecast.model.trim_end_matches('.'))
}

fn backtest(forecast: &Forecast, report: &ResourceReport) -> String {
    let Some(test) = &forecast.backtest else { return "Backtest: the history is too short to try.".to_owned() };
    let error = |error: &headroom_model::forecast::BacktestError| match error.error_percent {
        Some(percent) => format!("{} %", format::number(percent)),
        None => format::value(error.error, report.unit).to_string(),
    };
    format!(
        "Backtest: {} off over {} days, {} times; a straight line {}. The 80 % band held {} %.",
        error(&test.ours),
        test.horizon_days,
        test.folds,
        error(&test.straight_line),
        format::number(test.covered80_percent),
    )
}

fn shifts(forecast: &Forecast, report: &ResourceReport) -> Option<String> {
    let newest = forecast.shifts.last()?;
    let sign = if newest.by > 0.0 { "+" } else { "" };
    let by = format!("{sign}{} on {}", format::value(newest.by, report.unit), format::date(newest.at));
    let count = forecast.shifts.len();
    let habit = if forecast.shifts_recur { ", a habit that was kept" } else { ", taken out of the trend" };
    Some(if count == 1 {
        format!("1 shift of level: {by}{habit}.")
    } else {
        format!("{count} shifts of level, the last {by}{habit}.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        capacity::{Limit, LimitSource, Resource},
        metric::Unit,
    };

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn report(crossing: Crossing) -> ResourceReport {
        let forecast = Forecast {
            start: NOW,
            step_ms: 86_400_000,
            median: vec![1.0; 180],
            low80: Vec::new(),
            high80: Vec::new(),
            low95: Vec::new(),
            high95: Vec::new(),
            measure: Measure::Level,
            model: "straight line".into(),
            history_days: 60.0,
            growth_per_day: 1.0,
            backtest: None,
            shifts: vec![headroom_model::forecast::Shift { at: NOW, by: -1024.0 }],
            shifts_recur: false,
            spikes: 0,
            gaps: 0,
            seasons: Vec::new(),
            crossing,
        };
        ResourceReport {
            current: Some(412.0),
            limit: Some(Limit { value: 500.0, source: LimitSource::Host, label: "disk".into() }),
            verdict: Verdict::Forecast(Box::new(forecast)),
            ..ResourceReport::empty(Resource::Storage, Unit::Bytes)
        }
    }

    fn said(resources: Vec<ResourceReport>) -> String {
        let dashboard = CapacityDashboard {
            target: TargetId("orders".into()),
            computed_at: NOW.plus_millis(-3_600_000),
            computed_in_ms: 1.0,
            horizon_days: 180,
            resources,
        };
        let (before, first, after) = head(&dashboard, NOW);
        format!("{before}{}{after}", first.unwrap_or_default())
    }

    #[test]
    fn the_head_names_the_first_limit_and_its_range() {
        let within = Crossing::Within { p10: Some(33.0), p50: Some(47.0), p90: Some(80.0) };
        assert_eq!(
            said(vec![report(within)]),
            "Forecast from up to 60 days of hours, updated 13:32. The first limit is storage, in 47 days (33–80), \
             about 5 Jan 2027."
        );
        let never = said(vec![report(Crossing::Never { within_days: 180 })]);
        assert!(never.ends_with("No limit is reached in 180 days."), "{never}");
        let empty = said(vec![ResourceReport::empty(Resource::Cpu, Unit::Percent)]);
        assert_eq!(empty, "Updated 13:32. Nothing can be forecast yet.");
    }

    #[test]
    fn every_chart_says_what_it_rests_on_or_why_it_is_silent() {
        let lines = evidence(&report(Crossing::NoLimit)).join(" ");
        for part in [
            "straight line; 60 days",
            "too short to try",
            "1 shift of level: −1 KiB on 19 Nov 2026",
            "Limit 500 B: disk.",
        ] {
            assert!(lines.contains(part), "{lines} lacks {part}");
        }
        let silent = Verdict::Silent { reason: "there is no job queue".into() };
        let silent = ResourceReport { verdict: silent, ..ResourceReport::empty(Resource::QueueDepth, Unit::Count) };
        assert_eq!(evidence(&silent), ["No forecast: there is no job queue."]);
        assert_eq!(reaches(&silent, 60), "no forecast");
    }
}
