//! The health score: a pure assessment of a sample, and the tracker that gives its findings a since and a hold time.
//!
//! Every component starts at 100 and loses what its failed [`checks`] cost. The overall score starts at 100 and loses
//! the whole points of the `ledger`: each component can cost at most its share, and the ledger adds up exactly. What
//! was not measured is unknown: it earns nothing, costs nothing, and its component's weight goes to the measured ones.

mod assess;
pub mod checks;
mod ledger;
mod phrase;
mod settings;
mod tracker;

pub use assess::assess;
pub use settings::{HealthSettings, Limits, SessionLimits, SettingsError, Weights};
pub use tracker::HealthTracker;
