//! The one error that server functions answer with: a code to act on and a sentence to read.

use headroom_model::Role;
use leptos::server_fn::{
    Bytes, ContentType, Decodes, Encodes, Format, FormatType,
    error::{FromServerFnError, ServerFnErrorErr},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// Sign in again.
    Unauthenticated,
    /// The role does not suffice.
    Forbidden,
    /// Nothing has this name.
    NotFound,
    /// A parameter cannot be used; the message says what is allowed.
    Invalid,
    /// The target refused; the message says what helps.
    Refused,
    /// Something does not answer; trying again may help.
    Unavailable,
    /// The server could not be reached.
    Offline,
    /// A fault of the console; the log has the cause.
    Internal,
}

/// An error as the browser sees it. The message is written for the reader and holds no internal cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppError {
    /// What can be done.
    pub code: ErrorCode,
    /// What failed and what helps, one or two sentences.
    pub message: String,
}

impl AppError {
    /// An error with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        AppError { code, message: message.into() }
    }

    /// A fault whose cause belongs in the log only.
    #[must_use]
    pub fn internal() -> Self {
        AppError::new(ErrorCode::Internal, "The console could not answer. Its log has the cause.")
    }

    /// The role does not suffice.
    #[must_use]
    pub fn forbidden(role: Role) -> Self {
        AppError::new(ErrorCode::Forbidden, format!("This needs the role {role}."))
    }

    /// No target has this name.
    #[must_use]
    pub fn unknown_target(name: &str, known: &[&str]) -> Self {
        let name: String = name.chars().take(40).collect();
        AppError::new(ErrorCode::NotFound, format!("No target is named “{name}”. Known: {}.", known.join(", ")))
    }
}

#[cfg(feature = "ssr")]
impl AppError {
    /// The same error, with the status of the answer set to match. A page keeps its own status, unless nothing of it
    /// exists: its panels show what failed. A plain form is led back to its page, which says so.
    #[must_use]
    pub fn answered(self) -> Self {
        use axum::http::{StatusCode, request::Parts};
        use leptos::prelude::use_context;
        let is_function = use_context::<Parts>().is_some_and(|request| request.uri.path().starts_with("/api/"));
        let tells = if is_function { !crate::context::is_plain_form() } else { self.code == ErrorCode::NotFound };
        if tells && let Some(answer) = use_context::<leptos_axum::ResponseOptions>() {
            answer.set_status(match self.code {
                ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
                ErrorCode::Forbidden => StatusCode::FORBIDDEN,
                ErrorCode::NotFound => StatusCode::NOT_FOUND,
                ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
                ErrorCode::Refused => StatusCode::CONFLICT,
                ErrorCode::Unavailable | ErrorCode::Offline => StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            });
        }
        self
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AppError {}

impl FromServerFnError for AppError {
    type Encoder = ErrorEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) => {
                AppError::new(ErrorCode::Invalid, "The request is incomplete or malformed.")
            }
            ServerFnErrorErr::Request(_) => {
                AppError::new(ErrorCode::Offline, "The console does not answer. Check that it runs.")
            }
            _ => AppError::internal(),
        }
    }
}

#[cfg(feature = "ssr")]
impl From<headroom_engine::actions::ActionError> for AppError {
    fn from(error: headroom_engine::actions::ActionError) -> Self {
        use headroom_engine::actions::ActionError;
        let error = match error {
            ActionError::Operation(cause) => return cause.into(),
            error => error,
        };
        let code = match &error {
            ActionError::UnknownTarget(_) => ErrorCode::NotFound,
            ActionError::Unreachable(_) => ErrorCode::Unavailable,
            ActionError::Refused(_) => ErrorCode::Invalid,
            ActionError::NotAllowed { .. } | ActionError::Conflict(_) | ActionError::NotVerified(_) => {
                ErrorCode::Refused
            }
            cause => {
                tracing::error!(%cause, "an action failed");
                return AppError::internal();
            }
        };
        AppError::new(code, error.to_string()).answered()
    }
}

#[cfg(feature = "ssr")]
impl AppError {
    /// Why a look at the database found nothing, for a panel: the status of the answer stays.
    #[must_use]
    pub fn of_look(error: headroom_engine::tables::LookError) -> Self {
        use headroom_engine::tables::LookError;
        let code = match &error {
            LookError::UnknownTarget(_) => ErrorCode::NotFound,
            LookError::UnknownTable(_) => ErrorCode::Invalid,
            LookError::NotAllowed { .. } | LookError::Failed(_) => ErrorCode::Refused,
            LookError::Unreachable(_) | LookError::Timeout(_) => ErrorCode::Unavailable,
            cause => {
                tracing::error!(%cause, "a look at the database failed");
                return AppError::internal();
            }
        };
        AppError::new(code, error.to_string())
    }
}

