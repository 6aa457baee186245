//! History in and out, and what it takes.

use super::history::unknown_metric;
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::{Kind, WebError},
        extract::{Params, choose},
    },
    web::Web,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use headroom_engine::{
    history::transfer::{Export, Exported, Format, ImportError, Importer, Step, records},
    store::{NewImport, StoreError},
};
use headroom_model::{
    MetricId,
    api::{Envelope, FieldError},
    metric::CATALOGUE,
    origin::ImportReport,
    range::{self, Edge},
    storage::Storage,
};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// The path of the import: its body may be larger than others, and takes longer.
pub const IMPORT: &str = "/api/v1/history/import";
/// Bytes of an imported body at most; larger files go through the command line.
pub const IMPORT_MAX: usize = 64 * 1024 * 1024;
/// How long an import may take.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(300);
/// Points an export has at most: 25 months of hours and 30 days of minutes of forty metrics.
const EXPORT_MAX: u64 = 2_500_000;

/// What to take along.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Metric ids, separated by commas; all when absent.
    pub metric: Option<String>,
    /// Start: `now-30d`, epoch milliseconds, ISO 8601; the oldest point when absent.
    pub from: Option<String>,
    /// End, as `from`.
    #[param(default = "now")]
    pub to: Option<String>,
    /// `csv`, `ndjson` or `prometheus`.
    #[param(default = "csv")]
    pub format: Option<String>,
    /// `minutes` or `hours`; both when absent, which alone restores all there is.
    pub step: Option<String>,
}

/// What is imported.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct ImportQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// `csv`, `ndjson` or `prometheus`; what the first line gives away when absent.
    pub format: Option<String>,
    /// Where it comes from, as pages will say.
    #[param(max_length = 200)]
    pub source: Option<String>,
    /// Only say what would be imported.
    #[serde(default)]
    pub dry_run: bool,
}

fn format(name: Option<&str>) -> Result<Option<Format>, FieldError> {
    let parse = |name: &str| name.parse().map_err(|reason| FieldError { field: "format".into(), reason });
    name.map(parse).transpose()
}

/// Export history
///
/// Rows as they are kept, with their smallest, largest, sum and count: what `POST /api/v1/history/import` reads back
/// exactly. At most 2,500,000 points. A failure on the way ends the body early, which a client notices: it is chunked.
#[utoipa::path(get, path = "/api/v1/history/export", tag = "Figures", params(ExportQuery), responses((status = 200, content_type = "text/csv", body = String, description = "The points, a line each.")))]
pub async fn export(State(web): State<Web>, Params(query): Params<ExportQuery>) -> Result<Response, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let now = web.console.clock.now();
    let mut errors = Vec::new();
    let mut metrics = Vec::new();
    for name in query.metric.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
        match MetricId::parse(name) {
            Some(metric) if metrics.contains(&metric) => {}
            Some(metric) => metrics.push(metric),
            None => errors.push(unknown_metric(name)),
        }
    }
    if metrics.is_empty() {
        metrics.extend(CATALOGUE.iter().map(|metric| metric.id));
    }
    let mut moment = |field: &str, text: Option<&str>, edge| {
        let found = text.map(|text| range::moment(text, now, edge));
        if found == Some(None) {
            let reason = "not a moment; allowed: now-30d, epoch milliseconds, 2026-11-19T08:32:00Z".into();
            errors.push(FieldError { field: field.into(), reason });
        }
        found.flatten()
    };
    let from = moment("from", query.from.as_deref(), Edge::Start);
    let to = moment("to", query.to.as_deref(), Edge::End).unwrap_or(now);
    let from = from.unwrap_or_else(|| web.console.history.retention().hours_from(now));
    if from >= to {
        let reason = format!("{} is not before {}", from.to_rfc3339(), to.to_rfc3339());
        errors.push(FieldError { field: "from".into(), reason });
    }
    let step = match query.step.as_deref() {
        None => None,
        Some("minutes") => Some(Step::Minute),
        Some("hours") => Some(Step::Hour),
        Some(_) => {
            errors.push(FieldError { field: "step".into(), reason: "allowed: minutes, hours".into() });
            None
        }
    };
    let format = format(query.format.as_deref()).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    let format = format.unwrap_or(Format::Csv);
    if !errors.is_empty() {
        return Err(WebError::invalid(errors));
    }
    let media = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Ndjson => "application/x-ndjson",
        Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
    };
    let name = format!(
        "attachment; filename=\"history.{}\"",
        if format == Format::Prometheus { "prom" } else { format.as_str() }
    );
    let exported = Export { target, metrics, from, to, step, format }.start(web.console.history.clone()).await?;
    let head = stream::once(std::future::ready(Ok(exported.head().to_owned())));
    let body = head.chain(stream::try_unfold(exported, piece)).map(|text| text.map(Bytes::from));
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, [(header::CONTENT_DISPOSITION, name)], Body::from_stream(body)).into_response())
}

