//! Weak ETags on JSON answers, and 304 for the ones a client has already.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::error::WebError;

/// Larger bodies go out without an ETag. JSON answers are built in memory and bounded far below.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Adds the ETag and answers 304 where it matches.
pub async fn validate(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_tagged = response.headers().contains_key(header::ETAG);
    if !is_read || is_tagged || response.status() != StatusCode::OK || !is_json(response.headers()) {
        return response;
    }
    let size = http_body_size(&response);
    if size.is_none_or(|bytes| bytes > MAX_BYTES) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match to_bytes(body, usize::try_from(MAX_BYTES).unwrap_or(usize::MAX)).await {
        Ok(bytes) => bytes,
        Err(error) => return WebError::internal(error).into_response(),
    };
    // Weak: compression changes the bytes, not the meaning.
    let tag = format!("W/\"{}\"", hex(&Sha256::digest(&bytes)[..12]));
    let matches = known.as_ref().and_then(|value| value.to_str().ok()).is_some_and(|list| holds(list, &tag));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    // Private, because it depends on who asks; no-cache means "ask again with the tag".
    parts.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if matches {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn http_body_size(response: &Response) -> Option<u64> {
    use axum::body::HttpBody;
    response.body().size_hint().exact()
}

/// Weak comparison of RFC 9110 §8.8.3.2 over an If-None-Match list.
pub fn holds(list: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.trim() == "*" || list.split(',').any(|candidate| opaque(candidate) == opaque(tag))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_weakly() {
        assert!(holds("\"a\", W/\"b\"", "W/\"b\""));
        assert!(holds("\"b\"", "W/\"b\""));
        assert!(holds("*", "W/\"b\""));
        assert!(!holds("\"a\"", "W/\"b\""));
    }

    #[test]
    fn writes_hexadecimal() {
        assert_eq!(hex(&[0, 15, 255]), "000fff");
    }
}
