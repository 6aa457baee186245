//! Shapes every endpoint shares: the envelope, pagination and RFC 9457 problems.

use serde::{Deserialize, Serialize};

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// Always true; a problem document carries false.
    pub success: bool,
    /// The answer itself.
    pub data: T,
    /// Present on offset-paginated lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// Present on keyset-paginated lists with more to read: pass it back as `cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Envelope<T> {
    /// An answer without pagination.
    pub fn new(data: T) -> Self {
        Envelope { success: true, data, pagination: None, next_cursor: None }
    }
}

/// Where an offset-paginated list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// This page, from 1.
    pub page: u64,
    /// Rows a page.
    pub limit: u64,
    /// Rows in all.
    pub total: u64,
    /// Pages in all; 0 when there are no rows.
    pub pages: u64,
    /// Whether a page follows.
    pub has_next: bool,
    /// Whether a page precedes.
    pub has_prev: bool,
}

impl Pagination {
    /// Derives everything from page, limit and total.
    #[must_use]
    pub fn new(page: u64, limit: u64, total: u64) -> Self {
        let pages = total.div_ceil(limit.max(1));
        Pagination { page, limit, total, pages, has_next: page < pages, has_prev: page > 1 }
    }
}

/// RFC 9457 problem details, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Always false.
    pub success: bool,
    /// A stable identifier of the kind of problem, relative to the API root.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words; the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence: cause and remedy.
    pub detail: String,
    /// One reason a rejected field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Names the request in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Why one field was refused, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// The parameter or body field.
    pub field: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}
