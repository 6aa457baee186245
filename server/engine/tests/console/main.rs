//! The console over real servers: figures arrive, outages show, actions do what they say.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

mod leaks;
mod moment;
mod outage;
mod publish;
mod reset;
mod sessions;
mod statements;
mod support;
