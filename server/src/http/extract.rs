//! Extractors whose refusals are problem documents that name the field.

use super::error::{Kind, WebError};
use crate::{access::Caller, web::Web};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{header, request::Parts},
};
use headroom_model::TargetId;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

/// Query parameters.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        read_form(parts.uri.query().unwrap_or_default().as_bytes()).map(Params)
    }
}

/// Reads `application/x-www-form-urlencoded` text and names the field that does not fit.
pub fn read_form<T: DeserializeOwned>(text: &[u8]) -> Result<T, WebError> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(text));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let reason = error.inner().to_string();
        // "duplicate field `metric`" and "missing field `metric`" name the field in their text alone.
        let field = match error.path().to_string().as_str() {
            "." | "?" => reason.split('`').nth(1).unwrap_or("query").to_owned(),
            path => path.to_owned(),
        };
        WebError::field(field, reason)
    })
}

/// A JSON body.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = media.split(';').next().unwrap_or("").trim();
        if !(media.eq_ignore_ascii_case("application/json") || media.ends_with("+json")) {
            return Err(WebError::new(Kind::UnsupportedMedia, "Send the body as application/json."));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                WebError::new(Kind::TooLarge, "The body may have 256 KiB at most.")
            } else {
                WebError::new(Kind::Malformed, "The body ended early.")
            }
        })?;
        let json = &mut serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(json).map_err(|error| {
            let reason = error.inner().to_string();
            if !error.inner().is_data() {
                return WebError::new(Kind::Malformed, format!("The body is not JSON: {reason}."));
            }
            let field = match error.path().to_string().as_str() {
                "." | "?" => reason.split('`').nth(1).unwrap_or("body").to_owned(),
                path => path.to_owned(),
            };
            WebError::field(field, reason)
        })?;
        Ok(JsonBody(value))
    }
}

/// `?target=` as documented.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TargetQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
}

/// The target a request means: the one it names, or the first configured one.
#[derive(Clone, Debug)]
pub struct Chosen(pub TargetId);

impl FromRequestParts<Web> for Chosen {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, WebError> {
        let Params(query) = Params::<TargetQuery>::from_request_parts(parts, web).await?;
        choose(web, query.target.as_deref()).map(Chosen)
    }
}

/// The target with this name, or the first one.
pub fn choose(web: &Web, name: Option<&str>) -> Result<TargetId, WebError> {
    match name.filter(|name| !name.is_empty()) {
        None => Ok(web.console.default_target().clone()),
        Some(name) => known(web, name),
    }
}

/// The target with this name.
pub fn known(web: &Web, name: &str) -> Result<TargetId, WebError> {
    let targets = web.console.targets();
    targets.iter().find(|target| target.id.as_str() == name).map(|target| target.id.clone()).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
        WebError::new(Kind::UnknownTarget, format!("No target is named \"{shown}\". Known: {}.", known.join(", ")))
    })
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| WebError::internal("a handler asked for its caller on a route without a role"))
    }
}

/// A path parameter as text. Axum decodes it; what it means is for the handler to say.
#[derive(Clone, Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(text)| Segment(text))
            .map_err(|_| WebError::new(Kind::NotFound, "The address holds text that is not UTF-8."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use headroom_model::api::Problem;

    #[derive(Debug, Deserialize)]
    struct Query {
        limit: Option<u32>,
        metric: String,
    }

    fn refused(text: &str) -> (String, String) {
        let error = read_form::<Query>(text.as_bytes()).unwrap_err().into_response();
        let problem = error.extensions().get::<Problem>().unwrap();
        (problem.errors[0].field.clone(), problem.errors[0].reason.clone())
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert_eq!(refused("metric=a&limit=many").0, "limit");
        assert_eq!(refused("limit=1").0, "metric");
        assert_eq!(refused("metric=a&metric=b").0, "metric");
        let read: Query = read_form(b"metric=a%20b&limit=5&other=x").unwrap();
        assert_eq!((read.metric.as_str(), read.limit), ("a b", Some(5)));
    }
}
