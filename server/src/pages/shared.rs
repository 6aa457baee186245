//! The page of a snapshot. Its audience decides who sees it, so the route itself is public and this looks before it renders:
//! a stranger's page is given the snapshot and nothing else, neither engines nor target list nor feed.

use super::{read_form, render};
use crate::{
    access::{self, Caller},
    http::error::WebError,
    web::Web,
};
use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use headroom_engine::shares::{self, Points, ShareError};
use headroom_model::{
    Role,
    share::{Opened, Share, ShareId, Shown},
};
use leptos_axum::AxumRouteListing;
use serde::Deserialize;
use std::sync::Arc;

/// Where the pages begin.
pub const PREFIX: &str = "/s/";
/// The route of the page.
pub const ROUTE: &str = "/s/{id}";

#[derive(Default, Deserialize)]
struct Embed {
    #[serde(default)]
    embed: String,
}

/// Whether a page is asked for without its frame, to be shown inside another.
#[must_use]
pub fn is_embedded(uri: &Uri) -> bool {
    let query: Embed = read_form(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    query.embed == "1"
}

/// The snapshot that a request is for, if its path is that of one.
#[must_use]
pub fn id_of(uri: &Uri) -> Option<ShareId> {
    ShareId::parse(uri.path().strip_prefix(PREFIX)?.split('/').next()?)
}

pub(super) async fn page(web: Web, listings: Vec<AxumRouteListing>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().cloned();
    let role = caller.as_ref().map(|caller| caller.actor.role);
    let mut held = None;
    let (status, shown) = match open(&web, role, &parts).await {
        Ok((opened, points)) => {
            held = Some(points);
            (StatusCode::OK, Shown::Open(Box::new(opened)))
        }
        Err(ShareError::SignIn) => return access::to_login(&parts),
        Err(ShareError::Unknown) => (StatusCode::NOT_FOUND, Shown::Missing),
        Err(ShareError::Forbidden(role)) => (StatusCode::FORBIDDEN, Shown::Forbidden(role)),
        Err(ShareError::Expired(share)) => {
            (StatusCode::GONE, Shown::Expired { at: share.expires_at, by: share.created_by })
        }
        Err(ShareError::Revoked(share)) => {
            let (at, by) = (share.revoked_at.unwrap_or(share.expires_at), share.revoked_by.unwrap_or(share.created_by));
            (StatusCode::GONE, Shown::Revoked { at, by })
        }
        Err(ShareError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Shown::Busy),
        Err(error) => return WebError::from(error).into_response(),
    };
    let mut response = render(&web, listings, caller, Some(Arc::new(shown)), Request::from_parts(parts, body)).await;
    drop(held);
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
    }
    response
}

/// What the page shows, and the points that it is drawn from, which keep its place while it is.
async fn open(web: &Web, reader: Option<Role>, request: &Parts) -> Result<(Opened, Points), ShareError> {
    let id = id_of(&request.uri).ok_or(ShareError::Unknown)?;
    let share = shares::find(&web.console, &id, reader).await?;
    let points = shares::points(&web.console, &share).await?;
    let data = serde_json::from_slice(&points).map_err(|cause| ShareError::Damaged(cause.to_string()))?;
    shares::count_opening(&web.console, &id);
    let Share { title, target, view, audience, created_by, created_at, expires_at, .. } = share;
    // The live view is for those who may see it, of a target that is still watched.
    let live = reader.filter(|_| web.console.target(&target).is_some()).map(|_| format!("{}?{view}", super::TRENDS));
    let opened = Opened {
        title,
        path: id.path(),
        audience,
        created_by,
        created_at,
        expires_at,
        live,
        embedded: is_embedded(&request.uri),
        now: web.console.clock.now(),
        data,
    };
    Ok((opened, points))
}
