//! One line a target: what a wall display or a chat command shows.

use super::latest;
use crate::{
    http::{answer::Answer, error::WebError},
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    Band, MetricId, TargetId, Timestamp, api::Envelope, observation::IssueKind, sample::Figures, target::Reach,
};
use serde::Serialize;
use utoipa::ToSchema;

/// The figures a summary shows.
const KEY_FIGURES: [MetricId; 10] = [
    MetricId::QueryLatencyP95,
    MetricId::Queries,
    MetricId::ConnectionsUsed,
    MetricId::BufferHitRatio,
    MetricId::DatabaseSize,
    MetricId::RedisHitRatio,
    MetricId::RedisMemoryUsed,
    MetricId::LocksWaiting,
    MetricId::PoolUsed,
    MetricId::LongestIdleInTransaction,
];

/// All targets at a glance.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The console's clock.
    pub at: Timestamp,
    /// One line a target, in configured order.
    pub targets: Vec<TargetSummary>,
    /// Operations that wait or run.
    pub operations_active: usize,
}

/// One target at a glance.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSummary {
    /// Its name.
    pub id: TargetId,
    /// When its figures were taken.
    pub at: Timestamp,
    /// 0 to 100; null when nothing was measured.
    pub score: Option<u8>,
    /// The band of the score.
    pub status: Option<Band>,
    /// Whether PostgreSQL answers.
    pub postgres: Reach,
    /// Whether Redis answers.
    pub redis: Reach,
    /// Issues that need someone now.
    pub issues_active: usize,
    /// The worst of them.
    pub worst: Option<String>,
    /// The figures people ask for first, by metric id. What was not measured is absent.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    pub figures: Figures,
}

/// All targets at a glance
///
/// One line a target: score, reach, number of issues with the worst one, and the figures people ask for first.
#[utoipa::path(get, path = "/api/v1/summary", tag = "Health", responses((status = 200, body = Envelope<Summary>, description = "All targets.")))]
pub async fn summary(State(web): State<Web>) -> Result<Answer<Summary>, WebError> {
    let targets = web.console.targets().iter().map(|target| line(&web, &target.id)).collect::<Result<_, _>>()?;
    let operations = web.console.operations.list(None);
    Ok(Answer(Summary {
        at: web.console.clock.now(),
        targets,
        operations_active: operations.iter().filter(|operation| !operation.state.is_final()).count(),
    }))
}

fn line(web: &Web, target: &TargetId) -> Result<TargetSummary, WebError> {
    let live = latest(web, target)?;
    let mut active = live.issues.iter().filter(|issue| issue.kind == IssueKind::Active);
    let worst = active.clone().next().map(|issue| issue.title.clone());
    Ok(TargetSummary {
        id: target.clone(),
        at: live.at,
        score: live.health.score,
        status: live.health.band(),
        postgres: live.target.postgres.clone(),
        redis: live.target.redis.clone(),
        issues_active: active.by_ref().count(),
        worst,
        figures: KEY_FIGURES.iter().filter_map(|id| live.figures.get(id).map(|value| (*id, *value))).collect(),
    })
}
