//! A plot in words: the sentence of its image role and the text of its tooltip.

use super::Plot;
use headroom_model::format;
#[cfg(any(feature = "hydrate", test))]
use headroom_model::metric::Kind;

/// Escapes text for HTML content and quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What the chart shows: name, range, extremes, newest value, rule. Of several series the newest values.
#[must_use]
pub fn sentence(plot: &Plot) -> String {
    let unit = plot.unit();
    let range = format::range(plot.from, plot.to, plot.today);
    let written = |value| format::value(value, unit).to_string();
    let newest: Vec<String> = plot
        .lines()
        .filter_map(|line| Some(format!("{} {}", line.name, written(line.series.summary()?.last))))
        .collect();
    let mut text = match plot.lead.series.summary() {
        Some(summary) if plot.rest.is_empty() => format!(
            "{}, {range}: between {} and {}, newest {}",
            plot.name,
            written(summary.min),
            written(summary.max),
            written(summary.last)
        ),
        _ if !newest.is_empty() => format!("{}, {range}: newest {}", plot.name, newest.join(", ")),
        _ => format!("{}, {range}: no data", plot.name),
    };
    if let Some(rule) = &plot.rule {
        text.push_str("; ");
        text.push_str(&rule.label);
    }
    text
}

/// The tooltip over one slot, as HTML; empty outside the data.
#[cfg(any(feature = "hydrate", test))]
#[must_use]
pub fn tooltip(plot: &Plot, slot: usize) -> String {
    let lead = &plot.lead.series;
    let Some(value) = lead.avg.get(slot).copied() else { return String::new() };
    let metric = lead.metric.metric();
    let at = lead.at(slot);
    let write = if lead.step_ms < 60_000 { format::moment_seconds } else { format::moment };
    let mut text = format!("<b>{}</b>", escape(&write(at, plot.today)));
    if !plot.rest.is_empty() {
        for line in plot.lines() {
            let value = format::value_or_missing(line.series.avg.get(slot).copied().flatten(), metric.unit);
            text.push_str(&format!("<br>{} {}", escape(line.name), escape(&value)));
        }
        return text;
    }
    text.push_str("<br>");
    text.push_str(&escape(&format::value_or_missing(value, metric.unit)));
    let (low, high) = (lead.min.get(slot).copied().flatten(), lead.max.get(slot).copied().flatten());
    if let (Some(low), Some(high)) = (low, high)
        && metric.kind == Kind::Gauge
        && low < high
    {
        let (low, high) = (format::value(low, metric.unit), format::value(high, metric.unit));
        text.push_str(&format!(
            "<br><span class=\"dim\">{} to {}</span>",
            escape(&low.to_string()),
            escape(&high.to_string())
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Line, Rule, Scale, Weight};
    use super::*;
    use headroom_model::{MetricId, Timestamp, metric::Unit, series::Series};

    const TO: Timestamp = Timestamp(1_795_098_728_250);

    fn line(metric: MetricId, name: &'static str, avg: Vec<Option<f64>>) -> Line {
        let (min, max) = (vec![Some(400.0); avg.len()], vec![Some(700.0); avg.len()]);
        let series = Series { metric, from: TO.plus_millis(-21_600_000), step_ms: 7_200_000, min, max, avg };
        Line { series, name, color: "s1", weight: Weight::Normal }
    }

    fn plot(avg: Vec<Option<f64>>) -> Plot {
        let (from, to) = (TO.plus_millis(-21_600_000), TO);
        Plot {
            name: "Query latency p95",
            lead: line(MetricId::QueryLatencyP95, "p95", avg),
            rest: vec![],
            stacked: false,
            from,
            to,
            scale: Scale::fit(0.0, 700.0, Unit::Milliseconds, Floor::Zero),
            rule: Some(Rule { value: 500.0, label: "target 500 ms".into(), hard: false, good_below: true }),
            marks: vec![],
            today: to,
        }
    }

    #[test]
    fn a_chart_reads_as_a_sentence() {
        assert_eq!(
            sentence(&plot(vec![Some(410.0), Some(640.0), None])),
            "Query latency p95, 08:32 – 14:32: between 400 ms and 700 ms, newest 640 ms; target 500 ms"
        );
        assert_eq!(sentence(&plot(vec![None])), "Query latency p95, 08:32 – 14:32: no data; target 500 ms");
    }

    #[test]
    fn a_tooltip_says_when_and_how_much() {
        let plot = plot(vec![Some(410.0), None]);
        assert_eq!(tooltip(&plot, 0), "<b>08:32</b><br>410 ms<br><span class=\"dim\">400 ms to 700 ms</span>");
        assert!(tooltip(&plot, 1).contains('–'));
        assert_eq!(tooltip(&plot, 2), "");
    }

    #[test]
    fn several_series_are_told_by_name() {
        let mut plot = plot(vec![Some(410.0), Some(640.0)]);
        plot.rest.push(line(MetricId::QueryLatencyP99, "p99", vec![Some(900.0), None]));
        plot.rule = None;
        assert_eq!(sentence(&plot), "Query latency p95, 08:32 – 14:32: newest p95 640 ms, p99 900 ms");
        assert_eq!(tooltip(&plot, 1), "<b>10:32</b><br>p95 640 ms<br>p99 –");
    }

    #[test]
    fn a_past_day_is_named() {
        let mut plot = plot(vec![Some(410.0)]);
        plot.today = plot.to.plus_millis(86_400_000);
        assert!(sentence(&plot).starts_with("Query latency p95, 19 Nov 08:32 – 14:32: "), "{}", sentence(&plot));
        assert!(tooltip(&plot, 0).starts_with("<b>19 Nov 08:32</b>"));
        plot.lead.series.step_ms = 5000;
        assert!(tooltip(&plot, 0).starts_with("<b>19 Nov 08:32:08</b>"));
    }
}