/// The next piece; none at the end, or when there is more than an answer may have.
async fn piece(mut exported: Exported) -> Result<Option<(String, Exported)>, StoreError> {
    if exported.lines() >= EXPORT_MAX {
        tracing::warn!(points = exported.lines(), "an export ended at the most it may have");
        return Err(StoreError::Timeout);
    }
    Ok(exported.next().await?.map(|text| (text, exported)))
}

/// Import history
///
/// The body is a file as `headroom history import` reads it: CSV (`time,metric,value` or `time,<metric>…`), NDJSON or
/// Prometheus text with timestamps; 64 MiB at most. All of it is imported, or nothing: a line that cannot be read is named.
/// What this console measured itself is never replaced, and importing the same again changes nothing.
#[utoipa::path(post, path = "/api/v1/history/import", tag = "Actions", params(ImportQuery), request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Envelope<ImportReport>, description = "What was or would be imported.")))]
pub async fn import(
    State(web): State<Web>,
    Params(query): Params<ImportQuery>,
    caller: Caller,
    body: Body,
) -> Result<Answer<ImportReport>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let format = format(query.format.as_deref()).map_err(|error| WebError::invalid(vec![error]))?;
    let source = super::optional_text("source", query.source.as_deref())?.unwrap_or_else(|| "an upload".to_owned());
    let (store, clock) = (web.console.store.clone(), web.console.clock.clone());
    let actor = caller.actor.name.clone();
    let what = NewImport { target, source, generated: false, actor, at: clock.now() };
    let retention = web.console.history.retention();
    let mut importer = Importer::begin(store, clock, what.clone(), format, retention, query.dry_run).await?;
    if let Err(error) = feed(&mut importer, body).await {
        importer.give_up().await;
        return Err(error);
    }
    super::to_its_end(&web.clone(), async move {
        let report = importer.finish().await?;
        if report.id.is_some() {
            let (audit, event) = records(&what, &report, caller.actor.role, caller.origin);
            web.console.store.add_audit(&audit).await?;
            web.console.mark(event).await?;
        }
        Ok(Answer(report))
    })
    .await
}

async fn feed(importer: &mut Importer, body: Body) -> Result<(), WebError> {
    let mut pieces = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| WebError::new(Kind::Malformed, "The body ended early; nothing was imported."))?;
        length += piece.len();
        if length > IMPORT_MAX {
            let words = "The body may have 64 MiB at most; use `headroom history import`. Nothing was imported.";
            return Err(WebError::new(Kind::TooLarge, words));
        }
        importer.feed(&piece).await?;
    }
    Ok(())
}

impl From<ImportError> for WebError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Fault(fault) => {
                WebError::field(format!("line {}", fault.line), format!("{}; nothing was imported", fault.reason))
            }
            ImportError::Store(error) => error.into(),
            ImportError::Lost => WebError::unavailable(error.to_string(), error),
            error => WebError::new(Kind::Conflict, format!("{error}.")),
        }
    }
}

/// What history takes
///
/// Size, rows, where the history of each target begins, how long what is kept, and what pruning did last and does next.
#[utoipa::path(get, path = "/api/v1/history/storage", tag = "Figures", responses((status = 200, body = Envelope<Storage>, description = "The state store.")))]
pub async fn storage(State(web): State<Web>) -> Result<Answer<Storage>, WebError> {
    let targets = web.console.targets().into_iter().map(|target| target.id);
    Ok(Answer(web.console.history.storage(targets).await?))
}
