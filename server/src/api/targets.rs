//! The watched targets.

use crate::{http::answer::Answer, web::Web};
use axum::extract::State;
use headroom_model::{api::Envelope, target::TargetInfo};

/// The watched targets
///
/// In configured order; the first is the one that `?target=` means when it is absent.
#[utoipa::path(get, path = "/api/v1/targets", tag = "Health", responses((status = 200, body = Envelope<Vec<TargetInfo>>, description = "All targets.")))]
pub async fn list(State(web): State<Web>) -> Answer<Vec<TargetInfo>> {
    Answer(web.console.targets())
}
