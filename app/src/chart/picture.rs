//! Charts as one picture: a drawing of its own with everything that the page says around it, to be kept as PNG.
//!
//! Colours are written as `var(--name)`; whoever draws the picture replaces them by what the theme makes of them.

use super::{Plot, Weight, gaps::gaps, svg, text::escape};
use headroom_model::{format, series::Series};
use std::fmt::Write;

/// Width of a picture in pixels.
pub const WIDTH: u32 = 1200;
#[cfg(any(feature = "hydrate", test))]
const HEAD: u32 = 64;
const CHART: u32 = 260;
const PLOT_TOP: u32 = 34;
const PLOT: u32 = 180;
const LEFT: u32 = 72;
const RIGHT: u32 = 24;

/// A picture and its height in pixels.
#[cfg(any(feature = "hydrate", test))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The drawing, a complete SVG document.
    pub svg: String,
    /// Height in pixels.
    pub height: u32,
}

/// Draws charts below each other under a heading: what, of which target, over which range.
#[cfg(any(feature = "hydrate", test))]
#[must_use]
pub fn picture(heading: &str, note: &str, plots: &[Plot]) -> Picture {
    let count = u32::try_from(plots.len()).unwrap_or(u32::MAX).clamp(1, 20);
    let height = HEAD + CHART * count;
    let mut out = String::with_capacity(64 * 1024);
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="IBM Plex Sans, system-ui, sans-serif" font-size="13"><rect width="100%" height="100%" fill="var(--panel)"/><text x="24" y="30" font-size="19" font-weight="600" fill="var(--ink)">{}</text><text x="24" y="50" fill="var(--ink-2)">{}</text>"#,
        escape(heading),
        escape(note)
    );
    for (i, plot) in (0..count).zip(plots) {
        let _ = write!(out, r#"<g transform="translate(0 {})">"#, HEAD + CHART * i);
        chart(&mut out, plot, Area { width: WIDTH, plot: PLOT, keys: usize::MAX, times: usize::MAX });
        out.push_str("</g>");
    }
    out.push_str("</svg>");
    Picture { svg: out, height }
}

/// Where a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// Its width, labels included.
    pub width: u32,
    /// The height of the plot alone.
    pub plot: u32,
    /// How many lines are named beside the heading.
    pub keys: usize,
    /// How many times are named below the plot.
    pub times: usize,
}

#[cfg(feature = "ssr")]
impl Area {
    /// What lies above and below the plot.
    pub const AROUND: u32 = CHART - PLOT;
}

