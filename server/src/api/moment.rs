//! What ran in one minute.

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Params, choose},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    api::Envelope,
    moment::Moment,
    range::{self, Edge},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which minute.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MomentQuery {
    /// A target's name; the first configured one when absent.
    pub target: Option<String>,
    /// Any moment of the minute: `now-5m`, epoch milliseconds, ISO 8601.
    #[param(example = "now-5m")]
    pub at: String,
}

/// What ran in a minute
///
/// Statements, waits, sessions, lock trees and datasets of one minute, with the events, operations and actions from a minute
/// before to a minute after it. Without a record, `absence` says why and names the nearest minute that has one.
#[utoipa::path(get, path = "/api/v1/history/moment", tag = "Figures", params(MomentQuery), responses((status = 200, body = Envelope<Moment>, description = "What is known of the minute.")))]
pub async fn moment(State(web): State<Web>, Params(query): Params<MomentQuery>) -> Result<Answer<Moment>, WebError> {
    let target = choose(&web, query.target.as_deref())?;
    let at = range::moment(&query.at, web.console.clock.now(), Edge::Start).ok_or_else(|| {
        WebError::field(
            "at",
            "not a moment; allowed: now-5m, epoch milliseconds, 2026-11-19T08:32:00Z, yesterday 09:00",
        )
    })?;
    Ok(Answer(web.console.moment(&target, at).await?))
}
