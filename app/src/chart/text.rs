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

/// What the chart shows: name, range, extremes, newest value, rule.
#[must_use]
pub fn sentence(plot: &Plot) -> String {
    let metric = plot.series.metric.metric();
    let range = format::range(plot.from, plot.to, plot.today);
    let written = |value| format::value(value, metric.unit).to_string();
    let mut text = match plot.series.summary() {
        Some(summary) => format!(
            "{}, {range}: between {} and {}, newest {}",
            metric.name,
            written(summary.min),
            written(summary.max),
            written(summary.last)
        ),
        None => format!("{}, {range}: no data", metric.name),
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
    let Some(value) = plot.series.avg.get(slot).copied() else { return String::new() };
    let metric = plot.series.metric.metric();
    let at = plot.series.at(slot);
    let write = if plot.series.step_ms < 60_000 { format::moment_seconds } else { format::moment };
    let when = write(at, plot.today);
    let mut text = format!("<b>{}</b><br>{}", escape(&when), escape(&format::value_or_missing(value, metric.unit)));
    let (low, high) = (plot.series.min.get(slot).copied().flatten(), plot.series.max.get(slot).copied().flatten());
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
    use super::super::{Floor, Rule, Scale};
    use super::*;
    use headroom_model::{MetricId, Timestamp, metric::Unit, series::Series};

    fn plot(avg: Vec<Option<f64>>) -> Plot {
        let to = Timestamp(1_795_098_728_250);
        let from = to.plus_millis(-21_600_000);
        Plot {
            series: Series {
                metric: MetricId::QueryLatencyP95,
                from,
                step_ms: 7_200_000,
                min: vec![Some(400.0); avg.len()],
                max: vec![Some(700.0); avg.len()],
                avg,
            },
            from,
            to,
            color: "s1",
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
    fn a_past_day_is_named() {
        let mut plot = plot(vec![Some(410.0)]);
        plot.today = plot.to.plus_millis(86_400_000);
        assert!(sentence(&plot).starts_with("Query latency p95, 19 Nov 08:32 – 14:32: "), "{}", sentence(&plot));
        assert!(tooltip(&plot, 0).starts_with("<b>19 Nov 08:32</b>"));
        plot.series.step_ms = 5000;
        assert!(tooltip(&plot, 0).starts_with("<b>19 Nov 08:32:08</b>"));
    }
}
