//! The score of a target, with everything behind it.

use super::latest;
use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    Band, Timestamp,
    api::Envelope,
    health::{ComponentHealth, Deduction},
    observation::{Issue, IssueKind},
    target::TargetInfo,
};
use serde::Serialize;
use utoipa::ToSchema;

/// The score of a target: what it lost, why, and what helps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// The target and whether it answers.
    pub target: TargetInfo,
    /// When the figures were taken.
    pub at: Timestamp,
    /// 0 to 100; null when nothing was measured.
    pub score: Option<u8>,
    /// The band of the score; null when there is none.
    pub status: Option<Band>,
    /// Every component.
    pub components: Vec<ComponentHealth>,
    /// What costs points, most first. Their points add up to 100 − score.
    pub deductions: Vec<Deduction>,
    /// What is wrong now, worst first.
    pub issues: Vec<Issue>,
    /// The causes of deductions that are degraded but not critical, one sentence each.
    pub warnings: Vec<String>,
    /// What could be better.
    pub recommendations: Vec<Issue>,
}

/// Health of a target
///
/// The score, its components and every deduction with cause, value and threshold; issues that need someone; and what
/// could be better. The status is 200 whatever the score: this endpoint answers about the target, not about the console.
#[utoipa::path(get, path = "/api/v1/health", tag = "Health", params(TargetQuery), responses((status = 200, body = Envelope<HealthReport>, description = "The newest score.")))]
pub async fn health(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<HealthReport>, WebError> {
    let live = latest(&web, &target)?;
    let health = &live.health;
    let degraded = health.deductions.iter().filter(|deduction| deduction.band > Band::Critical);
    let (issues, recommendations) = live.issues.iter().cloned().partition(|issue| issue.kind == IssueKind::Active);
    Ok(Answer(HealthReport {
        target: live.target.clone(),
        at: live.at,
        score: health.score,
        status: health.band(),
        components: health.components.clone(),
        deductions: health.deductions.clone(),
        warnings: degraded.map(|deduction| deduction.cause.clone()).collect(),
        issues,
        recommendations,
    }))
}
