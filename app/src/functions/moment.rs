use crate::error::AppError;
use headroom_model::{MetricId, Timestamp, baseline::Baseline, moment::Moment};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What ran in the minute of a target that holds `at`, or why that is not known.
#[server(name = ReadMoment, prefix = "/api/fn", endpoint = "moment", input = GetUrl)]
pub async fn moment(target: Option<String>, at: Timestamp) -> Result<Moment, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    context.console.moment(&target, at).await.map_err(|cause| {
        tracing::error!(%cause, %target, "the state store did not answer a page");
        let message = "The state store does not answer, so what ran in this minute cannot be shown.";
        AppError::new(ErrorCode::Unavailable, message).answered()
    })
}

/// What metrics usually are at these hours of the week, on the grid that a series of at most `points` slots has, and
/// where they were not.
#[server(name = ReadBaseline, prefix = "/api/fn", endpoint = "baseline", input = GetUrl)]
pub async fn baseline(
    target: Option<String>,
    metrics: Vec<MetricId>,
    from: String,
    to: String,
    points: usize,
) -> Result<Vec<Baseline>, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_model::{range, trends::MAX_METRICS};

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let invalid = |message: String| AppError::new(ErrorCode::Invalid, message).answered();
    if metrics.len() > MAX_METRICS {
        return Err(invalid(format!("At most {MAX_METRICS} metrics at once.")));
    }
    let range = range::resolve(&from, &to, context.console.clock.now())
        .map_err(|error| invalid(format!("{}: {}.", error.field, error.reason)))?;
    let read = async {
        let shown = context.console.history.series_within(&target, &metrics, range, points).await?;
        usual_of(&context.console, &target, &shown).await
    };
    read.await.map_err(|cause: headroom_engine::store::StoreError| {
        tracing::error!(%cause, %target, "the state store did not answer a page");
        let message = "The state store does not answer, so what is usual cannot be shown.";
        AppError::new(ErrorCode::Unavailable, message).answered()
    })
}

/// The usual bands of series, in numbers no longer than a pixel can show.
#[cfg(feature = "ssr")]
pub(super) async fn usual_of(
    console: &headroom_engine::console::Console,
    target: &headroom_model::TargetId,
    shown: &[headroom_model::series::Series],
) -> Result<Vec<Baseline>, headroom_engine::store::StoreError> {
    let mut bands = console.baselines(target, shown).await?;
    for band in &mut bands {
        for column in [&mut band.low, &mut band.mid, &mut band.high] {
            for value in column.iter_mut().flatten() {
                *value = super::timeline::round(*value);
            }
        }
    }
    Ok(bands)
}
