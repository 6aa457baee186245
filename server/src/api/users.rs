//! Users of the login page.

use super::{record, to_its_end};
use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::{Kind, WebError},
        extract::{JsonBody, Params, Segment},
        pagination::{PageQuery, page_of},
    },
    web::Web,
};
use axum::{
    extract::{OriginalUri, State},
    http::StatusCode,
    response::Response,
};
use headroom_engine::store::User;
use headroom_model::{Role, Timestamp, api::Envelope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A user, without the password.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEntry {
    /// Unique name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A user to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Letters, digits, dot, underscore and dash; at most 64.
    pub name: String,
    /// Role.
    pub role: Role,
    /// 12 to 200 characters.
    #[schema(format = Password, min_length = 12, max_length = 200)]
    pub password: String,
}

/// Users
#[utoipa::path(get, path = "/api/v1/users", tag = "Access", params(PageQuery), responses((status = 200, body = Envelope<Vec<UserEntry>>, description = "A page of users, by name.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<PageQuery>,
) -> Result<Response, WebError> {
    let page = query.check()?;
    let users = web.console.access.users().await?;
    let row = |user: User| UserEntry { name: user.name, role: user.role, created_at: user.created_at };
    Ok(page_of(&uri, page, users, row))
}

/// Add a user
///
/// The first user ends open access: from then on everyone signs in.
#[utoipa::path(post, path = "/api/v1/users", tag = "Access", request_body = NewUser, responses(
    (status = 201, body = Envelope<UserEntry>, description = "The user was added."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "The name is taken."),
))]
pub async fn add(
    State(web): State<Web>,
    caller: Caller,
    JsonBody(user): JsonBody<NewUser>,
) -> Result<(StatusCode, Answer<UserEntry>), WebError> {
    to_its_end(&web.clone(), async move {
        web.console.access.add_user(&user.name, user.role, &user.password).await?;
        record(&web, &caller, "user.add", json!({"name": user.name, "role": user.role}), "added").await?;
        let created_at = web.console.clock.now();
        Ok((StatusCode::CREATED, Answer(UserEntry { name: user.name, role: user.role, created_at })))
    })
    .await
}

/// Remove a user
///
/// Ends its sessions too.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "Access", params(("name" = String, Path, description = "Its name.")), responses(
    (status = 204, description = "The user is gone."),
    (status = 404, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "No user has this name."),
))]
pub async fn remove(State(web): State<Web>, caller: Caller, Segment(name): Segment) -> Result<StatusCode, WebError> {
    to_its_end(&web.clone(), async move {
        if !web.console.access.remove_user(&name).await? {
            return Err(WebError::new(Kind::NotFound, "No user has this name."));
        }
        record(&web, &caller, "user.remove", json!({"name": name}), "removed").await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
