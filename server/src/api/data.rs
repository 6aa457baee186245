//! Datasets: what applications read through the cache.

use crate::{
    access::Caller,
    http::{
        answer::Answer,
        encoding::negotiate,
        error::{Kind, WebError},
        etag::holds,
        extract::{Params, Segment},
        pagination::{link_header, with},
        response_cache::{X_CACHE, X_CACHE_KEY},
    },
    web::Web,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use headroom_engine::{
    cache::{Hit, Origin},
    dataset::{Ask, DEFAULT_LIMIT, Dataset, Encoding, Page},
};
use headroom_model::{TargetId, api::Envelope};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A parameter of a dataset.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterReport {
    /// Its name.
    pub name: String,
    /// `integer`, `number`, `text`, `boolean`, `date`, `timestamp` or `uuid`.
    pub kind: &'static str,
    /// What stands where none is given; null where it is required.
    pub default: Option<String>,
    /// The only values allowed; empty for any.
    pub values: Vec<String>,
}

/// A column of a dataset.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type in PostgreSQL.
    pub kind: String,
}

/// A dataset.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetReport {
    /// Its name, as in `/api/v1/data/{dataset}`.
    pub name: String,
    /// Where it is read.
    pub target: TargetId,
    /// Its parameters.
    pub parameters: Vec<ParameterReport>,
    /// Its columns; null until PostgreSQL has told them.
    pub columns: Option<Vec<ColumnReport>>,
    /// Why its definition cannot be used.
    pub problem: Option<String>,
    /// How long a page is fresh, in milliseconds.
    pub ttl_ms: u64,
    /// Columns that name a row; pages may be asked for by cursor where there are any.
    pub key: Vec<String>,
    /// Tags of its pages.
    pub tags: Vec<String>,
    /// Tables whose change invalidates it.
    pub tables: Vec<String>,
    /// `critical`, `high_frequency`, `recent`, or null where it is not warmed.
    pub warmup: Option<&'static str>,
}

impl DatasetReport {
    fn new(dataset: &Dataset) -> Self {
        let config = dataset.config();
        let columns = dataset.columns().map(|columns| {
            columns.into_iter().map(|column| ColumnReport { name: column.name, kind: column.kind }).collect()
        });
        DatasetReport {
            name: config.name.clone(),
            target: config.target.clone(),
            parameters: config
                .parameters
                .iter()
                .map(|parameter| ParameterReport {
                    name: parameter.name.clone(),
                    kind: parameter.kind.as_str(),
                    default: parameter.default.clone(),
                    values: parameter.values.clone(),
                })
                .collect(),
            columns,
            problem: dataset.problem(),
            ttl_ms: u64::try_from(config.cache.ttl.as_millis()).unwrap_or(u64::MAX),
            key: config.key.clone(),
            tags: config.tags.clone(),
            tables: dataset.tables(),
            warmup: config.warmup.map(|class| class.as_str()),
        }
    }
}

/// Datasets
///
/// Every dataset that is configured, with its parameters and columns.
#[utoipa::path(get, path = "/api/v1/datasets", tag = "Data", responses((status = 200, body = Envelope<Vec<DatasetReport>>, description = "By name.")))]
pub async fn list(State(web): State<Web>) -> Answer<Vec<DatasetReport>> {
    Answer(web.console.datasets.list().map(|dataset| DatasetReport::new(dataset)).collect())
}

/// Which page of a dataset. The dataset's own parameters stand beside these.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DataQuery {
    /// Page by number, from 1.
    #[param(default = 1, minimum = 1)]
    pub page: Option<u64>,
    /// Rows a page, 1 to 100.
    #[param(default = 50, minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Page by key: empty for the first, then `nextCursor`.
    pub cursor: Option<String>,
}

/// The media type of rows, one a line.
const NDJSON: &str = "application/x-ndjson";

/// Read a dataset
///
/// One page as JSON, through the cache: `X-Cache` tells L1 (memory), L2 (Redis), MISS (loaded) or STALE (past its time,
/// because loading is slow or fails); `X-Cache-Key` tells the page's key where it is printable ASCII of at most 1,024
/// bytes. With `Accept: application/x-ndjson` all rows are streamed, one a line, without the
/// cache.
#[utoipa::path(get, path = "/api/v1/data/{dataset}", tag = "Data", params(("dataset" = String, Path, description = "Its name."), DataQuery), responses((status = 200, body = serde_json::Value, description = "The envelope; `data` has an object a row."), (status = 304, description = "The client has this page.")))]
pub async fn read(
    State(web): State<Web>,
    Segment(name): Segment,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let dataset = web.console.datasets.get(&name)?;
    let ask = ask(pairs, caller)?;
    if wants_rows(&headers) {
        return stream(dataset, &ask).await;
    }
    let question = dataset.question(&ask).await?;
    let hit = dataset.read(&question).await?;
    let page = hit.value().ok_or_else(|| WebError::internal("a dataset answered without a page"))?;
    // A copy: the address of a request is a part of its whole buffer, credentials included, and would keep all of it.
    let uri = Uri::try_from(uri.to_string()).map_err(WebError::internal)?;
    let key = question.key().to_owned();
    let address = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let head = move |page: &Page| head(&uri, &ask, &key, page);
    let response = answer(head(page), &headers, &hit);
    web.addresses.learn(&address, dataset, &question, head);
    response.ok_or_else(|| WebError::internal("a dataset answered without a page"))
}

