//! The timeline: what happened, and marks that pipelines add.

use super::{optional_text, text};
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, JsonBody, Params, TargetQuery, known},
        pagination::{check_limit, cursored},
    },
    web::Web,
};
use axum::{
    extract::{OriginalUri, State},
    http::StatusCode,
    response::Response,
};
use headroom_engine::store::EventQuery;
use headroom_model::{
    Timestamp,
    api::{Envelope, FieldError},
    event::{Event, EventKind, NewEvent},
    range::{Edge, moment},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A marker may lie this far ahead of the console's clock: other machines' clocks differ a little.
const MAX_AHEAD_MS: i64 = 60_000;

/// Which events.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events of this target and of the console itself; all when absent.
    pub target: Option<String>,
    /// Not before: `now-6h`, epoch milliseconds, ISO 8601.
    pub from: Option<String>,
    /// Before, as `from`.
    pub to: Option<String>,
    /// Kinds, separated by commas; all when absent.
    #[param(example = "deploy,outage,recovery")]
    pub kind: Option<String>,
    /// Where the previous page ended: its `nextCursor`.
    pub cursor: Option<String>,
    /// Rows a page, 1 to 100.
    #[param(default = 50, minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

impl EventsQuery {
    fn check(&self, web: &Web) -> Result<EventQuery, WebError> {
        let target = self.target.as_deref().filter(|name| !name.is_empty());
        let target = target.map(|name| known(web, name)).transpose()?;
        let limit = check_limit(self.limit)?;
        let now = web.console.clock.now();
        let mut errors = Vec::new();
        let mut end = |field: &str, text: &Option<String>, edge| {
            let text = text.as_deref()?;
            let at = moment(text, now, edge);
            if at.is_none() {
                let reason = "not a moment; allowed: now-6h, now/d, epoch milliseconds, 2026-11-19T08:32:00Z";
                errors.push(FieldError { field: field.into(), reason: reason.into() });
            }
            at
        };
        let from = end("from", &self.from, Edge::Start);
        let to = end("to", &self.to, Edge::End);
        let mut kinds = Vec::new();
        for name in self.kind.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
            match EventKind::parse(name) {
                Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
                Some(_) => {}
                None => {
                    let shown: String = name.chars().take(40).collect();
                    let allowed: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
                    let reason = format!("\"{shown}\" is not a kind; allowed: {}", allowed.join(", "));
                    errors.push(FieldError { field: "kind".into(), reason });
                }
            }
        }
        let before = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()).and_then(|cursor| {
            let id = cursor.parse().ok();
            if id.is_none() {
                let reason = "not a cursor; use nextCursor of the previous page".to_owned();
                errors.push(FieldError { field: "cursor".into(), reason });
            }
            id
        });
        if !errors.is_empty() {
            return Err(WebError::invalid(errors));
        }
        Ok(EventQuery { target, from, to, kinds, before, limit })
    }
}

/// The timeline
///
/// Newest first. `nextCursor` and the `next` link lead further back.
#[utoipa::path(get, path = "/api/v1/events", tag = "Events", params(EventsQuery), responses((status = 200, body = Envelope<Vec<Event>>, description = "A page of events.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<EventsQuery>,
) -> Result<Response, WebError> {
    let mut query = query.check(&web)?;
    let limit = query.limit as usize;
    // One more than asked for tells whether a page follows.
    query.limit += 1;
    let mut events = web.console.store.events(&query).await?;
    let has_next = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| has_next).map(|event| event.id.to_string());
    Ok(cursored(&uri, events, next))
}

/// A deploy marker.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// One line: what was deployed.
    #[schema(example = "orders 4.18.0", min_length = 1, max_length = 500)]
    pub title: String,
    /// A second line.
    #[schema(max_length = 500)]
    pub detail: Option<String>,
    /// When it happened, epoch milliseconds; now when absent.
    pub at: Option<Timestamp>,
}

/// Mark a deploy
///
/// Puts a deploy marker on the timeline of a target; every chart shows it.
#[utoipa::path(post, path = "/api/v1/events", tag = "Events", params(TargetQuery), request_body = Marker, responses((status = 201, body = Envelope<Event>, description = "The stored event.")))]
pub async fn mark(
    State(web): State<Web>,
    Chosen(target): Chosen,
    caller: Caller,
    JsonBody(marker): JsonBody<Marker>,
) -> Result<(StatusCode, Answer<Event>), WebError> {
    let now = web.console.clock.now();
    let at = marker.at.unwrap_or(now);
    if at.0 <= 0 || at > now.plus_millis(MAX_AHEAD_MS) {
        return Err(WebError::field("at", format!("{}; allowed: epoch milliseconds up to now ({})", at.0, now.0)));
    }
    let event = NewEvent {
        at,
        target: Some(target),
        kind: EventKind::Deploy,
        band: None,
        title: text("title", &marker.title)?,
        detail: optional_text("detail", marker.detail.as_deref())?,
        actor: Some(caller.actor.name),
    };
    Ok((StatusCode::CREATED, Answer(web.console.mark(event).await?)))
}
