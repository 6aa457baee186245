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
    use crate::{chart::thin, context::PageContext, error::ErrorCode};
    use headroom_engine::store::EventQuery;
    use headroom_model::{Role, range};

    /// Points a series that travels to a page: more than a small chart has pixels.
    const POINTS: usize = 360;
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
    let series = context.console.history.series(&target, &metrics, range).await.map_err(unavailable)?;
    let events = context.console.store.events(&query).await.map_err(unavailable)?;
    let series = series.into_iter().map(|series| thin(series, POINTS)).collect();
    Ok(Timeline { range, series, events, limits: limits_of(&context.console.config.health) })
}

/// What the health checks allow, by metric.
#[cfg(feature = "ssr")]
fn limits_of(settings: &headroom_engine::health::HealthSettings) -> Vec<headroom_model::overview::MetricLimits> {
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
