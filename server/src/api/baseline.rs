//! What is usual at an hour of the week.

use super::history::{HistoryQuery, Wanted};
use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Params, choose},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{TargetId, api::Envelope, baseline::Baseline, range::Resolved};
use serde::Serialize;
use utoipa::ToSchema;

/// Usual bands of one target over one range.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineReport {
    /// Whose figures.
    pub target: TargetId,
    /// The range, resolved.
    pub range: Resolved,
    /// One band a metric, in the order asked, on the grid of the series that `/history` gives for the same query.
    pub baselines: Vec<Baseline>,
}

/// What is usual at these hours of the week
///
/// From the same hour of up to eight earlier weeks, with growth taken out; `anomalies` are the stretches outside. A metric
/// with fewer than three known weeks has no band and says so in `silent`.
#[utoipa::path(get, path = "/api/v1/history/baseline", tag = "Figures", params(HistoryQuery), responses((status = 200, body = Envelope<BaselineReport>, description = "One band a metric.")))]
pub async fn baseline(
    State(web): State<Web>,
    Params(query): Params<HistoryQuery>,
) -> Result<Answer<BaselineReport>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let Wanted { metrics, range, points } = query.check(web.console.clock.now())?;
    let shown = web.console.history.series_within(&target, &metrics, range, points).await?;
    let baselines = web.console.baselines(&target, &shown).await?;
    Ok(Answer(BaselineReport { target, range, baselines }))
}
