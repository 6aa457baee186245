//! Current figures and the catalogue that explains them.

use super::latest;
use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    TargetId, Timestamp,
    api::Envelope,
    metric::{CATALOGUE, Metric},
    sample::Figures,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Every figure of a target at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Current {
    /// Whose figures.
    pub target: TargetId,
    /// When they were taken.
    pub at: Timestamp,
    /// By metric id. What was not measured is absent.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    pub figures: Figures,
}

/// Every figure of a target now
///
/// Units and meanings are in `/api/v1/metrics/catalogue`.
#[utoipa::path(get, path = "/api/v1/metrics/current", tag = "Figures", params(TargetQuery), responses((status = 200, body = Envelope<Current>, description = "The newest figures.")))]
pub async fn current(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<Current>, WebError> {
    let live = latest(&web, &target)?;
    Ok(Answer(Current { target, at: live.at, figures: live.figures.clone() }))
}

/// The metric catalogue
///
/// Every figure the console knows: id, name, unit, how slots combine, component, which way is good, and what exactly is
/// measured.
#[utoipa::path(get, path = "/api/v1/metrics/catalogue", tag = "Figures", responses((status = 200, body = Envelope<Vec<Metric>>, description = "Every metric.")))]
pub async fn catalogue() -> Answer<&'static [Metric]> {
    Answer(CATALOGUE)
}
