//! What the live feed carries: one message a sample, one an event, one an operation's step.

use crate::{
    event::Event,
    health::Health,
    observation::Issue,
    operation::Operation,
    sample::Figures,
    target::TargetInfo,
    {TargetId, Timestamp},
};
use serde::{Deserialize, Serialize};

/// A newly published view of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LiveUpdate {
    /// When the figures were taken. While a target is down this stays at its last sample.
    pub at: Timestamp,
    /// The target and whether it answers.
    pub target: TargetInfo,
    /// Score and deductions.
    pub health: Health,
    /// Every figure, by metric id.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, f64>))]
    pub figures: Figures,
    /// What needs someone, worst first.
    pub issues: Vec<Issue>,
}

/// One message of the live feed (SSE `event:` is the variant's name in lower case). A reader goes by that name: each variant
/// can be read from the same JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::large_enum_variant, reason = "messages travel behind an Arc; a second box would only add a hop")
)]
pub enum LiveMessage {
    /// A sample was published or a target's reach changed.
    Update(Box<LiveUpdate>),
    /// Something happened.
    Event(Event),
    /// An operation moved.
    Operation(Operation),
}

impl LiveMessage {
    /// The SSE event name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            LiveMessage::Update(_) => "update",
            LiveMessage::Event(_) => "event",
            LiveMessage::Operation(_) => "operation",
        }
    }

    /// The target the message concerns; none means it concerns every page.
    #[must_use]
    pub fn target(&self) -> Option<&TargetId> {
        match self {
            LiveMessage::Update(update) => Some(&update.target.id),
            LiveMessage::Event(event) => event.event.target.as_ref(),
            LiveMessage::Operation(operation) => operation.target.as_ref(),
        }
    }
}
