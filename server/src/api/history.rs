//! Series over a range.

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Params, choose},
    },
    web::Web,
};
use axum::extract::State;
use headroom_engine::history::transfer::unknown;
use headroom_model::{
    MetricId, TargetId, Timestamp,
    api::{Envelope, FieldError},
    origin::Origin,
    range::{self, Resolved},
    series::{MAX_POINTS, Series},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Series answered at once.
const MAX_METRICS: usize = 20;
/// A month: the coarsest step that can be asked for.
const MAX_STEP_SECS: u64 = 30 * 86_400;
/// Minutes in the longest range.
const MAX_MINUTES: u64 = range::MAX_RANGE_MS.unsigned_abs() / 60_000;

/// Which series, of which range.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Metric ids, separated by commas; at most 20.
    #[param(example = "database.query_latency_p95,database.connections")]
    pub metric: String,
    /// Start: `now-6h`, `now/d`, epoch milliseconds, ISO 8601.
    #[param(default = "now-1h")]
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
    /// Minutes before `to`, instead of `from`.
    #[param(minimum = 1)]
    pub duration: Option<u64>,
    /// Wanted seconds between points. The answer has no more points than this step gives; its `stepMs` says which of the
    /// readable steps was taken.
    #[param(minimum = 1, maximum = 2592000)]
    pub step: Option<u64>,
}

/// Series of one target over one range.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReport {
    /// Whose figures.
    pub target: TargetId,
    /// The range, resolved.
    pub range: Resolved,
    /// When this target's history starts; null when there is none.
    pub starts_at: Option<Timestamp>,
    /// What is not kept of the range, and the nearest range that works; null when all of it is kept.
    pub missing: Option<Missing>,
    /// Stretches of the range that were imported or generated rather than measured here, oldest first.
    pub origins: Vec<Origin>,
    /// One series a metric, in the order asked.
    pub series: Vec<Series>,
}

/// A range that reaches back beyond what is kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// What is missing, and why.
    pub reason: String,
    /// The nearest range that history reaches.
    pub nearest: Resolved,
}

impl Missing {
    fn of(range: Resolved, starts_at: Option<Timestamp>, kept_from: Timestamp, now: Timestamp) -> Option<Self> {
        let starts_at = starts_at?;
        let nearest = range::nearest_kept(range, starts_at, now)?;
        let part = if range.to <= starts_at { "All of the range" } else { "The beginning of the range" };
        let why = if range.from < kept_from {
            format!("is older than what is kept (since {}; retention.hours_days)", starts_at.to_rfc3339())
        } else {
            format!("lies before history starts ({})", starts_at.to_rfc3339())
        };
        Some(Missing { reason: format!("{part} {why}."), nearest })
    }
}

/// A query that was checked.
#[derive(Debug)]
pub(super) struct Wanted {
    pub metrics: Vec<MetricId>,
    pub range: Resolved,
    pub points: usize,
}

impl HistoryQuery {
    /// Checks metrics, range and step, and names everything that is wrong with them.
    pub(super) fn check(&self, now: Timestamp) -> Result<Wanted, WebError> {
        let mut errors = Vec::new();
        if let Some(step) = self.step.filter(|step| !(1..=MAX_STEP_SECS).contains(step)) {
            let reason = format!("{step} s; allowed: 1 to {MAX_STEP_SECS}");
            errors.push(FieldError { field: "step".into(), reason });
        }
        let names: Vec<&str> = self.metric.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() || names.len() > MAX_METRICS {
            errors.push(FieldError {
                field: "metric".into(),
                reason: format!("{} ids; allowed: 1 to {MAX_METRICS}, separated by commas", names.len()),
            });
        }
        let mut metrics = Vec::new();
        for name in names.iter().take(MAX_METRICS) {
            match MetricId::parse(name) {
                Some(id) => metrics.push(id),
                None => errors.push(unknown_metric(name)),
            }
        }
        let resolved = range_of(self.from.as_deref(), self.to.as_deref(), self.duration, now);
        match resolved {
            Ok(range) if errors.is_empty() => {
                // One slot more than whole steps: the first one may start before the range.
                let points = self.step.map(|step| range.millis().unsigned_abs().div_ceil(step * 1000) + 1);
                let points = points.map_or(MAX_POINTS, |points| usize::try_from(points).unwrap_or(MAX_POINTS));
                Ok(Wanted { metrics, range, points })
            }
            Ok(_) => Err(WebError::invalid(errors)),
            Err(error) => {
                errors.push(error);
                Err(WebError::invalid(errors))
            }
        }
    }
}

