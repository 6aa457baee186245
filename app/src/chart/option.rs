//! The ECharts option of a plot: lines, cursor and tooltip only. Frame, ticks, rules and gaps are painted already.

use super::Plot;
use charming::{
    Chart,
    component::{Axis, Grid},
    element::{AreaStyle, AxisType, Color, Formatter, ItemStyle, LineStyle, Symbol, Tooltip, Trigger},
    series::Line,
};

/// Written where ECharts calls back: replaced by the function of that name (see `js/chart.js`).
const TOOLTIP: &str = "@fn:tooltip";
/// Stacks the two halves of the band of extremes.
const BAND: &str = "band";

/// Builds the option. Colours are token names, resolved in the browser when the theme is known.
#[must_use]
pub fn option(plot: &Plot) -> Chart {
    let color = || Color::Value(format!("@token:{}", plot.color));
    let series = &plot.series;
    let at = |i: usize| series.at(i).0 as f64;
    // A missing value is NaN here and null in JSON: ECharts breaks the line there.
    let points = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Vec<f64>> {
        (0..series.avg.len()).map(|i| vec![at(i), value(i).unwrap_or(f64::NAN)]).collect()
    };
    let low = |i: usize| series.min.get(i).copied().flatten();
    let spread = |i: usize| Some(series.max.get(i).copied().flatten()? - low(i)?);
    let hidden = || LineStyle::new().opacity(0.0);
    let base = Line::new().stack(BAND).silent(true).symbol(Symbol::None).line_style(hidden()).data(points(&low));
    let band = Line::new()
        .stack(BAND)
        .silent(true)
        .symbol(Symbol::None)
        .line_style(hidden())
        .area_style(AreaStyle::new().color(color()).opacity(0.12))
        .data(points(&spread));
    // Last, and so on top. The tooltip counts slots by it.
    let mean = Line::new()
        .name(series.metric.metric().name)
        .show_symbol(false)
        .line_style(LineStyle::new().color(color()).width(1.6))
        .item_style(ItemStyle::new().color(color()))
        .data(points(&|i| series.avg[i]));
    Chart::new()
        .grid(Grid::new().left(0).right(0).top(0).bottom(0))
        .x_axis(Axis::new().type_(AxisType::Time).show(false).min(plot.from.0 as f64).max(plot.to.0 as f64))
        .y_axis(Axis::new().type_(AxisType::Value).show(false).min(plot.scale.min).max(plot.scale.max))
        .tooltip(Tooltip::new().trigger(Trigger::Axis).formatter(Formatter::String(TOOLTIP.to_owned())))
        .series(base)
        .series(band)
        .series(mean)
}

#[cfg(test)]
mod tests {
    use super::super::{Floor, Scale};
    use super::*;
    use headroom_model::{MetricId, Timestamp, metric::Unit, series::Series};

    #[test]
    fn missing_values_are_null_and_nothing_needs_eval() {
        let plot = Plot {
            series: Series {
                metric: MetricId::Queries,
                from: Timestamp(1000),
                step_ms: 10,
                avg: vec![Some(2.0), None],
                min: vec![Some(1.0), None],
                max: vec![Some(4.0), None],
            },
            from: Timestamp(1000),
            to: Timestamp(1020),
            color: "s1",
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
    }
}
