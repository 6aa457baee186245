//! Writes problem documents: the one place where an error gets its body.

use super::{
    error::{Kind, WebError},
    observe::RequestId,
};
use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headroom_model::api::Problem;
use std::any::Any;

/// The media type of RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Gives every error its problem document, the ones included that a library answered with a bare status.
pub async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    write(next.run(request).await, id)
}

/// The answer with its problem document, where it is an error.
pub fn write(mut response: Response, request_id: Option<String>) -> Response {
    if response.extensions().get::<Problem>().is_none()
        && let Some(error) = bare(&response)
    {
        let headers = std::mem::take(response.headers_mut());
        response = error.into_response();
        // What the library said in headers (Allow) stays; what described its body does not.
        for (name, value) in &headers {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    problem.request_id = request_id;
    let (mut parts, _) = response.into_parts();
    let (written, body) = Json(problem).into_response().into_parts();
    parts.headers.extend(written.headers);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, body)
}

/// The error behind a status that a layer answered by itself.
fn bare(response: &Response) -> Option<WebError> {
    Some(match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            WebError::new(Kind::MethodNotAllowed, "This address does not answer to the method of the request.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => WebError::new(Kind::TooLarge, "The body may have 256 KiB at most."),
        _ => return None,
    })
}

/// Turns a panic in a handler into a problem; the cause goes into the log.
pub fn from_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let cause = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    WebError::internal(cause).into_response()
}
