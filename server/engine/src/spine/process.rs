//! One reader of this process, shared by all targets.

use crate::{collect::ProcessCollector, requests::RequestStats};
use headroom_model::sample::Figures;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Reads the process at most once an interval; every target's sample carries the same figures.
pub(crate) struct SharedProcess {
    every: Duration,
    state: Mutex<State>,
}

struct State {
    collector: ProcessCollector,
    read_at: Option<Instant>,
    figures: Figures,
}

impl fmt::Debug for SharedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProcess").finish_non_exhaustive()
    }
}

impl SharedProcess {
    /// Starts the reader inside the runtime that it measures.
    pub fn start(requests: Arc<RequestStats>, every: Duration) -> Self {
        let collector = ProcessCollector::start(requests);
        SharedProcess { every, state: Mutex::new(State { collector, read_at: None, figures: Figures::new() }) }
    }

    /// The figures of the newest interval.
    pub fn figures(&self) -> Figures {
        // A panic while reading leaves the previous figures, which are as good as any.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Targets tick apart: half an interval is the point from which on the figures are another interval's.
        if state.read_at.is_none_or(|at| now.duration_since(at) > self.every / 2) {
            state.figures = state.collector.collect();
            state.read_at = Some(now);
        }
        state.figures.clone()
    }
}
