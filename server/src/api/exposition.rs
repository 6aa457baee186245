//! Prometheus, and the address that answers it and people alike.

use super::metrics::{Current, current};
use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, TargetQuery},
    },
    web::Web,
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use headroom_model::api::Envelope;

/// Text format 0.0.4, the one every Prometheus and agent reads.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Prometheus exposition
///
/// Every figure of every target in base units. Programs on this machine need no token.
#[utoipa::path(get, path = "/api/v1/metrics/prometheus", tag = "Figures", responses((status = 200, content_type = "text/plain", body = String, description = "Text format 0.0.4.")))]
pub async fn prometheus(State(web): State<Web>) -> Response {
    let text = headroom_engine::exposition::exposition(&web.console);
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

/// Figures, as the client asks
///
/// Prometheus exposition when `Accept` names a text or OpenMetrics type, the figures of one target as JSON otherwise.
#[utoipa::path(get, path = "/metrics", tag = "Figures", params(TargetQuery), responses((status = 200, content(
    (Envelope<Current> = "application/json"),
    (String = "text/plain"),
), description = "JSON, or text format 0.0.4.")))]
pub async fn negotiated(state: State<Web>, target: Chosen, headers: HeaderMap) -> Result<Response, WebError> {
    let mut response = if wants_text(&headers) {
        prometheus(state).await
    } else {
        current(state, target).await.map(Answer::into_response)?
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Whether the exposition is asked for. Prometheus names OpenMetrics and plain text; browsers and curl name neither.
fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
    types.any(|media| {
        media.eq_ignore_ascii_case("text/plain") || media.eq_ignore_ascii_case("application/openmetrics-text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_text_and_everyone_else_json() {
        let asks = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_text(&headers)
        };
        assert!(asks("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"));
        assert!(asks("text/plain"));
        for json in ["application/json", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8"] {
            assert!(!asks(json), "{json}");
        }
        assert!(!wants_text(&HeaderMap::new()));
    }
}
