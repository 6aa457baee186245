//! Cross-site request forgery: a change must come from our own pages, or from something that is not a browser page.
//!
//! Browsers say where a request comes from (`Sec-Fetch-Site`, and `Origin` on every POST). A bearer token is never sent
//! by a browser on its own, so it needs no check.

use super::{host, identity};
use crate::http::{
    cookie,
    error::{Kind, WebError},
};
use axum::http::HeaderMap;

/// Checks a request that changes something.
///
/// # Errors
/// It comes from another site, or carries a session without saying where it comes from.
pub fn check(headers: &HeaderMap) -> Result<(), WebError> {
    if identity::bearer(headers).is_some() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let allowed = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_own(headers, origin),
        // Not a browser. With a session cookie it could be one that hides its origin.
        (None, None) => cookie::read(headers, cookie::SESSION).is_none(),
    };
    if allowed {
        Ok(())
    } else {
        Err(WebError::new(
            Kind::CrossSite,
            "Changes are accepted from the console's own pages only. Scripts send a bearer token, or an Origin header \
             that matches the address.",
        ))
    }
}

fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    let Some(host) = host::authority(headers) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    authority.eq_ignore_ascii_case(host.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn allowed(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        check(&headers).is_ok()
    }

    #[test]
    fn own_pages_and_tools_may_change_things() {
        assert!(allowed(&[("sec-fetch-site", "same-origin"), ("cookie", "headroom_session=x")]));
        assert!(allowed(&[("sec-fetch-site", "none")]));
        assert!(allowed(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")]));
        assert!(allowed(&[("host", "localhost:3000")]));
        assert!(allowed(&[("authorization", "Bearer hr_x"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn other_sites_may_not() {
        assert!(!allowed(&[("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&[("sec-fetch-site", "same-site")]));
        assert!(!allowed(&[("host", "localhost:3000"), ("origin", "http://localhost:4000")]));
        assert!(!allowed(&[("host", "localhost:3000"), ("origin", "null")]));
        assert!(!allowed(&[("host", "localhost:3000"), ("cookie", "headroom_session=x")]));
        assert!(!allowed(&[("authorization", "Basic YTpi"), ("sec-fetch-site", "cross-site")]));
    }
}
