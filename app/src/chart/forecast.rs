//! Paints a forecast: the past up to now, then the median with its intervals, against the limit.

use super::{
    Floor, Scale,
    scale::{end_label, time_ticks},
    text::escape,
};
use headroom_model::{
    Timestamp,
    capacity::{LimitSource, ResourceReport},
    forecast::Forecast,
    format,
};
use std::fmt::Write;

/// Labels of the time axis.
const TIME_LABELS: i64 = 4;
/// A limit is drawn when the data reaches this share of it; above the frame its label alone says where it lies.
const LIMIT_IN_SIGHT: f64 = 0.3;
/// An interval may be this many times as high as data and limit before the frame cuts it: it would flatten both.
const INTERVAL_MOST: f64 = 1.6;

/// One decimal is finer than a pixel at any width we draw.
fn r1(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Where things lie in the frame.
struct Frame {
    from: Timestamp,
    to: Timestamp,
    scale: Scale,
}

impl Frame {
    fn x(&self, at: Timestamp) -> f64 {
        let span = (self.to.0 - self.from.0).max(1) as f64;
        r1(((at.0 - self.from.0) as f64 / span).clamp(0.0, 1.0) * 1000.0)
    }

    fn y(&self, value: f64) -> f64 {
        r1(self.scale.percent_down(value))
    }

    fn point(&self, at: Timestamp, value: f64) -> String {
        format!("{} {}", self.x(at), self.y(value))
    }
}

/// The inside of a `.chart`; empty where there is neither past nor forecast. As much of the past is shown as of what is
/// ahead.
#[must_use]
pub fn paint_forecast(report: &ResourceReport, horizon_days: u32) -> String {
    let Some(frame) = frame(report, horizon_days) else { return String::new() };
    let mut out = String::with_capacity(8192);
    out.push_str(r#"<div class="y" aria-hidden="true">"#);
    for tick in frame.scale.ticks() {
        let label = format::axis(tick, frame.scale.max, report.unit);
        let _ = write!(out, r#"<span style="inset-block-start:{}%">{}</span>"#, frame.y(tick), escape(&label));
    }
    out.push_str(
        r#"</div><div class="plot"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">"#,
    );
    for tick in frame.scale.ticks() {
        let base = if tick == frame.scale.min { " base" } else { "" };
        let _ = write!(out, r#"<path class="grid{base}" d="M0 {}H1000"/>"#, frame.y(tick));
    }
    if let Some(forecast) = report.forecast() {
        for (class, low, high) in
            [("b95", &forecast.low95, &forecast.high95), ("b80", &forecast.low80, &forecast.high80)]
        {
            let _ = write!(
                out,
                r#"<path class="ar {class}" style="--c:var(--s1)" d="{}"/>"#,
                band(&frame, forecast, low, high)
            );
        }
    }
    let _ = write!(out, r#"<path class="ln" style="--c:var(--s1)" d="{}"/>"#, past(&frame, report));
    let mut now = report.past.from.plus_millis(report.past.step_ms * report.past.values.len() as i64);
    if let Some(forecast) = report.forecast() {
        now = forecast.start;
        let line = line(&frame, forecast, &forecast.median);
        let _ = write!(out, r#"<path class="ln dash" style="--c:var(--s1)" d="{line}"/>"#);
    }
    let limit = report.limit.as_ref();
    let in_sight = limit.filter(|limit| limit.value <= frame.scale.max);
    if let Some(limit) = in_sight {
        let _ = write!(out, r#"<path class="thr crit" d="M0 {}H1000"/>"#, frame.y(limit.value));
    }
    let _ = write!(out, r#"<path class="nowl" d="M{} 0V100"/></svg>"#, frame.x(now));
    if let Some(limit) = limit {
        let what = if limit.source == LimitSource::WhatIf { "asked" } else { "limit" };
        let label = format!("{what} {}", format::value(limit.value, report.unit));
        let (top, arrow) = if in_sight.is_some() { (frame.y(limit.value), "") } else { (0.0, " ↑") };
        // Near the top edge the label hangs below its rule.
        let below = if top < 16.0 { " below" } else { "" };
        let _ = write!(
            out,
            r#"<span class="thr-l left crit{below}" style="inset-block-start:{top}%">{}{arrow}</span>"#,
            escape(&label)
        );
    }
    out.push_str(r#"</div><div class="x" aria-hidden="true">"#);
    for (at, label) in time_ticks(frame.from, frame.to, TIME_LABELS) {
        let x = frame.x(at) / 10.0;
        if x < 84.0 {
            let start = if x < 6.0 { r#" class="b""# } else { "" };
            let _ = write!(out, r#"<span{start} style="inset-inline-start:{}%">{label}</span>"#, r1(x));
        }
    }
    let end = end_label(frame.from, frame.to);
    let _ = write!(out, r#"<span class="e" style="inset-inline-start:100%">{end}</span></div>"#);
    out
}

/// None where nothing is to be drawn.
fn frame(report: &ResourceReport, horizon_days: u32) -> Option<Frame> {
    const DAY_MS: i64 = 86_400_000;
    let ahead = DAY_MS * i64::from(horizon_days);
    let past_end = report.past.from.plus_millis(report.past.step_ms * report.past.values.len() as i64);
    let now = report.forecast().map_or(past_end, |forecast| forecast.start);
    let seen = report.past.values.iter().flatten().copied();
    let median = report.forecast().map(|forecast| forecast.median.as_slice()).unwrap_or_default();
    let data = seen.chain(median.iter().copied()).fold(0.0, f64::max);
    if report.past.values.iter().all(Option::is_none) {
        return None;
    }
    let limit = report.limit.as_ref().map(|limit| limit.value).filter(|limit| data >= limit * LIMIT_IN_SIGHT);
    // Room above the rule for its label, and for what lies beyond it.
    let main = data.max(limit.map_or(0.0, |limit| limit * 1.1));
    let interval = report.forecast().map_or(0.0, |forecast| forecast.high95.iter().copied().fold(0.0, f64::max));
    let high = main.max(interval.min(main * INTERVAL_MOST));
    let floor =
        if report.unit == headroom_model::metric::Unit::Percent && high > 50.0 { Floor::Full } else { Floor::Zero };
    let scale = Scale::fit(0.0, high, report.unit, floor);
    Some(Frame { from: now.plus_millis(-ahead), to: now.plus_millis(ahead), scale })
}

/// The line of the past: broken at gaps; a lone point between gaps is a dot.
fn past(frame: &Frame, report: &ResourceReport) -> String {
    let mut d = String::new();
    let mut before = false;
    for (i, value) in report.past.values.iter().enumerate() {
        let at = report.past.from.plus_millis(report.past.step_ms * i as i64);
        match value {
            Some(value) if at >= frame.from => {
                let _ = write!(d, "{}{}", if before { 'L' } else { 'M' }, frame.point(at, *value));
                if !before {
                    d.push_str("h0");
                }
                before = true;
            }
            _ => before = false,
        }
    }
    d
}

fn at(forecast: &Forecast, step: usize) -> Timestamp {
    forecast.start.plus_millis(forecast.step_ms * step as i64)
}

fn line(frame: &Frame, forecast: &Forecast, values: &[f64]) -> String {
    let mut d = String::new();
    for (i, value) in values.iter().enumerate() {
        let _ = write!(d, "{}{}", if i == 0 { 'M' } else { 'L' }, frame.point(at(forecast, i), *value));
    }
    d
}

fn band(frame: &Frame, forecast: &Forecast, low: &[f64], high: &[f64]) -> String {
    let mut d = line(frame, forecast, high);
    for (i, value) in low.iter().enumerate().rev() {
        let _ = write!(d, "L{}", frame.point(at(forecast, i), *value));
    }
    if !d.is_empty() {
        d.push('Z');
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        capacity::{Limit, Past, Resource},
        forecast::{Crossing, Measure, Verdict},
        metric::Unit,
    };

    const DAY: i64 = 86_400_000;

    fn report(limit: f64) -> ResourceReport {
        let days = |slope: f64| (0..30).map(|day| 70.0 + f64::from(day) * slope).collect::<Vec<f64>>();
        let forecast = Forecast {
            start: Timestamp(60 * DAY),
            step_ms: DAY,
            median: days(0.5),
            low80: days(0.4),
            high80: days(0.6),
            low95: days(0.2),
            high95: days(40.0),
            measure: Measure::DailyPeak,
            model: String::new(),
            history_days: 60.0,
            growth_per_day: 0.5,
            backtest: None,
            shifts: Vec::new(),
            shifts_recur: false,
            spikes: 0,
            gaps: 0,
            seasons: Vec::new(),
            crossing: Crossing::NoLimit,
        };
        let mut values = vec![Some(60.0); 30];
        values[4] = None;
        ResourceReport {
            limit: Some(Limit { value: limit, source: LimitSource::Server, label: "<max>".into() }),
            past: Past { from: Timestamp(30 * DAY), step_ms: DAY, values },
            verdict: Verdict::Forecast(Box::new(forecast)),
            ..ResourceReport::empty(Resource::Connections, Unit::Count)
        }
    }

    #[test]
    fn now_stands_in_the_middle_and_gaps_stay_gaps() {
        let html = paint_forecast(&report(100.0), 30);
        assert!(html.contains(r#"class="nowl" d="M500 0V100""#), "{html}");
        assert!(html.contains("limit 100</span>") && html.contains(r#"class="thr crit""#), "{html}");
        let past = html.split(r#"class="ln" style="--c:var(--s1)" d=""#).nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(past.matches('M').count(), 2, "{past}");
        assert!(
            html.contains("ar b95") && html.contains("ar b80") && html.contains("ln dash") && !html.contains("NaN")
        );
    }

    #[test]
    fn a_wide_interval_or_a_far_limit_does_not_flatten_the_line() {
        // The interval ends at 1230, the limit lies at 5000.
        let frame = frame(&report(5000.0), 30).unwrap();
        assert!(frame.scale.max <= 200.0, "{:?}", frame.scale);
        assert!(paint_forecast(&report(5000.0), 30).contains("limit 5,000 ↑"));
    }

    #[test]
    fn nothing_measured_paints_nothing() {
        let empty = ResourceReport::empty(Resource::Cpu, Unit::Percent);
        assert_eq!(paint_forecast(&empty, 30), "");
    }
}
