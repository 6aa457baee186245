//! The API's own description: as OpenAPI, and as a page to read.

use crate::{
    docs,
    http::{
        cookie,
        error::WebError,
        headers::{NOBODY, page_policy},
    },
    web::Web,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

/// The OpenAPI document
///
/// Generated from the handlers that answer.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "Documents", responses((status = 200, content_type = "application/json", body = Object, description = "OpenAPI 3.1.")))]
pub async fn openapi(State(web): State<Web>) -> Response {
    Json(web.document.as_ref()).into_response()
}

/// The API as a page
///
/// The same document, to read in a browser. Works without JavaScript.
#[utoipa::path(get, path = "/api/docs", tag = "Documents", responses((status = 200, content_type = "text/html", body = String, description = "A page.")))]
pub async fn page(State(web): State<Web>, headers: HeaderMap) -> Result<Response, WebError> {
    // Without a bundle the page is plain, but it can be read.
    let stylesheet = web.dist.assets().await.map(|assets| assets.css.clone()).ok();
    let page = docs::page(&web.document, stylesheet.as_deref(), cookie::theme(&headers));
    let mut response = Html(page).into_response();
    let policy = HeaderValue::from_str(&page_policy(None, NOBODY)).map_err(WebError::internal)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}
