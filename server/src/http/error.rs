//! The one web error. Engine errors are mapped here and nowhere else; causes are logged, never sent.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use headroom_app::{AppError, ErrorCode};
use headroom_engine::{
    access::AccessError,
    actions::ActionError,
    capacity::CapacityError,
    dataset::DatasetError,
    operations::OperationError,
    plans::{ExplainError, PlanError},
    shares::ShareError,
    store::StoreError,
    tables::LookError,
};
use headroom_model::{
    Role,
    api::{FieldError, Problem},
};
use std::{error::Error, fmt};

macro_rules! kinds {
    ($($variant:ident = $slug:literal, $status:ident, $title:literal, $meaning:literal;)+) => {
        /// A kind of problem: stable, documented on `/api/docs`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $(#[doc = $meaning] $variant),+ }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Kind] = &[$(Kind::$variant),+];

            /// The last part of its `type`.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Kind::$variant => $slug),+ }
            }

            /// Its HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Kind::$variant => StatusCode::$status),+ }
            }

            /// Its title, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Kind::$variant => $title),+ }
            }

            /// What it means and what helps.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$variant => $meaning),+ }
            }
        }
    };
}

kinds! {
    Malformed = "malformed", BAD_REQUEST, "Malformed request", "The body is not what its content type says.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Not signed in", "The request carries no valid session and no valid bearer token.";
    Forbidden = "forbidden", FORBIDDEN, "Role does not suffice", "The request is known, but its role is below the one that the endpoint needs.";
    CrossSite = "cross-site", FORBIDDEN, "Request from another site", "A page of another site tried to change something; scripts use a bearer token.";
    NotFound = "not-found", NOT_FOUND, "Not found", "Nothing lies at this address.";
    Gone = "gone", GONE, "Gone", "What lay at this address has expired or was revoked.";
    UnknownTarget = "unknown-target", NOT_FOUND, "Unknown target", "No target has this name; the detail lists the known ones.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed", "The address exists, but not for this method; the Allow header lists the others.";
    Conflict = "conflict", CONFLICT, "Conflict", "The state of the thing forbids it: a name is taken, an operation has ended.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "Body too large", "The body is larger than 256 KiB.";
    UnsupportedMedia = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "The body must be application/json.";
    WrongHost = "wrong-host", MISDIRECTED_REQUEST, "Wrong host name", "Without users the console answers only under a loopback name, so that a foreign web page cannot reach it.";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Invalid parameters", "Parameters were refused; errors says which and what is allowed.";
    Refused = "refused", UNPROCESSABLE_ENTITY, "Refused by the target", "The target did not allow the action; the detail names the statement that lifts it.";
    Throttled = "throttled", TOO_MANY_REQUESTS, "Too many attempts", "Try again after the time in Retry-After.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error", "A fault of the console; its log has the cause under the request id.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable", "Something the answer needs does not answer now.";
    Upstream = "target-failed", BAD_GATEWAY, "Target failed", "The target refused or failed; the detail says how, without its values.";
    Timeout = "timeout", GATEWAY_TIMEOUT, "Timed out", "The answer took too long and was given up.";
}

impl Kind {
    /// The `type` of its problem document: where it is explained.
    #[must_use]
    pub fn uri(self) -> String {
        format!("/api/docs#problem-{}", self.slug())
    }
}

/// Why a request was not answered as asked.
#[derive(Debug)]
pub struct WebError {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    retry_secs: Option<u64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl WebError {
    /// An error of a kind; `detail` is written for the caller and holds no internal cause.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        WebError { kind, detail: detail.into(), errors: Vec::new(), retry_secs: None, cause: None }
    }

