use crate::error::AppError;
use headroom_model::{MetricId, overview::Timeline};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// The past of a target over a range as people write it: series of the asked metrics and the newest events.
#[server(name = ReadTimeline, prefix = "/api/fn", endpoint = "timeline", input = GetUrl)]
pub async fn timeline(
    target: Option<String>,
    from: String,
    to: String,
    metrics: Vec<MetricId>,
) -> Result<Timeline, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_engine::store::EventQuery;
    use headroom_model::{Role, range};

    /// Points a series that travels to a page: more than a small chart has pixels. An hour of 10 s and one that fills.
    const POINTS: usize = 361;
    /// Events a page marks and lists.
    const EVENTS: u32 = 40;
    /// Series a request may ask for.
    const METRICS: usize = 40;

    let context = PageContext::require(Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    if metrics.len() > METRICS {
        return Err(AppError::new(ErrorCode::Invalid, format!("At most {METRICS} metrics at once.")).answered());
    }
    let range = range::resolve(&from, &to, context.console.clock.now())
        .map_err(|error| AppError::new(ErrorCode::Invalid, format!("{}: {}.", error.field, error.reason)).answered())?;
    let query = EventQuery {
        target: Some(target.clone()),
        from: Some(range.from),
        to: Some(range.to),
        limit: EVENTS,
        ..EventQuery::default()
    };
    let unavailable = |cause: headroom_engine::store::StoreError| {
        tracing::error!(%cause, %target, "the state store did not answer a page");
        AppError::new(ErrorCode::Unavailable, "The state store does not answer, so there is no history to show.")
            .answered()
    };
    let mut series =
        context.console.history.series_within(&target, &metrics, range, POINTS).await.map_err(unavailable)?;
    let events = context.console.store.events(&query).await.map_err(unavailable)?;
    let origins = context.console.history.origins(&target, range).await.map_err(unavailable)?;
    series.iter_mut().for_each(shorten);
    let starts = context.console.history.starts(&target).await.map_err(unavailable)?;
    Ok(Timeline { range, series, events, limits: limits_of(&context.console.config.health), origins, starts })
}

/// Rounds to five significant digits, which is more than a pixel can show.
#[cfg(feature = "ssr")]
pub(super) fn shorten(series: &mut headroom_model::series::Series) {
    for column in [&mut series.avg, &mut series.min, &mut series.max] {
        for value in column.iter_mut().flatten() {
            *value = round(*value);
        }
    }
}

#[cfg(feature = "ssr")]
pub(super) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 4 - value.abs().log10().floor() as i32;
    // Beyond 15 decimals (or above a hundred thousand) scaling would lose more than it saves.
    if !(0..=15).contains(&digits) {
        return if digits < 0 { value.round() } else { value };
    }
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// What the health checks allow, by metric.
#[cfg(feature = "ssr")]
pub(super) fn limits_of(
    settings: &headroom_engine::health::HealthSettings,
) -> Vec<headroom_model::overview::MetricLimits> {
    use headroom_engine::health::checks::{CHECKS, Rule};
    CHECKS
        .iter()
        .filter(|check| check.rule != Rule::Outage)
        .filter_map(|check| {
            let limits = settings.limits(check)?;
            let (degraded, critical) = (limits.degraded, limits.critical);
            Some(headroom_model::overview::MetricLimits { metric: check.metric, degraded, critical })
        })
        .collect()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::round;

    #[test]
    fn numbers_are_short() {
        for (long, short) in [(1.234_567_8, 1.2346), (123_456.7, 123_457.0), (0.000_123_456, 0.000_123_46), (0.0, 0.0)]
        {
            assert_eq!(round(long), short);
        }
    }
}