#[cfg(feature = "ssr")]
impl From<headroom_engine::tables::LookError> for AppError {
    fn from(error: headroom_engine::tables::LookError) -> Self {
        AppError::of_look(error).answered()
    }
}

#[cfg(feature = "ssr")]
impl From<headroom_engine::shares::ShareError> for AppError {
    fn from(error: headroom_engine::shares::ShareError) -> Self {
        use headroom_engine::shares::ShareError;
        let code = match &error {
            ShareError::Unknown | ShareError::Expired(_) => ErrorCode::NotFound,
            ShareError::SignIn => ErrorCode::Unauthenticated,
            ShareError::Forbidden(role) => return AppError::forbidden(*role).answered(),
            ShareError::NotYours(_) => ErrorCode::Forbidden,
            ShareError::Revoked(_) | ShareError::Full => ErrorCode::Refused,
            ShareError::Title | ShareError::TooLarge(_) => ErrorCode::Invalid,
            ShareError::Busy => ErrorCode::Unavailable,
            ShareError::Store(cause) => {
                tracing::error!(%cause, "the state store did not answer for a snapshot");
                return AppError::new(ErrorCode::Unavailable, "The state store does not answer.").answered();
            }
            cause => {
                tracing::error!(%cause, "a snapshot was not made or opened");
                return AppError::internal().answered();
            }
        };
        let said = error.to_string();
        AppError::new(code, format!("{}{}.", said[..1].to_uppercase(), &said[1..])).answered()
    }
}

#[cfg(feature = "ssr")]
impl From<headroom_engine::operations::OperationError> for AppError {
    fn from(error: headroom_engine::operations::OperationError) -> Self {
        use headroom_engine::operations::OperationError;
        let code = match &error {
            OperationError::Unknown(_) => ErrorCode::NotFound,
            OperationError::Ended | OperationError::QueueFull { .. } => ErrorCode::Refused,
            OperationError::Forbidden(_) => ErrorCode::Forbidden,
            cause => {
                tracing::error!(%cause, "an operation was refused");
                return AppError::internal();
            }
        };
        AppError::new(code, error.to_string()).answered()
    }
}

/// JSON of [`AppError`]; also reads the problem documents with which the middleware in front of server functions refuses.
#[derive(Debug)]
pub struct ErrorEncoding;

impl ContentType for ErrorEncoding {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for ErrorEncoding {
    const FORMAT_TYPE: Format = Format::Text;
}

impl Encodes<AppError> for ErrorEncoding {
    type Error = serde_json::Error;

    fn encode(error: &AppError) -> Result<Bytes, Self::Error> {
        serde_json::to_vec(error).map(Bytes::from)
    }
}

/// The members of a problem document that matter here.
#[derive(Deserialize)]
struct Refusal {
    status: u16,
    detail: String,
}

impl Decodes<AppError> for ErrorEncoding {
    type Error = serde_json::Error;

    fn decode(bytes: Bytes) -> Result<AppError, Self::Error> {
        serde_json::from_slice(&bytes).or_else(|error| match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => {
                let code = match refusal.status {
                    401 => ErrorCode::Unauthenticated,
                    403 => ErrorCode::Forbidden,
                    404 => ErrorCode::NotFound,
                    400..500 => ErrorCode::Invalid,
                    503 | 504 => ErrorCode::Unavailable,
                    _ => ErrorCode::Internal,
                };
                Ok(AppError::new(code, refusal.detail))
            }
            Err(_) => Err(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_causes_never_reach_the_browser() {
        let secret = "password authentication failed for postgres://app:hunter2@db";
        for error in [
            ServerFnErrorErr::ServerError(secret.into()),
            ServerFnErrorErr::Args(secret.into()),
            ServerFnErrorErr::Request(secret.into()),
            ServerFnErrorErr::Response(secret.into()),
        ] {
            assert!(!AppError::from_server_fn_error(error).message.contains("hunter2"));
        }
    }

    #[test]
    fn an_error_survives_the_way_to_the_browser() {
        let error = AppError::forbidden(Role::Operator);
        assert_eq!(AppError::de(error.ser()), error);
    }

    #[test]
    fn a_refusal_by_the_middleware_is_understood() {
        let problem =
            r#"{"success":false,"type":"unauthenticated","title":"Sign in","status":401,"detail":"Sign in first."}"#;
        let error = AppError::de(Bytes::from_static(problem.as_bytes()));
        assert_eq!(error, AppError::new(ErrorCode::Unauthenticated, "Sign in first."));
        assert_eq!(AppError::de(Bytes::from_static(b"<html>")).code, ErrorCode::Internal);
    }
}
