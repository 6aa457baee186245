//! The host name a request asks for. On an open console only loopback names are answered: a foreign page that makes
//! its own name resolve to 127.0.0.1 (DNS rebinding) sends its own name here.

use axum::http::{HeaderMap, header, uri::Authority};
use std::net::IpAddr;

/// The host the request is meant for.
#[must_use]
pub fn authority(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

/// Whether it is a name of this machine for itself.
#[must_use]
pub fn is_loopback(headers: &HeaderMap) -> bool {
    authority(headers).is_some_and(|authority| {
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let check = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            is_loopback(&headers)
        };
        for host in ["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "127.8.9.1", "[::1]:3000", "headroom.localhost"] {
            assert!(check(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", ""] {
            assert!(!check(host), "{host}");
        }
        assert!(!is_loopback(&HeaderMap::new()));
    }
}
