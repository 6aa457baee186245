//! Prometheus exposition (text format 0.0.4) of the newest samples.

use crate::console::Console;

/// Every figure of every target, in base units (seconds, bytes, ratios), named after the catalogue.
#[must_use]
pub fn exposition(_console: &Console) -> String {
    unimplemented!()
}
