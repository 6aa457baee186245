//! Long actions: what runs, how far it is, and how to stop it.

use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::{Kind, WebError},
        extract::{Params, Segment, TargetQuery, known},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{api::Envelope, operation::Operation};

/// Operations
///
/// The ones that wait or run and the ones that ended lately, newest first, at most 50. With `?target=` only that target's
/// and the console's own.
#[utoipa::path(get, path = "/api/v1/operations", tag = "Operations", params(TargetQuery), responses((status = 200, body = Envelope<Vec<Operation>>, description = "Newest first.")))]
pub async fn list(
    State(web): State<Web>,
    Params(query): Params<TargetQuery>,
) -> Result<Answer<Vec<Operation>>, WebError> {
    let target = query.target.as_deref().filter(|name| !name.is_empty());
    let target = target.map(|name| known(&web, name)).transpose()?;
    Ok(Answer(web.console.operations.list(target.as_ref())))
}

/// One operation
#[utoipa::path(get, path = "/api/v1/operations/{id}", tag = "Operations", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, body = Envelope<Operation>, description = "Where it stands."),
    (status = 404, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "No operation has this id, or it ended long ago."),
))]
pub async fn get(State(web): State<Web>, Segment(id): Segment) -> Result<Answer<Operation>, WebError> {
    let operation = web.console.operations.get(&id);
    operation
        .map(Answer)
        .ok_or_else(|| WebError::new(Kind::NotFound, "No operation has this id, or it ended long ago."))
}

/// Cancel an operation
///
/// Asks it to stop; it ends as cancelled once its work has noticed, and its outcome says what is left behind. Some
/// operations need a higher role: their `cancelRole`.
#[utoipa::path(post, path = "/api/v1/operations/{id}/cancel", tag = "Operations", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, body = Envelope<Operation>, description = "It was asked to stop."),
    (status = 404, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "No operation has this id."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "It has ended already."),
))]
pub async fn cancel(
    State(web): State<Web>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Answer<Operation>, WebError> {
    Ok(Answer(web.console.operations.cancel(&id, &caller.actor)?))
}
