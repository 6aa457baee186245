//! What a reverse proxy says about a request. Anyone can send these headers, so they only ever take trust away, mark
//! cookies secure, or add a note to the audit.

use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const MARKS: [HeaderName; 4] = [
    header::FORWARDED,
    X_FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Whether a proxy passed the request on.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    MARKS.iter().any(|name| headers.contains_key(name))
}

/// Whether the visitor's side of the proxy is https.
#[must_use]
pub fn is_https(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = text(X_FORWARDED_PROTO).split(',').next().unwrap_or("");
    first.trim().eq_ignore_ascii_case("https") || text(header::FORWARDED).to_ascii_lowercase().contains("proto=https")
}

/// Where a request comes from, for the audit: the peer, and what the proxy claims.
#[must_use]
pub fn origin(headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<String> {
    let peer = peer?.ip().to_canonical();
    let claimed = headers.get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let claimed = claimed.and_then(|list| list.split(',').next()).and_then(|text| text.trim().parse::<IpAddr>().ok());
    Some(match claimed {
        Some(claimed) => format!("{claimed} through {peer}"),
        None => peer.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_claim_that_is_no_address_is_left_out() {
        let peer = Some("127.0.0.1:4000".parse().unwrap());
        let mut headers = HeaderMap::new();
        assert_eq!(origin(&headers, peer).as_deref(), Some("127.0.0.1"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 10.0.0.1"));
        assert_eq!(origin(&headers, peer).as_deref(), Some("203.0.113.9 through 127.0.0.1"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("<script>"));
        assert_eq!(origin(&headers, peer).as_deref(), Some("127.0.0.1"));
        assert!(is_forwarded(&headers));
    }

    #[test]
    fn https_is_read_from_either_header() {
        let mut headers = HeaderMap::new();
        assert!(!is_https(&headers));
        headers.insert("forwarded", HeaderValue::from_static("for=1.2.3.4;Proto=HTTPS"));
        assert!(is_https(&headers));
    }
}