/// Draws a chart with its heading, from the origin on.
pub(super) fn chart(out: &mut String, plot: &Plot, area: Area) {
    let whole = area.width;
    let width = whole - LEFT - RIGHT;
    let x = |fraction: f64| f64::from(LEFT) + fraction * f64::from(width);
    let y = |percent: f64| f64::from(PLOT_TOP) + percent / 100.0 * f64::from(area.plot);
    let unit = plot.unit();
    let _ = write!(
        out,
        r#"<text x="24" y="20" font-size="15" font-weight="600" fill="var(--ink)">{}</text>"#,
        escape(plot.name)
    );
    let mut key = f64::from(whole - RIGHT);
    for line in plot.lines().take(area.keys).collect::<Vec<_>>().into_iter().rev() {
        let newest = format::value_or_missing(line.series.summary().map(|summary| summary.last), unit);
        let words = format!("{} {newest}", line.name);
        let _ = write!(
            out,
            r#"<text x="{key:.0}" y="20" text-anchor="end" fill="var(--{})">{}</text>"#,
            line.color,
            escape(&words)
        );
        key -= 18.0 + 7.5 * words.chars().count() as f64;
    }
    for tick in plot.scale.ticks() {
        let at = y(plot.scale.percent_down(tick));
        let _ = write!(
            out,
            r#"<path d="M{LEFT} {at:.1}H{}" stroke="var(--line)"/><text x="{}" y="{:.1}" text-anchor="end" fill="var(--ink-3)" font-size="11">{}</text>"#,
            whole - RIGHT,
            LEFT - 8,
            at + 4.0,
            escape(&format::axis(tick, plot.scale.max, unit))
        );
    }
    for mark in &plot.marks {
        let color = if mark.alert { "critical" } else { "ink-3" };
        let _ = write!(
            out,
            r#"<path d="M{:.1} {PLOT_TOP}v{}" stroke="var(--{color})" stroke-dasharray="1.5 2.5"/>"#,
            x(plot.fraction(mark.at)),
            area.plot
        );
    }
    for gap in gaps(&plot.lead.series, plot.from, plot.to).iter().filter(|gap| !gap.leading) {
        let (start, end) = (x(plot.fraction(gap.from)), x(plot.fraction(gap.to)));
        let _ = write!(
            out,
            r#"<rect x="{start:.1}" y="{PLOT_TOP}" width="{:.1}" height="{}" fill="var(--line)" opacity="0.5"/>"#,
            end - start,
            area.plot
        );
    }
    for line in plot.lines() {
        let dash = if line.weight == Weight::Before { r#" stroke-dasharray="3 3""# } else { "" };
        let _ = write!(
            out,
            r#"<path d="{}" fill="none" stroke="var(--{})" stroke-width="{}" stroke-linejoin="round"{dash}/>"#,
            trace(plot, &line.series, &x, &y),
            line.color,
            line.weight.width()
        );
    }
    if let Some(rule) = plot.rule.as_ref().filter(|rule| (plot.scale.min..=plot.scale.max).contains(&rule.value)) {
        let (color, dash) = if rule.hard { ("critical", "") } else { ("degraded", r#" stroke-dasharray="6 3""#) };
        let at = y(plot.scale.percent_down(rule.value));
        let _ = write!(
            out,
            r#"<path d="M{LEFT} {at:.1}H{end}" stroke="var(--{color})"{dash}/><text x="{end}" y="{:.1}" text-anchor="end" fill="var(--{color})" font-size="11">{}</text>"#,
            at - 4.0,
            escape(&rule.label),
            end = whole - RIGHT,
        );
    }
    let ticks = svg::wide_ticks(plot);
    let each = ticks.len().div_ceil(area.times.max(1)).max(1);
    for (at, label) in ticks.into_iter().step_by(each) {
        let _ = write!(
            out,
            r#"<text x="{:.1}" y="{}" text-anchor="middle" fill="var(--ink-3)" font-size="11">{label}</text>"#,
            x(plot.fraction(at)),
            PLOT_TOP + area.plot + 18
        );
    }
}

/// The line of means in pixels, broken at gaps.
fn trace(plot: &Plot, series: &Series, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut d = String::new();
    let mut pen = false;
    for (i, value) in series.avg.iter().enumerate() {
        let at = series.at(i);
        match value {
            Some(value) if at >= plot.from && at <= plot.to => {
                let (x, y) = (x(plot.fraction(at)), y(plot.scale.percent_down(*value)));
                let _ = write!(d, "{}{x:.1} {y:.1}", if pen { 'L' } else { 'M' });
                if !pen {
                    d.push_str("h0");
                }
                pen = true;
            }
            _ => pen = false,
        }
    }
    d
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Line, Rule, Scale};
    use super::*;
    use headroom_model::{MetricId, Timestamp, metric::Unit};

    #[test]
    fn a_picture_says_what_it_shows() {
        let from = Timestamp(1_795_098_720_000);
        let avg = vec![Some(10.0), None, Some(90.0)];
        let series = Series {
            metric: MetricId::QueryLatencyP95,
            from,
            step_ms: 60_000,
            min: avg.clone(),
            max: avg.clone(),
            avg,
        };
        let plot = Plot {
            name: "Query <latency>",
            lead: Line { series, name: "p95", color: "o2", weight: Weight::Bold },
            rest: vec![],
            stacked: false,
            from,
            to: from.plus_millis(180_000),
            scale: Scale::fit(0.0, 100.0, Unit::Milliseconds, Floor::Zero),
            rule: Some(Rule { value: 50.0, label: "target 50 ms".into(), hard: false, good_below: true }),
            marks: vec![],
            today: from,
        };
        let drawn = picture("Trends", "orders, 14:32 – 14:35 UTC", &[plot.clone(), plot]);
        assert_eq!(drawn.height, HEAD + 2 * CHART);
        for part in ["orders, 14:32 – 14:35 UTC", "Query &lt;latency&gt;", "target 50 ms", "p95 90 ms"] {
            assert!(drawn.svg.contains(part), "{part}");
        }
        assert_eq!(drawn.svg.matches("stroke-width=\"2\"").count(), 2);
        assert_eq!(drawn.svg.matches("h0").count(), 4, "two stretches on each side of the gap");
        assert!(!drawn.svg.contains("NaN"));
    }
}
