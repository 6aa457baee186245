//! Shared snapshots.

use crate::{
    access::Caller,
    http::{
        answer::Answer,
        error::WebError,
        extract::{JsonBody, Params, Segment},
        pagination::{PageQuery, paged},
    },
    web::Web,
};
use axum::{
    Extension,
    extract::{OriginalUri, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use headroom_app::{ErrorCode, functions::snapshot_of};
use headroom_engine::shares;
use headroom_model::{
    TargetId, Timestamp,
    api::{Envelope, Problem},
    share::{Audience, NewShare, Share, ShareId},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A snapshot and where it opens.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareEntry {
    /// The snapshot.
    #[serde(flatten)]
    pub share: Share,
    /// Its page on this console.
    #[schema(example = "/s/Ux1pB0cV3q9ZkT7mYw2a8dEf")]
    pub path: String,
}

impl From<Share> for ShareEntry {
    fn from(share: Share) -> Self {
        let path = share.id.path();
        ShareEntry { share, path }
    }
}

/// A snapshot as its reader sees it: who counts it, who else opened it and how the view was asked for is its maker's affair.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenedShare {
    /// One line: what it shows.
    pub title: String,
    /// Whose figures.
    pub target: TargetId,
    /// The start of its range.
    pub from: Timestamp,
    /// The end of its range.
    pub to: Timestamp,
    /// Who may open it.
    pub audience: Audience,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it stops opening.
    pub expires_at: Timestamp,
    /// The charts with their points: as they were, they do not move.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

fn id_of(segment: &str) -> Result<ShareId, WebError> {
    ShareId::parse(segment).ok_or_else(|| shares::ShareError::Unknown.into())
}

/// Shared snapshots
///
/// The caller's own; all of them for an admin. Newest first, with those that ended in the last 30 days.
#[utoipa::path(get, path = "/api/v1/shares", tag = "Sharing", params(PageQuery), responses((status = 200, body = Envelope<Vec<ShareEntry>>, description = "A page of snapshots.")))]
pub async fn list(
    State(web): State<Web>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Response, WebError> {
    let page = query.check()?;
    let actor = &caller.actor;
    let (rows, total) = shares::list(&web.console, &actor.name, actor.role, page.offset(), page.limit).await?;
    Ok(paged(&uri, page, total, rows.into_iter().map(ShareEntry::from).collect()))
}

/// Share a snapshot
///
/// Stores the points of a view under an address of their own. Everyone may share with those who can sign in; to share with
/// anyone who has the link, or with operators alone, takes an operator; with admins alone, an admin.
#[utoipa::path(post, path = "/api/v1/shares", tag = "Sharing", request_body = NewShare, responses(
    (status = 201, body = Envelope<ShareEntry>, description = "The snapshot; `path` is what to pass on."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "The role does not suffice for the audience."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "As many snapshots work as may."),
))]
pub async fn create(
    State(web): State<Web>,
    caller: Caller,
    JsonBody(new): JsonBody<NewShare>,
) -> Result<Response, WebError> {
    shares::may_make(new.audience, caller.actor.role)?;
    let snapshot = snapshot_of(&web.console, new).await.map_err(|error| match error.code {
        ErrorCode::Invalid => WebError::field("view", error.message),
        _ => error.into(),
    })?;
    let share = ShareEntry::from(shares::create(&web.console, snapshot, &caller.asks(None)).await?);
    let path = share.path.clone();
    Ok((StatusCode::CREATED, [(header::LOCATION, path)], Answer(share)).into_response())
}

/// Open a snapshot
///
/// For its audience: without signing in where that is anyone with the link. Works while the target is down, after its
/// history was pruned, and when it is no longer configured.
#[utoipa::path(get, path = "/api/v1/shares/{id}", tag = "Sharing", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, body = Envelope<OpenedShare>, description = "The snapshot with its points."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing is shared at this address."),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "It expired or was revoked."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many are opened at the moment; `Retry-After` says when to ask again."),
))]
pub async fn open(
    State(web): State<Web>,
    caller: Option<Extension<Caller>>,
    Segment(id): Segment,
) -> Result<Response, WebError> {
    let reader = caller.map(|Extension(caller)| caller.actor.role);
    let share = shares::find(&web.console, &id_of(&id)?, reader).await?;
    let points = shares::points(&web.console, &share).await?;
    let data = serde_json::from_slice(&points).map_err(WebError::internal)?;
    shares::count_opening(&web.console, &share.id);
    let opened = OpenedShare {
        title: share.title,
        target: share.target,
        from: share.from,
        to: share.to,
        audience: share.audience,
        created_by: share.created_by,
        created_at: share.created_at,
        expires_at: share.expires_at,
        data,
    };
    let answer = Answer(opened).into_response();
    // Their place is given free once what was made of them is written.
    drop(points);
    Ok(answer)
}

/// Revoke a snapshot
///
/// It no longer opens, and its points are gone. For whoever made it, and admins.
#[utoipa::path(delete, path = "/api/v1/shares/{id}", tag = "Sharing", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, body = Envelope<ShareEntry>, description = "The snapshot as it ended."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "It was made by somebody else."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing is shared at this address."),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "It was revoked before."),
))]
pub async fn revoke(
    State(web): State<Web>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Answer<ShareEntry>, WebError> {
    let share = shares::revoke(&web.console, &id_of(&id)?, &caller.asks(None)).await?;
    Ok(Answer(share.into()))
}
