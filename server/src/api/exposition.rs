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
/// The figures of one target as JSON when `Accept` names JSON, the Prometheus exposition otherwise.
#[utoipa::path(get, path = "/metrics", tag = "Figures", params(TargetQuery), responses((status = 200, content(
    (Envelope<Current> = "application/json"),
    (String = "text/plain"),
), description = "JSON, or text format 0.0.4.")))]
pub async fn negotiated(state: State<Web>, target: Chosen, headers: HeaderMap) -> Result<Response, WebError> {
    let mut response = if wants_json(&headers) {
        current(state, target).await.map(Answer::into_response)?
    } else {
        prometheus(state).await
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Whether JSON is asked for. Who takes anything gets what every other program answers at this address.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
    types.any(|media| media.eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_json_gets_it_and_everyone_else_text() {
        let asks = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_json(&headers)
        };
        assert!(asks("application/json") && asks("text/plain;q=0.5, Application/JSON;q=0.9"));
        for text in [
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
        ] {
            assert!(!asks(text), "{text}");
        }
        assert!(!wants_json(&HeaderMap::new()));
    }
}
