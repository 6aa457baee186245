//! Security headers on every answer.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

pub use crate::access::forwarded::is_https;

/// The policy of everything that is not a page: nothing loads, nothing frames it.
const CLOSED: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Nobody may put the page into a frame.
pub const NOBODY: &str = "'none'";

/// The policy of a page whose inline module carries `nonce`; without one, no inline script runs. `ancestors` may put it
/// into a frame.
#[must_use]
pub fn page_policy(nonce: Option<&str>, ancestors: &str) -> String {
    let nonce = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'{nonce}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; frame-ancestors {ancestors}; base-uri 'none'; form-action 'self'"
    )
}

/// Adds the headers; a policy that an answer set stays.
pub async fn secure(request: Request, next: Next) -> Response {
    let is_https = is_https(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    close(headers);
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Who may load an answer into a page of their own.
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What every answer says, however it came.
pub fn close(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CLOSED));
    headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
