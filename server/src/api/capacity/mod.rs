//! Forecasts of what runs out, and what to do by when.

mod calendar;

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{JsonBody, Params, Segment, choose},
    },
    web::Web,
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use headroom_engine::capacity::Detail;
use headroom_model::{
    TargetId, Timestamp,
    api::{Envelope, FieldError},
    capacity::{
        Bottlenecks, CapacityDashboard, DEFAULT_MONTHS, MONTHS, Plan, Resource, ResourceReport, WhatIfAnswer,
        WhatIfAsk, days_of,
    },
    forecast::{Change, MAX_PLANNED, WhatIf},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which target, how far ahead.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CapacityQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// How many months ahead.
    #[param(default = 6, minimum = 1, maximum = 24)]
    pub months: Option<u32>,
}

/// Which plan, in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// How many months ahead.
    #[param(default = 6, minimum = 1, maximum = 24)]
    pub months: Option<u32>,
    /// `json`, `csv` or `ics`; what `Accept` names when absent.
    pub format: Option<String>,
}

/// One resource.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceForecast {
    /// Whose.
    pub target: TargetId,
    /// When it was computed.
    pub computed_at: Timestamp,
    /// How far ahead it looks.
    pub horizon_days: u32,
    /// The resource, one value a day.
    #[serde(flatten)]
    pub report: ResourceReport,
}

fn horizon(months: Option<u32>) -> Result<u32, FieldError> {
    let months = months.unwrap_or(DEFAULT_MONTHS);
    if MONTHS.contains(&months) {
        return Ok(days_of(months));
    }
    let reason = format!("{months}; allowed: {} to {}", MONTHS.start(), MONTHS.end());
    Err(FieldError { field: "months".into(), reason })
}

fn resource(name: &str) -> Result<Resource, FieldError> {
    Resource::parse(name).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        let allowed: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
        let reason = format!("\"{shown}\" is not a resource; allowed: {}", allowed.join(", "));
        FieldError { field: "resource".into(), reason }
    })
}

/// Both, or everything that is wrong with them.
fn both(name: &str, months: Option<u32>) -> Result<(Resource, u32), WebError> {
    match (resource(name), horizon(months)) {
        (Ok(resource), Ok(days)) => Ok((resource, days)),
        (resource, days) => Err(WebError::invalid(resource.err().into_iter().chain(days.err()).collect())),
    }
}

fn checked(query: &CapacityQuery, web: &Web) -> Result<(TargetId, u32), WebError> {
    let days = horizon(query.months).map_err(|error| WebError::invalid(vec![error]))?;
    Ok((choose(web, query.target.as_deref())?, days))
}

/// All resources
///
/// Use, limit and forecast of every resource, most urgent first; a resource of which nothing can be told says why. Series
/// have at most 183 points; `/capacity/forecast/{resource}` has one a day. Computed about hourly.
#[utoipa::path(get, path = "/api/v1/capacity/dashboard", tag = "Capacity", params(CapacityQuery), responses((status = 200, body = Envelope<CapacityDashboard>, description = "Every resource.")))]
pub async fn dashboard(
    State(web): State<Web>,
    Params(query): Params<CapacityQuery>,
) -> Result<Answer<CapacityDashboard>, WebError> {
    let (target, days) = checked(&query, &web)?;
    Ok(Answer(web.console.capacity.dashboard(&target, days, Detail::Chart).await?))
}

/// Forecast of a resource
///
/// Median, intervals of 80 and 95 of 100 outcomes, the days until the limit, the model and its error in the past; or why
/// there is none.
#[utoipa::path(get, path = "/api/v1/capacity/forecast/{resource}", tag = "Capacity", params(("resource" = Resource, Path, description = "Which."), CapacityQuery), responses((status = 200, body = Envelope<ResourceForecast>, description = "One resource, one value a day.")))]
pub async fn forecast(
    State(web): State<Web>,
    Segment(name): Segment,
    Params(query): Params<CapacityQuery>,
) -> Result<Answer<ResourceForecast>, WebError> {
    let (resource, horizon_days) = both(&name, query.months)?;
    let target = choose(&web, query.target.as_deref())?;
    let (report, computed_at) = web.console.capacity.forecast(&target, resource, horizon_days).await?;
    Ok(Answer(ResourceForecast { target, computed_at, horizon_days, report }))
}

