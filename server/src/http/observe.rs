//! Request id, response time, log line and latency statistics.

use crate::web::Web;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use headroom_model::Timestamp;
use std::{borrow::Cow, time::Instant};
use tracing::Instrument;

/// Names one request in answers and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// The header that carries the request id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that tells how long the answer took.
pub const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");

/// One request from its arrival to the head of its answer.
pub struct Observation {
    started: Instant,
    /// Method and pattern, never the path: paths are unbounded and may name things.
    route: Cow<'static, str>,
    id: String,
}

impl Observation {
    /// It has arrived.
    pub fn begin(web: &Web, headers: &HeaderMap, route: impl Into<Cow<'static, str>>) -> Self {
        let started = Instant::now();
        Observation { started, route: route.into(), id: request_id(headers, web.console.clock.now()) }
    }

    /// The id that its answer carries.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its answer is about to leave.
    pub fn end(self, web: &Web, response: &mut Response) {
        let Observation { started, route, id } = self;
        let elapsed = started.elapsed();
        let status = response.status().as_u16();
        let hundredths = elapsed.as_micros() / 10;
        let millis = format!("{}.{:02}ms", hundredths / 100, hundredths % 100);
        tracing::debug!(%route, id, status, took = millis, "answered");
        let headers = response.headers_mut();
        for (name, value) in [(REQUEST_ID, id), (RESPONSE_TIME, millis)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        let kind = headers.get(header::CONTENT_TYPE);
        // A live feed's head says nothing about its latency.
        if !kind.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
            web.console.requests.record(&route, status, elapsed);
        }
    }
}

/// Observes one request: the outermost layer.
pub async fn observe(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let pattern = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let route = format!("{} {pattern}", method_name(request.method()));
    let seen = Observation::begin(&web, request.headers(), route);
    request.extensions_mut().insert(RequestId(seen.id.clone()));
    let span = tracing::info_span!("request", route = &*seen.route, id = seen.id);
    let mut response = next.run(request).instrument(span).await;
    seen.end(&web, &mut response);
    response
}

/// The method as figures and log lines name it: any token can be one, of any length.
fn method_name(method: &Method) -> &'static str {
    const STANDARD: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    STANDARD.into_iter().find(|name| method == *name).unwrap_or("OTHER")
}

/// The caller's own id where it is sane, else a new one: UUIDv7, its random part without a system call.
fn request_id(headers: &HeaderMap, now: Timestamp) -> String {
    let new =
        || uuid::Builder::from_unix_timestamp_millis(now.0.unsigned_abs(), &rand::random()).into_uuid().to_string();
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        })
        .map_or_else(new, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_of_ones_own_has_no_name_of_its_own() {
        assert_eq!(method_name(&Method::GET), "GET");
        assert_eq!(method_name(&Method::PATCH), "PATCH");
        for method in ["get", "EVIL", &"A".repeat(100_000)] {
            assert_eq!(method_name(&Method::from_bytes(method.as_bytes()).unwrap()), "OTHER");
        }
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(value));
            request_id(&headers, Timestamp(0))
        };
        assert_eq!(with("abc-1.2_3"), "abc-1.2_3");
        for bad in ["", "a b", "<script>", "{\"x\":1}"] {
            assert_ne!(with(bad), bad);
        }
        assert_eq!(request_id(&HeaderMap::new(), Timestamp(0)).len(), 36);
    }
}
