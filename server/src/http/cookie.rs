//! Cookies, read and written by hand: three attributes decide their safety, and all of them show here.

use axum::http::{HeaderMap, HeaderValue, header};
use headroom_app::Theme;

/// The session cookie.
pub const SESSION: &str = "headroom_session";
/// The chosen theme.
pub const THEME: &str = "headroom_theme";

/// The value of a cookie.
#[must_use]
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The theme that the visitor chose; none follows the browser.
#[must_use]
pub fn theme(headers: &HeaderMap) -> Option<Theme> {
    [Theme::Light, Theme::Dark].into_iter().find(|theme| read(headers, THEME) == Some(theme.as_str()))
}

/// How a cookie is set.
#[derive(Clone, Copy, Debug)]
pub struct Cookie<'a> {
    /// Its name.
    pub name: &'static str,
    /// Its value: cookie octets only, or it is not set.
    pub value: &'a str,
    /// How long it lives; 0 removes it.
    pub max_age_secs: u64,
    /// Whether it is sent over https only.
    pub secure: bool,
    /// `Strict` keeps it from every request that another site caused.
    pub same_site: &'static str,
}

impl Cookie<'_> {
    /// The `Set-Cookie` value. Never readable by scripts.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        let is_octet = |byte: u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
        if !self.value.bytes().all(is_octet) {
            return None;
        }
        let Cookie { name, value, max_age_secs, same_site, .. } = self;
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={max_age_secs}{secure}");
        HeaderValue::from_str(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_one_among_many() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; headroom_session=xyz"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(read(&headers, SESSION), Some("xyz"));
        assert_eq!(read(&headers, "b"), Some("2"));
        assert_eq!(read(&headers, "session"), None);
    }

    #[test]
    fn refuses_values_that_would_add_attributes() {
        let cookie = Cookie { name: SESSION, value: "a; Domain=x", max_age_secs: 1, secure: true, same_site: "Strict" };
        assert_eq!(cookie.header(), None);
        let cookie = Cookie { value: "abc_-", ..cookie };
        let text = cookie.header().unwrap();
        assert_eq!(text, "headroom_session=abc_-; Path=/; HttpOnly; SameSite=Strict; Max-Age=1; Secure");
    }
}