/// What runs out first
///
/// Resources by the day half of the outcomes meet their limit, with what happens then, what drives them and what helps.
#[utoipa::path(get, path = "/api/v1/capacity/bottlenecks", tag = "Capacity", params(CapacityQuery), responses((status = 200, body = Envelope<Bottlenecks>, description = "Most urgent first.")))]
pub async fn bottlenecks(
    State(web): State<Web>,
    Params(query): Params<CapacityQuery>,
) -> Result<Answer<Bottlenecks>, WebError> {
    let (target, days) = checked(&query, &web)?;
    Ok(Answer(web.console.capacity.bottlenecks(&target, days).await?))
}

/// Scaling plan
///
/// By month, what to do by when, so that every resource stays 14 days away from the day one in ten outcomes meets its
/// limit. As JSON, CSV, or a calendar.
#[utoipa::path(get, path = "/api/v1/capacity/plan", tag = "Capacity", params(PlanQuery), responses((status = 200, content(
    (Envelope<Plan> = "application/json"),
    (String = "text/csv"),
    (String = "text/calendar"),
), description = "The steps, by day.")))]
pub async fn plan(
    State(web): State<Web>,
    headers: HeaderMap,
    Params(query): Params<PlanQuery>,
) -> Result<Response, WebError> {
    let form = form(query.format.as_deref(), &headers);
    let days = horizon(query.months);
    let (form, days) = match (form, days) {
        (Ok(form), Ok(days)) => (form, days),
        (form, days) => return Err(WebError::invalid(form.err().into_iter().chain(days.err()).collect())),
    };
    let target = choose(&web, query.target.as_deref())?;
    let plan = web.console.capacity.plan(&target, days).await?;
    let file = |media: &'static str, ending: &str, text: String| {
        let name = format!("attachment; filename=\"headroom-{target}-plan.{ending}\"");
        ([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response()
    };
    let mut response = match form {
        Form::Json => Answer(plan).into_response(),
        Form::Csv => file("text/csv; charset=utf-8", "csv", calendar::csv(&plan)),
        Form::Calendar => file("text/calendar; charset=utf-8", "ics", calendar::ics(&plan)),
    };
    response.headers_mut().append(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(response)
}

/// What a plan is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Calendar,
}

fn form(named: Option<&str>, headers: &HeaderMap) -> Result<Form, FieldError> {
    match named {
        Some("json") => Ok(Form::Json),
        Some("csv") => Ok(Form::Csv),
        Some("ics") => Ok(Form::Calendar),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            Err(FieldError { field: "format".into(), reason: format!("\"{shown}\"; allowed: json, csv, ics") })
        }
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let mut types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
            Ok(types
                .find_map(|media| match media {
                    "application/json" => Some(Form::Json),
                    "text/csv" => Some(Form::Csv),
                    "text/calendar" => Some(Form::Calendar),
                    _ => None,
                })
                .unwrap_or(Form::Json))
        }
    }
}

/// What if?
///
/// The forecast of a resource with other growth, planned events, another limit, beside the present one. Changes nothing.
#[utoipa::path(post, path = "/api/v1/capacity/what-if", tag = "Capacity", request_body = WhatIfAsk, responses((status = 200, body = Envelope<WhatIfAnswer>, description = "As it is, and as it would be.")))]
pub async fn what_if(
    State(web): State<Web>,
    JsonBody(ask): JsonBody<WhatIfAsk>,
) -> Result<Answer<WhatIfAnswer>, WebError> {
    let (resource, days) = both(&ask.resource, ask.months)?;
    let changes = ask.changes();
    let errors = refused(&changes);
    if !errors.is_empty() {
        return Err(WebError::invalid(errors));
    }
    let target = choose(&web, ask.target.as_deref())?;
    Ok(Answer(web.console.capacity.what_if(&target, resource, days, changes, Detail::Days).await?))
}

/// What is wrong with changes.
fn refused(changes: &WhatIf) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse = |field: &str, reason: String| errors.push(FieldError { field: field.into(), reason });
    if !(0.0..=100.0).contains(&changes.growth) {
        refuse("growth", format!("{}; allowed: 0 to 100, 1 changes nothing", changes.growth));
    }
    if changes.limit.is_some_and(|limit| !(limit.is_finite() && limit > 0.0)) {
        refuse("limit", "allowed: a number above zero, in the resource's unit".into());
    }
    if changes.planned.len() > MAX_PLANNED {
        refuse("planned", format!("{} events; allowed: at most {MAX_PLANNED}", changes.planned.len()));
    }
    let is_wrong = |change: &Change| match change {
        Change::Add(by) => !by.is_finite(),
        Change::Multiply(by) => !(0.0..=1000.0).contains(by),
    };
    if changes.planned.iter().any(|event| is_wrong(&event.change)) {
        refuse("planned", "allowed: add a number, multiply by 0 to 1000".into());
    }
    errors
}
