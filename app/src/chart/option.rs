//! The ECharts option of a plot: lines, cursor and tooltip only. Frame, ticks, rules and gaps are painted already.

use super::Plot;
use charming::{
    Chart,
    component::{Axis, Grid},
    element::{AreaStyle, AxisType, Color, Formatter, ItemStyle, LineStyle, Symbol, Tooltip, Trigger},
    series::Line,
};
use headroom_model::series::Series;

/// Written where ECharts calls back: replaced by the function of that name (see `js/chart.js`).
const TOOLTIP: &str = "@fn:tooltip";
/// Stacks the two halves of the band of extremes.
const BAND: &str = "band";
/// Stacks the parts of a whole.
const PARTS: &str = "parts";

/// Builds the option. Colours are token names, resolved in the browser when the theme is known.
#[must_use]
pub fn option(plot: &Plot) -> Chart {
    let chart = Chart::new()
        .grid(Grid::new().left(0).right(0).top(0).bottom(0))
        .x_axis(Axis::new().type_(AxisType::Time).show(false).min(plot.from.0 as f64).max(plot.to.0 as f64))
        .y_axis(Axis::new().type_(AxisType::Value).show(false).min(plot.scale.min).max(plot.scale.max))
        .tooltip(Tooltip::new().trigger(Trigger::Axis).formatter(Formatter::String(TOOLTIP.to_owned())));
    // The tooltip counts slots by the last line.
    if plot.stacked {
        return plot.lines().fold(chart, |chart, line| chart.series(part(line)));
    }
    let chart = if plot.rest.is_empty() { extremes(chart, &plot.lead) } else { chart };
    plot.lines().fold(chart, |chart, line| chart.series(mean(line)))
}

fn color(line: &super::Line) -> Color {
    Color::Value(format!("@token:{}", line.color))
}

// A missing value is NaN here and null in JSON: ECharts breaks the line there.
fn points(series: &Series, value: &dyn Fn(usize) -> Option<f64>) -> Vec<Vec<f64>> {
    (0..series.avg.len()).map(|i| vec![series.at(i).0 as f64, value(i).unwrap_or(f64::NAN)]).collect()
}

/// The mean of each slot as a line.
fn mean(line: &super::Line) -> Line {
    Line::new()
        .name(line.name)
        .show_symbol(false)
        .line_style(LineStyle::new().color(color(line)).width(line.weight.width()))
        .item_style(ItemStyle::new().color(color(line)))
        .data(points(&line.series, &|i| line.series.avg[i]))
}

/// A part of a whole as an area on top of the parts before it.
fn part(line: &super::Line) -> Line {
    mean(line)
        .stack(PARTS)
        .line_style(LineStyle::new().opacity(0.0))
        .area_style(AreaStyle::new().color(color(line)).opacity(0.72))
}

/// The band between smallest and largest of each slot.
fn extremes(chart: Chart, line: &super::Line) -> Chart {
    let series = &line.series;
    let low = |i: usize| series.min.get(i).copied().flatten();
    let spread = |i: usize| Some(series.max.get(i).copied().flatten()? - low(i)?);
    let hidden = || LineStyle::new().opacity(0.0);
    let half = || Line::new().stack(BAND).silent(true).symbol(Symbol::None).line_style(hidden());
    chart
        .series(half().data(points(series, &low)))
        .series(half().area_style(AreaStyle::new().color(color(line)).opacity(0.12)).data(points(series, &spread)))
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Scale, Weight};
    use super::*;
    use headroom_model::{MetricId, Timestamp, metric::Unit};

    #[test]
    fn missing_values_are_null_and_nothing_needs_eval() {
        let plot = Plot {
            name: "Throughput",
            lead: super::super::Line {
                series: Series {
                    metric: MetricId::Queries,
                    from: Timestamp(1000),
                    step_ms: 10,
                    avg: vec![Some(2.0), None],
                    min: vec![Some(1.0), None],
                    max: vec![Some(4.0), None],
                },
                name: "Throughput",
                color: "s1",
                weight: Weight::Normal,
            },
            rest: vec![],
            stacked: false,
            from: Timestamp(1000),
            to: Timestamp(1020),
            scale: Scale::fit(0.0, 4.0, Unit::PerSecond, Floor::Zero),
            rule: None,
            marks: vec![],
            today: Timestamp(1020),
        };
        let json: serde_json::Value = serde_json::to_value(option(&plot)).unwrap();
        let lines = json["series"].as_array().unwrap();
        assert_eq!(lines[2]["data"], serde_json::json!([[1000.0, 2.0], [1010.0, null]]));
        assert_eq!(lines[1]["data"], serde_json::json!([[1000.0, 3.0], [1010.0, null]]));
        assert_eq!(json["tooltip"]["formatter"], TOOLTIP);
        assert_eq!(lines[2]["lineStyle"]["color"], "@token:s1");
        assert!(!json.to_string().contains("function"));
        let mut parts = plot;
        parts.rest.push(parts.lead.clone());
        parts.stacked = true;
        let json: serde_json::Value = serde_json::to_value(option(&parts)).unwrap();
        let stacks: Vec<&serde_json::Value> = json["series"].as_array().unwrap().iter().map(|s| &s["stack"]).collect();
        assert_eq!(stacks, [PARTS, PARTS]);
    }
}
