//! The console over real servers: figures arrive, outages show, actions do what they say.

mod outage;
mod publish;
mod reset;
mod support;
