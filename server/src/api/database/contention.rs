//! Lock waits.

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Params, choose},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    api::{Envelope, FieldError},
    contention::Contention,
    range,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// Of which range.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ContentionQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Start: `now-6h`, `now/d`, epoch milliseconds, ISO 8601.
    #[param(default = "now-1h")]
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
}

/// Lock waits and deadlocks
///
/// Blocking trees as of the newest sample, root first, with what each session holds and waits for; over the range: what active
/// sessions waited for (looked at every second), who kept others waiting, and deadlocks. Events and stretches come from the
/// newest day of the range, since `detailsFrom`.
#[utoipa::path(get, path = "/api/v1/database/contention", tag = "Database", params(ContentionQuery), responses((status = 200, body = Envelope<Contention>, description = "Trees now, waits and contention over the range.")))]
pub async fn contention(
    State(web): State<Web>,
    Params(query): Params<ContentionQuery>,
) -> Result<Answer<Contention>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let from = query.from.as_deref().unwrap_or(range::DEFAULT_FROM);
    let to = query.to.as_deref().unwrap_or(range::DEFAULT_TO);
    let range = range::resolve(from, to, web.console.clock.now())
        .map_err(|error| WebError::invalid(vec![FieldError { field: error.field.into(), reason: error.reason }]))?;
    let contention = web.console.contention(&target, range).await?;
    contention.map(Answer).ok_or_else(|| WebError::internal(format!("target \"{target}\" has no lock waits")))
}
