//! The live feed as pages see it: the newest message of each kind and the state of the connection.
//!
//! One connection a page. It rests while the page is hidden, while the range is absolute and while someone paused it. A
//! message that does not come keeps the last one in place; its age tells.

use headroom_model::{Timestamp, event::Event, live::LiveUpdate, operation::Operation};
use leptos::prelude::*;

/// The connection behind the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "hydrate", test)), expect(dead_code, reason = "only the browser connects"))]
pub enum Link {
    /// Not opened yet, or resting.
    #[default]
    Resting,
    /// Carries messages.
    Open,
    /// Broken, and a first attempt to mend it failed; tried again by itself.
    Lost {
        /// First failure of this stretch.
        since: Timestamp,
        /// When it is tried again.
        retry_at: Timestamp,
    },
}

/// The feed. Signals change in the browser only.
#[derive(Clone, Copy)]
pub struct Feed {
    /// The newest view of the chosen target.
    pub live: RwSignal<Option<LiveUpdate>>,
    /// The newest event.
    pub event: RwSignal<Option<Event>>,
    /// The operation that moved last.
    pub operation: RwSignal<Option<Operation>>,
    /// The connection.
    pub link: RwSignal<Link>,
    /// Counts the times that everything should be read again.
    pub refreshes: RwSignal<u32>,
}

impl Feed {
    /// A feed at rest.
    #[must_use]
    pub fn new() -> Self {
        Feed {
            live: RwSignal::new(None),
            event: RwSignal::new(None),
            operation: RwSignal::new(None),
            link: RwSignal::new(Link::default()),
            refreshes: RwSignal::new(0),
        }
    }

    /// Whether nothing new arrives.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.link.with(|link| matches!(link, Link::Lost { .. }))
    }

    /// Asks the page to read everything again: pressed, or the connection came back after messages were missed.
    pub fn refresh(&self) {
        self.refreshes.try_update(|count| *count = count.wrapping_add(1));
    }
}

/// How long to wait before attempt `failures + 1`: 1, 2, 4, … at most 15 seconds.
#[cfg(any(feature = "hydrate", test))]
#[must_use]
pub fn backoff_ms(failures: u32) -> i64 {
    1000 * (1_i64 << failures.min(4)).min(15)
}

#[cfg(test)]
mod tests {
    use super::backoff_ms;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!((0..7).map(backoff_ms).collect::<Vec<_>>(), [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    }
}
