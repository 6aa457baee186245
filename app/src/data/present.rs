//! The newest view of the page's target: what was read, then what the feed tells.

use crate::layout::{Frame, use_frame};
use headroom_model::{Timestamp, format, live::LiveUpdate};
use leptos::prelude::*;

/// The present of one target.
#[derive(Clone, Copy)]
pub struct Present {
    frame: Frame,
    /// What was read last.
    pub known: RwSignal<LiveUpdate>,
    /// The newest view of the target.
    pub live: Memo<LiveUpdate>,
    /// The moment of that view, once the connection is lost.
    stale_since: Memo<Option<Timestamp>>,
}

impl Present {
    /// Follows the feed from a first view on.
    #[must_use]
    pub fn new(first: LiveUpdate) -> Self {
        let frame = use_frame();
        let known = RwSignal::new(first);
        let live = Memo::new(move |_| {
            let known = known.read();
            frame.feed.live.with(|live| match live {
                Some(live) if live.target.id == known.target.id && live.at >= known.at => live.clone(),
                _ => known.clone(),
            })
        });
        let stale_since = Memo::new(move |_| frame.feed.is_lost().then(|| live.with(|live| live.at)));
        Present { frame, known, live, stale_since }
    }

    /// Whether the connection is lost, so that what is shown is of an earlier moment.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale_since.get().is_some()
    }

    /// "as of 14:24", once the connection is lost.
    #[must_use]
    pub fn as_of(&self) -> Option<String> {
        let at = self.stale_since.get()?;
        Some(format!("as of {}", format::moment(at, self.frame.now.get())))
    }
}