    /// Fields that were refused.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("Refused: {}. See errors for what is allowed.", fields.join(", "));
        WebError { errors, ..WebError::new(Kind::Invalid, detail) }
    }

    /// One field that was refused.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        WebError::invalid(vec![FieldError { field: field.into(), reason: reason.into() }])
    }

    /// The role does not suffice.
    #[must_use]
    pub fn forbidden(needed: Role, held: Role) -> Self {
        WebError::new(Kind::Forbidden, format!("This needs the role {needed}; the request acts as {held}."))
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        WebError {
            cause: Some(cause.into()),
            ..WebError::new(
                Kind::Internal,
                "The console could not answer. Its log has the cause under this request id.",
            )
        }
    }

    /// Something else does not answer.
    pub fn unavailable(detail: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        WebError { cause: Some(cause.into()), retry_secs: Some(5), ..WebError::new(Kind::Unavailable, detail) }
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.retry_secs = Some(secs);
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl IntoResponse for WebError {
    /// Status and headers; the body is written by [`super::problem::render`], which knows the request.
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(kind = self.kind.slug(), cause = %chain(cause.as_ref()), "request failed");
        }
        let mut response = self.kind.status().into_response();
        if let Some(value) = self.retry_secs.and_then(|secs| secs.to_string().parse().ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        if self.kind == Kind::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Problem {
            success: false,
            kind: self.kind.uri(),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
            errors: self.errors,
            request_id: None,
        });
        response
    }
}

/// An error with its sources on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Sources form a finite chain; the bound guards against a careless implementation.
    for _ in 0..8 {
        let Some(error) = source else { break };
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { .. } => WebError::new(Kind::Conflict, format!("A {error}.")),
            error => WebError::unavailable("The state store does not answer. Live figures are not affected.", error),
        }
    }
}

impl From<AccessError> for WebError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Store(error) => error.into(),
            AccessError::Refused => WebError::new(Kind::Unauthenticated, "Name or password is wrong."),
            AccessError::TooManyAttempts { retry_secs } => {
                WebError::new(Kind::Throttled, format!("Too many attempts. Try again in {retry_secs} s."))
                    .retry_after(retry_secs)
            }
            AccessError::Invalid(reason) => WebError::new(Kind::Invalid, reason),
            error => WebError::internal(error),
        }
    }
}

impl From<ActionError> for WebError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Store(error) => error.into(),
            ActionError::UnknownTarget(_) => WebError::new(Kind::UnknownTarget, error.to_string()),
            ActionError::Unreachable(reason) => WebError::new(Kind::Unavailable, reason).retry_after(5),
            ActionError::Conflict(detail) => WebError::new(Kind::Conflict, detail),
            ActionError::Operation(error) => error.into(),
            ActionError::NotAllowed { .. } | ActionError::NotVerified(_) | ActionError::Refused(_) => {
                WebError::new(Kind::Refused, error.to_string())
            }
            error => WebError::internal(error),
        }
    }
}

impl From<LookError> for WebError {
    fn from(error: LookError) -> Self {
        let detail = error.to_string();
        match error {
            LookError::UnknownTarget(_) => WebError::new(Kind::UnknownTarget, detail),
            LookError::UnknownTable(_) => WebError::new(Kind::NotFound, detail),
            LookError::Unreachable(_) => WebError::new(Kind::Unavailable, detail).retry_after(5),
            LookError::Timeout(_) => WebError::new(Kind::Timeout, detail),
            LookError::NotAllowed { .. } => WebError::new(Kind::Refused, detail),
            LookError::Failed(_) => WebError::new(Kind::Upstream, detail),
            error => WebError::internal(error),
        }
    }
}

impl From<DatasetError> for WebError {
    fn from(error: DatasetError) -> Self {
        let said = error.to_string();
        let sentence = format!("{}{}.", said[..1].to_uppercase(), &said[1..]);
        match error {
            DatasetError::Unknown(_) => WebError::new(Kind::NotFound, sentence),
            DatasetError::Invalid(errors) => WebError::invalid(errors),
            DatasetError::Definition(_) | DatasetError::Failed(_) => WebError::new(Kind::Upstream, sentence),
            DatasetError::Timeout(_) => WebError::new(Kind::Timeout, sentence),
            DatasetError::Busy(_) => WebError::new(Kind::Unavailable, sentence).retry_after(1),
            _ => WebError::internal(error),
        }
    }
}

