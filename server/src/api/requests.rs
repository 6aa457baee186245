//! The console's own HTTP latencies.

use crate::{http::answer::Answer, web::Web};
use axum::extract::State;
use headroom_engine::requests::RouteFigures;
use headroom_model::api::Envelope;
use serde::Serialize;
use utoipa::ToSchema;

/// One route since the last reset. Percentiles are exact.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutePerformance {
    /// Method and route pattern.
    #[schema(example = "GET /api/v1/health")]
    pub route: String,
    /// Requests.
    pub count: u64,
    /// Answers with status 500 and above.
    pub errors: u64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
}

impl From<RouteFigures> for RoutePerformance {
    fn from(figures: RouteFigures) -> Self {
        let RouteFigures { route, count, errors, p50_ms, p95_ms, p99_ms, .. } = figures;
        RoutePerformance { route, count, errors, p50_ms, p95_ms, p99_ms }
    }
}

/// The console's own latencies
///
/// By route, most requests first. Live feeds are left out.
#[utoipa::path(get, path = "/api/v1/requests/performance", tag = "Console", responses((status = 200, body = Envelope<Vec<RoutePerformance>>, description = "One line a route.")))]
pub async fn performance(State(web): State<Web>) -> Answer<Vec<RoutePerformance>> {
    Answer(web.console.requests.routes().into_iter().map(Into::into).collect())
}
