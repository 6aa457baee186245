//! Statements over a range, one statement's history, and those that are slow.

use crate::{
    api::history::range_of,
    http::{
        answer::Answer,
        csv,
        error::{Kind, WebError},
        extract::{Params, Segment, choose},
        pagination::{Page, PageQuery, paged, place_of},
    },
    web::Web,
};
use axum::{
    extract::{OriginalUri, State},
    response::{IntoResponse, Response},
};
use headroom_model::{
    api::{Envelope, FieldError},
    statements::{
        MAX_ROWS, StatementAsk, StatementDetail, StatementFilter, StatementKind, StatementList, StatementRow,
        StatementSort,
    },
};
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

/// Mean time of a slow statement when none is named, in milliseconds.
const SLOW_MS: u64 = 100;
/// Longest text to filter by, in bytes.
const FILTER_MAX: usize = 200;

/// Which statements, of which range.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatementsQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Start: `now-6h`, `now/d`, epoch milliseconds, ISO 8601.
    #[param(default = "now-1h")]
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
    /// Minutes before `to`, instead of `from`.
    #[param(minimum = 1)]
    pub duration: Option<u64>,
    /// What to sort by.
    #[param(inline, value_type = Option<StatementSort>)]
    pub sort: Option<String>,
    /// `desc` (most first) or `asc`.
    #[param(default = "desc")]
    pub order: Option<String>,
    /// Words that the statement, its tags or its query id hold, all of them.
    #[param(max_length = 200)]
    pub text: Option<String>,
    /// A tag of it, `key:value`.
    #[param(max_length = 200)]
    pub tag: Option<String>,
    /// A role that ran it.
    #[param(max_length = 200)]
    pub user: Option<String>,
    /// What it does.
    #[param(inline, value_type = Option<StatementKind>)]
    pub kind: Option<String>,
    /// Mean time from which a statement is listed, in milliseconds. Slow statements: 100 when absent.
    pub threshold: Option<u64>,
    /// Page, from 1.
    #[param(default = 1, minimum = 1)]
    pub page: Option<u64>,
    /// Rows a page, 1 to 100.
    #[param(default = 50, minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// A named choice, or what is wrong with it.
fn choice<T: FromStr<Err = String>>(field: &str, name: Option<&str>, errors: &mut Vec<FieldError>) -> Option<T> {
    name.and_then(|name| name.parse().map_err(|reason| errors.push(FieldError { field: field.into(), reason })).ok())
}

/// What is asked for, of which target and range, and the page of it.
async fn list_of(
    web: &Web,
    query: &StatementsQuery,
    usual: StatementAsk,
    usual_limit: Option<u32>,
) -> Result<(StatementList, Page), WebError> {
    let now = web.console.clock.now();
    let mut errors = Vec::new();
    let sort = choice("sort", query.sort.as_deref(), &mut errors);
    let kind: Option<StatementKind> = choice("kind", query.kind.as_deref(), &mut errors);
    let reversed = match query.order.as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => {
            errors.push(FieldError { field: "order".into(), reason: "allowed: desc, asc".into() });
            false
        }
    };
    for (field, value) in [("text", &query.text), ("tag", &query.tag), ("user", &query.user)] {
        if value.as_ref().is_some_and(|value| value.len() > FILTER_MAX) {
            errors.push(FieldError { field: field.into(), reason: format!("allowed: at most {FILTER_MAX} bytes") });
        }
    }
    let range = range_of(query.from.as_deref(), query.to.as_deref(), query.duration, now);
    let range = range.map_err(|error| errors.push(error)).ok();
    let page = PageQuery { page: query.page, limit: query.limit }.check()?;
    let page = Page { limit: usual_limit.filter(|_| query.limit.is_none()).unwrap_or(page.limit), ..page };
    let Some(range) = range.filter(|_| errors.is_empty()) else { return Err(WebError::invalid(errors)) };
    let target = choose(web, query.target.as_deref())?;
    let filter = StatementFilter {
        text: query.text.clone().unwrap_or_default(),
        tag: query.tag.clone().unwrap_or_default(),
        role: query.user.clone().unwrap_or_default(),
        kind,
        mean_ms_min: query.threshold.or(usual.filter.mean_ms_min),
    };
    let ask = StatementAsk {
        filter,
        sort: sort.unwrap_or(usual.sort),
        reversed,
        page: u32::try_from(page.number).unwrap_or(u32::MAX),
        limit: page.limit,
    };
    Ok((web.console.statements(&target, range, &ask).await?, page))
}

async fn answer(
    web: &Web,
    uri: &axum::http::Uri,
    query: &StatementsQuery,
    usual: StatementAsk,
) -> Result<Response, WebError> {
    let (list, page) = list_of(web, query, usual, None).await?;
    Ok(paged(uri, page, list.found, list.rows))
}

