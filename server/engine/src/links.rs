//! The one place that knows where in the console something is shown, so that a new page changes links here alone.

use headroom_model::{TargetId, health::Link};

/// Something a finding can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The charts of the Overview.
    Trends,
    /// The issues of the Overview.
    Issues,
}

/// A link to a place, for one target. Target names need no escaping: `[a-z0-9-]`.
#[must_use]
pub fn link(place: Place, target: &TargetId) -> Link {
    let (label, anchor) = match place {
        Place::Trends => ("Trends", "h-tr"),
        Place::Issues => ("Issues", "h-iss"),
    };
    Link { label: label.to_owned(), href: format!("/?target={target}#{anchor}") }
}
