//! A lent connection.

use super::{
    Lane,
    lane::{LanePool, Returned},
    place::Place,
    session::Session,
};
use sqlx::PgConnection;
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};
use tokio::runtime::Handle;

const LENT: &str = "the session leaves a lease only when the lease ends";

/// A lent connection; dropping it gives it back. A transaction left open in it is rolled back then.
///
/// Settings changed by `SET` outlive the lease: use `SET LOCAL` inside a transaction.
pub struct Lease {
    lane: Arc<LanePool>,
    session: Option<Session>,
    place: Option<Place>,
    holder: u64,
    runtime: Handle,
    used: bool,
    discard: bool,
}

impl Lease {
    pub(super) fn new(lane: Arc<LanePool>, session: Session, place: Place, holder: u64, runtime: Handle) -> Self {
        Lease { lane, session: Some(session), place: Some(place), holder, runtime, used: false, discard: false }
    }

    /// Says what the connection is held for, for those who look at the list of holders.
    #[must_use]
    pub fn purpose(self, purpose: &str) -> Self {
        self.lane.explain(self.holder, purpose);
        self
    }

    /// Says that it is held for work that takes long and has an end of its own, so that it is no leak.
    #[must_use]
    pub fn long_work(self) -> Self {
        self.lane.expect_long(self.holder);
        self
    }

    /// The lane that lent it: of a read, where it runs.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane.lane
    }

    /// Process id of the backend, where the server told it: what another session cancels to stop a statement here.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.session.as_ref().and_then(|session| session.pid)
    }

    /// Closes the connection instead of giving it back: for one whose statement was abandoned half way.
    pub fn discard(mut self) {
        self.discard = true;
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.session.as_ref().expect(LENT).connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.used = true;
        &mut self.session.as_mut().expect(LENT).connection
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lane.let_go(self.holder);
        if let (Some(session), Some(place)) = (self.session.take(), self.place.take()) {
            let state = match (self.discard, self.used) {
                (true, _) => Returned::Broken,
                (false, true) => Returned::Used,
                (false, false) => Returned::Untouched,
            };
            self.lane.take_back(session, place, state, &self.runtime);
        }
    }
}
