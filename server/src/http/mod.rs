//! The conventions that every answer follows: envelope, problems, pagination, ids, headers.

pub mod answer;
pub mod cookie;
pub mod csv;
pub mod encoding;
pub mod error;
pub mod etag;
pub mod extract;
pub mod headers;
pub mod observe;
pub mod pagination;
pub mod problem;
pub mod response_cache;
