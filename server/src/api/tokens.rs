//! Bearer tokens for programs.

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
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use headroom_engine::store::Token;
use headroom_model::{Role, Timestamp, api::Envelope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A token, without the token itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenEntry {
    /// Unique name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it stops working; null when it does not.
    pub expires_at: Option<Timestamp>,
}

/// A token to add.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// Letters, digits, dot, underscore and dash; at most 64.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When it stops working, epoch milliseconds; never when absent.
    pub expires_at: Option<Timestamp>,
}

/// A fresh token: shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreshToken {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The token. Only its hash is kept.
    pub token: String,
}

/// Tokens
#[utoipa::path(get, path = "/api/v1/tokens", tag = "Access", params(PageQuery), responses((status = 200, body = Envelope<Vec<TokenEntry>>, description = "A page of tokens, by name.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<PageQuery>,
) -> Result<Response, WebError> {
    let page = query.check()?;
    let tokens = web.console.access.tokens().await?;
    let row = |token: Token| TokenEntry {
        name: token.name,
        role: token.role,
        created_at: token.created_at,
        expires_at: token.expires_at,
    };
    Ok(page_of(&uri, page, tokens, row))
}

/// Add a token
///
/// The answer carries the token; it is never shown again.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "Access", request_body = NewToken, responses(
    (status = 201, body = Envelope<FreshToken>, description = "The token, once."),
    (status = 409, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "The name is taken."),
))]
pub async fn add(
    State(web): State<Web>,
    caller: Caller,
    JsonBody(new): JsonBody<NewToken>,
) -> Result<Response, WebError> {
    let now = web.console.clock.now();
    if let Some(at) = new.expires_at.filter(|at| *at <= now) {
        return Err(WebError::field("expiresAt", format!("{} lies in the past; allowed: after {}", at.0, now.0)));
    }
    let fresh = to_its_end(&web.clone(), async move {
        let token = web.console.access.add_token(&new.name, new.role, new.expires_at).await?;
        let parameters = json!({"name": new.name, "role": new.role, "expiresAt": new.expires_at});
        record(&web, &caller, "token.add", parameters, "added").await?;
        Ok(FreshToken { name: new.name, role: new.role, expires_at: new.expires_at, token })
    })
    .await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Answer(fresh)).into_response())
}

/// Remove a token
///
/// It stops working at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "Access", params(("name" = String, Path, description = "Its name.")), responses(
    (status = 204, description = "The token is gone."),
    (status = 404, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "No token has this name."),
))]
pub async fn remove(State(web): State<Web>, caller: Caller, Segment(name): Segment) -> Result<StatusCode, WebError> {
    to_its_end(&web.clone(), async move {
        if !web.console.access.remove_token(&name).await? {
            return Err(WebError::new(Kind::NotFound, "No token has this name."));
        }
        record(&web, &caller, "token.remove", json!({"name": name}), "removed").await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