/// The range that a query asks for: `from`, or `duration` minutes, until `to`.
pub(super) fn range_of(
    from: Option<&str>,
    to: Option<&str>,
    duration: Option<u64>,
    now: Timestamp,
) -> Result<Resolved, FieldError> {
    let to = to.unwrap_or(range::DEFAULT_TO);
    match (duration, from) {
        (Some(_), Some(_)) => Err(FieldError {
            field: "duration".into(),
            reason: "given together with from; allowed: one of them".into(),
        }),
        (Some(minutes), None) if !(1..=MAX_MINUTES).contains(&minutes) => Err(FieldError {
            field: "duration".into(),
            reason: format!("{minutes} minutes; allowed: 1 to {MAX_MINUTES}"),
        }),
        (Some(minutes), None) => before(to, minutes, now),
        (None, from) => range::resolve(from.unwrap_or(range::DEFAULT_FROM), to, now).map_err(from_range),
    }
}

fn from_range(error: range::RangeError) -> FieldError {
    FieldError { field: error.field.into(), reason: error.reason }
}

/// The `minutes` before `to`.
fn before(to: &str, minutes: u64, now: Timestamp) -> Result<Resolved, FieldError> {
    let end = range::moment(to, now, range::Edge::End).ok_or_else(|| FieldError {
        field: "to".into(),
        reason: "not a moment; allowed: now, now-6h, now/d, epoch milliseconds, 2026-11-19T08:32:00Z".into(),
    })?;
    let start = end.plus_millis(-i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(60_000));
    range::resolve(&start.0.to_string(), &end.0.to_string(), now)
        .map(|resolved| Resolved { live: to.trim() == "now", ..resolved })
        .map_err(from_range)
}

/// The refusal of a metric id, with the id that was probably meant.
pub(super) fn unknown_metric(name: &str) -> FieldError {
    let ids = headroom_model::metric::CATALOGUE.iter().map(|metric| metric.id.as_str());
    FieldError { field: "metric".into(), reason: unknown(name, ids) }
}

/// Series over a range
///
/// At most 1,500 points a series, on a regular grid; the step follows from the range. A slot without a measurement is
/// null. Counts of events add up within a slot, everything else averages. `missing` says when the range reaches back beyond
/// what is kept; `origins` says what of it was imported or generated.
#[utoipa::path(get, path = "/api/v1/history", tag = "Figures", params(HistoryQuery), responses((status = 200, body = Envelope<HistoryReport>, description = "One series a metric.")))]
pub async fn history(
    State(web): State<Web>,
    Params(query): Params<HistoryQuery>,
) -> Result<Answer<HistoryReport>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let Wanted { metrics, range, points } = query.check(web.console.clock.now())?;
    let history = &web.console.history;
    let series = history.series_within(&target, &metrics, range, points);
    let (series, starts_at, origins) =
        tokio::try_join!(series, history.starts(&target), history.origins(&target, range))?;
    let now = web.console.clock.now();
    let missing = Missing::of(range, starts_at, history.retention().hours_from(now), now);
    Ok(Answer(HistoryReport { target, range, starts_at, missing, origins, series }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn query(metric: &str, from: Option<&str>, to: Option<&str>, duration: Option<u64>) -> HistoryQuery {
        HistoryQuery {
            target: None,
            metric: metric.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
            duration,
            step: None,
        }
    }

    #[test]
    fn reads_lists_and_durations() {
        let wanted = query("redis.keys, pool.max", None, None, Some(90)).check(NOW).unwrap();
        assert_eq!(wanted.metrics, [MetricId::RedisKeys, MetricId::PoolMax]);
        assert_eq!((wanted.range.millis(), wanted.range.to, wanted.range.live), (90 * 60_000, NOW, true));
        assert_eq!(wanted.points, MAX_POINTS);
        assert_eq!(query("pool.max", None, None, None).check(NOW).unwrap().range.millis(), 3_600_000);
        let hours = query("pool.max", Some("now-6h"), None, None);
        assert_eq!(hours.check(NOW).unwrap().range.millis(), 6 * 3_600_000);
        assert_eq!(HistoryQuery { step: Some(3600), ..hours }.check(NOW).unwrap().points, 7);
    }

    #[test]
    fn names_everything_that_is_wrong() {
        let error = query("redis.kyes", Some("never"), None, None).check(NOW).unwrap_err();
        assert!(error.to_string().contains("metric, from"), "{error}");
        assert!(unknown_metric("redis.kyes").reason.contains("redis.keys"));
        for bad in [
            query("", None, None, None),
            query("pool.max", Some("now-1h"), None, Some(5)),
            query("pool.max", None, None, Some(0)),
            query("pool.max", None, None, Some(u64::MAX)),
            query("pool.max", None, Some("soon"), Some(5)),
            HistoryQuery { step: Some(0), ..query("pool.max", None, None, None) },
        ] {
            assert!(bad.check(NOW).is_err(), "{bad:?}");
        }
    }
}
