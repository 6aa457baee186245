//! The spine: one task a target collects, publishes once, and every reader takes it from there.
//!
//! A `watch` asks both servers for a sign of life every two seconds and collects every five. What it sees goes to the
//! health score, the `slot` (pages, API, exposition), the history and the live `feed`. A state store that does not
//! answer never holds a collection up: series wait in the history, events in the feed's bounded backlog.

pub(crate) mod feed;
pub(crate) mod leaks;
pub(crate) mod lease;
pub(crate) mod process;
mod reach;
pub(crate) mod slot;
pub(crate) mod watch;
