//! The points of the Trends page, for spreadsheets.

use crate::{
    http::{
        csv,
        error::WebError,
        extract::{Params, choose},
    },
    web::Web,
};
use axum::{extract::State, response::Response};
use headroom_app::functions::read_trends;
use headroom_model::{
    MetricId, Timestamp,
    api::FieldError,
    metric::Unit,
    range,
    series::Series,
    trends::{CHARTS, COMPARE, TrendsData, TrendsView},
};
use serde::Deserialize;
use std::fmt::Write;
use utoipa::IntoParams;

/// Which charts, over which range.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TrendsQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Metric ids as in the address of the page: `:` inside a chart, `/` between charts; the first charts when absent.
    #[param(example = "database.query_latency_p50:database.query_latency_p95/database.queries")]
    pub m: Option<String>,
    /// Start: `now-6h`, `now/d`, epoch milliseconds, ISO 8601.
    #[param(default = "now-1h")]
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
    /// `previous` or `week`: more columns with what was then.
    pub compare: Option<String>,
}

/// Points of charts
///
/// One row a point, one column a line, as the Trends page draws them. Times are UTC, units stand in the head, a slot without
/// a measurement is an empty field. At most 1,500 rows: the step follows from the range.
#[utoipa::path(get, path = "/api/v1/trends.csv", tag = "Figures", params(TrendsQuery), responses((status = 200, content_type = "text/csv", body = String, description = "Comma-separated, with a head.")))]
pub async fn points(State(web): State<Web>, Params(query): Params<TrendsQuery>) -> Result<Response, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let charts = query.m.clone().unwrap_or_default();
    let view = TrendsView::read(|key| match key {
        CHARTS => query.m.clone(),
        COMPARE => query.compare.clone(),
        _ => None,
    });
    let from = query.from.as_deref().unwrap_or(range::DEFAULT_FROM);
    let to = query.to.as_deref().unwrap_or(range::DEFAULT_TO);
    let data = read_trends(&web.console, target, from, to, &charts, view.compare, false).await?;
    let unknown = data.unknown.iter().map(|unknown| {
        let hint = unknown.nearest.map(|metric| format!("; did you mean {metric}?")).unwrap_or_default();
        FieldError { field: CHARTS.into(), reason: format!("\"{}\" is not in the catalogue{hint}", unknown.name) }
    });
    let unknown: Vec<FieldError> = unknown.collect();
    if !unknown.is_empty() {
        return Err(WebError::invalid(unknown));
    }
    let name = format!("trends-{}-{}.csv", file_name(data.target.as_str()), data.range.from.0);
    Ok(csv::file(&name, rows(&data)))
}

/// The letters of a name that every file system takes.
fn file_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(40).collect()
}

fn unit(metric: MetricId) -> &'static str {
    match metric.metric().unit {
        Unit::Percent => "%",
        Unit::Milliseconds => "ms",
        Unit::Bytes => "B",
        Unit::BytesPerSecond => "B/s",
        Unit::PerSecond => "/s",
        Unit::Count => "count",
        Unit::Score => "points",
        Unit::Ratio => "ratio",
        Unit::Flag => "1 or 0",
    }
}

/// The value of a series at a moment: of the slot nearest to it, no farther than half a step.
fn at(series: &Series, moment: Timestamp) -> Option<f64> {
    let slot = ((moment.0 - series.from.0) as f64 / series.step_ms.max(1) as f64).round();
    if slot < 0.0 { None } else { series.avg.get(slot as usize).copied().flatten() }
}

fn rows(data: &TrendsData) -> String {
    let earlier = data.compare.words(data.range);
    let mut columns: Vec<(String, &Series)> = Vec::new();
    for line in data.charts.iter().flat_map(|chart| &chart.lines) {
        let metric = line.series.metric;
        columns.push((format!("{metric} ({})", unit(metric)), &line.series));
        if let Some(before) = &line.before {
            columns.push((format!("{metric}, {earlier} ({})", unit(metric)), before));
        }
    }
    let mut out = String::from("time_utc");
    for (name, _) in &columns {
        out.push(',');
        out.push_str(&csv::cell(name));
    }
    out.push_str("\r\n");
    // Every line of the range itself lies on one grid.
    let Some((_, grid)) = columns.first() else { return out };
    let slots = (0..grid.avg.len()).map(|slot| grid.at(slot));
    for moment in slots.filter(|at| *at >= data.range.from && *at <= data.range.to) {
        out.push_str(&moment.to_rfc3339());
        for (_, series) in &columns {
            out.push(',');
            if let Some(value) = at(series, moment) {
                let _ = write!(out, "{value}");
            }
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        range::Resolved,
        trends::{Compare, TrendsChart, TrendsLine},
    };

    #[test]
    fn a_row_a_point_with_units_and_empty_gaps() {
        let from = Timestamp(1_795_098_720_000);
        let series = |avg: Vec<Option<f64>>| Series {
            metric: MetricId::QueryLatencyP95,
            from,
            step_ms: 60_000,
            min: avg.clone(),
            max: avg.clone(),
            avg,
        };
        let line =
            TrendsLine { series: series(vec![Some(410.5), None, Some(0.0)]), before: Some(series(vec![Some(400.0)])) };
        let data = TrendsData {
            target: TargetId("orders".into()),
            range: Resolved { from, to: from.plus_millis(180_000), live: false },
            compare: Compare::Previous,
            charts: vec![TrendsChart { lines: vec![line], lead: 0, ceiling: None }],
            events: vec![],
            more_events: false,
            limits: vec![],
            interval_ms: 5000,
            starts: None,
            around: None,
            origins: vec![],
            baselines: vec![],
            unknown: vec![],
            left_out: 0,
        };
        assert_eq!(
            rows(&data),
            "time_utc,database.query_latency_p95 (ms),\"database.query_latency_p95, previous 3 min (ms)\"\r\n\
             2026-11-19T14:32:00Z,410.5,400\r\n\
             2026-11-19T14:33:00Z,,\r\n\
             2026-11-19T14:34:00Z,0,\r\n"
        );
        assert_eq!(file_name("../or ders\""), "___or_ders_");
    }
}