/// Statements
///
/// Figures of each statement over a range, in whole slots of a minute, ten minutes, an hour or a day. Percentiles are
/// estimates, and null where an estimate would mislead; what the server does not count is null.
#[utoipa::path(get, path = "/api/v1/database/statements", tag = "Database", params(StatementsQuery), responses((status = 200, body = Envelope<Vec<StatementRow>>, description = "A page of statements.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<StatementsQuery>,
) -> Result<Response, WebError> {
    answer(&web, &uri, &query, StatementAsk::default()).await
}

/// Slow statements
///
/// Statements whose mean time in the range is at least `threshold` milliseconds, the slowest first.
#[utoipa::path(get, path = "/api/v1/database/slow-queries", tag = "Database", params(StatementsQuery), responses((status = 200, body = Envelope<Vec<StatementRow>>, description = "A page of slow statements.")))]
pub async fn slow(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<StatementsQuery>,
) -> Result<Response, WebError> {
    let filter = StatementFilter { mean_ms_min: Some(SLOW_MS), ..StatementFilter::default() };
    answer(&web, &uri, &query, StatementAsk { filter, sort: StatementSort::Mean, ..StatementAsk::default() }).await
}

/// Statements as CSV
///
/// The same as a table for spreadsheets, 300 statements a page where no limit is named; `Link` and `X-Total-Count` say what
/// comes after. Percentiles are estimates; what is not known is an empty field.
#[utoipa::path(get, path = "/api/v1/database/statements.csv", tag = "Database", params(StatementsQuery), responses((status = 200, content_type = "text/csv", body = String, description = "Comma-separated, with a head.")))]
pub async fn table(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<StatementsQuery>,
) -> Result<Response, WebError> {
    let (list, page) = list_of(&web, &query, StatementAsk::default(), Some(MAX_ROWS)).await?;
    let (_, headers) = place_of(&uri, page, list.found);
    let name = format!("statements-{}-{}.csv", list.target, list.range.from.0);
    Ok((headers, csv::file(&name, rows(&list.rows))).into_response())
}

fn rows(rows: &[StatementRow]) -> String {
    let mut out = String::from(
        "query_id,text,kind,roles,tags,calls,calls_per_second,total_ms,time_share,mean_ms,usual_mean_ms,deviation_ms,\
         p95_ms_estimate,p99_ms_estimate,rows,shared_hit,shared_read,temp_read_bytes,temp_written_bytes,wal_bytes,io_ms,\
         plan_ms,first_seen\r\n",
    );
    for row in rows {
        let stats = &row.stats;
        let tags: Vec<String> = row.tags.iter().map(ToString::to_string).collect();
        let words = [
            // As text: a spreadsheet would round it.
            format!("'{}", row.query_id),
            row.text.clone().unwrap_or_default(),
            row.kind.as_str().to_owned(),
            row.roles.join(" "),
            tags.join(" "),
        ];
        let figures = [
            Some(stats.calls as f64),
            stats.calls_per_second,
            Some(stats.total_ms),
            Some(stats.time_share),
            stats.mean_ms,
            row.regression.map(|regression| regression.usual_ms),
            stats.deviation_ms,
            stats.p95_ms,
            stats.p99_ms,
            Some(stats.rows as f64),
            stats.shared_hit,
            stats.shared_read,
            stats.temp_read_bytes,
            stats.temp_written_bytes,
            stats.wal_bytes,
            stats.io_ms,
            stats.plan_ms,
        ];
        let figures = figures.into_iter().map(|figure| figure.map_or_else(String::new, |figure| figure.to_string()));
        let first_seen = row.first_at.map_or_else(String::new, |at| at.to_rfc3339());
        let cells: Vec<String> = words.iter().map(|text| csv::cell(text)).chain(figures).chain([first_seen]).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// Which range.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatementQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Start: `now-6h`, `now/d`, epoch milliseconds, ISO 8601.
    #[param(default = "now-1h")]
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
    /// Minutes before `to`, instead of `from`.
    #[param(minimum = 1)]
    pub duration: Option<u64>,
}

/// A statement
///
/// One statement's figures in a range, the same as series, whether it is slower than usual and since when, and the minutes
/// in which it took most time (see `/history/moment`).
#[utoipa::path(get, path = "/api/v1/database/statements/{queryid}", tag = "Database", params(("queryid" = String, Path, description = "pg_stat_statements' queryid."), StatementQuery), responses((status = 200, body = Envelope<StatementDetail>, description = "The statement.")))]
pub async fn one(
    State(web): State<Web>,
    Segment(name): Segment,
    Params(query): Params<StatementQuery>,
) -> Result<Answer<StatementDetail>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let range = range_of(query.from.as_deref(), query.to.as_deref(), query.duration, web.console.clock.now())
        .map_err(|error| WebError::invalid(vec![error]))?;
    let id: i64 = name.parse().map_err(|_| {
        let shown: String = name.chars().take(40).collect();
        WebError::field("queryid", format!("\"{shown}\" is not a query id; allowed: a whole number of 64 bits"))
    })?;
    let found = web.console.statement(&target, id, range).await?;
    found.map(Answer).ok_or_else(|| {
        WebError::new(Kind::NotFound, format!("No statement of \"{target}\" with the query id {id} was seen."))
    })
}
