//! Issues and recommendations drawn from an observation.

use crate::collect::Observation;
use headroom_model::{health::Health, observation::Issue};

/// What needs someone, worst first; suggestions after active issues. At most 20.
#[must_use]
pub fn draw(_observation: &Observation, _health: &Health) -> Vec<Issue> {
    unimplemented!()
}