impl From<ShareError> for WebError {
    fn from(error: ShareError) -> Self {
        let said = error.to_string();
        let sentence = format!("{}{}.", said[..1].to_uppercase(), &said[1..]);
        match error {
            ShareError::Unknown => WebError::new(Kind::NotFound, sentence),
            ShareError::Expired(_) | ShareError::Revoked(_) => WebError::new(Kind::Gone, sentence),
            ShareError::SignIn => WebError::new(Kind::Unauthenticated, sentence),
            ShareError::Forbidden(_) | ShareError::NotYours(_) => WebError::new(Kind::Forbidden, sentence),
            ShareError::Title => WebError::field("title", said),
            ShareError::TooLarge(_) => WebError::field("view", said),
            ShareError::Full => WebError::new(Kind::Conflict, sentence),
            ShareError::Busy => WebError::new(Kind::Unavailable, sentence).retry_after(2),
            ShareError::Store(error) => error.into(),
            error => WebError::internal(error),
        }
    }
}

/// What the pages refuse. Which field an invalid value came in is known where it was read.
impl From<AppError> for WebError {
    fn from(error: AppError) -> Self {
        let kind = match error.code {
            ErrorCode::Unauthenticated => Kind::Unauthenticated,
            ErrorCode::Forbidden => Kind::Forbidden,
            ErrorCode::NotFound => Kind::UnknownTarget,
            ErrorCode::Invalid => Kind::Invalid,
            ErrorCode::Refused => Kind::Conflict,
            ErrorCode::Unavailable | ErrorCode::Offline => {
                return WebError::new(Kind::Unavailable, error.message).retry_after(5);
            }
            ErrorCode::Internal => return WebError::internal(error),
        };
        WebError::new(kind, error.message)
    }
}

impl From<CapacityError> for WebError {
    fn from(error: CapacityError) -> Self {
        match error {
            CapacityError::Store(error) => error.into(),
            CapacityError::Unknown(_) => WebError::new(Kind::UnknownTarget, error.to_string()),
            CapacityError::Busy => WebError::new(Kind::Unavailable, error.to_string()).retry_after(5),
            error => WebError::internal(error),
        }
    }
}

impl From<PlanError> for WebError {
    fn from(error: PlanError) -> Self {
        let said = error.to_string();
        match error {
            PlanError::Store(error) => error.into(),
            PlanError::UnknownTarget(_) => WebError::new(Kind::UnknownTarget, said),
            PlanError::UnknownStatement(_) => WebError::new(Kind::NotFound, said),
            PlanError::Ask => WebError::field("query", said),
            PlanError::Id(_) => WebError::field("queryId", said),
            PlanError::Refusal(_) | PlanError::Volatile(_) => WebError::field("query", said),
            PlanError::AnalyzeOff => WebError::new(Kind::Refused, said),
            PlanError::Busy => WebError::new(Kind::Unavailable, said).retry_after(1),
            PlanError::Explain(ExplainError::Unreachable(_)) => WebError::new(Kind::Unavailable, said).retry_after(5),
            PlanError::Explain(_) => WebError::new(Kind::Refused, said),
            error => WebError::internal(error),
        }
    }
}

impl From<OperationError> for WebError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::QueueFull { .. } => WebError::new(Kind::Unavailable, error.to_string()).retry_after(30),
            OperationError::Unknown(_) => WebError::new(Kind::NotFound, error.to_string()),
            OperationError::Ended => WebError::new(Kind::Conflict, error.to_string()),
            OperationError::Forbidden(_) => WebError::new(Kind::Forbidden, error.to_string()),
            error => WebError::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slugs_are_unique() {
        let slugs: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn an_internal_cause_is_not_sent() {
        let response = WebError::internal("password=hunter2").into_response();
        let problem = response.extensions().get::<Problem>().unwrap();
        assert!(!serde_json::to_string(problem).unwrap().contains("hunter2"));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
