//! Who the caller is.

use crate::{access::Caller, http::answer::Answer};
use headroom_model::{Actor, access::Proof, api::Envelope};
use serde::Serialize;
use utoipa::ToSchema;

/// The caller as the console knows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionReport {
    /// Who, with which role, proven how.
    pub actor: Actor,
    /// Whether no user and no token is defined, so that everyone on this machine acts as admin.
    pub open_access: bool,
}

/// Who am I
///
/// The actor this request acts as.
#[utoipa::path(get, path = "/api/v1/session", tag = "Access", responses((status = 200, body = Envelope<SessionReport>, description = "The caller.")))]
pub async fn session(caller: Caller) -> Answer<SessionReport> {
    let open_access = caller.actor.proof == Proof::Loopback;
    Answer(SessionReport { actor: caller.actor, open_access })
}
