//! Offset and keyset pagination: parameters, Link headers (RFC 8288), totals.

use super::error::WebError;
use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use headroom_model::api::{Envelope, FieldError, Pagination};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// Rows a page when none are asked for.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows a page at most.
pub const MAX_LIMIT: u32 = 100;
/// The last page that can be asked for; further back, filters or a keyset help.
const MAX_PAGE: u64 = 1_000_000;

/// Parameters of an offset-paginated list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Page, from 1.
    #[param(default = 1, minimum = 1)]
    pub page: Option<u64>,
    /// Rows a page, 1 to 100.
    #[param(default = 50, minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// Where an offset-paginated list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: u64,
    /// 1 to [`MAX_LIMIT`].
    pub limit: u32,
}

impl PageQuery {
    /// Checks both parameters.
    ///
    /// # Errors
    /// Names each one that is out of range.
    pub fn check(&self) -> Result<Page, WebError> {
        let mut errors = Vec::new();
        let number = self.page.unwrap_or(1);
        if !(1..=MAX_PAGE).contains(&number) {
            errors.push(FieldError { field: "page".into(), reason: format!("{number}; allowed: 1 to {MAX_PAGE}") });
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            errors.push(limit_error(limit));
        }
        if errors.is_empty() { Ok(Page { number, limit }) } else { Err(WebError::invalid(errors)) }
    }
}

/// Checks the limit of a keyset-paginated list.
///
/// # Errors
/// The limit is out of range.
pub fn check_limit(limit: Option<u32>) -> Result<u32, WebError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) { Ok(limit) } else { Err(WebError::invalid(vec![limit_error(limit)])) }
}

fn limit_error(limit: u32) -> FieldError {
    FieldError { field: "limit".into(), reason: format!("{limit}; allowed: 1 to {MAX_LIMIT}") }
}

impl Page {
    /// Rows before this page.
    #[must_use]
    pub fn offset(&self) -> u64 {
        (self.number - 1).saturating_mul(u64::from(self.limit))
    }
}

/// A page of a list that is known as a whole.
pub fn page_of<T, R: Serialize>(uri: &Uri, page: Page, all: Vec<T>, row: impl Fn(T) -> R) -> Response {
    let total = all.len() as u64;
    let before = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    paged(uri, page, total, all.into_iter().skip(before).take(page.limit as usize).map(row).collect())
}

/// An offset-paginated list with its headers.
pub fn paged<T: Serialize>(uri: &Uri, page: Page, total: u64, rows: Vec<T>) -> Response {
    let (pagination, headers) = place_of(uri, page, total);
    (headers, Json(Envelope { pagination: Some(pagination), ..Envelope::new(rows) })).into_response()
}

/// Where a page stands in its list, also as headers: for answers that are no JSON.
pub fn place_of(uri: &Uri, page: Page, total: u64) -> (Pagination, HeaderMap) {
    let pagination = Pagination::new(page.number, u64::from(page.limit), total);
    let last = pagination.pages.max(1);
    let mut links = vec![("first", 1)];
    if pagination.has_prev {
        links.push(("prev", page.number.min(last + 1) - 1));
    }
    if pagination.has_next {
        links.push(("next", page.number + 1));
    }
    links.push(("last", last));
    let links = links.into_iter().map(|(rel, number)| (rel, with(uri, &[("page", Some(&number.to_string()))])));
    let mut headers = link_header(links);
    for (name, value) in [
        ("x-total-count", total),
        ("x-page", page.number),
        ("x-per-page", u64::from(page.limit)),
        ("x-total-pages", pagination.pages),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    (pagination, headers)
}

/// A keyset-paginated list with its headers; `next` is the cursor of the following page.
pub fn cursored<T: Serialize>(uri: &Uri, rows: Vec<T>, next: Option<String>) -> Response {
    let mut links = vec![("first", with(uri, &[("cursor", None)]))];
    if let Some(cursor) = &next {
        links.push(("next", with(uri, &[("cursor", Some(cursor))])));
    }
    (link_header(links.into_iter()), Json(Envelope { next_cursor: next, ..Envelope::new(rows) })).into_response()
}

/// The same address with parameters set or removed; the others stay.
#[must_use]
pub fn with(uri: &Uri, changes: &[(&str, Option<&str>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if !changes.iter().any(|(name, _)| *name == key) {
            query.append_pair(&key, &value);
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) }
}

/// The `Link` header of some relations.
pub fn link_header(links: impl Iterator<Item = (&'static str, String)>) -> HeaderMap {
    let text: Vec<String> = links.map(|(rel, href)| format!("<{href}>; rel=\"{rel}\"")).collect();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&text.join(", ")) {
        headers.insert(header::LINK, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(page: u64, total: u64) -> String {
        let uri = Uri::from_static("/api/v1/audit?actor=a%26b&page=9&limit=10");
        let response = paged::<u8>(&uri, Page { number: page, limit: 10 }, total, vec![]);
        response.headers()[header::LINK].to_str().unwrap().to_owned()
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let text = links(2, 35);
        assert!(text.contains("</api/v1/audit?actor=a%26b&limit=10&page=1>; rel=\"prev\""), "{text}");
        assert!(text.contains("page=3>; rel=\"next\"") && text.contains("page=4>; rel=\"last\""), "{text}");
        assert!(!links(4, 35).contains("rel=\"next\""));
        assert!(!links(1, 35).contains("rel=\"prev\""));
    }

    #[test]
    fn a_page_past_the_end_leads_back_to_the_last() {
        assert!(links(900, 35).contains("page=4>; rel=\"prev\""));
        assert!(links(3, 0).contains("page=1>; rel=\"last\""));
    }

    #[test]
    fn out_of_range_parameters_are_named() {
        let error = PageQuery { page: Some(0), limit: Some(1000) }.check().unwrap_err();
        assert!(error.to_string().contains("page, limit"), "{error}");
        assert_eq!(PageQuery::default().check().unwrap(), Page { number: 1, limit: 50 });
        assert_eq!(Page { number: 3, limit: 50 }.offset(), 100);
    }
}
