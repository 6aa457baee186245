//! Paints plots as SVG and HTML text. Marks stretch with the frame (`viewBox` 0 0 1000 100), labels stay HTML.

use super::{
    Line, Plot, Weight,
    gaps::gaps,
    scale::{end_label, time_ticks},
    text::escape,
};
use headroom_model::{Timestamp, baseline::Baseline, format, series::Series};
use std::fmt::Write;

/// Labels of the time axis in a small chart.
const TIME_LABELS: i64 = 4;
/// A label closer than this to the end's is left out.
const END_ROOM: f64 = 0.86;
/// The same where a chart has the width of the page.
const END_ROOM_WIDE: f64 = 0.92;
/// Gaps narrower than this share of the frame have no room for their name.
const NAMED_GAP: f64 = 0.3;
/// The same where a chart has the width of the page.
const NAMED_GAP_WIDE: f64 = 0.1;
/// Labels of the time axis where a chart has the width of the page.
const TIME_LABELS_WIDE: i64 = 8;
/// Names beside lines keep this distance, in per cent of the height.
const NAME_ROOM: f64 = 11.0;
/// Where data begins later than this share of the range, its lines have no names beside them.
const LATEST_NAME: f64 = 0.6;

/// One decimal is finer than a pixel at any width we draw.
fn r1(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The inside of a `.chart`: value labels, plot, time labels.
#[must_use]
pub fn paint(plot: &Plot) -> String {
    paint_in(plot, None)
}

/// The same for a chart that has the width of the page: more labels, names beside the lines, and the usual range of the
/// leading line.
#[must_use]
pub fn paint_wide(plot: &Plot, usual: Option<&Baseline>) -> String {
    paint_in(plot, Some(usual))
}

fn paint_in(plot: &Plot, wide: Option<Option<&Baseline>>) -> String {
    let mut out = String::with_capacity(plot.lines().map(|line| line.series.avg.len()).sum::<usize>() * 12 + 2048);
    let unit = plot.unit();
    out.push_str(r#"<div class="y" aria-hidden="true">"#);
    for tick in plot.scale.ticks() {
        let _ = write!(
            out,
            r#"<span style="inset-block-start:{}%">{}</span>"#,
            r1(plot.scale.percent_down(tick)),
            escape(&format::axis(tick, plot.scale.max, unit))
        );
    }
    out.push_str(
        r#"</div><div class="plot"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">"#,
    );
    for tick in plot.scale.ticks() {
        let base = if tick == plot.scale.min { " base" } else { "" };
        let _ = write!(out, r#"<path class="grid{base}" d="M0 {}H1000"/>"#, r1(plot.scale.percent_down(tick)));
    }
    for mark in &plot.marks {
        let alert = if mark.alert { " alert" } else { "" };
        let _ = write!(out, r#"<path class="ev{alert}" d="M{} 0V100"/>"#, r1(plot.fraction(mark.at) * 1000.0));
    }
    if let Some(usual) = wide.flatten() {
        paint_usual(&mut out, plot, usual);
    }
    paint_lines(&mut out, plot);
    let visible_rule = plot.rule.as_ref().filter(|rule| (plot.scale.min..=plot.scale.max).contains(&rule.value));
    if let Some(rule) = visible_rule {
        let hard = if rule.hard { " crit" } else { "" };
        let _ = write!(out, r#"<path class="thr{hard}" d="M0 {}H1000"/>"#, r1(plot.scale.percent_down(rule.value)));
    }
    out.push_str("</svg>");
    paint_gaps(&mut out, plot, wide.is_some());
    if wide.is_some() {
        paint_names(&mut out, plot);
    }
    // Names of lines stand at the start of a wide chart, so its rule is labelled at the end.
    let left = if wide.is_some() { "" } else { " left" };
    if let Some(rule) = &plot.rule {
        let hard = if rule.hard { " crit" } else { "" };
        match visible_rule {
            Some(_) => {
                let top = r1(plot.scale.percent_down(rule.value));
                // Near the top edge the label hangs below its rule.
                let below = if top < 16.0 { " below" } else { "" };
                let _ = write!(
                    out,
                    r#"<span class="thr-l{left}{hard}{below}" style="inset-block-start:{top}%">{}</span>"#,
                    escape(&rule.label)
                );
            }
            // Far from the data the rule would flatten it: the label alone says where it lies.
            None => {
                let (side, arrow) = if rule.value > plot.scale.max { ("0", "↑") } else { ("100", "↓") };
                let below = if side == "0" { " below" } else { "" };
                let _ = write!(
                    out,
                    r#"<span class="thr-l{left}{hard}{below}" style="inset-block-start:{side}%">{} {arrow}</span>"#,
                    escape(&rule.label)
                );
            }
        }
    }
    out.push_str(r#"</div><div class="x" aria-hidden="true">"#);
    let ticks = if wide.is_some() { wide_ticks(plot) } else { ticks(plot, TIME_LABELS, END_ROOM) };
    for (at, label) in ticks {
        let fraction = plot.fraction(at);
        let start = if fraction < 0.06 { r#" class="b""# } else { "" };
        let _ = write!(out, r#"<span{start} style="inset-inline-start:{}%">{label}</span>"#, r1(fraction * 100.0));
    }
    let _ = write!(
        out,
        r#"<span class="e" style="inset-inline-start:100%">{}</span></div>"#,
        end_label(plot.from, plot.to)
    );
    out
}

/// Labels of the time axis, without those that would meet the end's.
fn ticks(plot: &Plot, most: i64, room: f64) -> Vec<(Timestamp, String)> {
    let mut ticks = time_ticks(plot.from, plot.to, most);
    ticks.retain(|(at, _)| plot.fraction(*at) < room);
    ticks
}

/// The same where a chart has the width of the page.
pub(super) fn wide_ticks(plot: &Plot) -> Vec<(Timestamp, String)> {
    ticks(plot, TIME_LABELS_WIDE, END_ROOM_WIDE)
}

fn paint_lines(out: &mut String, plot: &Plot) {
    if plot.stacked {
        for (line, d) in plot.lines().zip(areas(plot)) {
            let _ = write!(out, r#"<path class="ar stack" style="--c:var(--{})" d="{d}"/>"#, line.color);
        }
        return;
    }
    // Extremes of several series would hide each other.
    let alone = plot.rest.iter().all(|line| line.weight == Weight::Before);
    let band = if alone { band(plot) } else { String::new() };
    if !band.is_empty() {
        let _ = write!(out, r#"<path class="ar wash" style="--c:var(--{})" d="{band}"/>"#, plot.lead.color);
    }
    for line in plot.lines() {
        let weight = line.weight.class();
        let d = path(plot, line);
        let _ = write!(out, r#"<path class="ln{weight}" style="--c:var(--{})" d="{d}"/>"#, line.color);
    }
}

/// What is usual: a band, and a mark over each stretch outside it.
fn paint_usual(out: &mut String, plot: &Plot, usual: &Baseline) {
    let mut d = String::new();
    let mut run: Vec<(f64, f64, f64)> = Vec::new();
    let at = |i: usize| usual.from.plus_millis(usual.step_ms.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX)));
    for (i, ends) in usual.low.iter().zip(&usual.high).enumerate() {
        match ends {
            (Some(low), Some(high)) if at(i) >= plot.from && at(i) <= plot.to => run.push((
                r1(plot.fraction(at(i)) * 1000.0),
                r1(plot.scale.percent_down(*low)),
                r1(plot.scale.percent_down(*high)),
            )),
            _ => close_band(&mut d, &mut run),
        }
    }
    close_band(&mut d, &mut run);
    let _ = write!(out, r#"<path class="ar usual" d="{d}"/>"#);
    for anomaly in &usual.anomalies {
        let (start, end) = (plot.fraction(anomaly.from), plot.fraction(anomaly.to));
        let _ = write!(out, r#"<path class="odd" d="M{} 1.5H{}"/>"#, r1(start * 1000.0), r1(end.max(start) * 1000.0));
    }
}

/// Names beside the lines, where each begins; pushed apart where lines run close to each other.
fn paint_names(out: &mut String, plot: &Plot) {
    // Where data begins late there is no room after it, and the legend has the names anyway.
    let first =
        plot.lines().filter_map(|line| Some(line.series.at(line.series.avg.iter().position(Option::is_some)?))).min();
    let start = first.map_or(0.0, |at| plot.fraction(at));
    if start > LATEST_NAME {
        return;
    }
    let start = r1((start * 100.0).max(1.0));
    let mut names: Vec<(f64, &Line)> = plot
        .lines()
        .filter(|line| line.weight != Weight::Before)
        .filter_map(|line| {
            let first = line.series.avg.iter().flatten().next()?;
            Some((plot.scale.percent_down(*first), line))
        })
        .collect();
    if names.len() < 2 {
        return;
    }
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = 2.0;
    let mut tops: Vec<f64> = Vec::with_capacity(names.len());
    for (y, _) in &names {
        let top = (y - NAME_ROOM).max(free);
        tops.push(top);
        free = top + NAME_ROOM;
    }
    // What was pushed below the frame moves up again, and takes along what it meets.
    let mut lowest = 100.0 - NAME_ROOM;
    for top in tops.iter_mut().rev() {
        *top = top.min(lowest);
        lowest = *top - NAME_ROOM;
    }
    for ((_, line), top) in names.iter().zip(tops) {
        let _ = write!(
            out,
            r#"<span class="tag-l" style="inset-inline-start:{start}%;inset-block-start:{}%;--c:var(--{})">{}</span>"#,
            r1(top),
            line.color,
            escape(line.name)
        );
    }
}

fn paint_gaps(out: &mut String, plot: &Plot, wide: bool) {
    let (named, height) = if wide { (NAMED_GAP_WIDE, 14) } else { (NAMED_GAP, 50) };
    for gap in gaps(&plot.lead.series, plot.from, plot.to) {
        let (start, end) = (plot.fraction(gap.from), plot.fraction(gap.to));
        // Before the first measurement nothing is missing yet: a word, no hatch.
        if !gap.leading {
            let _ = write!(
                out,
                r#"<i class="gapz" style="inset-inline-start:{}%;inline-size:{}%"></i>"#,
                r1(start * 100.0),
                r1((end - start) * 100.0)
            );
        }
        if end - start >= named {
            let text = match (gap.leading, plot.lead.series.avg.iter().all(Option::is_none)) {
                (true, true) => "no data in this range".to_owned(),
                (true, false) => format!("data from {}", format::moment(gap.to, plot.today)),
                (false, _) => format!("no data, {}", format::duration_ms((gap.to.0 - gap.from.0) as f64)),
            };
            let _ = write!(
                out,
                r#"<span class="gap-l" style="inset-inline-start:{}%;inset-block-start:{height}%">{text}</span>"#,
                r1((start + end) * 50.0)
            );
        }
    }
}

/// The line of means: broken at gaps; a lone point between gaps is a dot.
fn path(plot: &Plot, line: &Line) -> String {
    let mut d = String::new();
    let mut pen = false;
    let mut lone = false;
    for (i, value) in line.series.avg.iter().enumerate() {
        let at = line.series.at(i);
        match value {
            Some(value) if at >= plot.from && at <= plot.to => {
                let (x, y) = (r1(plot.fraction(at) * 1000.0), r1(plot.scale.percent_down(*value)));
                let _ = write!(d, "{}{x} {y}", if pen { 'L' } else { 'M' });
                lone = !pen;
                pen = true;
            }
            _ => {
                if lone {
                    d.push_str("h0");
                }
                (pen, lone) = (false, false);
            }
        }
    }
    if lone {
        d.push_str("h0");
    }
    d
}

/// The areas of a stack, in the order of its lines; broken where one of them was not measured.
fn areas(plot: &Plot) -> Vec<String> {
    let lead = &plot.lead.series;
    let lines: Vec<&Line> = plot.lines().collect();
    let mut paths = vec![String::new(); lines.len()];
    // A slot of a run: where it lies, and the upper edge of each area.
    let mut run: Vec<(f64, Vec<f64>)> = Vec::new();
    let mut close = |run: &mut Vec<(f64, Vec<f64>)>| {
        let base = r1(plot.scale.percent_down(plot.scale.min));
        for (n, d) in paths.iter_mut().enumerate().filter(|_| run.len() > 1) {
            for (i, (x, tops)) in run.iter().enumerate() {
                let _ = write!(d, "{}{x} {}", if i == 0 { 'M' } else { 'L' }, tops[n]);
            }
            for (x, tops) in run.iter().rev() {
                let _ = write!(d, "L{x} {}", if n == 0 { base } else { tops[n - 1] });
            }
            d.push('Z');
        }
        run.clear();
    };
    for i in 0..lead.avg.len() {
        let at = lead.at(i);
        let values: Option<Vec<f64>> = lines.iter().map(|line| line.series.avg.get(i).copied().flatten()).collect();
        match values.filter(|_| at >= plot.from && at <= plot.to) {
            Some(values) => {
                let mut sum = 0.0;
                let edge = |value: f64| {
                    sum += value;
                    r1(plot.scale.percent_down(sum))
                };
                run.push((r1(plot.fraction(at) * 1000.0), values.into_iter().map(edge).collect()));
            }
            None => close(&mut run),
        }
    }
    close(&mut run);
    paths
}

/// The area between smallest and largest of each slot, so that peaks survive averaging. Empty where slots hold one
/// measurement.
fn band(plot: &Plot) -> String {
    let series = &plot.lead.series;
    let mut d = String::new();
    let mut run: Vec<(f64, f64, f64)> = Vec::new();
    let mut spread = false;
    for i in 0..series.avg.len() {
        let at = series.at(i);
        match (series.min.get(i).copied().flatten(), series.max.get(i).copied().flatten()) {
            (Some(low), Some(high)) if at >= plot.from && at <= plot.to => {
                spread |= low < high;
                let (low, high) = (r1(plot.scale.percent_down(low)), r1(plot.scale.percent_down(high)));
                run.push((r1(plot.fraction(at) * 1000.0), low, high));
            }
            _ => close_band(&mut d, &mut run),
        }
    }
    close_band(&mut d, &mut run);
    if spread { d } else { String::new() }
}

/// Ends one stretch of an area between two edges: place, lower edge, upper edge.
fn close_band(d: &mut String, run: &mut Vec<(f64, f64, f64)>) {
    if run.len() > 1 {
        for (n, (x, _, high)) in run.iter().enumerate() {
            let _ = write!(d, "{}{x} {high}", if n == 0 { 'M' } else { 'L' });
        }
        for (x, low, _) in run.iter().rev() {
            let _ = write!(d, "L{x} {low}");
        }
        d.push('Z');
    }
    run.clear();
}

/// The inside of an `svg.spark`: one line between `low` and `high` from the first measurement on, gaps left out.
#[must_use]
pub fn spark(series: &Series, low: f64, high: f64) -> String {
    let first = series.avg.iter().position(Option::is_some).unwrap_or(0);
    let values = &series.avg[first..];
    let last = values.len().saturating_sub(1).max(1) as f64;
    let margin = ((high - low) * 0.08).max(f64::EPSILON);
    let (bottom, top) = (low - margin, high + margin);
    let mut d = String::new();
    let mut pen = false;
    for (i, value) in values.iter().enumerate() {
        match value {
            Some(value) => {
                let y = (100.0 - (value - bottom) / (top - bottom) * 100.0).clamp(0.0, 100.0);
                let _ = write!(d, "{}{} {}", if pen { 'L' } else { 'M' }, r1(i as f64 / last * 1000.0), r1(y));
                if !pen {
                    d.push_str("h0");
                }
                pen = true;
            }
            None => pen = false,
        }
    }
    format!(r#"<path class="ln" d="{d}"/>"#)
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Mark, Rule, Scale};
    use super::*;
    use headroom_model::{MetricId, metric::Unit};

    const FROM: Timestamp = Timestamp(1_795_098_720_000);

    fn series(avg: Vec<Option<f64>>) -> Series {
        Series {
            metric: MetricId::QueryLatencyP95,
            from: FROM,
            step_ms: 60_000,
            min: avg.clone(),
            max: avg.clone(),
            avg,
        }
    }

    fn line(plot: &Plot) -> String {
        path(plot, &plot.lead)
    }

    fn plot(avg: Vec<Option<f64>>) -> Plot {
        let from = FROM;
        Plot {
            name: "Query latency p95",
            to: from.plus_millis(60_000 * avg.len() as i64),
            lead: Line { series: series(avg), name: "p95", color: "s1", weight: Weight::Normal },
            rest: vec![],
            stacked: false,
            from,
            scale: Scale::fit(0.0, 100.0, Unit::Milliseconds, Floor::Zero),
            rule: None,
            marks: vec![],
            today: from,
        }
    }

    #[test]
    fn a_line_breaks_at_gaps_and_keeps_lone_points() {
        let v = Some(50.0);
        assert_eq!(line(&plot(vec![v, v])), "M0 50L500 50");
        assert_eq!(line(&plot(vec![v, None, v, v])), "M0 50h0M500 50L750 50");
        assert_eq!(line(&plot(vec![None, None])), "");
    }

    #[test]
    fn peaks_show_as_a_band() {
        let mut chart = plot(vec![Some(50.0), Some(50.0)]);
        assert_eq!(band(&chart), "");
        chart.lead.series.max = vec![Some(100.0), Some(60.0)];
        assert!(band(&chart).starts_with('M') && band(&chart).ends_with('Z'));
    }

    #[test]
    fn parts_stand_on_each_other_and_break_together() {
        let v = |value: f64| Some(value);
        let mut chart = plot(vec![v(60.0), v(50.0), None, v(40.0), v(40.0)]);
        let second = series(vec![v(40.0), v(50.0), v(9.0), v(60.0), v(60.0)]);
        chart.rest.push(Line { series: second, name: "miss", color: "s2", weight: Weight::Normal });
        chart.stacked = true;
        let areas = areas(&chart);
        assert_eq!(areas[0], "M0 40L200 50L200 100L0 100ZM600 60L800 60L800 100L600 100Z");
        assert_eq!(areas[1], "M0 0L200 0L200 50L0 40ZM600 0L800 0L800 60L600 60Z");
        assert_eq!(paint(&chart).matches("ar stack").count(), 2);
    }

    #[test]
    fn long_gaps_are_named_and_rules_out_of_sight_too() {
        let v = Some(50.0);
        let mut chart = plot(vec![v, v, None, None, None, None, v, v]);
        chart.rule = Some(Rule { value: 500.0, label: "target <500 ms>".into(), hard: false, good_below: true });
        chart.marks = vec![Mark { at: chart.from.plus_millis(60_000), alert: true }];
        let html = paint(&chart);
        assert!(html.contains("no data, 4 min"), "{html}");
        assert!(html.contains("target &lt;500 ms&gt; ↑"), "{html}");
        assert!(html.contains(r#"class="ev alert" d="M125 0V100""#), "{html}");
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn data_that_begins_on_another_day_says_which() {
        let mut chart = plot(vec![None, None, Some(50.0), Some(50.0)]);
        assert!(paint(&chart).contains("data from 14:34"));
        chart.today = chart.from.plus_millis(86_400_000);
        assert!(paint(&chart).contains("data from 19 Nov 14:34"));
    }

    #[test]
    fn names_stand_apart_and_inside_the_frame() {
        let mut chart = plot(vec![Some(1.0), Some(1.0)]);
        for name in ["b", "c", "d"] {
            chart.rest.push(Line { name, ..chart.lead.clone() });
        }
        chart.rest.push(Line { name: "before", weight: Weight::Before, ..chart.lead.clone() });
        let html = paint_wide(&chart, None);
        let tops: Vec<f64> = html
            .split("inset-inline-start:1%;inset-block-start:")
            .skip(1)
            .map(|rest| rest.split('%').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(tops.len(), 4);
        assert!(tops.windows(2).all(|pair| pair[1] - pair[0] >= NAME_ROOM - 0.11), "{tops:?}");
        assert!(tops[3] <= 100.0 - NAME_ROOM && tops[0] >= 0.0);
        assert_eq!(html.matches("ln prev").count(), 1);
    }

    #[test]
    fn nothing_measured_is_said_not_drawn() {
        let html = paint(&plot(vec![None; 10]));
        assert!(html.contains("no data in this range"));
        assert!(!html.contains("gapz"));
    }
}