/// Whether rows are asked for, one a line.
pub fn wants_rows(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepts| accepts.split(',').any(|media| media.trim().starts_with(NDJSON)))
}

fn ask(pairs: Vec<(String, String)>, caller: Caller) -> Result<Ask, WebError> {
    let mut ask = Ask { user: caller.actor.name, ..Ask::default() };
    for (name, value) in pairs {
        let whole = |value: &str| {
            value.parse().map_err(|_| WebError::field(name.clone(), format!("\"{value}\" is no whole number")))
        };
        match name.as_str() {
            "page" => ask.page = Some(whole(&value)?),
            "limit" => ask.limit = Some(u32::try_from(whole(&value)?).unwrap_or(u32::MAX)),
            "cursor" => ask.cursor = Some(value),
            _ => ask.arguments.push((name, value)),
        }
    }
    Ok(ask)
}

fn origin(hit: &Hit<Page>) -> &'static str {
    match hit.origin {
        Origin::Memory => "L1",
        Origin::Redis => "L2",
        Origin::Load => "MISS",
        Origin::Stale => "STALE",
    }
}

/// Headers that are the same as long as the page is.
fn head(uri: &Uri, ask: &Ask, key: &str, page: &Page) -> HeaderMap {
    let mut headers = links(uri, ask, page);
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if fits_header(key) {
        set(X_CACHE_KEY, key);
    }
    set(header::ETAG, page.etag());
    // Ask again with the tag: what is invalidated here must not live on in a client.
    set(header::CACHE_CONTROL, "private, no-cache");
    set(header::VARY, "accept-encoding, authorization, cookie");
    set(header::CONTENT_TYPE, "application/json");
    headers
}

/// The answer of a hit, behind the headers of its page.
pub fn answer(mut head: HeaderMap, request: &HeaderMap, hit: &Hit<Page>) -> Option<Response> {
    let page = hit.value()?;
    head.insert(X_CACHE, HeaderValue::from_static(origin(hit)));
    head.insert(header::AGE, HeaderValue::from(hit.age().as_secs()));
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|list| holds(list, page.etag())) {
        head.remove(header::CONTENT_TYPE);
        return Some((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let (body, encoding) = page.encoded(negotiate(request));
    if encoding != Encoding::Identity {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    }
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = head;
    Some(response)
}

/// Longest key that is told in a header, in bytes.
const KEY_HEADER_MAX: usize = 1024;

/// A key holds what its caller wrote. It names its page only when it arrives exactly as it is, so it must be printable
/// ASCII, and without spaces around it: readers of headers take those away.
fn fits_header(key: &str) -> bool {
    key.len() <= KEY_HEADER_MAX && key.trim() == key && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn links(uri: &Uri, ask: &Ask, page: &Page) -> HeaderMap {
    let facts = page.facts();
    if ask.cursor.is_some() {
        let next = facts.next_cursor.as_deref().map(|cursor| ("next", with(uri, &[("cursor", Some(cursor))])));
        return link_header([("first", with(uri, &[("cursor", Some(""))]))].into_iter().chain(next));
    }
    let (number, limit) = (ask.page.unwrap_or(1), u64::from(ask.limit.unwrap_or(DEFAULT_LIMIT)));
    let to = |number: u64| with(uri, &[("page", Some(&number.to_string()))]);
    let last = facts.total.map(|total| total.div_ceil(limit).max(1));
    let mut links = vec![("first", to(1))];
    if number > 1 {
        links.push(("prev", to(last.map_or(number, |last| number.min(last + 1)) - 1)));
    }
    if facts.has_next {
        links.push(("next", to(number + 1)));
    }
    links.extend(last.map(|last| ("last", to(last))));
    let mut headers = link_header(links.into_iter());
    let counts = [
        ("x-total-count", facts.total),
        ("x-page", Some(number)),
        ("x-per-page", Some(limit)),
        ("x-total-pages", last),
    ];
    for (name, value) in counts {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    headers
}

/// Rows as they come. A failure on the way ends the body early, which a client notices: it is chunked.
async fn stream(dataset: &Arc<Dataset>, ask: &Ask) -> Result<Response, WebError> {
    if ask.page.is_some() || ask.limit.is_some() || ask.cursor.is_some() {
        return Err(WebError::new(Kind::Invalid, "A stream has all rows: leave page, limit and cursor out."));
    }
    let lines = dataset.stream(ask).await?.map(|row| row.map(|row| Bytes::from(row + "\n")));
    let headers = [(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_exactly_or_not_at_all() {
        for exact in ["least=1#p1,2", "name=a b#c", &"k".repeat(KEY_HEADER_MAX)] {
            assert!(fits_header(exact), "{exact}");
        }
        for other in ["name=Zoë#p1,50", "name=a\tb#p1,50", " name=a", "name=a ", &"k".repeat(KEY_HEADER_MAX + 1)] {
            assert!(!fits_header(other), "{other}");
        }
    }
}
