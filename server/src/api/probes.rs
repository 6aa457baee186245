//! For orchestrators and load balancers: is the process there, and can it do its work.

use crate::{
    http::{
        answer::Answer,
        error::{Kind, WebError},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{Timestamp, api::Envelope};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the state store may take before the console counts as not ready.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// A sign of life.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    pub status: &'static str,
    /// Version of the console.
    pub version: &'static str,
    /// The console's clock.
    pub at: Timestamp,
}

fn alive(web: &Web) -> Answer<Alive> {
    Answer(Alive { status: "ok", version: env!("CARGO_PKG_VERSION"), at: web.console.clock.now() })
}

/// A sign of life
///
/// Answers without asking anything else.
#[utoipa::path(get, path = "/api/v1/ping", tag = "Probes", responses((status = 200, body = Envelope<Alive>, description = "The process answers.")))]
pub async fn ping(State(web): State<Web>) -> Answer<Alive> {
    alive(&web)
}

/// Liveness
///
/// 200 while the process works. A restart helps when it does not answer.
#[utoipa::path(get, path = "/api/v1/live", tag = "Probes", responses((status = 200, body = Envelope<Alive>, description = "The process works.")))]
pub async fn live(State(web): State<Web>) -> Answer<Alive> {
    alive(&web)
}

/// Readiness
///
/// 200 while the state store answers and the process is not stopping. A target that is down does not matter here: the
/// console keeps serving its history then.
#[utoipa::path(get, path = "/api/v1/ready", tag = "Probes", responses(
    (status = 200, body = Envelope<Alive>, description = "Send requests."),
    (status = 503, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "Send none: the state store does not answer, or the process stops."),
))]
pub async fn ready(State(web): State<Web>) -> Result<Answer<Alive>, WebError> {
    if web.stop.is_cancelled() {
        return Err(WebError::new(Kind::Unavailable, "The console is stopping."));
    }
    match tokio::time::timeout(STORE_PATIENCE, web.console.store.ping()).await {
        Ok(answer) => answer?,
        Err(late) => return Err(WebError::unavailable("The state store does not answer.", late)),
    }
    Ok(alive(&web))
}
