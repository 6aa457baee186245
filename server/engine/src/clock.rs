//! The one place where the wall clock is read. Everything else is handed a [`Clock`], so tests never wait for time.

use headroom_model::Timestamp;
use std::{fmt, sync::Arc};

/// Tells the time, in UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Clock::from_fn(|| {
            #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
            let now = std::time::SystemTime::now();
            time::OffsetDateTime::from(now).into()
        })
    }

    /// A clock that asks `tell`: tests pass one they can move.
    pub fn from_fn(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock(Arc::new(tell))
    }

    /// The moment it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
