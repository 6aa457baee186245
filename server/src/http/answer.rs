//! The success envelope.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use headroom_model::api::Envelope;
use serde::Serialize;

/// An answer in the envelope, without pagination.
#[derive(Clone, Debug)]
pub struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        Json(Envelope::new(self.0)).into_response()
    }
}
